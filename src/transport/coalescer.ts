/** Calls back at the end of the current turn of the microtask queue. */
export type EndOfTick = (fn: () => void) => void;

/** Number of writes per tick; four keep client and server busy. */
const PARTS = 4;
/** Fewest commands of a part. In ticks too small for parts of that size the first command is
 * written by itself: compared to four parts, that made 8 and 16 callers 1.1 to 1.4 times as
 * fast. */
const MIN_PART = 8;
/** Weight of the newest tick in the moving average, as a power of two: 1/8. */
const AVERAGE_SHIFT = 3;
/** Length of text, in UTF-16 units, that is written without waiting for more. */
const MAX_HELD_LENGTH = 64 * 1024;
/** A Buffer of this many bytes or more is written by itself, without a copy. */
const LARGE_BUFFER = 16 * 1024;

const encoder = new TextEncoder();

/**
 * Collects the commands of one tick into a few socket writes.
 *
 * Each write to a socket is a system call and a wake-up of the server, so one write
 * for each command wastes both; one write a tick makes client and server take turns.
 * So a tick's commands go out in about four writes, sized by a moving average of the
 * last ticks: the server works on the first while the rest is still being made. Where
 * ticks are small, the first command goes out at once and wakes the server, and the rest
 * in one write or a few. With one command a tick, each is written at once, as without
 * this class.
 *
 * Nothing is reordered, and nothing waits past the end of the tick.
 */
export class WriteCoalescer {
  readonly #sink: { write(data: string | Uint8Array): void };
  readonly #endOfTick: EndOfTick;
  #text = "";
  /** Unset where nothing but text is held. */
  #held: (string | Uint8Array)[] | undefined;
  #heldBytes = 0;
  /** Number of commands that were not given to the sink: they are never-sent. */
  pending = 0;
  #inTick = 0;
  #scaledAverage = 1 << AVERAGE_SHIFT;
  #partSize = MIN_PART;
  /** Whether ticks are too small to be split into all parts. */
  #isSmall = true;
  #scheduled = false;
  /** Number of writes to the sink. */
  flushes = 0;
  /** Number of the current tick: the same for all commands of one tick. */
  tick = 0;
  /** Whether a batch is being added, of which the first command is not written by itself:
   * the server could do little with it. */
  inBatch = false;
  readonly #atEndOfTick = () => this.#finishTick();

  constructor(
    sink: { write(data: string | Uint8Array): void },
    endOfTick: EndOfTick,
  ) {
    this.#sink = sink;
    this.#endOfTick = endOfTick;
  }

  /** Adds a command: its bytes, or its text, to be sent as UTF-8. */
  write(data: string | Uint8Array): void {
    this.pending++;
    this.#inTick++;
    if (typeof data === "string") this.#text += data;
    else this.#hold(data);
    if (!this.#scheduled) {
      this.#scheduled = true;
      this.#endOfTick(this.#atEndOfTick);
    }
    if (
      this.pending >= this.#partSize ||
      (this.#inTick === 1 && this.#isSmall && !this.inBatch) ||
      this.#text.length + this.#heldBytes >= MAX_HELD_LENGTH
    ) this.flush();
  }

  /** Writes everything that was added. */
  flush(): void {
    if (this.pending === 0) return;
    this.pending = 0;
    this.flushes++;
    if (this.#held === undefined) {
      const text = this.#text;
      this.#text = "";
      this.#sink.write(text);
      return;
    }
    const held = this.#held;
    this.#keepText(held);
    this.#held = undefined;
    this.#heldBytes = 0;
    for (const part of joinSmall(held)) this.#sink.write(part);
  }

  /** Drops everything that was added. Returns the number of commands. */
  drop(): number {
    const pending = this.pending;
    this.pending = 0;
    this.#text = "";
    this.#held = undefined;
    this.#heldBytes = 0;
    return pending;
  }

  #hold(data: Uint8Array): void {
    const held = this.#held ??= [];
    this.#keepText(held);
    held.push(data);
    this.#heldBytes += data.byteLength;
  }

  #keepText(held: (string | Uint8Array)[]): void {
    if (this.#text === "") return;
    held.push(this.#text);
    this.#heldBytes += this.#text.length;
    this.#text = "";
  }

  #finishTick(): void {
    this.#scheduled = false;
    this.tick++;
    this.flush();
    this.#scaledAverage += this.#inTick - (this.#scaledAverage >> AVERAGE_SHIFT);
    this.#inTick = 0;
    const average = this.#scaledAverage >> AVERAGE_SHIFT;
    this.#isSmall = average < MIN_PART * PARTS;
    this.#partSize = Math.max(MIN_PART, Math.ceil(average / PARTS));
  }
}

/** Joins neighbours into one write, but leaves large Buffers uncopied. */
function joinSmall(parts: readonly (string | Uint8Array)[]): Uint8Array[] {
  const out: Uint8Array[] = [];
  let run: Uint8Array[] = [];
  const endRun = () => {
    if (run.length > 0) out.push(run.length === 1 ? run[0]! : concat(run));
    run = [];
  };
  for (const part of parts) {
    const bytes = typeof part === "string" ? encoder.encode(part) : part;
    if (bytes.byteLength >= LARGE_BUFFER) {
      endRun();
      out.push(bytes);
    } else run.push(bytes);
  }
  endRun();
  return out;
}

/** Joins byte arrays. */
export function concat(parts: readonly Uint8Array[]): Uint8Array {
  const joined = new Uint8Array(parts.reduce((sum, part) => sum + part.byteLength, 0));
  let offset = 0;
  for (const part of parts) {
    joined.set(part, offset);
    offset += part.byteLength;
  }
  return joined;
}
