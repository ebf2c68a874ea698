import { explainDifference } from "./_diff.ts";
import { format, style, suffix } from "./_format.ts";
import { AssertionError } from "./assertion_error.ts";
import { equal } from "./equal.ts";

/**
 * Asserts that two values are deeply equal.
 *
 * @typeParam T The type of both values.
 * @param actual The value that was got.
 * @param expected The value that was wanted.
 * @param msg Words for the error's first sentence.
 * @throws {AssertionError} If they are not equal.
 *
 * @example Usage
 * ```ts
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals({ a: [1] }, { a: [1] });
 * ```
 */
export function assertEquals<T>(actual: T, expected: T, msg?: string) {
  if (equal(actual, expected)) return;
  throw new AssertionError(
    `Values are not equal${suffix(msg)}\n${explainDifference(actual, expected)}`,
  );
}

/**
 * Asserts that two values are not deeply equal.
 *
 * @typeParam T The type of both values.
 * @param actual The value that was got.
 * @param expected The value that was not wanted.
 * @param msg Words for the error's first sentence.
 * @throws {AssertionError} If they are equal.
 *
 * @example Usage
 * ```ts
 * import { assertNotEquals } from "@std/assert";
 *
 * assertNotEquals(1, 2);
 * ```
 */
export function assertNotEquals<T>(actual: T, expected: T, msg?: string) {
  if (!equal(actual, expected)) return;
  throw new AssertionError(
    `Expected actual: ${format(actual)} not to be: ${format(expected)}${suffix(msg)}`,
  );
}

/**
 * Asserts that two values are the same one, by `Object.is`.
 *
 * @typeParam T The type of the expected value.
 * @param actual The value that was got.
 * @param expected The value that was wanted.
 * @param msg Words for the error's first sentence.
 * @throws {AssertionError} If they are not the same.
 *
 * @example Usage
 * ```ts
 * import { assertStrictEquals } from "@std/assert";
 *
 * assertStrictEquals(NaN, NaN);
 * ```
 */
export function assertStrictEquals<T>(
  actual: unknown,
  expected: T,
  msg?: string,
): asserts actual is T {
  if (Object.is(actual, expected)) return;
  const text = format(actual);
  if (text !== format(expected)) {
    throw new AssertionError(
      `Values are not strictly equal${suffix(msg)}\n${
        explainDifference(actual, expected)
      }`,
    );
  }
  const indented = text.replace(/^/gm, "    ");
  throw new AssertionError(
    `Values have the same structure but are not reference-equal${suffix(msg)}\n\n${
      style(indented, "red")
    }\n`,
  );
}

/**
 * Asserts that two values are not the same one, by `Object.is`.
 *
 * @typeParam T The type of both values.
 * @param actual The value that was got.
 * @param expected The value that was not wanted.
 * @param msg Words for the error's first sentence.
 * @throws {AssertionError} If they are the same.
 *
 * @example Usage
 * ```ts
 * import { assertNotStrictEquals } from "@std/assert";
 *
 * assertNotStrictEquals({}, {});
 * ```
 */
export function assertNotStrictEquals<T>(actual: T, expected: T, msg?: string) {
  if (!Object.is(actual, expected)) return;
  throw new AssertionError(
    `Expected "actual" to not be strictly equal to: ${format(actual)}${suffix(msg)}\n`,
  );
}
