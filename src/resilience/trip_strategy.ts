/** Decides when a closed breaker opens; knows nothing of its states. */
export interface TripStrategy {
  /** How many failures it holds against the server now. */
  readonly failures: number;
  /** Takes a success, or any number of them in a row. */
  success(): void;
  /**
   * Takes a failure that counts.
   *
   * @returns Whether the breaker shall open.
   */
  failure(): boolean;
  /** Forgets everything. */
  reset(): void;
}

/**
 * Opens after so many failures without a success between them.
 *
 * @example Usage
 * ```ts
 * import { ConsecutiveFailures } from "./trip_strategy.ts";
 * import { assertEquals } from "@std/assert";
 *
 * const strategy = new ConsecutiveFailures(2);
 * assertEquals([strategy.failure(), strategy.failure()], [false, true]);
 * ```
 */
export class ConsecutiveFailures implements TripStrategy {
  readonly #threshold: number;
  #failures = 0;

  /**
   * Makes a strategy.
   *
   * @param threshold How many failures in a row open the breaker, 1 or more.
   * @throws {RangeError} If the threshold is no positive integer.
   */
  constructor(threshold: number) {
    if (!Number.isSafeInteger(threshold) || threshold < 1) {
      throw new RangeError(
        `Cannot count failures as threshold must be a positive integer: ` +
          `current value is ${threshold}`,
      );
    }
    this.#threshold = threshold;
  }

  /** Failures since the last success. */
  get failures(): number {
    return this.#failures;
  }

  /** Takes a success: the row of failures is broken. */
  success(): void {
    this.#failures = 0;
  }

  /**
   * Takes a failure.
   *
   * @returns Whether it was the last that is tolerated.
   */
  failure(): boolean {
    return ++this.#failures >= this.#threshold;
  }

  /** Forgets the failures. */
  reset(): void {
    this.#failures = 0;
  }
}
