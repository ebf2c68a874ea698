import { suffix } from "./_format.ts";
import { AssertionError } from "./assertion_error.ts";

/**
 * Asserts that a string contains another.
 *
 * @param actual The string that was got.
 * @param expected What it should contain.
 * @param msg Words for the error's first sentence.
 * @throws {AssertionError} If it does not.
 *
 * @example Usage
 * ```ts
 * import { assertStringIncludes } from "@std/assert";
 *
 * assertStringIncludes("hello", "ello");
 * ```
 */
export function assertStringIncludes(actual: string, expected: string, msg?: string) {
  if (actual.includes(expected)) return;
  throw new AssertionError(
    `Expected actual: "${actual}" to contain: "${expected}"${suffix(msg)}`,
  );
}

/**
 * Asserts that a string matches a pattern.
 *
 * @param actual The string that was got.
 * @param expected The pattern.
 * @param msg Words for the error's first sentence.
 * @throws {AssertionError} If it does not match.
 *
 * @example Usage
 * ```ts
 * import { assertMatch } from "@std/assert";
 *
 * assertMatch("hello", /l+/);
 * ```
 */
export function assertMatch(actual: string, expected: RegExp, msg?: string) {
  if (expected.test(actual)) return;
  throw new AssertionError(
    `Expected actual: "${actual}" to match: "${expected}"${suffix(msg)}`,
  );
}

/**
 * Asserts that a string does not match a pattern.
 *
 * @param actual The string that was got.
 * @param expected The pattern.
 * @param msg Words for the error's first sentence.
 * @throws {AssertionError} If it matches.
 *
 * @example Usage
 * ```ts
 * import { assertNotMatch } from "@std/assert";
 *
 * assertNotMatch("hello", /x/);
 * ```
 */
export function assertNotMatch(actual: string, expected: RegExp, msg?: string) {
  if (!expected.test(actual)) return;
  throw new AssertionError(
    `Expected actual: "${actual}" to not match: "${expected}"${suffix(msg)}`,
  );
}
