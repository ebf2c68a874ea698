import type { Clock } from "../core/clock.ts";

/** How long a failure is remembered, in milliseconds. */
const WINDOW_MS = 30_000;
/** Failures kept at most: more make a database no less healthy. */
const MOST = 100;

/** Counts the failures of the last 30 s. */
export class FailureWindow {
  readonly #clock: Clock;
  #times: number[] = [];

  /**
   * Begins to count.
   *
   * @param clock Time.
   */
  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Something failed. */
  add(): void {
    this.#times.push(this.#clock.now());
    if (this.#times.length > MOST) this.#times.shift();
  }

  /** How many failures there were in the last 30 s. */
  get count(): number {
    const since = this.#clock.now() - WINDOW_MS;
    this.#times = this.#times.filter((time) => time > since);
    return this.#times.length;
  }
}
