import { parse } from "@std/yaml/parse";
import { ConfigError } from "../core/errors/base.ts";
import { DATABASES_KEYS, isGroup, settingNames } from "./names.ts";
import {
  locateYaml,
  type YamlEntry,
  type YamlPositions,
} from "./sources/yaml_positions.ts";

/** Options of {@linkcode editSettings}. */
export interface EditSettingsOptions {
  /** Database whose settings are set; by default those at the root, for all databases. */
  database?: string;
  /** What the text is known by in errors, such as its path. Default `yaml text`. */
  origin?: string;
}

/**
 * Sets settings in a YAML text; everything else stays byte for byte: comments, order,
 * quotes, line ends. A setting that is written under another of its names keeps it.
 *
 * @param text The YAML of a configuration.
 * @param settings The values by their names in YAML, such as `max_connections`; durations
 * in seconds.
 * @param options Which database.
 * @returns The text with the values; whether they are allowed is checked by the loader.
 * @throws {ConfigError} If there is no such setting or database in the text, or it cannot
 * be set without changing something else too, such as what an alias repeats.
 *
 * @example Usage
 * ```ts
 * import { editSettings } from "@mooring/redis/config";
 * import { assertEquals } from "@std/assert";
 *
 * const text = "databases:\n  cache: { db: 5 } # fast\n\ntimeout: 3\n";
 * assertEquals(
 *   editSettings(text, { max_lanes: 2 }, { database: "cache" }),
 *   "databases:\n  cache: { db: 5, max_lanes: 2 } # fast\n\ntimeout: 3\n",
 * );
 * assertEquals(
 *   editSettings(text, { socket_timeout: 1 }),
 *   "databases:\n  cache: { db: 5 } # fast\n\ntimeout: 1\n",
 * );
 * ```
 */
export function editSettings(
  text: string,
  settings: Readonly<Record<string, number | boolean>>,
  options: EditSettingsOptions = {},
): string {
  const { database, origin = "yaml text" } = options;
  const entries = locateYaml(text);
  const refuse = (key: string, message: string) =>
    new ConfigError([{ origin, key, message }]);
  const map = DATABASES_KEYS.find((key) => entries.get([key]) !== undefined);
  const path = database === undefined ? [] : [map ?? "databases", database];
  if (database !== undefined && entries.get(path) === undefined) {
    throw refuse(`databases.${database}`, "the text has no such database");
  }
  const names = settingNames("yaml", database === undefined ? "root" : "database");
  const values: Record<string, string> = {};
  for (const [name, value] of Object.entries(settings)) {
    const setting = names.get(name);
    if (setting === undefined || isGroup(setting)) {
      throw refuse(name, "there is no setting of this name that holds one value");
    }
    const spellings = [setting.yaml, ...setting.aliases];
    const present = spellings.find((key) => entries.get([...path, key]) !== undefined);
    values[present ?? setting.yaml] = String(value);
  }
  try {
    let edited = text;
    // One after the other: each moves what is behind it.
    for (const [key, value] of Object.entries(values)) {
      edited = setValue(edited, path, key, value);
    }
    const expected: Tree = JSON.parse(sortedText(parse(text, FAILSAFE))) ?? {};
    const level = path.reduce((at, key) => (at[key] ||= {}) as Tree, expected);
    Object.assign(level, values);
    if (sortedText(expected) === sortedText(parse(edited, FAILSAFE))) return edited;
    throw new YamlEditError("more than the values would change");
  } catch (error) {
    // The parser's message may quote a password.
    const message = error instanceof YamlEditError ? error.message : "it cannot be read";
    throw refuse(path.join("."), `Cannot set the values in this text: ${message}`);
  }
}

/** Why a text cannot be edited. */
class YamlEditError extends Error {}

const FAILSAFE = { schema: "failsafe" } as const;

type Tree = Record<string, unknown>;

/** Most nodes that are compared: aliases of aliases can stand for billions. */
const MAX_NODES = 50_000;

/**
 * A document as JSON with its keys in order. What aliases repeat is there for each of them,
 * so that a change behind an alias is found.
 */
function sortedText(document: unknown): string {
  let left = MAX_NODES;
  return JSON.stringify(document, (_, value) => {
    if (--left < 0) throw new RangeError(`more than ${MAX_NODES} nodes`);
    if (typeof value !== "object" || value === null || Array.isArray(value)) return value;
    return Object.fromEntries(Object.entries(value).sort(([a], [b]) => a < b ? -1 : 1));
  });
}

/** Indentation of a mapping that has none yet, in columns. */
const INDENT = 2;
const BOM = "\uFEFF";

/** Sets one value in the mapping at a path. */
function setValue(
  text: string,
  path: readonly string[],
  key: string,
  value: string,
): string {
  const entries = locateYaml(text);
  const name = path.join(".");
  const mapping = path.length === 0 ? entries.root : entries.get(path);
  const known = entries.get([...path, key]);
  if (known !== undefined) {
    if (isBelow(known)) {
      const colon = text.indexOf(":", known.key);
      return splice(text, colon + 1, colon + 1, ` ${value}`);
    }
    if (!"*&!|>{[".includes(text[known.value]!)) {
      return splice(text, known.value, known.end, value);
    }
    throw new YamlEditError(`${name} holds something else than a scalar`);
  }
  const entry = `${key}: ${value}`;
  if (mapping !== undefined && text[mapping.value] === "{") {
    const inner = text.slice(mapping.value + 1, mapping.end - 1).trimEnd();
    const isFirst = inner === "" || inner.endsWith(",");
    const end = mapping.value + 1 + inner.length;
    return splice(text, end, end, isFirst ? ` ${entry}` : `, ${entry}`);
  }
  if (mapping !== undefined && !isBelow(mapping)) {
    throw new YamlEditError(`${name} is not a mapping of its own`);
  }
  return insertLine(text, entries, entries.childrenOf(path), mapping, entry);
}

/** Adds a line to a mapping in block style. */
function insertLine(
  text: string,
  entries: YamlPositions,
  children: readonly YamlEntry[],
  mapping: YamlEntry | undefined,
  entry: string,
): string {
  const [first] = children;
  const columnOf = ({ key }: YamlEntry) => entries.position(key).column - 1;
  const ownIndent = mapping === undefined ? 0 : columnOf(mapping) + INDENT;
  const indent = first === undefined ? ownIndent : columnOf(first);
  const nextLine = ({ key }: YamlEntry) => Math.min(lineEnd(text, key) + 1, text.length);
  // Behind the last entry whose value is on the line of its key alone.
  const last = children.findLast((child) => {
    const deeper = /^( *)[^\s#]/.exec(text.slice(nextLine(child)))?.[1] ?? "";
    return !isBelow(child) && deeper.length <= indent;
  }) ?? mapping;
  const at = last === undefined ? (text.startsWith(BOM) ? 1 : 0) : nextLine(last);
  const eol = text.includes("\r\n") ? "\r\n" : "\n";
  const line = `${" ".repeat(indent)}${entry}`;
  // The last line may have no end.
  const isOpen = at > 0 && !["\n", BOM].includes(text[at - 1]!);
  return splice(text, at, at, isOpen ? `${eol}${line}` : `${line}${eol}`);
}

/** Whether a value is on later lines than its key, or there is none. */
function isBelow({ key, value }: YamlEntry): boolean {
  return key === value;
}

function lineEnd(text: string, at: number): number {
  const end = text.indexOf("\n", at);
  return end < 0 ? text.length : end;
}

function splice(text: string, start: number, end: number, put: string): string {
  return text.slice(0, start) + put + text.slice(end);
}
