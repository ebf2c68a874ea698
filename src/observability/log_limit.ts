import type { Clock, Timer } from "../core/clock.ts";

/** Lines of one kind that are let through in one window. */
export const MOST_LINES = 10;
/** How long a window is, in milliseconds. */
export const WINDOW_MS = 10_000;

interface Window {
  readonly endsAt: number;
  lines: number;
  suppressed: number;
  timer?: Timer;
}

/**
 * Lets the first {@linkcode MOST_LINES} lines of each kind through in each window of
 * {@linkcode WINDOW_MS}, and tells at its end how many it held back. A window begins with
 * its first line.
 */
export class LogLimit {
  readonly #clock: Clock;
  readonly #report: (kind: string, suppressed: number) => void;
  readonly #windows = new Map<string, Window>();

  /**
   * Begins without a window.
   *
   * @param clock Time.
   * @param report Told at the end of a window how many lines of a kind were held back.
   */
  constructor(clock: Clock, report: (kind: string, suppressed: number) => void) {
    this.#clock = clock;
    this.#report = report;
  }

  /**
   * Whether one more line may be written.
   *
   * @param kind What it tells of: lines of other kinds do not count.
   * @returns `false` if it is to be held back; it has been counted then.
   */
  admits(kind: string): boolean {
    const now = this.#clock.now();
    let window = this.#windows.get(kind);
    if (window === undefined || now >= window.endsAt) {
      if (window !== undefined) this.#end(kind, window);
      window = { endsAt: now + WINDOW_MS, lines: 0, suppressed: 0 };
      this.#windows.set(kind, window);
    }
    if (window.lines < MOST_LINES) {
      window.lines++;
      return true;
    }
    const full = window;
    full.suppressed++;
    full.timer ??= this.#clock.setTimer(() => this.#end(kind, full), full.endsAt - now);
    return false;
  }

  /** Tells at once of all that was held back, and ends every window. */
  flush(): void {
    for (const [kind, window] of [...this.#windows]) this.#end(kind, window);
  }

  #end(kind: string, window: Window): void {
    window.timer?.cancel();
    if (this.#windows.get(kind) === window) this.#windows.delete(kind);
    if (window.suppressed > 0) this.#report(kind, window.suppressed);
  }
}
