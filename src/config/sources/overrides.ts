import { Secret } from "../../core/secret.ts";
import { Layer } from "../layer.ts";
import type { Origin, SourceName } from "../origin.ts";
import { readDatabase, readDocument } from "../read_document.ts";
import type { Entry, Reading } from "../read_settings.ts";

function entriesOf(value: unknown, path: readonly string[]): Entry[] | undefined {
  if (typeof value !== "object" || value === null) return undefined;
  if (Array.isArray(value) || value instanceof Secret) return undefined;
  return Object.entries(value).map(([key, value]) => ({
    key,
    value,
    path: [...path, key],
  }));
}

function readingOf(layer: Layer, origin: Origin): Reading {
  return {
    dialect: "code",
    layer,
    origin: () => origin,
    entries: entriesOf,
    expand: (value) => value ?? undefined,
  };
}

/**
 * What options given in code say.
 *
 * @param options Options of a manager, as given.
 * @param source The source that they count as.
 * @param label What people know them by.
 * @returns The layer.
 */
export function readOptions(
  options: unknown,
  source: SourceName = "overrides",
  label: string = source,
): Layer {
  const layer = new Layer(source);
  readDocument(readingOf(layer, { source, label }), options);
  return layer;
}

/**
 * What options given in code say of one database.
 *
 * @param name The database's name.
 * @param options Its options, as given.
 * @returns The layer.
 */
export function readDatabaseOptions(name: string, options: unknown): Layer {
  const layer = new Layer("overrides");
  const reading = readingOf(layer, { source: "overrides", label: "overrides" });
  readDatabase(reading, { key: name, value: options, path: ["databases", name] });
  return layer;
}
