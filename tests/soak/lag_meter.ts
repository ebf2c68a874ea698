/** How late the event loop is. */

const EVERY_MS = 10;
/** How far back it remembers. */
const KEPT_MS = 60_000;
/** Less than this is the timer's own inaccuracy. */
const NOTED_MS = 2;

/**
 * Measures how late a timer is, again and again: on a machine under load a deadline is
 * noticed that much later, and whoever judges deadlines has to allow for it.
 */
export class LagMeter implements Disposable {
  readonly #now: () => number;
  readonly #timer: ReturnType<typeof setInterval>;
  #late: { at: number; ms: number }[] = [];
  #lastAt: number;
  #worst = 0;

  /** Starts to measure. */
  constructor(now: () => number = () => performance.now()) {
    this.#now = now;
    this.#lastAt = now();
    this.#timer = setInterval(() => this.measure(), EVERY_MS);
  }

  /** The worst so far, in milliseconds. */
  get worst(): number {
    return this.#worst;
  }

  /** One look at the clock. */
  measure(): void {
    const at = this.#now();
    const ms = at - this.#lastAt - EVERY_MS;
    this.#lastAt = at;
    if (ms < NOTED_MS) return;
    this.#worst = Math.max(this.#worst, ms);
    this.#late.push({ at, ms });
    if (this.#late[0]!.at < at - KEPT_MS) {
      this.#late = this.#late.filter((each) => each.at >= at - KEPT_MS);
    }
  }

  /** All of it together since then, what is going on included, in milliseconds. */
  sumSince(then: number): number {
    const goingOn = this.#now() - this.#lastAt - EVERY_MS;
    return this.#late.reduce(
      (sum, { at, ms }) => at >= then ? sum + ms : sum,
      Math.max(0, goingOn),
    );
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer);
  }
}
