import { Secret } from "../core/secret.ts";

/** What a text must look like. */
export type TextFormat = "any" | "word" | "visible" | "host" | "path" | "database";

/** The names and units of a source: YAML's (seconds) or those of code (milliseconds). */
export type Dialect = "yaml" | "code";

/**
 * What a setting may hold. `T` is the type of its value in code; a table that is typed by
 * an interface is checked against it.
 */
export type SettingKind<T = unknown> =
  & (
    | { readonly type: "integer"; readonly min: number; readonly max: number }
    | { readonly type: "number"; readonly min: number; readonly max: number }
    | { readonly type: "duration"; readonly minMs: number; readonly maxMs: number }
    | { readonly type: "choice"; readonly values: readonly (string | number)[] }
    | { readonly type: "text"; readonly format: TextFormat; readonly maxLength: number }
    | { readonly type: "boolean" | "secret" | "url" | "nodes" }
    /** Given in code alone. */
    | { readonly type: "function" }
  )
  & { readonly valueType?: T };

/** Longest duration in milliseconds that a timer of the runtime takes. */
const MAX_DURATION_MS = 2_147_483_000;
const MAX_TEXT = 4096;

/** A whole number from `min` to `max`. */
export function integer(min: number, max: number): SettingKind<number> {
  return { type: "integer", min, max };
}

/** A number from `min` to `max`. */
export function number(min: number, max: number): SettingKind<number> {
  return { type: "number", min, max };
}

/** A duration: seconds in YAML, milliseconds in code. */
export function duration(minMs: number, maxMs = MAX_DURATION_MS): SettingKind<number> {
  return { type: "duration", minMs, maxMs };
}

/** A text of a format. */
export function text(format: TextFormat, maxLength = MAX_TEXT): SettingKind<string> {
  return { type: "text", format, maxLength };
}

/** One of some words or numbers. */
export function choice<const T extends readonly (string | number)[]>(
  ...values: T
): SettingKind<T[number]> {
  return { type: "choice", values };
}

export const BOOLEAN: SettingKind<boolean> = { type: "boolean" };
/** A password. */
export const SECRET: SettingKind<Secret> = { type: "secret" };
/** A `redis://`, `rediss://` or `unix://` URL. */
export const URL_KIND: SettingKind<string> = { type: "url" };
/** A list of servers. */
export const NODES: SettingKind<readonly { host: string; port: number }[]> = {
  type: "nodes",
};

