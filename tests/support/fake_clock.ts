import {
  type Clock,
  sleepBy,
  type SleepOptions,
  type Timer,
} from "../../src/core/clock.ts";

/** Promise hops that one drain waits for; no chain in the project comes near it. */
const DRAIN_HOPS = 100;

/** What {@linkcode FakeClock} starts from. */
export interface FakeClockOptions {
  /** First value of `now()`, in milliseconds. Default 0. */
  now?: number;
  /** First value of `wallNow()`, in milliseconds. Default 2026-01-01T00:00:00Z. */
  wall?: number;
}

interface FakeTimer extends Timer {
  readonly at: number;
  readonly seq: number;
  readonly fn: () => void;
}

/**
 * Lets every promise reaction that is ready, and those that follow from it, run. It
 * waits for microtasks only, so nothing of the real event loop gets in between.
 *
 * @param hops How many hops of a promise chain are waited for. Default 100.
 */
export async function drainMicrotasks(hops: number = DRAIN_HOPS): Promise<void> {
  for (let i = 0; i < hops; i++) await null;
}

/**
 * A {@linkcode Clock} that stands still until it is told to move. Timers run in the
 * order of their due time, then of their making; `now()` is the timer's own due time
 * while it runs, unless the process was {@linkcode FakeClock.freeze | frozen}.
 *
 * @example Usage
 * ```ts ignore
 * const clock = new FakeClock();
 * clock.setTimer(() => console.log("late"), 3000);
 * await clock.advance(3000); // logs
 * ```
 */
export class FakeClock implements Clock {
  #now: number;
  /** What is added to monotonic time to get the wall's. */
  #wallOffset: number;
  #seq = 0;
  /** Sorted by due time, then by making; the next one last, where it is cheap to take. */
  readonly #timers: FakeTimer[] = [];

  constructor(options: FakeClockOptions = {}) {
    const { now = 0, wall = Date.UTC(2026, 0, 1) } = options;
    this.#now = now;
    this.#wallOffset = wall - now;
  }

  now(): number {
    return this.#now;
  }

  sleep(ms: number, options?: SleepOptions): Promise<void> {
    return sleepBy(this, ms, options);
  }

  afterPoll(fn: () => void): void {
    queueMicrotask(fn);
  }

  wallNow(): number {
    return this.#now + this.#wallOffset;
  }

  setTimer(fn: () => void, ms: number): Timer {
    // The host would run it at once: a sum that went wrong must not pass for "now".
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

  /** How many timers wait; a component that is closed leaves none. */
  get pending(): number {
    return this.#timers.length;
  }

  /** Milliseconds until the next timer is due, `undefined` when none waits. */
  get nextInMs(): number | undefined {
    const next = this.#timers.at(-1);
    return next === undefined ? undefined : Math.max(0, next.at - this.#now);
  }

  /**
   * Moves time forward and runs what falls due, timers made on the way included;
   * microtasks are drained before the first timer and after each.
   *
   * @param ms How far, in milliseconds. 0 runs what is due now.
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
   * Moves time forward without running anything, as when the process is stopped or its
   * event loop blocked: what fell due runs late, at the next {@linkcode advance}.
   *
   * @param ms How far, in milliseconds.
   */
  freeze(ms: number): void {
    this.#now += checkDuration(ms, "freeze");
  }

  /**
   * Sets the wall clock, forward or back; monotonic time and timers do not notice.
   *
   * @param epochMs What `wallNow()` gives from now on, in milliseconds.
   */
  setWall(epochMs: number): void {
    this.#wallOffset = epochMs - this.#now;
  }

  /** Where a timer belongs among those that wait, which are sorted the latest first. */
  #place(timer: FakeTimer): number {
    let low = 0;
    let high = this.#timers.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      const other = this.#timers[middle]!;
      // An equal due time runs after the ones made before: it stands before them here.
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
