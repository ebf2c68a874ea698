/**
 * All time goes through a {@linkcode Clock}, so that tests run deadlines, breakers, lifetimes
 * and waits between attempts on fake time. Only @std/async's `retry` and `deadline`, and
 * what the runtime or ioredis does by itself, have timers of their own.
 */

import { setImmediate } from "node:timers";

/** A pending call. */
export interface Timer {
  /** Cancels the call; does nothing once it has run or was cancelled. */
  cancel(): void;
}

/** How {@linkcode Clock.sleep} waits. */
export interface SleepOptions {
  /** Ends the wait: the promise rejects with the signal's reason. */
  readonly signal?: AbortSignal;
  /** Whether the process stays alive for it. Default `true`, as a caller waits for it. */
  readonly ref?: boolean;
}

/** What the code needs of time. */
export interface Clock {
  /** Milliseconds of monotonic time since an arbitrary start; never goes back. */
  now(): number;
  /** Milliseconds since the Unix epoch, for what people read; may jump. */
  wallNow(): number;
  /**
   * Calls `fn` once, `ms` milliseconds from now. The process stays alive for it only if
   * `ref` is `true`; default `false`.
   */
  setTimer(fn: () => void, ms: number, ref?: boolean): Timer;
  /** Resolves `ms` milliseconds from now, at once if that is 0 or less. */
  sleep(ms: number, options?: SleepOptions): Promise<void>;
  /**
   * Calls `fn` once, after the sockets have been looked at: what had arrived by now
   * has then been read.
   */
  afterPoll(fn: () => void): void;
}

/** Longest delay a host timer takes, in milliseconds (2^31 - 1). */
const MAX_TIMER_MS = 2_147_483_647;

class HostTimer implements Timer {
  #id: ReturnType<typeof setTimeout> | undefined;

  constructor(fn: () => void, ms: number, ref: boolean) {
    const id = setTimeout(() => {
      this.#id = undefined;
      fn();
    }, Math.min(Math.max(0, ms), MAX_TIMER_MS));
    // A number on Deno up to 2.7, an object with unref() later.
    if (!ref && typeof id === "number") Deno.unrefTimer(id);
    else if (!ref) (id as { unref(): void }).unref();
    this.#id = id;
  }

  cancel(): void {
    if (this.#id === undefined) return;
    clearTimeout(this.#id);
    this.#id = undefined;
  }
}

/**
 * Waits by a clock's timers: what {@linkcode Clock.sleep} does, for every clock.
 *
 * @example Usage
 * ```ts
 * import { systemClock } from "./clock.ts";
 * import { assertRejects } from "@std/assert";
 *
 * await systemClock.sleep(1);
 * const signal = AbortSignal.timeout(1);
 * await assertRejects(() => systemClock.sleep(60_000, { signal }), DOMException);
 * ```
 */
export function sleepBy(
  clock: Pick<Clock, "setTimer">,
  ms: number,
  { signal, ref = true }: SleepOptions = {},
): Promise<void> {
  if (signal?.aborted) return Promise.reject(signal.reason);
  return new Promise((resolve, reject) => {
    const stop = () => {
      timer.cancel();
      signal?.removeEventListener("abort", abort);
    };
    const abort = () => {
      stop();
      reject(signal!.reason);
    };
    const timer = clock.setTimer(
      () => {
        stop();
        resolve();
      },
      ms,
      ref,
    );
    // Not once: Deno keeps the process alive for the other sources of a combined signal.
    signal?.addEventListener("abort", abort);
  });
}

/** The host's clock: `performance.now`, `Date.now` and its timers. */
export const systemClock: Clock = {
  now: () => performance.now(),
  wallNow: () => Date.now(),
  setTimer: (fn, ms, ref = false) => new HostTimer(fn, ms, ref),
  sleep: (ms, options) => sleepBy(systemClock, ms, options),
  afterPoll: (fn) => void setTimeout(() => setImmediate(fn), 0),
};
