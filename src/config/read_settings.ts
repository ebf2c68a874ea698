import { formatAddress } from "../core/address.ts";
import { nearest } from "../core/errors/base.ts";
import { Secret, type SecretProvider } from "../core/secret.ts";
import { readEndpointUrl } from "./endpoint_url.ts";
import { allowedText, type Dialect, fromCode, fromText } from "./kinds.ts";
import type { Layer, Origin, ValueMap } from "./layer.ts";
import { foundShape, foundText, keyName, quote, warnIfMilliseconds } from "./messages.ts";
import {
  isGroup,
  type Setting,
  type SettingNames,
  settingOf,
  translatedName,
  writtenName,
} from "./names.ts";
import type { NodeAddress } from "./settings.ts";

/** An entry of a mapping. */
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
  readonly dialect: Dialect;
  /** Gets the problems and warnings. */
  readonly layer: Layer;
  /** Where a key, or its value, is. */
  origin(path: readonly string[], part: "key" | "value"): Origin;
  /** The entries of a mapping; `undefined` if the value is none. */
  entries(value: unknown, path: readonly string[]): Entry[] | undefined;
  /**
   * A value with its `${NAME}` filled in; `undefined` if it counts as absent, or after a
   * problem has been reported.
   */
  expand(value: unknown, entry: Entry, key: string): unknown;
}

/**
 * Reads the settings of one level out of the entries of a mapping. Keys that `names` does
 * not know are problems.
 *
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
    const label = `${prefix}${entry.key}`;
    if (named === undefined) refuseUnknown(reading, entry, [...names.keys()], prefix);
    else if (isGroup(named)) readGroup(reading, entry, named.members, into, label);
    else if (named.kind.type === "url") url = entry;
    else readSetting(reading, entry, named, into, label);
  }
  // Last, so that the URL is compared with the settings beside it.
  if (url !== undefined) readUrl(reading, url, into, `${prefix}${url.key}`);
}

function readGroup(
  reading: Reading,
  entry: Entry,
  members: ReadonlyMap<string, Setting>,
  into: ValueMap,
  label: string,
): void {
  const value = reading.expand(entry.value, entry, label);
  if (value === undefined || value === null) return;
  const entries = reading.entries(value, entry.path);
  // `tls: true` is short for `tls: {enabled: true}`.
  const short = members.get("enabled");
  if (entries !== undefined) {
    readSettings(reading, entries, members, into, `${label}.`);
  } else if (
    short !== undefined && readScalar(reading.dialect, short, value) !== undefined
  ) {
    readSetting(reading, entry, short, into, label);
  } else {
    const allowed = short === undefined
      ? `a mapping of ${[...members.keys()].join(", ")}`
      : "a mapping, true or false";
    refuse(reading, entry, label, `found ${foundShape(value)}, allowed: ${allowed}`);
  }
}

/** Reports an unknown key, with the key that was probably meant. */
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
  // Comparing with many names is expensive: a file full of typos gets a few hints.
  const meant = translatedName(key, reading.dialect, known) ??
    (reading.layer.takeHint() ? nearest(key, known) : undefined);
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
  if (setting.kind.type === "addresses" && typeof raw !== "function") {
    const value = readAddressMap(reading, { ...entry, value: raw }, setting, label);
    if (value !== undefined) into.set(setting.key, { value, origin });
    return;
  }
  const value = setting.kind.type === "texts"
    ? expandTexts(reading, entry, raw, label)
    : raw;
  if (value !== undefined) setScalar(reading, setting, value, into, origin, label);
}

/** A list of texts, each with its `${NAME}` filled in; what is no list as it is. */
function expandTexts(
  reading: Reading,
  { path }: Entry,
  raw: unknown,
  label: string,
): unknown {
  if (!Array.isArray(raw)) return raw;
  const texts = raw.map((value, i) => {
    const key = String(i);
    const item = { key, value, path: [...path, key] };
    return reading.expand(value, item, `${label}.${key}`);
  });
  return texts.includes(undefined) ? undefined : Object.freeze(texts);
}

/** Sets one value, or reports why it is not allowed. */
export function setScalar(
  { dialect, layer }: Pick<Reading, "dialect" | "layer">,
  setting: Setting,
  raw: unknown,
  into: ValueMap,
  origin: Origin,
  label: string,
): void {
  const { key, kind } = setting;
  const value = readScalar(dialect, setting, raw);
  if (value === undefined) {
    const found = kind.type === "secret" ? describeSecret(raw) : foundText(raw);
    const allowed = allowedText(kind, dialect);
    return layer.refuse(origin, label, `found ${found}, allowed: ${allowed}`);
  }
  if (kind.type !== "secret") into.set(key, { value, origin });
  else if (value !== "") into.set(key, { value: asSecret(value), origin });
  if (dialect === "yaml") warnIfMilliseconds(layer, setting, value, origin, label);
}

function readScalar(dialect: Dialect, setting: Setting, raw: unknown): unknown {
  if (dialect === "code" || setting.kind.type === "texts") {
    return fromCode(setting.kind, raw);
  }
  return typeof raw === "string" ? fromText(setting.kind, raw) : undefined;
}

