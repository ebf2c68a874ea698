import { Secret } from "../core/secret.ts";
import { isDatabaseName } from "./kinds.ts";
import { formatOrigin, Layer, type Origin, type SourceName } from "./layer.ts";
import { foundShape, keyName } from "./messages.ts";
import { DATABASES_KEYS, LEGACY_KEYS, settingNames, TEMPLATE_PREFIX } from "./names.ts";
import {
  type Entry,
  type Reading,
  readSettings,
  refuseUnknown,
} from "./read_settings.ts";

/** Reads a whole configuration: the settings at the root and the map of databases. */
export function readDocument(reading: Reading, value: unknown): void {
  const { dialect, layer } = reading;
  const entries = reading.entries(value, []);
  if (entries === undefined) {
    const allowed = dialect === "yaml"
      ? "a mapping of settings"
      : 'an object of settings, such as { url: "redis://localhost" }';
    const origin = reading.origin([], "value");
    return layer.refuse(origin, "", `found ${foundShape(value)}, allowed: ${allowed}`);
  }
  const names = settingNames(dialect, "root");
  const databasesKeys = dialect === "yaml" ? DATABASES_KEYS : ["databases"];
  const settings: Entry[] = [];
  const maps: Entry[] = [];
  for (const entry of entries) {
    const { key, path } = entry;
    const legacy = dialect === "yaml" ? LEGACY_KEYS.get(key) : undefined;
    if (databasesKeys.includes(key)) maps.push(entry);
    else if (names.has(key)) settings.push(entry);
    else if (dialect === "yaml" && key.startsWith(TEMPLATE_PREFIX)) continue;
    else if (legacy !== undefined) {
      const where = formatOrigin(reading.origin(path, "key"));
      layer.warnings.push(`${where}: ${key} has no effect: ${legacy}`);
    } else refuseUnknown(reading, entry, [...names.keys(), ...databasesKeys], "");
  }
  readSettings(reading, settings, names, layer.root, "");
  const [databases, second] = maps;
  if (second !== undefined) {
    layer.refuse(
      reading.origin(second.path, "key"),
      second.key,
      `given beside ${databases!.key}; put all databases into one of the two`,
    );
  } else if (databases !== undefined) {
    layer.databasesKey = databases.key;
    const allowed = "a mapping of names to settings";
    for (const database of mappingOf(reading, databases, databases.key, allowed)) {
      readDatabase(reading, database);
    }
  }
}

/** The entries of a mapping; none, and a problem, if it is something else. */
function mappingOf(
  reading: Reading,
  entry: Entry,
  label: string,
  allowed: string,
): Entry[] {
  const value = reading.expand(entry.value, entry, label);
  if (value === undefined || value === null) return [];
  const entries = reading.entries(value, entry.path);
  if (entries !== undefined) return entries;
  const message = `found ${foundShape(value)}, allowed: ${allowed}`;
  reading.layer.refuse(reading.origin(entry.path, "value"), label, message);
  return [];
}

function readDatabase(reading: Reading, entry: Entry): void {
  const { dialect, layer } = reading;
  const origin = reading.origin(entry.path, "key");
  if (!isDatabaseName(entry.key)) {
    return layer.refuse(
      origin,
      layer.databasesKey,
      `found the name "${keyName(entry.key)}", allowed: letters, digits, _, -, . and ` +
        ":, at most 128 characters",
    );
  }
  const label = `${layer.databasesKey}.${entry.key}`;
  const values = layer.database(entry.key, origin);
  const entries = mappingOf(reading, entry, label, "a mapping");
  readSettings(reading, entries, settingNames(dialect, "database"), values, `${label}.`);
}

/** The layer of options given in code, by the label that users know them by. */
export function readOptions(
  options: unknown,
  source: SourceName = "overrides",
  label: string = source,
): Layer {
  const layer = new Layer(source);
  readDocument(codeReading(layer, { source, label }), options);
  return layer;
}

/** The layer of the options of one database, given in code. */
export function readDatabaseOptions(name: string, options: unknown): Layer {
  const layer = new Layer("overrides");
  const reading = codeReading(layer, { source: "overrides", label: "overrides" });
  readDatabase(reading, { key: name, value: options, path: ["databases", name] });
  return layer;
}

function codeReading(layer: Layer, origin: Origin): Reading {
  return {
    dialect: "code",
    layer,
    origin: () => origin,
    entries: (value, path) => {
      if (typeof value !== "object" || value === null) return undefined;
      if (Array.isArray(value) || value instanceof Secret) return undefined;
      return Object.entries(value).map(([key, value]) => ({
        key,
        value,
        path: [...path, key],
      }));
    },
    expand: (value) => value ?? undefined,
  };
}
