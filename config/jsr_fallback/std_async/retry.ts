import { delay } from "./delay.ts";

/**
 * The last attempt failed too. `cause` is what it failed with.
 *
 * @example Usage
 * ```ts
 * import { RetryError } from "@std/async/retry";
 *
 * const error = new RetryError(new Error("refused"), 3);
 * ```
 */
export class RetryError extends Error {
  /**
   * Constructs a new instance.
   *
   * @param cause What the last attempt failed with.
   * @param attempts How many attempts there were.
   */
  constructor(cause: unknown, attempts: number) {
    super(`Retrying exceeded the maxAttempts (${attempts}).`);
    this.name = "RetryError";
    this.cause = cause;
  }
}

/** Options for {@linkcode retry}. */
export interface RetryOptions {
  /**
   * What the backoff is multiplied with after each attempt; finite, 1 or more.
   *
   * @default {2}
   */
  multiplier?: number;
  /**
   * The longest backoff in milliseconds, above 0.
   *
   * @default {60000}
   */
  maxTimeout?: number;
  /**
   * How many attempts there are; an integer, 1 or more.
   *
   * @default {5}
   */
  maxAttempts?: number;
  /**
   * The first backoff in milliseconds; 0 or more, `maxTimeout` at most.
   *
   * @default {1000}
   */
  minTimeout?: number;
  /**
   * The share of each backoff that is random, from 0 (none) to 1 (all of it).
   *
   * @default {1}
   */
  jitter?: number;
  /**
   * Whether to try again after this error.
   *
   * @default {() => true}
   */
  isRetriable?: (err: unknown) => boolean;
  /** Checked before each attempt, and ends a backoff early. */
  signal?: AbortSignal;
}

type Policy = Required<Omit<RetryOptions, "signal">>;

function refuse(requirement: string): never {
  throw new RangeError(`Cannot retry as ${requirement}`);
}

function validate(policy: Policy): Policy {
  const { maxAttempts, multiplier, maxTimeout, minTimeout, jitter } = policy;
  if (!(Number.isInteger(maxAttempts) && maxAttempts >= 1)) {
    refuse(
      `'maxAttempts' must be a positive integer: current value is ${maxAttempts}`,
    );
  }
  if (!(Number.isFinite(multiplier) && multiplier >= 1)) {
    refuse(`'multiplier' must be a finite number >= 1: current value is ${multiplier}`);
  }
  if (!(maxTimeout > 0)) {
    refuse(`'maxTimeout' must be a positive number: current value is ${maxTimeout}`);
  }
  if (!(minTimeout >= 0)) {
    refuse(`'minTimeout' must be >= 0: current value is ${minTimeout}`);
  }
  if (minTimeout > maxTimeout) {
    refuse(
      `'minTimeout' must be <= 'maxTimeout': current values 'minTimeout=${minTimeout}', 'maxTimeout=${maxTimeout}'`,
    );
  }
  if (!(jitter >= 0 && jitter <= 1)) {
    refuse(`'jitter' must be between 0 and 1: current value is ${jitter}`);
  }
  return policy;
}

/** The backoff after the given number of failed attempts, in milliseconds. */
function backoff(failures: number, policy: Policy): number {
  const full = Math.min(
    policy.maxTimeout,
    policy.minTimeout * policy.multiplier ** (failures - 1),
  );
  return full * (1 - policy.jitter * Math.random());
}

/**
 * Calls a function until it succeeds, waiting longer after each failure.
 *
 * @typeParam T The type that the function returns.
 * @param fn The function to call.
 * @param options Additional options.
 * @returns What the first successful call returned.
 * @throws {RetryError} If the last attempt failed.
 * @throws {RangeError} If an option is out of range.
 *
 * @example Usage
 * ```ts
 * import { retry } from "@std/async/retry";
 *
 * await retry(() => 1, { maxAttempts: 3, minTimeout: 10 });
 * ```
 */
export async function retry<T>(
  fn: (() => Promise<T>) | (() => T),
  options?: RetryOptions,
): Promise<T> {
  const {
    multiplier = 2,
    maxTimeout = 60000,
    maxAttempts = 5,
    minTimeout = 1000,
    jitter = 1,
    isRetriable = () => true,
    signal,
  } = options ?? {};
  const policy = validate(
    { multiplier, maxTimeout, maxAttempts, minTimeout, jitter, isRetriable },
  );
  for (let attempt = 1;; attempt++) {
    signal?.throwIfAborted();
    try {
      return await fn();
    } catch (error) {
      if (!isRetriable(error)) throw error;
      if (attempt >= maxAttempts) throw new RetryError(error, maxAttempts);
    }
    await delay(backoff(attempt, policy), signal && { signal });
  }
}
