import { suffix } from "./_format.ts";
import { AssertionError } from "./assertion_error.ts";
import { assertFalse } from "./truth.ts";

/** Any constructor. */
// deno-lint-ignore no-explicit-any
export type AnyConstructor = new (...args: any[]) => any;

/** The type that a constructor makes. */
export type GetConstructorType<T extends AnyConstructor> = InstanceType<T>;

function typeName(value: unknown): string {
  if (value === null) return "null";
  return typeof value === "object" ? value.constructor?.name ?? "Object" : typeof value;
}

/**
 * Asserts that a value is an instance of a class.
 *
 * @typeParam T The type of the class.
 * @param actual The value that was got.
 * @param expectedType The class.
 * @param msg Words for the error's first sentence.
 * @throws {AssertionError} If it is not.
 *
 * @example Usage
 * ```ts
 * import { assertInstanceOf } from "@std/assert";
 *
 * assertInstanceOf(new Date(), Date);
 * ```
 */
export function assertInstanceOf<
  // deno-lint-ignore no-explicit-any
  T extends abstract new (...args: any[]) => any,
>(actual: unknown, expectedType: T, msg = ""): asserts actual is InstanceType<T> {
  if (actual instanceof expectedType) return;
  const wanted = expectedType.name;
  const found = typeName(actual);
  let but = ` but was "${found}"`;
  if (found === wanted) but = "";
  if (found === "function") but = " but was not an instanced object";
  throw new AssertionError(
    `Expected object to be an instance of "${wanted}"${but}${suffix(msg)}`,
  );
}

/**
 * Asserts that a value is not an instance of a class.
 *
 * @typeParam A The type of the value.
 * @typeParam T The type that the class makes.
 * @param actual The value that was got.
 * @param unexpectedType The class.
 * @param msg Words for the error's first sentence.
 * @throws {AssertionError} If it is an instance.
 *
 * @example Usage
 * ```ts
 * import { assertNotInstanceOf } from "@std/assert";
 *
 * assertNotInstanceOf(new Date(), RegExp);
 * ```
 */
export function assertNotInstanceOf<A, T>(
  actual: A,
  // deno-lint-ignore no-explicit-any
  unexpectedType: abstract new (...args: any[]) => T,
  msg?: string,
): asserts actual is Exclude<A, T> {
  assertFalse(
    actual instanceof unexpectedType,
    `Expected object to not be an instance of "${typeof unexpectedType}"${suffix(msg)}`,
  );
}