/** The type of a secret, which is all that may be shown of it. */
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
    if (beside === undefined) setFromUrl(reading.layer, key, value, origin, into);
    else if (key !== "db" && beside.value !== value) {
      // A number beside a URL is meant: the URL that a platform gives ends in /0.
      const name = writtenName(key, reading.dialect);
      refuse(reading, entry, label, `the url and ${name} contradict each other`);
    }
  }
}

/** Sets a value that a URL gives. */
export function setFromUrl(
  layer: Layer,
  key: string,
  value: unknown,
  origin: Origin,
  into: ValueMap,
  prefix = "",
): void {
  into.set(key, { value: key === "password" ? asSecret(value) : value, origin });
  const label = `${prefix}${writtenName(key, "yaml")}`;
  warnIfMilliseconds(layer, settingOf(key), value, origin, label);
}

/** Most servers that one database may list. */
const MAX_NODES = 1000;

/** Reads a list of servers: `{host, port}` or `"host:port"` each. */
function readNodes(
  reading: Reading,
  entry: Entry,
  label: string,
): readonly NodeAddress[] | undefined {
  const list = entry.value;
  if (!Array.isArray(list) || list.length > MAX_NODES) {
    const most = Array.isArray(list) ? ` of at most ${MAX_NODES}` : "";
    const allowed = `${allowedText(settingOf("nodes").kind, reading.dialect)}${most}`;
    refuse(reading, entry, label, `found ${foundText(list)}, allowed: ${allowed}`);
    return undefined;
  }
  const nodes: NodeAddress[] = [];
  for (const [index, value] of list.entries()) {
    const key = String(index);
    const item: Entry = { key, value, path: [...entry.path, key] };
    const node = readNode(reading, item, `${label}.${index}`);
    if (typeof node === "string") refuse(reading, item, label, node);
    if (node === undefined || typeof node === "string") return undefined;
    nodes.push(Object.freeze(node));
  }
  return Object.freeze(nodes);
}

/** Reads where announced servers are: a mapping of `"host:port"` to `"host:port"`. */
function readAddressMap(
  reading: Reading,
  entry: Entry,
  { kind }: Setting,
  label: string,
): Readonly<Record<string, string>> | undefined {
  const entries = reading.entries(entry.value, entry.path);
  if (entries === undefined || entries.length > MAX_NODES) {
    const found = entries === undefined
      ? foundText(entry.value)
      : `a mapping of ${entries.length}`;
    const most = entries === undefined ? "" : ` of at most ${MAX_NODES}`;
    const allowed = `${allowedText(kind, reading.dialect)}${most}`;
    refuse(reading, entry, label, `found ${found}, allowed: ${allowed}`);
    return undefined;
  }
  const map: Record<string, string> = {};
  for (const item of entries) {
    const value = reading.expand(item.value, item, `${label}.${keyName(item.key)}`);
    if (value === undefined) return undefined;
    const announced = readHostPort(item.key);
    const target = typeof value === "string" ? readHostPort(value) : undefined;
    if (announced === undefined || target === undefined) {
      const found = announced === undefined
        ? `the key ${quote(item.key)}`
        : `${foundText(value)} for ${quote(item.key)}`;
      const allowed = allowedText(kind, reading.dialect);
      refuse(reading, item, label, `found ${found}, allowed: ${allowed}`);
      return undefined;
    }
    map[formatAddress(announced)] = formatAddress(target);
  }
  return Object.freeze(map);
}

/** Reads `host:port`; `undefined` if it is no such text. */
function readHostPort(text: string): NodeAddress | undefined {
  const colon = text.lastIndexOf(":");
  const node = nodeOf("yaml", text.slice(0, Math.max(0, colon)), text.slice(colon + 1));
  return typeof node === "string" ? undefined : node;
}

/** A server; a message if it is none; `undefined` after a problem has been reported. */
function readNode(
  reading: Reading,
  item: Entry,
  label: string,
): NodeAddress | string | undefined {
  const value = reading.expand(item.value, item, label);
  if (value === undefined) return undefined;
  if (typeof value === "string") {
    return readHostPort(value) ?? `found ${foundText(value)}, allowed: "host:port"`;
  }
  const members = reading.entries(value, item.path);
  if (members === undefined) {
    return `found ${foundText(value)}, allowed: {host, port} or "host:port"`;
  }
  const parts = new Map<string, unknown>();
  for (const member of members) {
    if (member.key !== "host" && member.key !== "port") {
      return `unknown setting ${quote(member.key)}, allowed: host and port`;
    }
    const raw = reading.expand(member.value, member, `${label}.${member.key}`);
    if (raw === undefined) return undefined;
    parts.set(member.key, raw);
  }
  return nodeOf(reading.dialect, parts.get("host"), parts.get("port"));
}

function nodeOf(dialect: Dialect, host: unknown, port: unknown): NodeAddress | string {
  const read = {
    host: readScalar(dialect, settingOf("host"), host),
    port: readScalar(dialect, settingOf("port"), port),
  };
  for (const [key, raw] of [["host", host], ["port", port]] as const) {
    if (read[key] !== undefined) continue;
    const found = raw === undefined ? "missing" : foundText(raw);
    return `${key} is ${found}, allowed: ${allowedText(settingOf(key).kind, dialect)}`;
  }
  // Both are of the types that their settings have.
  return read as NodeAddress;
}
