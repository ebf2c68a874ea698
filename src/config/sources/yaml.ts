import { Layer } from "../layer.ts";
import type { Origin } from "../origin.ts";
import { readDocument } from "../read_document.ts";
import type { Entry, Reading } from "../read_settings.ts";
import { knownPath } from "../schema/known_path.ts";
import { YamlBudgetError, YamlEntries } from "../yaml/entries.ts";
import type { YamlPositions } from "../yaml/locate.ts";
import { parseYaml } from "../yaml/parse.ts";
import type { EnvReader } from "./env_reader.ts";
import { expandVariables } from "./expand.ts";

/** YAML's spellings of nothing, when they are not in quotes. */
const NULLS: ReadonlySet<string> = new Set(["null", "Null", "NULL", "~"]);

/**
 * What a YAML text says.
 *
 * @param text The text.
 * @param label What it is known by, such as its path.
 * @param env What `${NAME}` stands for.
 * @returns The layer.
 */
export function readYaml(text: string, label: string, env: EnvReader): Layer {
  const layer = new Layer("yaml");
  const origin: Origin = { source: "yaml", label };
  const document = parseYaml(text, origin);
  if (!document.ok) {
    layer.refuseAll(document.origin, document.key, document.message);
    return layer;
  }
  if (document.value === null) {
    layer.warnings.push(`${label}: the file is empty`);
    return layer;
  }
  try {
    readDocument(readingOf(layer, origin, document.positions, env), document.value);
  } catch (error) {
    if (!(error instanceof YamlBudgetError)) throw error;
    const at = document.positions.entries.find(error.path)?.key;
    layer.refuseAll({ ...origin, ...at }, knownPath(error.path), error.message);
  }
  return layer;
}

function readingOf(
  layer: Layer,
  file: Origin,
  positions: YamlPositions,
  env: EnvReader,
): Reading {
  const counted = new YamlEntries();
  const reading: Reading = {
    dialect: "yaml",
    layer,
    origin: (path, part) => ({ ...file, ...positions.entries.find(path)?.[part] }),
    entries: (value, path) => counted.of(value, path),
    expand: (value, entry, key) => {
      if (typeof value !== "string") return value ?? undefined;
      const quoted = positions.entries.find(entry.path)?.quoted === true;
      if (!quoted && NULLS.has(value)) return undefined;
      if (!value.includes("${")) return value;
      return expandEntry(value, entry, key);
    },
  };
  const expandEntry = (value: string, entry: Entry, key: string): string | undefined => {
    const expanded = expandVariables(value, env);
    if (!expanded.ok) {
      layer.refuse(reading.origin(entry.path, "value"), key, expanded.message);
      return undefined;
    }
    // Variables that leave nothing stand for nothing: `${REDIS_PASSWORD:-}`.
    return expanded.text === "" ? undefined : expanded.text;
  };
  return reading;
}
