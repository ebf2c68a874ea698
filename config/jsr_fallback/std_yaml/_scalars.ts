import type { Type } from "./_type.ts";

/** Strings. */
export const str: Type<"scalar", string> = {
  tag: "tag:yaml.org,2002:str",
  kind: "scalar",
  resolve: () => true,
  construct: (data: string | null) => data ?? "",
};

/** Null. */
export const nil: Type<"scalar", null> = {
  tag: "tag:yaml.org,2002:null",
  kind: "scalar",
  defaultStyle: "lowercase",
  predicate: (value) => value === null,
  resolve: (data: string | null) =>
    data !== null && ["~", "null", "Null", "NULL"].includes(data),
  construct: () => null,
  represent: {
    lowercase: () => "null",
    uppercase: () => "NULL",
    camelcase: () => "Null",
  },
};

const TRUE = ["true", "True", "TRUE"];
const FALSE = ["false", "False", "FALSE"];

/** Booleans. */
export const bool: Type<"scalar", boolean> = {
  tag: "tag:yaml.org,2002:bool",
  kind: "scalar",
  defaultStyle: "lowercase",
  predicate: (value): value is boolean =>
    typeof value === "boolean" || value instanceof Boolean,
  resolve: (data: string | null) =>
    data !== null && (TRUE.includes(data) || FALSE.includes(data)),
  construct: (data: string) => TRUE.includes(data),
  represent: {
    lowercase: (value) => value.valueOf() ? "true" : "false",
    camelcase: (value) => value.valueOf() ? "True" : "False",
    uppercase: (value) => value.valueOf() ? "TRUE" : "FALSE",
  },
};

const DATE = /^(\d{4})-(\d\d)-(\d\d)$/;
const MOMENT =
  /^(\d{4})-(\d\d?)-(\d\d?)(?:[Tt]|[ \t]+)(\d\d?):(\d\d):(\d\d)(?:\.(\d*))?(?:[ \t]*(?:Z|([-+])(\d\d?)(?::(\d\d))?))?$/;

function toDate(text: string): Date {
  const [, year, month, day, hour, minute, second, fraction, sign, zoneHour, zoneMinute] =
    DATE.exec(text) ?? MOMENT.exec(text) ?? [];
  const local = Date.UTC(
    Number(year),
    Number(month) - 1,
    Number(day),
    Number(hour ?? 0),
    Number(minute ?? 0),
    Number(second ?? 0),
    Number((fraction ?? "").slice(0, 3).padEnd(3, "0")),
  );
  const ahead = (Number(zoneHour ?? 0) * 60 + Number(zoneMinute ?? 0)) * 60_000;
  return new Date(sign === "-" ? local + ahead : local - ahead);
}

/** Moments. */
export const timestamp: Type<"scalar", Date> = {
  tag: "tag:yaml.org,2002:timestamp",
  kind: "scalar",
  predicate: (value) => value instanceof Date,
  resolve: (data: string | null) =>
    data !== null && (DATE.test(data) || MOMENT.test(data)),
  construct: toDate,
  represent: (value) => value.toISOString(),
};

const ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

function isBase64(data: string | null): boolean {
  if (data === null || /[^A-Za-z0-9+/=\r\n]/.test(data)) return false;
  return data.replace(/[\r\n]/g, "").length % 4 === 0;
}

/** Reads groups of four characters as three bytes; padding only shortens the last group. */
function fromBase64(data: string): Uint8Array {
  const values = [...data.replace(/[^A-Za-z0-9+/]/g, "")].map((c) => ALPHABET.indexOf(c));
  const bytes: number[] = [];
  for (let i = 0; i < values.length; i += 4) {
    const [a = 0, b = 0, c = 0, d = 0] = values.slice(i, i + 4);
    const known = Math.min(values.length - i, 4) - 1;
    bytes.push(...[a << 2 | b >> 4, (b << 4 | c >> 2) & 255, (c << 6 | d) & 255]
      .slice(0, known));
  }
  return new Uint8Array(bytes);
}

function toBase64(bytes: Uint8Array): string {
  // As std has it: no bytes at all are written like three zeros.
  if (bytes.length === 0) return "AAAA";
  return btoa(Array.from(bytes, (byte) => String.fromCharCode(byte)).join(""));
}

/** Bytes. */
export const binary: Type<"scalar", Uint8Array> = {
  tag: "tag:yaml.org,2002:binary",
  kind: "scalar",
  predicate: (value) => value instanceof Uint8Array,
  resolve: isBase64,
  construct: fromBase64,
  represent: toBase64,
};

/** The key that merges other mappings into its own. */
export const merge: Type<"scalar", unknown> = {
  tag: "tag:yaml.org,2002:merge",
  kind: "scalar",
  resolve: (data: unknown) => data === "<<" || data === null,
  construct: (data: unknown) => data,
};

const PATTERN = /^\/([\s\S]+)\/([gismuy]*)$/;

function isRegExp(data: string | null): boolean {
  if (!data) return false;
  if (!data.startsWith("/")) return true;
  const flags = PATTERN.exec(data)?.[2];
  return flags !== undefined && new Set(flags).size === flags.length;
}

/** Regular expressions of JavaScript. */
export const regexp: Type<"scalar", RegExp> = {
  tag: "tag:yaml.org,2002:js/regexp",
  kind: "scalar",
  predicate: (value) => value instanceof RegExp,
  resolve: isRegExp,
  construct: (data: string) => {
    const [, source = data, flags = ""] = PATTERN.exec(data) ?? [];
    return new RegExp(source, flags);
  },
  represent: String,
};

/** JavaScript's undefined. */
export const undefinedType: Type<"scalar", undefined> = {
  tag: "tag:yaml.org,2002:js/undefined",
  kind: "scalar",
  predicate: (value) => value === undefined,
  resolve: () => true,
  construct: () => undefined,
  represent: () => "",
};
