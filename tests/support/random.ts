/**
 * Random numbers that a seed gives again.
 *
 * @module
 */

/** A generator of random numbers, the same for the same seed. */
export class Random {
  /** What it started from; names the run in messages. */
  readonly seed: number;
  #state: number;

  /**
   * Starts a generator.
   *
   * @param seed Where it starts: an integer.
   */
  constructor(seed: number) {
    this.seed = seed;
    this.#state = seed >>> 0;
  }

  /** An integer from 0 to `below` - 1. */
  below(below: number): number {
    // mulberry32: small, and good enough to choose by.
    this.#state = (this.#state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(this.#state ^ (this.#state >>> 15), this.#state | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) % below;
  }

  /** An integer from `least` to `most`. */
  between(least: number, most: number): number {
    return least + this.below(most - least + 1);
  }

  /** One of the values. */
  pick<T>(values: readonly T[]): T {
    return values[this.below(values.length)]!;
  }
}
