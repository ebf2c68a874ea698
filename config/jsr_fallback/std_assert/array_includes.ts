import { format, suffix } from "./_format.ts";
import { AssertionError } from "./assertion_error.ts";
import { equal } from "./equal.ts";

/** An array, a typed array, or anything else with a length and indices, but no string. */
export type ArrayLikeArg<T> = ArrayLike<T> & object;

/**
 * Asserts that an array contains every one of some values, by deep equality.
 *
 * @typeParam T The type of the elements.
 * @param actual The array that was got.
 * @param expected The values that it should contain, in any order.
 * @param msg Words for the error's first sentence.
 * @throws {AssertionError} If a value is missing.
 *
 * @example Usage
 * ```ts
 * import { assertArrayIncludes } from "@std/assert";
 *
 * assertArrayIncludes([1, 2, 3], [3, 1]);
 * ```
 */
export function assertArrayIncludes<T>(
  actual: ArrayLikeArg<T>,
  expected: ArrayLikeArg<T>,
  msg?: string,
): void {
  const present = Array.from(actual);
  const missing = Array.from(expected)
    .filter((value) => !present.some((other) => equal(value, other)));
  if (missing.length === 0) return;
  throw new AssertionError(
    `Expected actual: "${format(actual)}" to include: "${format(expected)}"${
      suffix(msg)
    }\nmissing: ${format(missing)}`,
  );
}
