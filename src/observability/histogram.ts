import type { LatencyStats } from "./types.ts";

/** Steps that each power of two is divided into, as a power of two: 2^5 = 32. */
const STEP_BITS = 5;
const STEPS = 2 ** STEP_BITS;

/** Smallest and largest duration that has a bucket of its own, in microseconds: 1 µs and 1 h. */
const MIN_US = 1;
const MAX_US = 3_600_000_000;

/** How many bits of a double's upper word stand below the steps: of its 20 bits of
 * mantissa, the topmost five say the step. */
const SHIFT = 20 - STEP_BITS;

// One double seen as two words: its upper word holds exponent and mantissa, which
// together are the logarithm that the bucket is found by. No host that Deno runs on is
// big-endian.
const asDouble = new Float64Array(1);
const asWords = new Uint32Array(asDouble.buffer);

function bucketOf(us: number): number {
  asDouble[0] = us;
  return (asWords[1]! >>> SHIFT) - FIRST;
}

const FIRST = firstBucket();
const BUCKETS = bucketOf(MAX_US) + 1;

function firstBucket(): number {
  asDouble[0] = MIN_US;
  return asWords[1]! >>> SHIFT;
}

/** Lower bound of a bucket, in microseconds. */
function lowerBoundUs(bucket: number): number {
  const octave = bucket >> STEP_BITS;
  return MIN_US * 2 ** octave * (1 + (bucket & (STEPS - 1)) / STEPS);
}

/** Half the width of a bucket relative to its lower bound, at most: what a quantile may
 * be off by. */
const RELATIVE_ERROR = 1 / (2 * STEPS);

/** Durations in numbers, in milliseconds. */
export interface LatencySnapshot extends LatencyStats {
  /** How many durations were recorded. */
  readonly count: number;
  /** Their sum; each as it was recorded. */
  readonly sumMs: number;
  /** The smallest, exact. */
  readonly minMs: number;
}

/**
 * Counts durations in buckets whose width grows with the duration, so that any quantile
 * is known to within 1.6 % of itself, in 8 KiB, for any number of durations.
 *
 * The buckets are log-linear, as in HdrHistogram (each power of two is divided into 32
 * equal steps); the bound is that of half a step, 1/64, as a quantile is given as the
 * middle of its bucket. It is a bound on the *value*, as DDSketch gives it: the rank is
 * exact. From 1 µs to 1 h; what lies outside counts as the end that it is beyond, while
 * `minMs` and `maxMs` stay exact.
 *
 * @example Usage
 * ```ts
 * import { LatencyHistogram } from "./histogram.ts";
 * import { assertAlmostEquals, assertEquals } from "@std/assert";
 *
 * const histogram = new LatencyHistogram();
 * histogram.record(0.25);
 * histogram.record(1.5, 10); // ten commands that took 1.5 ms each
 * const { count, p99Ms, maxMs } = histogram.snapshot();
 * assertEquals([count, maxMs], [11, 1.5]);
 * assertAlmostEquals(p99Ms, 1.5, 1.5 * LatencyHistogram.relativeError);
 * ```
 */
export class LatencyHistogram {
  /** How far off a quantile may be, relative to itself: 1/64. */
  static readonly relativeError: number = RELATIVE_ERROR;

  /** Doubles, as counts may pass 2^32 within the hour; exact up to 2^53. */
  readonly #counts = new Float64Array(BUCKETS);
  #sumMs = 0;
  #minMs = Infinity;
  #maxMs = 0;

