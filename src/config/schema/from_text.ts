import type { SettingKind } from "./kinds.ts";
import { isAllowed } from "./check.ts";

/** A whole number as it is written: no sign but minus, no leading zero, no `1_000`. */
const INTEGER = /^-?(0|[1-9][0-9]*)$/;
/** A decimal number as it is written. */
const DECIMAL = /^-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]{1,3})?$/;
/** YAML's own spellings of the two truths, and no others: `yes` and `on` are words. */
const BOOLEANS: ReadonlyMap<string, boolean> = new Map([
  ["true", true],
  ["True", true],
  ["TRUE", true],
  ["false", false],
  ["False", false],
  ["FALSE", false],
]);

/**
 * Reads a setting out of text, as YAML, the environment and URLs give it. Nothing is
 * guessed: `010`, `1_000`, `0x10` and `yes` are refused where a number or a truth is
 * wanted, and stay what they are where a text is.
 *
 * @param kind What the setting may hold; `url` and `nodes` are read elsewhere.
 * @param raw The text.
 * @returns The typed value, durations in milliseconds; `undefined` if the text is not
 * allowed.
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
      return BOOLEANS.get(raw);
    case "choice":
      return kind.values.find((value) => String(value) === raw);
    case "text":
      return kind.format === "host" ? stripBrackets(raw) : raw;
    default:
      return raw;
  }
}

/**
 * An IPv6 address without the brackets that URLs put around it.
 *
 * @param host The host.
 * @returns The host without brackets.
 */
export function stripBrackets(host: string): string {
  return host.startsWith("[") && host.endsWith("]") ? host.slice(1, -1) : host;
}
