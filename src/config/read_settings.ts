import { nearest } from "../core/errors/base.ts";
import { Secret, type SecretProvider } from "../core/secret.ts";
import { readEndpointUrl } from "./endpoint_url.ts";
import type { Layer, ValueMap } from "./layer.ts";
import type { Origin } from "./origin.ts";
import { readNodes } from "./read_nodes.ts";
import { foundShape, foundText, keyName, quote } from "./schema/found.ts";
import { fromCode } from "./schema/from_code.ts";
import { fromText } from "./schema/from_text.ts";
import { allowedText, type Dialect } from "./schema/kinds.ts";
import { warnIfMilliseconds } from "./schema/milliseconds.ts";
import {
  isGroup,
  type SettingNames,
  settingOf,
  translatedName,
  writtenName,
} from "./schema/names.ts";
import type { Setting } from "./schema/setting.ts";

/** Entries of a mapping: each key with its value and its path in the source. */
export interface Entry {
  /** The key as it is written. */
  readonly key: string;
  /** The value as the source gives it. */
  readonly value: unknown;
  /** Path in the source, for its position. */
  readonly path: readonly string[];
}

/** How one source gives its mappings and values. */
export interface Reading {
  /** YAML's names and seconds, or code's names and milliseconds. */
  readonly dialect: Dialect;
  /** Where problems go. */
  readonly layer: Layer;
  /** Where a key, or its value, stands. */
  origin(path: readonly string[], part: "key" | "value"): Origin;
  /** The entries of a mapping; `undefined` if the value is none. */
  entries(value: unknown, path: readonly string[]): Entry[] | undefined;
  /**
   * A value with its `${NAME}` filled in; `undefined` when it is as if absent, or
   * when a problem has been noted.
   */
  expand(value: unknown, entry: Entry, key: string): unknown;
}

/**
 * Reads the settings of one level out of a mapping.
 *
 * @param reading How the source gives its values.
 * @param entries The mapping's entries; keys that `names` does not know are refused.
 * @param names What the keys stand for.
 * @param into Where the values go.
 * @param prefix Path of the level, such as `databases.cache.`.
 */
export function readSettings(
  reading: Reading,
  entries: readonly Entry[],
  names: SettingNames,
  into: ValueMap,
  prefix: string,
): void {
  let url: Entry | undefined;
  for (const entry of entries) {
    const named = names.get(entry.key);
    if (named !== undefined && !isGroup(named) && named.kind.type === "url") {
      url = entry;
    } else if (named === undefined) {
      refuseUnknown(reading, entry, [...names.keys()], prefix);
    } else if (isGroup(named)) {
      const label = `${prefix}${entry.key}`;
      const value = reading.expand(entry.value, entry, label);
      if (value === undefined || value === null) continue;
      const members = reading.entries(value, entry.path);
      const short = named.members.get("enabled");
      if (members !== undefined) {
        readSettings(reading, members, named.members, into, `${label}.`);
      } else if (
        short !== undefined && readScalar(reading.dialect, short, value) !== undefined
      ) {
        readSetting(reading, entry, short, into, label);
      } else {
        const allowed = short === undefined ? "a mapping" : "a mapping, true or false";
        refuse(reading, entry, label, `found ${foundShape(value)}, allowed: ${allowed}`);
      }
    } else readSetting(reading, entry, named, into, `${prefix}${entry.key}`);
  }
  // Last, so that what the URL says can be held against what is said beside it.
  if (url !== undefined) readUrl(reading, url, into, `${prefix}${url.key}`);
}

/**
 * Notes a key that nothing knows.
 *
 * @param reading How the source gives its values.
 * @param entry The key.
 * @param known The keys that there are.
 * @param prefix Path of the level.
 */
export function refuseUnknown(
  reading: Reading,
  entry: Entry,
  known: readonly string[],
  prefix: string,
): void {
  reading.layer.refuse(
    reading.origin(entry.path, "key"),
    `${prefix}${keyName(entry.key)}`,
    `unknown setting${hintFor(reading, entry.key, known)}`,
  );
}

