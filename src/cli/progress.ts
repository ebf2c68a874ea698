import { type CliClock, hostClock } from "./clock.ts";
import type { CliIo } from "./io.ts";

/** What a {@linkcode Progress} shows. */
export interface ProgressOptions {
  /** What is being done, in a word or two. */
  readonly label: string;
  /** Steps altogether; without it only the time is shown. */
  readonly total?: number;
  /** Time. Default: the host's clock. */
  readonly clock?: CliClock;
}

/** Nothing is drawn for what is over sooner than this, in milliseconds. */
const PATIENCE_MS = 1000;
/** Time between two drawings, in milliseconds. */
const PERIOD_MS = 100;
/** Most characters of the bar. */
const BAR = 24;
/** Goes to the start of the line and empties it. */
const CLEAR_LINE = "\r\x1b[2K";

/**
 * Shows on standard error how far something is: label, bar, done of total, time left. It
 * draws on a terminal only, only what takes longer than a second, and leaves no trace.
 *
 * @example Usage
 * ```ts ignore
 * using progress = new Progress(io, { label: "measuring", total: 40 });
 * for (const point of points) {
 *   progress.note(point.name);
 *   await measure(point);
 *   progress.advance();
 * }
 * ```
 */
export class Progress implements Disposable {
  readonly #io: CliIo;
  readonly #options: ProgressOptions;
  readonly #clock: CliClock;
  readonly #startedAt: number;
  #total: number | undefined;
  #done = 0;
  #note = "";
  #isDrawn = false;
  #timer: { cancel(): void } | undefined;

  /**
   * Begins.
   *
   * @param io Where it is drawn.
   * @param options What it shows.
   */
  constructor(io: CliIo, options: ProgressOptions) {
    this.#io = io;
    this.#options = options;
    this.#clock = options.clock ?? hostClock;
    this.#total = options.total;
    this.#startedAt = this.#clock.now();
    if (io.isErrTerminal) this.#drawIn(PATIENCE_MS);
  }

  /** Steps that are done. */
  get done(): number {
    return this.#done;
  }

  /**
   * Steps were done.
   *
   * @param steps How many. Default 1.
   */
  advance(steps: number = 1): void {
    this.#done += steps;
  }

  /**
   * Says how far it is, where the number of steps is not known from the start.
   *
   * @param done Steps that are done.
   * @param total Steps that there are, as far as is known.
   */
  reach(done: number, total: number): void {
    this.#done = done;
    this.#total = total;
  }

  /**
   * Says what is being done now.
   *
   * @param text A few words; empty for none.
   */
  note(text: string): void {
    this.#note = text;
  }

  /**
   * Writes a line above the bar, whether it is drawn or not.
   *
   * @param line The line, without its end.
   */
  say(line: string): void {
    this.#clear();
    this.#io.err(`${line}\n`);
  }

  /** Ends: the line is emptied. */
  [Symbol.dispose](): void {
    this.#timer?.cancel();
    this.#timer = undefined;
    this.#clear();
  }

  #clear(): void {
    if (this.#isDrawn) this.#io.err(CLEAR_LINE);
    this.#isDrawn = false;
  }

  #drawIn(ms: number): void {
    this.#timer = this.#clock.setTimer(() => {
      const elapsedMs = this.#clock.now() - this.#startedAt;
      const line = progressLine({
        label: this.#options.label,
        ...(this.#total === undefined ? {} : { total: this.#total }),
        done: this.#done,
        note: this.#note,
        elapsedMs,
        columns: this.#io.columns,
      });
      this.#io.err(CLEAR_LINE + line);
      this.#isDrawn = true;
      this.#drawIn(PERIOD_MS);
    }, ms);
  }
}

/** What a line of progress is made of. */
export interface ProgressState {
  /** What is being done. */
  readonly label: string;
  /** Steps altogether, if known. */
  readonly total?: number;
  /** Steps done. */
  readonly done: number;
  /** What is being done now; empty for none. */
  readonly note: string;
  /** Time since it began, in milliseconds. */
  readonly elapsedMs: number;
  /** Width of the terminal. */
  readonly columns: number;
}

/**
 * One line that says how far something is.
 *
 * @param state How far it is.
 * @returns The line; it fits the terminal.
 */
export function progressLine(state: ProgressState): string {
  const { label, total, done, note, elapsedMs, columns } = state;
  const words = note === "" ? [] : [note];
  if (total === undefined || total === 0) {
    words.unshift(label, duration(elapsedMs));
  } else {
    const share = Math.min(1, done / total);
    const filled = Math.round(share * BAR);
    const bar = `[${"#".repeat(filled)}${".".repeat(BAR - filled)}]`;
    words.unshift(label, bar, `${done}/${total}`, timeLeft(share, elapsedMs));
  }
  // The last column is left empty: some terminals would begin a new line there.
  return words.join(" ").slice(0, Math.max(0, columns - 1));
}

function timeLeft(share: number, elapsedMs: number): string {
  return share === 0
    ? duration(elapsedMs)
    : `${duration(elapsedMs / share - elapsedMs)} left`;
}

/**
 * A length of time for people.
 *
 * @param ms Milliseconds.
 * @returns Text such as `8 s`, `2 min 05 s`, `1 h 10 min`.
 */
export function duration(ms: number): string {
  const seconds = Math.max(0, Math.round(ms / 1000));
  if (seconds < 60) return `${seconds} s`;
  const two = (n: number) => String(n).padStart(2, "0");
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return `${minutes} min ${two(seconds % 60)} s`;
  return `${Math.floor(minutes / 60)} h ${two(minutes % 60)} min`;
}
