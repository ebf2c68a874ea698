import { abortable } from "./abortable.ts";

/** Options for {@linkcode deadline}. */
export interface DeadlineOptions {
  /** Ends the wait early, with the signal's reason. */
  signal?: AbortSignal;
}

/**
 * Waits for a promise, but no longer than a given time.
 *
 * @typeParam T The type that the promise resolves to.
 * @param p The promise to wait for.
 * @param ms The limit in milliseconds; `Number.MAX_SAFE_INTEGER` and above mean no limit.
 * @param options Additional options.
 * @returns A promise that settles as `p` does when `p` is in time.
 * @throws {DOMException} Named `TimeoutError` when the time is over.
 *
 * @example Usage
 * ```ts
 * import { deadline } from "@std/async/deadline";
 *
 * await deadline(Promise.resolve(1), 1_000);
 * ```
 */
export async function deadline<T>(
  p: Promise<T>,
  ms: number,
  options: DeadlineOptions = {},
): Promise<T> {
  const limits: AbortSignal[] = [];
  if (ms < Number.MAX_SAFE_INTEGER) limits.push(AbortSignal.timeout(ms));
  if (options.signal) limits.push(options.signal);
  return await abortable(p, AbortSignal.any(limits));
}
