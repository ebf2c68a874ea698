/**
 * Watches that promises settle in time.
 *
 * @module
 */

import { LATE_FACTOR, loadFactor, Stopwatch } from "./stopwatch.ts";

/** What a promise may take beyond its deadline, in milliseconds: the contract. */
export const OVERTIME_MS = 100;

/** A promise that has not settled. */
interface Open {
  readonly what: string;
  /** When it has to be settled, on a quiet machine. */
  readonly deadline: number;
}

/**
 * Holds promises to their deadlines: each is to settle, whichever way, no later than 100 ms
 * behind its own.
 *
 * @example
 * ```ts
 * using settling = new Settling();
 * settling.watch("a GET", 500, client.get("k"));
 * await settling.all();
 * assertEquals(settling.late, []);
 * ```
 */
export class Settling implements Disposable {
  readonly #watch: Stopwatch;
  readonly #open = new Map<Promise<unknown>, Open>();
  readonly #late: string[] = [];
  #settled = 0;

  /**
   * Watches nothing yet.
   *
   * @param now Time, in milliseconds. Default: real time, and bounds grow with how late
   * this process is.
   */
  constructor(readonly now?: () => number) {
    this.#watch = new Stopwatch(now);
  }

  /** Those that settled too late, in words. */
  get late(): readonly string[] {
    return this.#late;
  }

  /** How many settled. */
  get settled(): number {
    return this.#settled;
  }

  /** Those that have not settled, in words. */
  get pending(): readonly string[] {
    return [...this.#open.values()].map(({ what }) => what);
  }

  /** Milliseconds until the last one of those that are pending has to be settled. */
  get longestMs(): number {
    const { ms } = this.#watch;
    const deadlines = [...this.#open.values()].map(({ deadline }) => deadline);
    return Math.max(0, ...deadlines.map((deadline) => deadline + OVERTIME_MS - ms));
  }

  /**
   * Holds a promise to a deadline; its outcome is nobody's business any more.
   *
   * @param what What it is of, in words.
   * @param deadlineMs When it has to settle, in milliseconds from now.
   * @param promise The promise.
   */
  watch(what: string, deadlineMs: number, promise: Promise<unknown>): void {
    const begun = this.#watch.read();
    this.#open.set(promise, { what, deadline: begun.ms + deadlineMs });
    const settle = (outcome: string) => {
      this.#open.delete(promise);
      this.#settled++;
      const { ms, lateMs } = this.now === undefined
        ? this.#watch.since(begun)
        : { ms: this.#watch.ms - begun.ms, lateMs: 0 };
      const load = this.now === undefined ? loadFactor() : 1;
      if (ms <= deadlineMs + OVERTIME_MS * load + LATE_FACTOR * lateMs) return;
      this.#late.push(
        `${what} took ${
          Math.round(ms)
        } ms of ${deadlineMs} ms (this process was late by ${
          Math.round(lateMs)
        } ms) and gave ${outcome}`,
      );
    };
    promise.then(
      (value) => settle(Deno.inspect(value, { depth: 0 })),
      (error) => settle(String(error)),
    );
  }

  [Symbol.dispose](): void {
    this.#watch[Symbol.dispose]();
  }
}
