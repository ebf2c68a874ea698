import { Secret } from "../../core/secret.ts";
import type { SettingKind } from "./kinds.ts";
import { isAllowed } from "./check.ts";
import { stripBrackets } from "./from_text.ts";

/**
 * Reads a setting out of a value given in code. Types are not converted: a port is a
 * number, `"6379"` is refused.
 *
 * @param kind What the setting may hold; `url` and `nodes` are read elsewhere.
 * @param raw The value, durations in milliseconds.
 * @returns The value; `undefined` if it is not allowed.
 */
export function fromCode(kind: SettingKind, raw: unknown): unknown {
  if (kind.type === "secret") {
    return raw instanceof Secret || typeof raw === "string" || typeof raw === "function"
      ? raw
      : undefined;
  }
  const value = kind.type === "text" && kind.format === "host" && typeof raw === "string"
    ? stripBrackets(raw)
    : raw;
  return isAllowed(kind, value) ? value : undefined;
}
