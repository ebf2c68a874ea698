import { suffix } from "./_format.ts";
import { AssertionError } from "./assertion_error.ts";

/** The values that {@linkcode assertFalse} accepts. */
export type Falsy = false | 0 | 0n | "" | null | undefined;

/**
 * Asserts that a value is truthy.
 *
 * @param expr The value.
 * @param msg The error's message.
 * @throws {AssertionError} If it is falsy.
 *
 * @example Usage
 * ```ts
 * import { assert } from "@std/assert";
 *
 * assert("hello".includes("ello"));
 * ```
 */
export function assert(expr: unknown, msg = ""): asserts expr {
  if (!expr) throw new AssertionError(msg);
}

/**
 * Asserts that a value is falsy.
 *
 * @param expr The value.
 * @param msg The error's message.
 * @throws {AssertionError} If it is truthy.
 *
 * @example Usage
 * ```ts
 * import { assertFalse } from "@std/assert";
 *
 * assertFalse("");
 * ```
 */
export function assertFalse(expr: unknown, msg = ""): asserts expr is Falsy {
  if (expr) throw new AssertionError(msg);
}

/**
 * Asserts that a value is neither null nor undefined.
 *
 * @typeParam T The type of the value.
 * @param actual The value.
 * @param msg Words for the error's first sentence.
 * @throws {AssertionError} If it is null or undefined.
 *
 * @example Usage
 * ```ts
 * import { assertExists } from "@std/assert";
 *
 * assertExists(0);
 * ```
 */
export function assertExists<T>(
  actual: T,
  msg?: string,
): asserts actual is NonNullable<T> {
  if (actual !== undefined && actual !== null) return;
  throw new AssertionError(
    `Expected actual: "${actual}" to not be null or undefined${suffix(msg)}`,
  );
}

/**
 * Fails always.
 *
 * @param msg Words for the error's first sentence.
 * @throws {AssertionError} Always.
 *
 * @example Usage
 * ```ts
 * import { assertThrows, fail } from "@std/assert";
 *
 * assertThrows(() => fail("not here"));
 * ```
 */
export function fail(msg?: string): never {
  throw new AssertionError(`Failed assertion${suffix(msg)}`);
}

/**
 * Fails always: the code that should stand here is missing.
 *
 * @param msg Words for the error's first sentence.
 * @throws {AssertionError} Always.
 *
 * @example Usage
 * ```ts
 * import { assertThrows, unimplemented } from "@std/assert";
 *
 * assertThrows(() => unimplemented());
 * ```
 */
export function unimplemented(msg?: string): never {
  throw new AssertionError(`Unimplemented${suffix(msg)}`);
}

/**
 * Fails always: the code that calls it should never run.
 *
 * @param msg Words for the error's first sentence.
 * @throws {AssertionError} Always.
 *
 * @example Usage
 * ```ts
 * import { assertThrows, unreachable } from "@std/assert";
 *
 * assertThrows(() => unreachable());
 * ```
 */
export function unreachable(msg?: string): never {
  throw new AssertionError(`Unreachable${suffix(msg)}`);
}
