/**
 * What a setting may hold. YAML, environment and URLs give text and durations in
 * seconds; code gives typed values and durations in milliseconds.
 */
export type SettingKind =
  | { readonly type: "integer"; readonly min: number; readonly max: number }
  | { readonly type: "number"; readonly min: number; readonly max: number }
  | { readonly type: "duration"; readonly minMs: number; readonly maxMs: number }
  | { readonly type: "boolean" }
  | { readonly type: "choice"; readonly values: readonly (string | number)[] }
  | { readonly type: "text"; readonly format: TextFormat; readonly maxLength: number }
  | { readonly type: "secret" }
  | { readonly type: "url" }
  | { readonly type: "nodes" }
  /** Given in code alone: no file can hold one. */
  | { readonly type: "function" };

/** What a text must look like. */
export type TextFormat = "any" | "word" | "visible" | "host" | "path" | "database";

/** Longest duration in milliseconds: what a host's timer can take. */
export const MAX_DURATION_MS = 2_147_483_000;

/** Longest text in characters where nothing shorter is said. */
const MAX_TEXT = 4096;

/**
 * A whole number.
 *
 * @param min Smallest allowed.
 * @param max Largest allowed.
 * @returns The kind.
 */
export function integer(min: number, max: number): SettingKind {
  return { type: "integer", min, max };
}

/**
 * A number.
 *
 * @param min Smallest allowed.
 * @param max Largest allowed.
 * @returns The kind.
 */
export function number(min: number, max: number): SettingKind {
  return { type: "number", min, max };
}

/**
 * A duration: seconds in YAML, milliseconds in code.
 *
 * @param minMs Shortest allowed, in milliseconds.
 * @param maxMs Longest allowed, in milliseconds.
 * @returns The kind.
 */
export function duration(minMs: number, maxMs: number = MAX_DURATION_MS): SettingKind {
  return { type: "duration", minMs, maxMs };
}

/**
 * A text.
 *
 * @param format What it must look like.
 * @param maxLength Most characters.
 * @returns The kind.
 */
export function text(format: TextFormat, maxLength: number = MAX_TEXT): SettingKind {
  return { type: "text", format, maxLength };
}

/**
 * One of some words or numbers.
 *
 * @param values The words and numbers.
 * @returns The kind.
 */
export function choice(...values: (string | number)[]): SettingKind {
  return { type: "choice", values };
}

/** `true` or `false`. */
export const BOOLEAN: SettingKind = { type: "boolean" };
/** A password. */
export const SECRET: SettingKind = { type: "secret" };
/** A `redis://`, `rediss://` or `unix://` URL. */
export const URL_KIND: SettingKind = { type: "url" };
/** A list of servers. */
export const NODES: SettingKind = { type: "nodes" };

/** A function, which only code can give. */
export const FUNCTION: SettingKind = { type: "function" };

/** In which words and units a value was written: text with seconds, or code. */
export type Dialect = "yaml" | "code";

/** What each format of text allows, in words. */
const FORMATS: Record<TextFormat, string> = {
  any: "text",
  word: "a text that is not empty",
  visible: "a text of ASCII characters without spaces",
  host: "a host name or address without port or scheme",
  path: "a file path",
  database: "the name of a database",
};

/** Seconds for people: 2147483 rather than 2.147483e6. */
function seconds(ms: number): string {
  return String(ms / 1000);
}

/**
 * What a kind allows, in words, for errors and the table of settings.
 *
 * @param kind The kind.
 * @param dialect Whether durations are seconds (YAML) or milliseconds (code).
 * @returns Text such as `a whole number from 1 to 65535`.
 */
export function allowedText(kind: SettingKind, dialect: Dialect): string {
  switch (kind.type) {
    case "integer":
      return `a whole number from ${kind.min} to ${kind.max}`;
    case "number":
      return `a number from ${kind.min} to ${kind.max}`;
    case "duration":
      return dialect === "yaml"
        ? `a number of seconds from ${seconds(kind.minMs)} to ${seconds(kind.maxMs)}`
        : `a number of milliseconds from ${kind.minMs} to ${kind.maxMs}`;
    case "boolean":
      return "true or false";
    case "choice":
      return kind.values.join(" or ");
    case "text":
      return kind.format === "any"
        ? `a text of at most ${kind.maxLength} characters`
        : FORMATS[kind.format];
    case "secret":
      return dialect === "yaml"
        ? "a text"
        : "a text, a Secret or a function that gives one";
    case "url":
      return "a redis://, rediss:// or unix:// URL";
    case "nodes":
      return 'a list of {host, port} or "host:port"';
    case "function":
      return "a function, given in code";
  }
}
