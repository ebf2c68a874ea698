const MASK = "***";

/** User and password of a URL. */
const USER_INFO = /(\/\/)[^\s/@]+@/g;
/** A secret that is named: `password=…`, `AUTH …`. */
const NAMED =
  /\b(password|passwd|token|secret|requirepass|auth)([=:]\s*|\s+(?=["']))\S+/gi;

/** What ends a line or colours a terminal. */
// deno-lint-ignore no-control-regex
const CONTROL = /[\u0000-\u001f\u007f-\u009f\u2028\u2029]+/g;

/**
 * Masks what looks like a secret. The errors of this package hold none; other people's
 * texts (a handler's error, a token provider's) may.
 *
 * @param text Any text.
 * @returns The text without them.
 *
 * @example Usage
 * ```ts
 * import { maskSecrets } from "./log_text.ts";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(maskSecrets("no redis://app:s3cret@db:6379"), "no redis://***@db:6379");
 * ```
 */
export function maskSecrets(text: string): string {
  return text.replace(USER_INFO, `$1${MASK}@`).replace(NAMED, `$1$2${MASK}`);
}

/**
 * Makes a text fit for a log's message: one line, no secrets, and nothing that a logger
 * would take for a placeholder: `console` has `%s`, LogTape `{name}`.
 *
 * @param text Any text.
 * @returns The text as a line.
 */
export function asLogText(text: string): string {
  return maskSecrets(text)
    .replace(CONTROL, " ")
    .replace(/%(?=\S)/g, "% ")
    .replaceAll("{", "(")
    .replaceAll("}", ")");
}
