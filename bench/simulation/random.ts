/** Random numbers that come out the same for the same seed. */
export class Random {
  #state: number;

  /**
   * Makes a source.
   *
   * @param seed Any whole number.
   */
  constructor(seed: number) {
    this.#state = seed >>> 0;
  }

  /** The next number, from 0 up to 1: mulberry32, whose period is 2^32. */
  readonly next = (): number => {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0;
    let t = this.#state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };

  /**
   * A time until something that happens at any moment with the same chance.
   *
   * @param mean How long it takes on average.
   * @returns A number of 0 or more, exponentially distributed.
   */
  exponential(mean: number): number {
    return -Math.log(1 - this.next()) * mean;
  }
}
