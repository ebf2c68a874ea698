import { plain, suffix } from "./_format.ts";
import { AssertionError } from "./assertion_error.ts";

// deno-lint-ignore no-explicit-any
type ErrorType<E extends Error> = abstract new (...args: any[]) => E;

type Wanted<E extends Error> = {
  type: ErrorType<E> | undefined;
  text: string | undefined;
  msg: string | undefined;
};

/**
 * Asserts that a value is an error, of a class and with a message.
 *
 * @typeParam E The type of the error.
 * @param error The value that was got.
 * @param ErrorClass The class it should be of.
 * @param msgMatches What its message should contain or match; colours do not count.
 * @param msg Words for the error's first sentence.
 * @throws {AssertionError} If it is not.
 *
 * @example Usage
 * ```ts
 * import { assertIsError } from "@std/assert";
 *
 * assertIsError(new RangeError("too big"), RangeError, "big");
 * ```
 */
export function assertIsError<E extends Error = Error>(
  error: unknown,
  // deno-lint-ignore no-explicit-any
  ErrorClass?: abstract new (...args: any[]) => E,
  msgMatches?: string | RegExp,
  msg?: string,
): asserts error is E {
  if (!(error instanceof Error)) {
    throw new AssertionError(`Expected "error" to be an Error object${suffix(msg)}`);
  }
  if (ErrorClass && !(error instanceof ErrorClass)) {
    throw new AssertionError(
      `Expected error to be instance of "${ErrorClass.name}", but was "${error?.constructor?.name}"${
        suffix(msg)
      }`,
    );
  }
  if (!msgMatches) return;
  const found = plain(error.message);
  const matches = typeof msgMatches === "string"
    ? found.includes(plain(msgMatches))
    : msgMatches.test(found);
  if (matches) return;
  const wanted = typeof msgMatches === "string"
    ? JSON.stringify(msgMatches)
    : String(msgMatches);
  throw new AssertionError(
    `Expected error message to include ${wanted}, but got ${
      JSON.stringify(error.message)
    }${suffix(msg)}`,
  );
}

/** Sorts out the arguments, which may be words alone, or a class, a text and words. */
function readWanted<E extends Error>(
  typeOrMsg: ErrorType<E> | string | undefined,
  text: string | undefined,
  msg: string | undefined,
): Wanted<E> {
  if (typeof typeOrMsg === "string") {
    return { type: undefined, text: undefined, msg: typeOrMsg };
  }
  const prototype: unknown = typeOrMsg?.prototype;
  const isErrorType = typeOrMsg === undefined || prototype instanceof Error ||
    prototype === Error.prototype;
  return isErrorType
    ? { type: typeOrMsg, text, msg }
    : { type: undefined, text: undefined, msg: msg ?? text };
}

function check<E extends Error>(
  error: unknown,
  wanted: Wanted<E>,
  verb: string,
): unknown {
  if (!wanted.type) return error;
  if (!(error instanceof Error)) {
    throw new AssertionError(`A non-Error object was ${verb}${suffix(wanted.msg)}`);
  }
  assertIsError(error, wanted.type, wanted.text, wanted.msg);
  return error;
}

/**
 * Asserts that a function throws.
 *
 * @param fn The function to call.
 * @param msg Words for the error's first sentence.
 * @returns What was thrown.
 * @throws {AssertionError} If it returns.
 *
 * @example Usage
 * ```ts
 * import { assertThrows } from "@std/assert";
 *
 * assertThrows(() => JSON.parse("{"));
 * ```
 */
export function assertThrows(fn: () => unknown, msg?: string): unknown;
/**
 * Asserts that a function throws an error of a class, with a text in its message.
 *
 * @typeParam E The type of the error.
 * @param fn The function to call.
 * @param ErrorClass The class of the error.
 * @param msgIncludes What its message should contain.
 * @param msg Words for the error's first sentence.
 * @returns The error that was thrown.
 * @throws {AssertionError} If it returns, or throws anything else.
 *
 * @example Usage
 * ```ts
 * import { assertThrows } from "@std/assert";
 *
 * assertThrows(() => JSON.parse("{"), SyntaxError);
 * ```
 */
export function assertThrows<E extends Error = Error>(
  fn: () => unknown,
  // deno-lint-ignore no-explicit-any
  ErrorClass: abstract new (...args: any[]) => E,
  msgIncludes?: string,
  msg?: string,
): E;
export function assertThrows<E extends Error = Error>(
  fn: () => unknown,
  typeOrMsg?: ErrorType<E> | string,
  msgIncludes?: string,
  msg?: string,
): unknown {
  const wanted = readWanted(typeOrMsg, msgIncludes, msg);
  try {
    fn();
  } catch (error) {
    return check(error, wanted, "thrown");
  }
  throw new AssertionError(`Expected function to throw${suffix(wanted.msg)}`);
}

function isPromiseLike(value: unknown): value is PromiseLike<unknown> {
  return typeof value === "object" && value !== null &&
    typeof Reflect.get(value, "then") === "function";
}

/** The promise that a function returns; throwing before it returns one does not count. */
function callForPromise(
  fn: () => unknown,
  msg: string | undefined,
): PromiseLike<unknown> {
  try {
    const returned = fn();
    if (isPromiseLike(returned)) return returned;
  } catch {
    // The same words as for a function that returns something else than a promise.
  }
  throw new AssertionError(`Function throws when expected to reject${suffix(msg)}`);
}

/**
 * Asserts that a function returns a promise that rejects.
 *
 * @param fn The function to call.
 * @param msg Words for the error's first sentence.
 * @returns What it rejected with.
 * @throws {AssertionError} If the promise is fulfilled, or there is none.
 *
 * @example Usage
 * ```ts
 * import { assertRejects } from "@std/assert";
 *
 * await assertRejects(() => Promise.reject(1));
 * ```
 */
export function assertRejects(
  fn: () => PromiseLike<unknown>,
  msg?: string,
): Promise<unknown>;
/**
 * Asserts that a function returns a promise that rejects with an error of a class, with a
 * text in its message.
 *
 * @typeParam E The type of the error.
 * @param fn The function to call.
 * @param ErrorClass The class of the error.
 * @param msgIncludes What its message should contain.
 * @param msg Words for the error's first sentence.
 * @returns The error that it rejected with.
 * @throws {AssertionError} If the promise is fulfilled, or rejects with anything else, or
 * there is none.
 *
 * @example Usage
 * ```ts
 * import { assertRejects } from "@std/assert";
 *
 * await assertRejects(() => Promise.reject(new RangeError("too big")), RangeError, "big");
 * ```
 */
export function assertRejects<E extends Error = Error>(
  fn: () => PromiseLike<unknown>,
  // deno-lint-ignore no-explicit-any
  ErrorClass: abstract new (...args: any[]) => E,
  msgIncludes?: string,
  msg?: string,
): Promise<E>;
export async function assertRejects<E extends Error = Error>(
  fn: () => PromiseLike<unknown>,
  typeOrMsg?: ErrorType<E> | string,
  msgIncludes?: string,
  msg?: string,
): Promise<unknown> {
  const wanted = readWanted(typeOrMsg, msgIncludes, msg);
  const promise = callForPromise(fn, wanted.msg);
  try {
    await promise;
  } catch (error) {
    return check(error, wanted, "rejected");
  }
  throw new AssertionError(`Expected function to reject${suffix(wanted.msg)}`);
}
