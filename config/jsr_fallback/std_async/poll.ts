import { delay } from "./delay.ts";

/** Options for {@linkcode poll}. */
export interface PollOptions {
  /** Ends the polling, with the signal's reason. */
  signal?: AbortSignal;
  /**
   * Milliseconds between the end of one call and the start of the next; finite, 0 or more.
   *
   * @default {1000}
   */
  interval?: number;
}

/**
 * Calls a function again and again until its result satisfies a condition.
 *
 * @typeParam T The type that the function returns.
 * @param fn The function to call.
 * @param isDone Whether a result is the one that was waited for.
 * @param options Additional options.
 * @returns The first result for which `isDone` is true.
 * @throws {RangeError} If `interval` is negative or not finite.
 *
 * @example Usage
 * ```ts
 * import { poll } from "@std/async/poll";
 *
 * let n = 0;
 * await poll(() => ++n, (value) => value === 3, { interval: 1 });
 * ```
 */
export async function poll<T>(
  fn: () => T,
  isDone: (result: Awaited<T>) => boolean,
  options: PollOptions = {},
): Promise<Awaited<T>> {
  const { signal, interval = 1000 } = options;
  if (!(Number.isFinite(interval) && interval >= 0)) {
    throw new RangeError(
      `Cannot poll as 'interval' must be a non-negative finite number: current value is ${interval}`,
    );
  }
  for (;;) {
    signal?.throwIfAborted();
    const result = await fn();
    if (isDone(result)) return result;
    await delay(interval, signal && { signal });
  }
}
