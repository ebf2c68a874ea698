import type { Percentiles } from "./report_types.ts";

/** Steps that each power of two is divided into, as a power of two: 2^6 = 64. */
const STEP_BITS = 6;
const STEPS = 2 ** STEP_BITS;
/** From 1 µs to 2^32 µs, which is more than an hour. */
const OCTAVES = 32;
/** Of a double's upper word, the bits below the steps: 20 bits of mantissa less ours. */
const SHIFT = 20 - STEP_BITS;
/** The bucket of 1 µs, whose exponent is stored as 1023. */
const FIRST = 1023 << STEP_BITS;

// A double seen as two words: exponent and mantissa of its upper word are its logarithm.
const asDouble = new Float64Array(1);
const asWords = new Uint32Array(asDouble.buffer);

/**
 * Counts durations in buckets that grow with them, as HdrHistogram does: a quantile is
 * known to within 1/128 of itself, in 16 KiB, however many there are.
 */
export class Histogram {
  /** How far off a quantile may be, relative to itself. */
  static readonly relativeError: number = 1 / (2 * STEPS);
  readonly #counts = new Float64Array(OCTAVES * STEPS);
  #count = 0;
  #max = 0;

  /** How many durations there are. */
  get count(): number {
    return this.#count;
  }

  /** The longest, in milliseconds; exact. */
  get max(): number {
    return this.#max;
  }

  /**
   * Counts a duration.
   *
   * @param ms Milliseconds.
   */
  record(ms: number): void {
    asDouble[0] = ms * 1000;
    const bucket = (asWords[1]! >>> SHIFT) - FIRST;
    const last = this.#counts.length - 1;
    this.#counts[ms < 0.001 ? 0 : bucket > last ? last : bucket]! += 1;
    this.#count++;
    if (ms > this.#max) this.#max = ms;
  }

  /**
   * Adds what another one counted.
   *
   * @param other The other one.
   */
  add(other: Histogram): void {
    for (let i = 0; i < this.#counts.length; i++) this.#counts[i]! += other.#counts[i]!;
    this.#count += other.#count;
    this.#max = Math.max(this.#max, other.#max);
  }

  /**
   * A quantile by the nearest rank.
   *
   * @param share From 0 to 1.
   * @returns Milliseconds; 0 if nothing was counted.
   */
  quantile(share: number): number {
    let left = Math.max(1, Math.ceil(share * this.#count));
    if (left >= this.#count) return this.#max;
    for (let i = 0; i < this.#counts.length; i++) {
      left -= this.#counts[i]!;
      if (left <= 0) return Math.min(this.#max, middleOf(i) / 1000);
    }
    return this.#max;
  }

  /**
   * The percentiles of the report.
   *
   * @returns Milliseconds.
   */
  percentiles(): Percentiles {
    return {
      p50: this.quantile(0.5),
      p99: this.quantile(0.99),
      p999: this.quantile(0.999),
      max: this.#max,
    };
  }
}

/** Middle of a bucket, in microseconds. */
function middleOf(bucket: number): number {
  const step = bucket & (STEPS - 1);
  return 2 ** (bucket >> STEP_BITS) * (1 + (step + 0.5) / STEPS);
}
