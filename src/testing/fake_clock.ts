/**
 * Time that tests move.
 *
 * @module
 */

import { type Clock, sleepBy, type SleepOptions, type Timer } from "../core/clock.ts";

export type { Clock, SleepOptions, Timer } from "../core/clock.ts";

/** Promise hops that one drain waits for; no chain of promises here comes near it. */
const DRAIN_HOPS = 100;

/** Options of {@linkcode fakeClock}. */
export interface FakeClockOptions {
  /** First value of `now()`, in milliseconds. Default: 0. */
  now?: number;
  /** First value of `wallNow()`, in milliseconds since the epoch. Default:
   * 2026-01-01T00:00:00Z. */
  wall?: number;
}

interface FakeTimer extends Timer {
  readonly at: number;
  readonly seq: number;
  readonly fn: () => void;
}

/**
 * Waits until promise reactions that are ready, and those that follow from them, have run:
 * for microtasks only, so that nothing of the real event loop runs meanwhile.
 *
 * @param hops How many hops of a promise chain are waited for. Default: 100.
 */
export async function drainMicrotasks(hops: number = DRAIN_HOPS): Promise<void> {
  for (let i = 0; i < hops; i++) await null;
}

/**
 * A {@linkcode Clock} that moves only by {@linkcode advance}: {@linkcode fakeClock} makes one.
 * Timers run in the order of their due times, equal ones in the order in which they were
 * set. While a timer runs, `now()` is its due time, unless {@linkcode freeze} made it late.
 *
 * @example Usage
 * ```ts
 * import { fakeClock } from "@mooring/redis/testing";
 * import { assertEquals } from "@std/assert";
 *
 * const clock = fakeClock();
 * let rings = 0;
 * clock.setTimer(() => rings++, 3000);
 * await clock.advance(2999);
 * assertEquals([rings, clock.pending], [0, 1]);
 * await clock.advance(1);
 * assertEquals([rings, clock.pending], [1, 0]);
 * ```
 */
export class FakeClock implements Clock {
  #now: number;
  /** Wall time minus monotonic time. */
  #wallOffset: number;
  #seq = 0;
  /** Sorted by due time, then by `seq`; the next one last, where removing it is cheap. */
  readonly #timers: FakeTimer[] = [];

  /**
   * Creates one; see {@linkcode fakeClock}.
   *
   * @param options Where time begins.
   */
  constructor(options: FakeClockOptions = {}) {
    const { now = 0, wall = Date.UTC(2026, 0, 1) } = options;
    this.#now = now;
    this.#wallOffset = wall - now;
  }

  /** Milliseconds of monotonic time. */
  now(): number {
    return this.#now;
  }

  /** Resolves when time has moved by `ms` milliseconds. */
  sleep(ms: number, options?: SleepOptions): Promise<void> {
    return sleepBy(this, ms, options);
  }

  /** Calls `fn` soon: here there are no sockets to wait for. */
  afterPoll(fn: () => void): void {
    queueMicrotask(fn);
  }

  /** Milliseconds since the Unix epoch. */
  wallNow(): number {
    return this.#now + this.#wallOffset;
  }

  /**
   * Calls `fn` when time has moved by `ms` milliseconds.
   *
   * @throws {TypeError} If `ms` is not a number.
   */
  setTimer(fn: () => void, ms: number): Timer {
    // The host would run it at once, which would hide a wrong calculation.
    if (Number.isNaN(ms)) {
      throw new TypeError("Cannot set a timer as ms must be a number");
    }
    const timer: FakeTimer = {
      at: this.#now + Math.max(0, ms),
      seq: this.#seq++,
      fn,
      cancel: () => {
        const index = this.#timers.indexOf(timer);
        if (index !== -1) this.#timers.splice(index, 1);
      },
    };
    this.#timers.splice(this.#place(timer), 0, timer);
    return timer;
  }

  /** How many timers are set; something that was closed should leave none. */
  get pending(): number {
    return this.#timers.length;
  }

  /** Milliseconds until the next timer is due; `undefined` if none is set. */
  get nextInMs(): number | undefined {
    const next = this.#timers.at(-1);
    return next === undefined ? undefined : Math.max(0, next.at - this.#now);
  }

  /**
   * Moves time forward and runs the timers that are due, those that they set included.
   * Promise reactions run before the first timer and after each.
   *
   * @param ms How far, in milliseconds, 0 or more. 0 runs what is due now.
   * @throws {RangeError} If `ms` is negative or not finite.
   */
  async advance(ms: number): Promise<void> {
    const end = this.#now + checkDuration(ms, "advance");
    await drainMicrotasks();
    for (let next = this.#timers.at(-1); next !== undefined && next.at <= end;) {
      this.#timers.pop();
      this.#now = Math.max(this.#now, next.at);
      next.fn();
      await drainMicrotasks();
      next = this.#timers.at(-1);
    }
    this.#now = Math.max(this.#now, end);
  }

  /**
   * Moves time forward without running anything, as if the process were stopped or its event
   * loop blocked: what is due runs late, at the next {@linkcode advance}.
   *
   * @param ms How far, in milliseconds, 0 or more.
   * @throws {RangeError} If `ms` is negative or not finite.
   */
  freeze(ms: number): void {
    this.#now += checkDuration(ms, "freeze");
  }

  /**
   * Sets the wall clock, forward or back; monotonic time and timers are not affected.
   *
   * @param epochMs The new value of `wallNow()`, in milliseconds.
   */
  setWall(epochMs: number): void {
    this.#wallOffset = epochMs - this.#now;
  }

  /** The index of a new timer: the latest are first. */
  #place(timer: FakeTimer): number {
    let low = 0;
    let high = this.#timers.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      const other = this.#timers[middle]!;
      // Of equal due times the newer runs later: it goes before the older ones here.
      if (other.at > timer.at) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}

function checkDuration(ms: number, verb: string): number {
  if (!(ms >= 0 && ms < Infinity)) {
    throw new RangeError(
      `Cannot ${verb} the clock as ms must be 0 or more: current value is ${ms}`,
    );
  }
  return ms;
}

/**
 * Creates a clock for tests: time stands still until {@linkcode FakeClock.advance} moves it. As
 * the third argument of {@linkcode RedisConnectionManager} it drives deadlines, the circuit
 * breaker, idle timeouts, lifetimes, health checks, and waits between retries. Sockets stay
 * real, and so does the time that connecting takes.
 *
 * @param options Where time begins.
 * @returns The clock.
 *
 * @example Usage
 * ```ts
 * import { CommandTimeoutError, RedisConnectionManager } from "@mooring/redis";
 * import { fakeClock, startRedis } from "@mooring/redis/testing";
 * import { assertRejects } from "@std/assert";
 *
 * await using server = await startRedis();
 * const clock = fakeClock();
 * await using manager = new RedisConnectionManager(
 *   { url: server.url, databases: { main: { db: 0, commandTimeoutMs: 5000 } } },
 *   {},
 *   clock,
 * );
 * const main = await manager.getAsyncClient("main");
 *
 * server.pause(); // it answers nothing from now on
 * const reply = assertRejects(() => main.get("k"), CommandTimeoutError);
 * await clock.advance(5100); // deadlines are checked in steps of some milliseconds
 * await reply;
 * server.resume();
 * ```
 */
export function fakeClock(options: FakeClockOptions = {}): FakeClock {
  return new FakeClock(options);
}
