/** Random numbers that are the same in every run: a linear congruential generator. */
export class Random {
  #state: number;

  constructor(seed: number) {
    this.#state = seed >>> 0;
    for (let i = 0; i < 8; i++) this.next();
  }

  /** From 0 to 1, evenly. */
  next(): number {
    this.#state = (Math.imul(this.#state, 1664525) + 1013904223) >>> 0;
    return this.#state / 2 ** 32;
  }

  /** Exponentially, with this mean. */
  exponential(mean: number): number {
    return -mean * Math.log(1 - this.next());
  }
}
