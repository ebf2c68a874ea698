import type { SettingKind, TextFormat } from "./kinds.ts";

/** Names that would be taken for something else when a mapping is a plain object. */
const RESERVED_NAMES: ReadonlySet<string> = new Set([
  "__proto__",
  "constructor",
  "prototype",
]);

/**
 * Whether a text can name a database: letters, digits, `_`, `-`, `.` and `:`, not
 * starting with punctuation other than `_`, 128 characters at most.
 *
 * @param name The text.
 * @returns `true` if it can.
 */
export function isDatabaseName(name: string): boolean {
  return /^[A-Za-z0-9_][A-Za-z0-9_.:-]{0,127}$/.test(name) && !RESERVED_NAMES.has(name);
}

// deno-lint-ignore no-control-regex -- control characters are what is refused here
const CONTROL = /[\x00-\x1f\x7f]/;

function isHost(value: string): boolean {
  if (value === "" || /[\s/@?#\\,;"']/.test(value) || CONTROL.test(value)) return false;
  const colons = value.split(":").length - 1;
  // One colon is a port in the wrong place, several are an IPv6 address.
  return colons === 0 || (colons > 1 && /^\[?[0-9a-fA-F:.]+(%[\w.-]+)?\]?$/.test(value));
}

const FORMAT_CHECKS: Record<TextFormat, (value: string) => boolean> = {
  any: (value) => !value.includes("\0"),
  word: (value) => value.trim() !== "" && !CONTROL.test(value),
  visible: (value) => /^[!-~]+$/.test(value),
  path: (value) => value.trim() !== "" && !CONTROL.test(value),
  host: isHost,
  database: isDatabaseName,
};

/**
 * Whether a typed value is inside what its kind allows.
 *
 * @param kind The kind.
 * @param value The value as code sees it: durations in milliseconds.
 * @returns `true` if it is allowed.
 */
export function isAllowed(kind: SettingKind, value: unknown): boolean {
  switch (kind.type) {
    case "integer":
      return Number.isSafeInteger(value) && inRange(value as number, kind.min, kind.max);
    case "number":
      return Number.isFinite(value) && inRange(value as number, kind.min, kind.max);
    case "duration":
      return Number.isFinite(value) && inRange(value as number, kind.minMs, kind.maxMs);
    case "boolean":
      return typeof value === "boolean";
    case "choice":
      return kind.values.includes(value as string | number);
    case "text":
      return typeof value === "string" && value.length <= kind.maxLength &&
        FORMAT_CHECKS[kind.format](value);
    case "secret":
    case "url":
      return typeof value === "string";
    case "nodes":
      return Array.isArray(value);
    case "function":
      return typeof value === "function";
  }
}

function inRange(value: number, min: number, max: number): boolean {
  return value >= min && value <= max;
}
