/** Whether every promise settles by its deadline. */

/** What a promise may take longer than its deadline, in milliseconds, beside the time in
 * which the event loop was late: a deadline is noticed by a timer, what has arrived is read
 * before it is judged, and each of these turns may come late. */
export const GRACE_MS = 100;

interface Watched {
  readonly what: string;
  readonly startedAt: number;
  readonly boundMs: number;
}

/** Says how late the event loop was, altogether, since a time; a `LagMeter` does. */
export interface Lag {
  /** In milliseconds. */
  sumSince(then: number): number;
}

/** Follows promises, and notes those that are pending for too long. */
export class PromiseWatch {
  readonly #lag: Lag;
  readonly #now: () => number;
  readonly #open = new Set<Watched>();
  readonly #late: string[] = [];
  /** Overdue ones that were told already, and have not settled since. */
  readonly #told = new Set<Watched>();
  #settled = 0;

  /**
   * Follows nothing yet.
   *
   * @param lag How late the event loop is.
   * @param now Time, in milliseconds.
   */
  constructor(lag: Lag, now: () => number = () => performance.now()) {
    this.#lag = lag;
    this.#now = now;
  }

  /** Promises that have settled. */
  get settled(): number {
    return this.#settled;
  }

  /** Promises that have not. */
  get pending(): number {
    return this.#open.size + this.#told.size;
  }

  /**
   * Follows a promise.
   *
   * @param what What it is, in words.
   * @param boundMs The time by which it has to settle, whatever happens.
   * @param make Makes it.
   * @returns What it gives.
   */
  async run<T>(what: string, boundMs: number, make: () => Promise<T>): Promise<T> {
    const watched: Watched = { what, startedAt: this.#now(), boundMs };
    this.#open.add(watched);
    try {
      return await make();
    } finally {
      this.#settled++;
      if (this.#open.delete(watched)) this.#judge(watched, "settled after");
      else this.#told.delete(watched);
    }
  }

  /**
   * Looks for promises that are overdue.
   *
   * @returns Those that were late so far, in words.
   */
  overdue(): readonly string[] {
    for (const watched of this.#open) {
      if (!this.#judge(watched, "pending for")) continue;
      this.#open.delete(watched);
      this.#told.add(watched);
    }
    return this.#late;
  }

  #judge({ what, startedAt, boundMs }: Watched, how: string): boolean {
    const ms = this.#now() - startedAt;
    if (ms <= boundMs + GRACE_MS) return false;
    const lagMs = this.#lag.sumSince(startedAt);
    if (ms <= boundMs + GRACE_MS + lagMs) return false;
    this.#late.push(
      `${what} ${how} ${Math.round(ms)} ms, with a deadline of ${boundMs} ms ` +
        `and the event loop ${Math.round(lagMs)} ms late altogether`,
    );
    return true;
  }
}
