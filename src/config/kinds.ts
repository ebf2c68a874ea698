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
    | { readonly type: "boolean" | "secret" | "url" | "nodes" | "addresses" | "texts" }
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

/** A list of texts. */
export const TEXTS: SettingKind<readonly string[]> = { type: "texts" };
/** Most texts of a list. */
const MAX_TEXTS = 100;
/** Addresses by addresses, each `host:port`; in code also a function. */
export const ADDRESS_MAP: SettingKind<
  | Readonly<Record<string, string>>
  | ((
    announced: { host: string; port: number },
  ) => { host: string; port: number } | string | undefined)
> = { type: "addresses" };

/** What is known of the settings of one type. */
interface Rules<K extends SettingKind> {
  /** What is allowed, in words. */
  allowed(kind: K, dialect: Dialect): string;
  /** Whether a typed value, durations in milliseconds, is allowed. */
  holds(kind: K, value: unknown): boolean;
  /** Reads the value out of text; by default the text is the value. */
  read?(raw: string, kind: K): unknown;
}

function isBetween(value: unknown, min: number, max: number): boolean {
  return Number.isFinite(value) && Number(value) >= min && Number(value) <= max;
}

/** A whole number as text: no sign but minus, no leading zero, no `1_000`. */
const INTEGER = /^-?(0|[1-9][0-9]*)$/;
const DECIMAL = /^-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]{1,3})?$/;

const readDecimal = (raw: string) => DECIMAL.test(raw) ? Number(raw) : undefined;
const isText = (_: SettingKind, value: unknown) => typeof value === "string";

const RULES: {
  readonly [T in SettingKind["type"]]: Rules<Extract<SettingKind, { type: T }>>;
} = {
  integer: {
    allowed: ({ min, max }) => `a whole number from ${min} to ${max}`,
    holds: ({ min, max }, value) =>
      Number.isSafeInteger(value) && isBetween(value, min, max),
    read: (raw) => INTEGER.test(raw) ? Number(raw) : undefined,
  },
  number: {
    allowed: ({ min, max }) => `a number from ${min} to ${max}`,
    holds: ({ min, max }, value) => isBetween(value, min, max),
    read: readDecimal,
  },
  duration: {
    allowed: ({ minMs, maxMs }, dialect) =>
      dialect === "yaml"
        ? `a number of seconds from ${minMs / 1000} to ${maxMs / 1000}`
        : `a number of milliseconds from ${minMs} to ${maxMs}`,
    holds: ({ minMs, maxMs }, value) => isBetween(value, minMs, maxMs),
    // To the microsecond: 0.1 s must not become 100.00000000000001 ms.
    read: (raw) => Math.round((readDecimal(raw) ?? NaN) * 1e6) / 1e3,
  },
  choice: {
    allowed: ({ values }) => values.join(" or "),
    holds: ({ values }, value) => values.includes(value as string | number),
    read: (raw, { values }) => values.find((value) => String(value) === raw),
  },
  text: {
    allowed: ({ format, maxLength }) =>
      format === "any"
        ? `a text of at most ${maxLength} characters`
        : FORMATS[format].allowed,
    holds: ({ format, maxLength }, value) =>
      typeof value === "string" && value.length <= maxLength &&
      FORMATS[format].holds(value),
    read: (raw, { format }) => format === "host" ? stripBrackets(raw) : raw,
  },
  boolean: {
    allowed: () => "true or false",
    holds: (_, value) => typeof value === "boolean",
    // YAML's own spellings alone: `yes` and `on` are words.
    read: (raw) =>
      /^(true|True|TRUE)$/.test(raw) || (/^(false|False|FALSE)$/.test(raw) ? false : raw),
  },
  secret: {
    allowed: (_, dialect) =>
      dialect === "yaml" ? "a text" : "a text, a Secret or a function that gives one",
    holds: isText,
  },
  url: { allowed: () => "a redis://, rediss:// or unix:// URL", holds: isText },
  nodes: {
    allowed: () => 'a list of {host, port} or "host:port"',
    holds: (_, value) => Array.isArray(value),
  },
  texts: {
    allowed: () =>
      `a list of at most ${MAX_TEXTS} texts of at most ${MAX_TEXT} characters`,
    holds: (_, value) =>
      Array.isArray(value) && value.length <= MAX_TEXTS &&
      value.every((text) => typeof text === "string" && text.length <= MAX_TEXT),
  },
  addresses: {
    allowed: (_, dialect) =>
      'a mapping of "host:port" to "host:port"' +
      (dialect === "yaml" ? "" : ", or a function"),
    holds: (_, value) => typeof value === "function",
  },
  function: {
    allowed: () => "a function, given in code",
    holds: (_, value) => typeof value === "function",
  },
};

/** The rules of a kind, which fit it as its type says which they are. */
function rulesOf(kind: SettingKind): Rules<SettingKind> {
  return RULES[kind.type] as Rules<SettingKind>;
}

/** What a kind allows, in words, for errors and the table of settings. */
export function allowedText(kind: SettingKind, dialect: Dialect): string {
  return rulesOf(kind).allowed(kind, dialect);
}

/** Whether a typed value, durations in milliseconds, is inside what its kind allows. */
export function isAllowed(kind: SettingKind, value: unknown): boolean {
  return rulesOf(kind).holds(kind, value);
}

// deno-lint-ignore no-control-regex -- control characters are what is refused here
const CONTROL = /[\x00-\x1f\x7f]/;

const isLine = (value: string) => value.trim() !== "" && !CONTROL.test(value);

/** What each format allows: in words, and whether a text is so. */
const FORMATS: Record<TextFormat, { allowed: string; holds(value: string): boolean }> = {
  any: { allowed: "text", holds: (value) => !value.includes("\0") },
  word: { allowed: "a text that is not empty", holds: isLine },
  path: { allowed: "a file path", holds: isLine },
  visible: {
    allowed: "a text of ASCII characters without spaces",
    holds: (value) => /^[!-~]+$/.test(value),
  },
  host: { allowed: "a host name or address without port or scheme", holds: isHost },
  database: { allowed: "the name of a database", holds: isDatabaseName },
};

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

/**
 * Reads a setting out of text, as YAML, the environment and URLs give it; `url` and
 * `nodes` are read elsewhere. Nothing is guessed: `010`, `1_000`, `0x10` and `yes` are
 * refused as number or boolean, and are taken literally as text.
 *
 * @returns The value, durations in milliseconds; `undefined` if the text is not allowed.
 */
export function fromText(kind: SettingKind, raw: string): unknown {
  const { holds, read = (raw: string) => raw } = rulesOf(kind);
  const value = read(raw, kind);
  return holds(kind, value) ? value : undefined;
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