  /**
   * Counts a duration. A negative one, or NaN, counts as 0: a clock may go wrong, and a
   * statistic must not.
   *
   * @param ms The duration, in milliseconds.
   * @param count How many times it occurred. Default 1.
   */
  record(ms: number, count: number = 1): void {
    const duration = ms > 0 ? ms : 0;
    const us = duration * 1000;
    const bucket = us < MIN_US ? 0 : us < MAX_US ? bucketOf(us) : BUCKETS - 1;
    this.#counts[bucket]! += count;
    this.#sumMs += duration * count;
    if (duration < this.#minMs) this.#minMs = duration;
    if (duration > this.#maxMs) this.#maxMs = duration;
  }

  /** How many durations were recorded. */
  get count(): number {
    let count = 0;
    for (const each of this.#counts) count += each;
    return count;
  }

  /** Sum of the durations, in milliseconds. */
  get sumMs(): number {
    return this.#sumMs;
  }

  /**
   * The duration that a share of the durations did not exceed.
   *
   * @param share From 0 to 1: 0.99 for p99.
   * @returns Milliseconds; 0 if nothing was recorded.
   * @throws {RangeError} If the share is not from 0 to 1.
   */
  quantile(share: number): number {
    return this.#quantiles([share], this.count)[0]!;
  }

  /**
   * The usual numbers.
   *
   * @returns A new object, independent of what is recorded later.
   */
  snapshot(): LatencySnapshot {
    const count = this.count;
    const [p50Ms, p95Ms, p99Ms] = this.#quantiles([0.5, 0.95, 0.99], count);
    return {
      count,
      sumMs: this.#sumMs,
      minMs: count === 0 ? 0 : this.#minMs,
      p50Ms: p50Ms!,
      p95Ms: p95Ms!,
      p99Ms: p99Ms!,
      maxMs: this.#maxMs,
    };
  }

  /**
   * How many durations did not exceed each bound, as Prometheus and OpenTelemetry count.
   * A duration in the bucket that a bound cuts counts as its bucket's middle.
   *
   * @param boundsMs Bounds in milliseconds, ascending.
   * @returns One number for each bound; each includes the ones before it.
   */
  cumulative(boundsMs: readonly number[]): number[] {
    const counts: number[] = [];
    let bucket = 0;
    let sum = 0;
    for (const bound of boundsMs) {
      while (bucket < BUCKETS && this.#middleMs(bucket) <= bound) {
        sum += this.#counts[bucket++]!;
      }
      counts.push(sum);
    }
    return counts;
  }

  /**
   * Adds what another histogram holds.
   *
   * @param other The other; it stays as it is.
   */
  merge(other: LatencyHistogram): void {
    for (let i = 0; i < BUCKETS; i++) this.#counts[i]! += other.#counts[i]!;
    this.#sumMs += other.#sumMs;
    this.#minMs = Math.min(this.#minMs, other.#minMs);
    this.#maxMs = Math.max(this.#maxMs, other.#maxMs);
  }

  /** Forgets everything. */
  clear(): void {
    this.#counts.fill(0);
    this.#sumMs = 0;
    this.#minMs = Infinity;
    this.#maxMs = 0;
  }

  /** Quantiles for shares in ascending order, in one pass. */
  #quantiles(shares: readonly number[], count: number): number[] {
    const found: number[] = [];
    let bucket = 0;
    let sum = this.#counts[0]!;
    for (const share of shares) {
      if (!(share >= 0 && share <= 1)) {
        throw new RangeError(
          `Cannot give a quantile as its share must be from 0 to 1: current value is ${share}`,
        );
      }
      // The nearest rank: the smallest duration with at least this many up to it.
      const rank = Math.max(1, Math.ceil(share * count));
      while (sum < rank && bucket < BUCKETS - 1) sum += this.#counts[++bucket]!;
      found.push(count === 0 ? 0 : this.#middleMs(bucket));
    }
    return found;
  }

  /** The middle of a bucket, within what was recorded. */
  #middleMs(bucket: number): number {
    const middle = (lowerBoundUs(bucket) + lowerBoundUs(bucket + 1)) / 2 / 1000;
    return Math.min(Math.max(middle, this.#minMs), this.#maxMs);
  }
}

/** All durations since the start, as cumulative buckets. */
export interface LatencyTotals {
  /** Upper bounds of the buckets, in milliseconds, ascending. */
  readonly boundsMs: readonly number[];
  /** How many durations did not exceed each bound; each includes the ones before it. */
  readonly counts: readonly number[];
  /** How many durations there were. */
  readonly count: number;
  /** Their sum, in milliseconds. */
  readonly sumMs: number;
}

/**
 * Durations of a window that can be begun anew, and beside it those of all time, which
 * never get fewer.
 */
export class LatencyWindow {
  readonly #window = new LatencyHistogram();
  /** Those before the window; made when there are any. */
  #past: LatencyHistogram | undefined;

  /**
   * Counts a duration.
   *
   * @param ms The duration, in milliseconds.
   * @param count How many times it occurred.
   */
  record(ms: number, count: number): void {
    this.#window.record(ms, count);
  }

  /** The window's numbers; a frozen snapshot. */
  stats(): LatencyStats {
    const { p50Ms, p95Ms, p99Ms, maxMs } = this.#window.snapshot();
    return Object.freeze({ p50Ms, p95Ms, p99Ms, maxMs });
  }

  /** Begins a new window. */
  reset(): void {
    this.#past ??= new LatencyHistogram();
    this.#past.merge(this.#window);
    this.#window.clear();
  }

  /**
   * All durations since the start.
   *
   * @param boundsMs Upper bounds of the buckets, in milliseconds, ascending.
   * @returns Cumulative counts; none of them gets smaller from one call to the next.
   */
  totals(boundsMs: readonly number[]): LatencyTotals {
    const all = new LatencyHistogram();
    if (this.#past !== undefined) all.merge(this.#past);
    all.merge(this.#window);
    const { count, sumMs } = all;
    // A histogram moves the middles of its buckets to what it has seen: without ends that
    // stay, a duration could leave the bound that it has been counted under.
    all.record(0);
    all.record(Number.MAX_VALUE);
    const counts = all.cumulative(boundsMs).map((each) => each - 1);
    return { boundsMs, counts, count, sumMs };
  }
}
