/**
 * The only door to time. Policies (deadlines, breaker, lifetimes, backoff) take a
 * {@linkcode Clock} so that tests can run them on fake time; nothing else in the
 * project calls `setTimeout`, `performance.now` or `Date.now` to decide something.
 */

import { setImmediate } from "node:timers";

/** A pending call that can be taken back. Cancelling twice is harmless. */
export interface Timer {
  /** Takes the call back; does nothing once it has run. */
  cancel(): void;
}

/**
 * What the code needs of time.
 *
 * @internal
 */
export interface Clock {
  /** Milliseconds of monotonic time since an arbitrary start; never goes back. */
  now(): number;
  /** Milliseconds since the Unix epoch, for what people read; may jump. */
  wallNow(): number;
  /**
   * Calls `fn` once, `ms` milliseconds from now. The timer never keeps the process
   * alive.
   */
  setTimer(fn: () => void, ms: number): Timer;
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

  constructor(fn: () => void, ms: number) {
    const id = setTimeout(() => {
      this.#id = undefined;
      fn();
    }, Math.min(Math.max(0, ms), MAX_TIMER_MS));
    // A number on Deno up to 2.7, an object with unref() later.
    if (typeof id === "number") Deno.unrefTimer(id);
    else (id as { unref(): void }).unref();
    this.#id = id;
  }

  cancel(): void {
    if (this.#id === undefined) return;
    clearTimeout(this.#id);
    this.#id = undefined;
  }
}

/** The host's clock: `performance.now`, `Date.now` and unref'd timers. */
export const systemClock: Clock = {
  now: () => performance.now(),
  wallNow: () => Date.now(),
  setTimer: (fn, ms) => new HostTimer(fn, ms),
  afterPoll: (fn) => void setTimeout(() => setImmediate(fn), 0),
};
