import { delay } from "@std/async/delay";
import type { Clock } from "../core/clock.ts";

/** Least time between the starts of two attempts after a failure, in milliseconds: ten
 * a second at most, however many callers want a connection. */
const SPACING_MS = 110;

/**
 * What attempts to connect pass through: all at once while the server is well, one at a
 * time and at a distance after one has failed.
 */
export class ConnectGate {
  readonly #clock: Clock;
  #sick = false;
  #lastStart = -Infinity;
  #turn: Promise<void> = Promise.resolve();

  /**
   * Makes a gate.
   *
   * @param clock Time.
   */
  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /**
   * Makes an attempt, when it is its turn.
   *
   * @param attempt The attempt.
   * @param signal Ends the wait.
   * @returns What the attempt gives.
   */
  async pass<T>(attempt: () => Promise<T>, signal: AbortSignal): Promise<T> {
    if (!this.#sick) return await this.#make(attempt);
    const before = this.#turn;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#turn = promise;
    try {
      await before;
      signal.throwIfAborted();
      const waitMs = this.#lastStart + SPACING_MS - this.#clock.now();
      // Not a timer of the clock's: somebody waits for this, the process must live on.
      if (this.#sick && waitMs > 0) await delay(waitMs, { signal });
      return await this.#make(attempt);
    } finally {
      resolve();
    }
  }

  async #make<T>(attempt: () => Promise<T>): Promise<T> {
    this.#lastStart = this.#clock.now();
    try {
      const made = await attempt();
      this.#sick = false;
      return made;
    } catch (error) {
      this.#sick = true;
      throw error;
    }
  }
}
