import type { CliIo } from "../io.ts";

const WIDTH = 24;
const PERIOD_MS = 100;
const CLEAR_LINE = "\r\x1b[2K";

/** Shows on a terminal's standard error how far the run is, and how long it may take. */
export class Bar implements Disposable {
  readonly #io: CliIo;
  readonly #startedAt = performance.now();
  #drawnAt = -Infinity;

  /**
   * Draws nothing yet.
   *
   * @param io Where it is drawn.
   */
  constructor(io: CliIo) {
    this.#io = io;
  }

  /**
   * Draws it anew.
   *
   * @param done Steps that are done.
   * @param total Steps that there are at the most.
   * @param label What is being done.
   */
  show(done: number, total: number, label: string): void {
    const now = performance.now();
    if (!this.#io.isErrTerminal || now - this.#drawnAt < PERIOD_MS) return;
    this.#drawnAt = now;
    const share = Math.min(1, done / total);
    const bar = "#".repeat(Math.round(share * WIDTH)).padEnd(WIDTH, ".");
    const seconds = (now - this.#startedAt) / 1000 * (1 - share) / share;
    const left = `at most ${Math.ceil(seconds)} s left`;
    const line = `[${bar}] ${Math.floor(share * 100)} %, ${left}  ${label}`;
    this.#io.err(CLEAR_LINE + line.slice(0, this.#io.columns - 1));
  }

  /** Takes it away. */
  clear(): void {
    if (this.#drawnAt > -Infinity) this.#io.err(CLEAR_LINE);
    this.#drawnAt = -Infinity;
  }

  /** Takes it away. */
  [Symbol.dispose](): void {
    this.clear();
  }
}