function hintFor(reading: Reading, key: string, known: readonly string[]): string {
  const glued = /^(\w+):/.exec(key)?.[1];
  if (glued !== undefined && known.includes(glued)) {
    return `; there is no space after "${glued}:"`;
  }
  const translated = translatedName(key, reading.dialect, known);
  if (translated !== undefined) return `; did you mean ${quote(translated)}?`;
  // Looking for the nearest of many names is dear: a file of typos gets a few hints.
  const meant = reading.layer.takeHint() ? nearest(key, known) : undefined;
  return meant === undefined ? "" : `; did you mean ${quote(meant)}?`;
}

function refuse(reading: Reading, entry: Entry, key: string, message: string): void {
  reading.layer.refuse(reading.origin(entry.path, "value"), key, message);
}

function readSetting(
  reading: Reading,
  entry: Entry,
  setting: Setting,
  into: ValueMap,
  label: string,
): void {
  const raw = Array.isArray(entry.value)
    ? entry.value
    : reading.expand(entry.value, entry, label);
  if (raw === undefined || raw === null) return;
  const origin = reading.origin(entry.path, "value");
  if (into.has(setting.key)) {
    return refuse(reading, entry, label, "given twice, by two of its names");
  }
  if (setting.kind.type === "nodes") {
    const nodes = readNodes(reading, entry, label);
    if (nodes !== undefined) into.set(setting.key, { value: nodes, origin });
    return;
  }
  const value = readScalar(reading.dialect, setting, raw);
  if (value === undefined) {
    const found = setting.kind.type === "secret" ? describeSecret(raw) : foundText(raw);
    const allowed = allowedText(setting.kind, reading.dialect);
    return refuse(reading, entry, label, `found ${found}, allowed: ${allowed}`);
  }
  if (setting.kind.type === "secret") {
    if (value === "") return;
    into.set(setting.key, { value: asSecret(value), origin });
  } else into.set(setting.key, { value, origin });
  if (reading.dialect === "yaml") {
    warnIfMilliseconds(reading.layer, setting, value, origin, label);
  }
}

function readScalar(dialect: Dialect, setting: Setting, raw: unknown): unknown {
  if (dialect === "code") return fromCode(setting.kind, raw);
  return typeof raw === "string" ? fromText(setting.kind, raw) : undefined;
}

/** Of a secret only its type is told. */
function describeSecret(raw: unknown): string {
  if (Array.isArray(raw)) return "a list";
  return typeof raw === "object" ? "a mapping" : `a ${typeof raw}`;
}

function asSecret(value: unknown): Secret {
  return value instanceof Secret ? value : new Secret(value as string | SecretProvider);
}

function readUrl(reading: Reading, entry: Entry, into: ValueMap, label: string): void {
  const raw = reading.expand(entry.value, entry, label);
  if (raw === undefined || raw === null) return;
  if (typeof raw !== "string") {
    return refuse(reading, entry, label, `found ${foundText(raw)}, allowed: a URL`);
  }
  const url = readEndpointUrl(raw);
  if (!url.ok) return refuse(reading, entry, label, url.message);
  const origin = reading.origin(entry.path, "value");
  for (const [key, value] of url.values) {
    const beside = into.get(key);
    if (beside === undefined) {
      const kept = key === "password" ? new Secret(value as string) : value;
      into.set(key, { value: kept, origin });
      const written = writtenName(key, "yaml");
      warnIfMilliseconds(reading.layer, settingOf(key), value, origin, written);
    } else if (key !== "db" && beside.value !== value) {
      // A number beside a URL is meant: the URL that a platform gives ends in /0.
      const name = writtenName(key, reading.dialect);
      refuse(reading, entry, label, `the url and ${name} contradict each other`);
    }
  }
}
