/**
 * Waits on real time, for tests with real processes. Timers are always cleared, so that the
 * sanitizers of `deno test` find none.
 *
 * @module
 */

/** Resolves after `ms` milliseconds. */
export function delay(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

/** Options of {@linkcode waitFor}. */
export interface WaitForOptions {
  /** What is waited for, for the error. Default: "the condition". */
  what?: string;
  /** The most to wait, in milliseconds. Default: 15,000, for busy machines. */
  timeoutMs?: number;
  /** Pause between two calls of the predicate, in milliseconds. Default: 10. */
  everyMs?: number;
}

/**
 * Calls `predicate` until it returns something truthy, and resolves with that. An exception
 * of the predicate counts as "not yet"; the last one is the error's cause.
 *
 * @example Usage
 * ```ts ignore
 * const rows = await waitFor(async () => {
 *   const rows = await server.clientList("cache");
 *   return rows.length === 2 && rows;
 * }, { what: "two connections of cache", timeoutMs: 1000 });
 * ```
 *
 * @throws {Error} If it returned nothing truthy within `timeoutMs`.
 */
export async function waitFor<T>(
  predicate: () => T | Promise<T>,
  options: WaitForOptions = {},
): Promise<Exclude<T, false | null | undefined | 0 | "">> {
  const { what = "the condition", timeoutMs = 15_000, everyMs = 10 } = options;
  const start = performance.now();
  let looks = 0;
  let last: unknown;
  let cause: unknown;
  do {
    looks++;
    try {
      last = await predicate();
      cause = undefined;
      if (last) return last as Exclude<T, false | null | undefined | 0 | "">;
    } catch (error) {
      cause = error;
    }
    await delay(everyMs);
  } while (performance.now() - start < timeoutMs);
  const reason = cause instanceof Error ? cause.message : Deno.inspect(last);
  throw new Error(
    `Waited ${timeoutMs} ms for ${what} in vain: looked ${looks} times, last ${reason}`,
    { cause },
  );
}

/**
 * Settles as `promise` does. If that takes longer than `timeoutMs`, it calls `onTimeout`,
 * which should end the work behind the promise, and throws.
 *
 * @throws {Deno.errors.TimedOut} "`what` took longer than … ms".
 */
export async function within<T>(
  promise: Promise<T>,
  timeoutMs: number,
  what: string,
  onTimeout?: () => void,
): Promise<T> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const timeout = new Promise<never>((_, reject) => {
    timer = setTimeout(() => {
      reject(new Deno.errors.TimedOut(`${what} took longer than ${timeoutMs} ms`));
      onTimeout?.();
    }, timeoutMs);
  });
  // The loser of the race must not become an unhandled rejection.
  promise.catch(() => {});
  try {
    return await Promise.race([promise, timeout]);
  } finally {
    clearTimeout(timer);
  }
}
