import { type Clock, systemClock, type Timer } from "../core/clock.ts";
import type { CliIo } from "./terminal.ts";

/** Nothing is drawn for what is over sooner than this, in milliseconds. */
const FIRST_MS = 1000;
/** Time between two drawings, in milliseconds. */
const PERIOD_MS = 100;
/** Characters of the bar. */
const BAR = 24;
/** Goes to the start of the line and clears it. */
const CLEAR_LINE = "\r\x1b[2K";

/**
 * Shows on standard error how far something is: label, bar, done of total, time left. It
 * draws on a terminal only, only what takes longer than a second, and clears its line.
 *
 * @example Usage
 * ```ts ignore
 * using progress = new Progress(io, "measuring");
 * for (const [index, point] of points.entries()) {
 *   progress.update(index, points.length, point.name);
 *   await measure(point);
 * }
 * ```
 */
export class Progress implements Disposable {
  readonly #io: CliIo;
  readonly #label: string;
  readonly #clock: Clock;
  readonly #startedAt: number;
  #state = { done: 0, total: 0, note: "" };
  #isDrawn = false;
  #timer: Timer | undefined;

  /** Takes where it is drawn, what is being done, and the clock of a test. */
  constructor(io: CliIo, label: string, clock: Clock = systemClock) {
    this.#io = io;
    this.#label = label;
    this.#clock = clock;
    this.#startedAt = clock.now();
    if (io.isErrTerminal) this.#drawIn(FIRST_MS);
  }

  /** Sets how many steps of how many are done, and what is being done now. */
  update(done: number, total: number, note: string): void {
    this.#state = { done, total, note };
  }

  /** Ends: the line is cleared. */
  [Symbol.dispose](): void {
    this.#timer?.cancel();
    if (this.#isDrawn) this.#io.err(CLEAR_LINE);
  }

  #drawIn(ms: number): void {
    this.#timer = this.#clock.setTimer(() => {
      const elapsedMs = this.#clock.now() - this.#startedAt;
      const { columns } = this.#io;
      const state = { ...this.#state, label: this.#label, elapsedMs, columns };
      this.#io.err(CLEAR_LINE + progressLine(state));
      this.#isDrawn = true;
      this.#drawIn(PERIOD_MS);
    }, ms);
  }
}

/** One line that says how far something is; it fits the terminal. */
export function progressLine({ columns, done, elapsedMs, label, note, total }: {
  readonly label: string;
  /** Steps altogether; 0 if they are not known yet. */
  readonly total: number;
  readonly done: number;
  readonly note: string;
  readonly elapsedMs: number;
  readonly columns: number;
}): string {
  const words = [label];
  if (total === 0) words.push(duration(elapsedMs));
  else {
    const share = Math.min(1, done / total);
    const filled = Math.round(share * BAR);
    const left = share === 0
      ? duration(elapsedMs)
      : `${duration(elapsedMs / share - elapsedMs)} left`;
    words.push(`[${"#".repeat(filled).padEnd(BAR, ".")}]`, `${done}/${total}`, left);
  }
  if (note !== "") words.push(note);
  // The last column is left empty: some terminals would begin a new line there.
  return words.join(" ").slice(0, Math.max(0, columns - 1));
}

/** A length of time for people, such as `8 s`, `2 min 05 s`, `1 h 10 min`. */
export function duration(ms: number): string {
  const seconds = Math.max(0, Math.round(ms / 1000));
  if (seconds < 60) return `${seconds} s`;
  const two = (n: number) => String(n).padStart(2, "0");
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return `${minutes} min ${two(seconds % 60)} s`;
  return `${Math.floor(minutes / 60)} h ${two(minutes % 60)} min`;
}
