import { format, suffix } from "./_format.ts";
import { AssertionError } from "./assertion_error.ts";

function refuse(actual: unknown, sign: string, expected: unknown, msg?: string): never {
  throw new AssertionError(
    msg ?? `Expect ${format(actual)} ${sign} ${format(expected)}`,
  );
}

/**
 * Asserts that a value is greater than another.
 *
 * @typeParam T The type of both values.
 * @param actual The value that was got.
 * @param expected What it should be greater than.
 * @param msg The error's message.
 * @throws {AssertionError} If it is not.
 *
 * @example Usage
 * ```ts
 * import { assertGreater } from "@std/assert";
 *
 * assertGreater(2, 1);
 * ```
 */
export function assertGreater<T>(actual: T, expected: T, msg?: string) {
  if (!(actual > expected)) refuse(actual, ">", expected, msg);
}

/**
 * Asserts that a value is greater than another, or equal.
 *
 * @typeParam T The type of both values.
 * @param actual The value that was got.
 * @param expected The least that it should be.
 * @param msg The error's message.
 * @throws {AssertionError} If it is not.
 *
 * @example Usage
 * ```ts
 * import { assertGreaterOrEqual } from "@std/assert";
 *
 * assertGreaterOrEqual(2, 2);
 * ```
 */
export function assertGreaterOrEqual<T>(actual: T, expected: T, msg?: string) {
  if (!(actual >= expected)) refuse(actual, ">=", expected, msg);
}

/**
 * Asserts that a value is less than another.
 *
 * @typeParam T The type of both values.
 * @param actual The value that was got.
 * @param expected What it should be less than.
 * @param msg The error's message.
 * @throws {AssertionError} If it is not.
 *
 * @example Usage
 * ```ts
 * import { assertLess } from "@std/assert";
 *
 * assertLess(1, 2);
 * ```
 */
export function assertLess<T>(actual: T, expected: T, msg?: string) {
  if (!(actual < expected)) refuse(actual, "<", expected, msg);
}

/**
 * Asserts that a value is less than another, or equal.
 *
 * @typeParam T The type of both values.
 * @param actual The value that was got.
 * @param expected The most that it should be.
 * @param msg The error's message.
 * @throws {AssertionError} If it is not.
 *
 * @example Usage
 * ```ts
 * import { assertLessOrEqual } from "@std/assert";
 *
 * assertLessOrEqual(2, 2);
 * ```
 */
export function assertLessOrEqual<T>(actual: T, expected: T, msg?: string) {
  if (!(actual <= expected)) refuse(actual, "<=", expected, msg);
}

function scientific(value: number): string {
  return Number.isInteger(value) ? String(value) : value.toExponential();
}

/**
 * Asserts that two numbers are close to each other.
 *
 * @param actual The number that was got.
 * @param expected The number that was wanted.
 * @param tolerance How far they may be apart; by default 1e-7 of `expected`.
 * @param msg Words for the error's first sentence.
 * @throws {AssertionError} If they are further apart.
 *
 * @example Usage
 * ```ts
 * import { assertAlmostEquals } from "@std/assert";
 *
 * assertAlmostEquals(0.1 + 0.2, 0.3);
 * ```
 */
export function assertAlmostEquals(
  actual: number,
  expected: number,
  tolerance?: number,
  msg?: string,
) {
  if (Object.is(actual, expected)) return;
  const allowed = tolerance ??
    (Number.isFinite(expected) ? Math.abs(expected) * 1e-7 : 1e-7);
  const delta = Math.abs(expected - actual);
  if (delta <= allowed) return;
  const [got, wanted, apart, most] = [actual, expected, delta, allowed].map(scientific);
  throw new AssertionError(
    `Expected actual: "${got}" to be close to "${wanted}": delta "${apart}" is greater than "${most}"${
      suffix(msg)
    }`,
  );
}
