/**
 * Times that tests hold to a bound on a machine that may be busy.
 *
 * @module
 */

/** How often the stopwatch looks whether this process runs at all, in milliseconds. */
const LOOK_EVERY_MS = 10;
/** Less than this is the timer's own inaccuracy, in milliseconds. */
const NOTED_MS = 2;
/**
 * What a bound grows by for each millisecond in which this process could not run: the
 * servers and relays of a test share the machine with it and are kept waiting in turn, and
 * what has arrived is read before a deadline is judged.
 */
export const LATE_FACTOR = 3;

/** What a bound is multiplied with at least: no machine of today is quiet for long. */
const LEAST_LOAD = 1.5;

/** How many times as long as on a quiet machine things may take: by its load, each core's. */
export function loadFactor(): number {
  return Math.max(LEAST_LOAD, Deno.loadavg()[0]! / navigator.hardwareConcurrency);
}

/** What a {@linkcode Stopwatch} shows. */
export interface Reading {
  /** Milliseconds since it was started. */
  readonly ms: number;
  /** Those of them in which this process did not run, or was busy with something else:
   * how late timers were, altogether. */
  readonly lateMs: number;
}

/** Bounds of a time, in milliseconds. */
export interface TimeBounds {
  /** Nothing comes early; a process that is late may have begun to measure late, too. */
  readonly least?: number;
  /** Holds on a quiet machine; grows by what the process was kept from running, and with
   * the load of the machine: a test waits for servers, too. */
  readonly most?: number;
}

/**
 * Measures a time, and how much of it this process was kept from running. Where something is
 * waited for that never comes, or comes from the wrong timer, the process is idle, so that
 * its bound grows by nothing; where the machine is busy, the bound grows with it.
 *
 * @example
 * ```ts
 * using watch = new Stopwatch();
 * await client.get("k");
 * watch.assertWithin({ most: 400 }, "a GET");
 * ```
 */
export class Stopwatch implements Disposable {
  readonly #now: () => number;
  readonly #startedAt: number;
  readonly #timer: ReturnType<typeof setInterval>;
  #lookedAt: number;
  #lateMs = 0;

  /**
   * Starts it.
   *
   * @param now Time, in milliseconds. Default: that of `performance.now()`.
   */
  constructor(now: () => number = () => performance.now()) {
    this.#now = now;
    this.#startedAt = this.#lookedAt = now();
    this.#timer = setInterval(() => this.look(), LOOK_EVERY_MS);
  }

  /** Milliseconds since it was started. */
  get ms(): number {
    return this.#now() - this.#startedAt;
  }

  /** Takes note of how late its own timer is. */
  look(): void {
    const now = this.#now();
    const lateMs = now - this.#lookedAt - LOOK_EVERY_MS;
    this.#lookedAt = now;
    if (lateMs >= NOTED_MS) this.#lateMs += lateMs;
  }

  /** What it shows now. */
  read(): Reading {
    const goingOnMs = this.#now() - this.#lookedAt - LOOK_EVERY_MS;
    return { ms: this.ms, lateMs: this.#lateMs + Math.max(0, goingOnMs) };
  }

  /**
   * What came to pass since it showed something.
   *
   * @param earlier What it showed.
   */
  since(earlier: Reading): Reading {
    const { ms, lateMs } = this.read();
    return { ms: ms - earlier.ms, lateMs: Math.max(0, lateMs - earlier.lateMs) };
  }

  /**
   * Throws if the time since the start is out of its bounds.
   *
   * @returns What it shows.
   */
  assertWithin(bounds: TimeBounds, what?: string): Reading {
    const reading = this.read();
    assertTook(reading, bounds, what);
    return reading;
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer);
  }
}

/**
 * Throws if a time is out of its bounds.
 *
 * @param reading The time, and how much of it this process was kept from running.
 * @param bounds What it is held to.
 * @param what What took it, in words.
 * @param load How many times as long as on a quiet machine it may take.
 * @throws {Error} With the numbers.
 */
export function assertTook(
  { ms, lateMs }: Reading,
  { least = -Infinity, most = Infinity }: TimeBounds,
  what = "it",
  load = loadFactor(),
): void {
  const allowedMs = most * load + LATE_FACTOR * lateMs;
  if (ms + lateMs >= least && ms < allowedMs) return;
  throw new Error(
    `${what} took ${
      ms.toFixed(1)
    } ms, out of ${least} to ${most} ms, on a machine that ` +
      `kept this process from running for ${lateMs.toFixed(1)} ms, where all takes ` +
      `${load.toFixed(1)} times as long`,
  );
}

/**
 * Waits for a promise to settle.
 *
 * @returns How long that took, and what it settled with; never rejects.
 */
export async function timed<T>(
  promise: Promise<T>,
): Promise<Reading & { value?: T; error?: unknown }> {
  using watch = new Stopwatch();
  try {
    const value = await promise;
    return { ...watch.read(), value };
  } catch (error) {
    return { ...watch.read(), error };
  }
}
