/** How late the event loop is. */

const EVERY_MS = 10;
/** Looks that were late that it remembers: a minute of them, if every one is. */
const KEPT = 60_000 / EVERY_MS;
/** Less than this is the timer's own inaccuracy. */
const NOTED_MS = 2;

/**
 * Measures how late a timer is, again and again: on a machine under load a deadline is
 * noticed that much later, and whoever judges deadlines has to allow for it.
 */
export class LagMeter implements Disposable {
  readonly #now: () => number;
  readonly #timer: ReturnType<typeof setInterval>;
  // Taken at once, so that it may run beside a judge of the heap.
  readonly #lateAt = new Float64Array(KEPT);
  readonly #lateMs = new Float64Array(KEPT);
  #next = 0;
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
    this.#lateAt[this.#next] = at;
    this.#lateMs[this.#next] = ms;
    this.#next = (this.#next + 1) % KEPT;
  }

  /** All of it together since then, what is going on included, in milliseconds. */
  sumSince(then: number): number {
    const goingOn = this.#now() - this.#lastAt - EVERY_MS;
    return this.#lateMs.reduce(
      (sum, ms, i) => this.#lateAt[i]! >= then ? sum + ms : sum,
      Math.max(0, goingOn),
    );
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer);
  }
}