/** What a kind allows, in words, for errors and the table of settings. */
export function allowedText(kind: SettingKind, dialect: Dialect): string {
  switch (kind.type) {
    case "integer":
      return `a whole number from ${kind.min} to ${kind.max}`;
    case "number":
      return `a number from ${kind.min} to ${kind.max}`;
    case "duration":
      return dialect === "yaml"
        ? `a number of seconds from ${kind.minMs / 1000} to ${kind.maxMs / 1000}`
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

const FORMATS: Record<TextFormat, string> = {
  any: "text",
  word: "a text that is not empty",
  visible: "a text of ASCII characters without spaces",
  host: "a host name or address without port or scheme",
  path: "a file path",
  database: "the name of a database",
};

/** Whether a typed value, durations in milliseconds, is inside what its kind allows. */
export function isAllowed(kind: SettingKind, value: unknown): boolean {
  const isBetween = (min: number, max: number) =>
    Number.isFinite(value) && Number(value) >= min && Number(value) <= max;
  switch (kind.type) {
    case "integer":
      return Number.isSafeInteger(value) && isBetween(kind.min, kind.max);
    case "number":
      return isBetween(kind.min, kind.max);
    case "duration":
      return isBetween(kind.minMs, kind.maxMs);
    case "choice":
      return kind.values.includes(value as string | number);
    case "text":
      return typeof value === "string" && value.length <= kind.maxLength &&
        hasFormat(kind.format, value);
    case "secret":
    case "url":
      return typeof value === "string";
    case "nodes":
      return Array.isArray(value);
    case "boolean":
      return typeof value === "boolean";
    case "function":
      return typeof value === "function";
  }
}

// deno-lint-ignore no-control-regex -- control characters are what is refused here
const CONTROL = /[\x00-\x1f\x7f]/;

function hasFormat(format: TextFormat, value: string): boolean {
  switch (format) {
    case "any":
      return !value.includes("\0");
    case "word":
    case "path":
      return value.trim() !== "" && !CONTROL.test(value);
    case "visible":
      return /^[!-~]+$/.test(value);
    case "host":
      return isHost(value);
    case "database":
      return isDatabaseName(value);
  }
}

function isHost(value: string): boolean {
  if (value === "" || /[\s/@?#\\,;"']/.test(value) || CONTROL.test(value)) return false;
  const colons = value.split(":").length - 1;
  // One colon is a port in the wrong place, several are an IPv6 address.
  return colons === 0 || (colons > 1 && /^\[?[0-9a-fA-F:.]+(%[\w.-]+)?\]?$/.test(value));
}

/** Names that mean something else as keys of a plain object. */
const RESERVED_NAMES = ["__proto__", "constructor", "prototype"];

/**
 * Whether a text can name a database: letters, digits, `_`, `-`, `.` and `:`, not
 * starting with punctuation other than `_`, at most 128 characters.
 */
export function isDatabaseName(name: string): boolean {
  return /^[A-Za-z0-9_][A-Za-z0-9_.:-]{0,127}$/.test(name) &&
    !RESERVED_NAMES.includes(name);
}

/** A whole number as text: no sign but minus, no leading zero, no `1_000`. */
const INTEGER = /^-?(0|[1-9][0-9]*)$/;
const DECIMAL = /^-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]{1,3})?$/;

/**
 * Reads a setting out of text, as YAML, the environment and URLs give it; `url` and
 * `nodes` are read elsewhere. Nothing is guessed: `010`, `1_000`, `0x10` and `yes` are
 * refused as number or boolean, and are taken literally as text.
 *
 * @returns The value, durations in milliseconds; `undefined` if the text is not allowed.
 */
export function fromText(kind: SettingKind, raw: string): unknown {
  const value = convert(kind, raw);
  return value !== undefined && isAllowed(kind, value) ? value : undefined;
}

function convert(kind: SettingKind, raw: string): unknown {
  switch (kind.type) {
    case "integer":
      return INTEGER.test(raw) ? Number(raw) : undefined;
    case "number":
      return DECIMAL.test(raw) ? Number(raw) : undefined;
    case "duration":
      // To the microsecond: 0.1 s must not become 100.00000000000001 ms.
      return DECIMAL.test(raw) ? Math.round(Number(raw) * 1e6) / 1e3 : undefined;
    case "boolean":
      // YAML's own spellings alone: `yes` and `on` are words.
      if (/^(true|True|TRUE)$/.test(raw)) return true;
      return /^(false|False|FALSE)$/.test(raw) ? false : undefined;
    case "choice":
      return kind.values.find((value) => String(value) === raw);
    case "text":
      return kind.format === "host" ? stripBrackets(raw) : raw;
    default:
      return raw;
  }
}

/**
 * Reads a setting out of a value given in code, durations in milliseconds. Types are not
 * converted: a port is a number, `"6379"` is refused.
 *
 * @returns The value; `undefined` if it is not allowed.
 */
export function fromCode(kind: SettingKind, raw: unknown): unknown {
  if (kind.type === "secret") {
    return raw instanceof Secret || typeof raw === "string" || typeof raw === "function"
      ? raw
      : undefined;
  }
  const isHostText = kind.type === "text" && kind.format === "host";
  const value = isHostText && typeof raw === "string" ? stripBrackets(raw) : raw;
  return isAllowed(kind, value) ? value : undefined;
}

/** An IPv6 address without the brackets that URLs put around it. */
function stripBrackets(host: string): string {
  return host.startsWith("[") && host.endsWith("]") ? host.slice(1, -1) : host;
}
