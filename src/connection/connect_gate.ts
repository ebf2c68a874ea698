import { delay } from "@std/async/delay";
import type { Clock } from "../core/clock.ts";

/** Least time between the starts of two attempts while the server is not well, in
 * milliseconds: ten a second at most, however many callers want a connection. */
const SPACING_MS = 110;
/** Most that is added to it, by chance: processes whose connections were cut at the same
 * moment are not to stay in step. */
const SPREAD_MS = 55;
/** How long a server is not well that cut a connection on which it had answered nothing,
 * in milliseconds: that it took the connection was no success. */
const UNWELL_MS = 1000;

/**
 * What attempts to connect pass through: all at once while the server is well, one at a
 * time and at a distance after one has failed, or a connection was of no use.
 */
export class ConnectGate {
  readonly #clock: Clock;
  readonly #random: () => number;
  #sick = false;
  #lostUselessAt = -Infinity;
  #lastStart = -Infinity;
  #turn: Promise<void> = Promise.resolve();

  /**
   * Makes a gate.
   *
   * @param clock Time.
   * @param random Numbers from 0 up to 1.
   */
  constructor(clock: Clock, random: () => number = Math.random) {
    this.#clock = clock;
    this.#random = random;
  }

  /**
   * Takes note of a connection that was lost.
   *
   * @param hadAnswered Whether anything was answered on it.
   */
  lost(hadAnswered: boolean): void {
    if (!hadAnswered) this.#lostUselessAt = this.#clock.now();
  }

  /**
   * Makes an attempt, when it is its turn.
   *
   * @param attempt The attempt.
   * @param signal Ends the wait.
   * @returns What the attempt gives.
   */
  async pass<T>(attempt: () => Promise<T>, signal: AbortSignal): Promise<T> {
    if (this.#isWell()) return await this.#make(attempt);
    const before = this.#turn;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#turn = promise;
    try {
      await before;
      signal.throwIfAborted();
      const waitMs = this.#lastStart + this.#distance() - this.#clock.now();
      // Not a timer of the clock's: somebody waits for this, the process must live on.
      if (!this.#isWell() && waitMs > 0) await delay(waitMs, { signal });
      return await this.#make(attempt);
    } finally {
      resolve();
    }
  }

  #isWell(): boolean {
    return !this.#sick && this.#clock.now() - this.#lostUselessAt >= UNWELL_MS;
  }

  #distance(): number {
    return SPACING_MS + this.#random() * SPREAD_MS;
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
