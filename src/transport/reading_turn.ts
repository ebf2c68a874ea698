import type { Clock } from "../core/clock.ts";

/** What a read brings that has filled its buffer: more is waiting. */
const FULL_BYTES = 64 * 1024;
/** What a read brings at least while much is coming; what a full record of TLS brings. */
const LARGE_BYTES = 16 * 1024;
/** Longest time that one socket is read while nothing else is, in milliseconds. */
const MAX_TURN_MS = 60;

/** What deals with the chunks of a socket. */
export interface ChunkReceiver {
  /** Bytes came. */
  data(chunk: Uint8Array): void;
}

/**
 * When one socket has been read for long enough. The runtime reads on in a socket that
 * has more without a look at the others: beside a reply of a million elements no other
 * socket was read before that was whole. So whoever reads takes its chunks from here, and
 * stops where it is told to, until the event loop has gone round.
 *
 * Small chunks cost a comparison, large ones a look at the clock, and the first of them a
 * timer that tells when the loop has gone round by itself. The replies to hundreds of small
 * commands may come without a pause as well, but do not fill a buffer.
 *
 * @example Usage
 * ```ts ignore
 * const turn = new ReadingTurn(systemClock, { data: (chunk) => parse(chunk) }, false);
 * await turn.take(chunk);
 * ```
 */
export class ReadingTurn {
  readonly #clock: Clock;
  readonly #receiver: ChunkReceiver;
  /** What a read brings at least after which more is waiting. */
  readonly #fullBytes: number;
  /** When the first large chunk came since others last had their turn; unset before it. */
  #since: number | undefined;

  /**
   * Begins with nothing read.
   *
   * @param clock Time.
   * @param receiver What deals with each chunk.
   * @param isSecure Whether the socket speaks TLS, which brings no more than a record at
   * once.
   */
  constructor(clock: Clock, receiver: ChunkReceiver, isSecure: boolean) {
    this.#clock = clock;
    this.#receiver = receiver;
    this.#fullBytes = isSecure ? LARGE_BYTES : FULL_BYTES;
  }

  /**
   * Deals with a chunk that was read.
   *
   * @param chunk The chunk.
   * @returns What to wait for before the next one is read; mostly nothing.
   */
  take(chunk: Uint8Array): Promise<void> | undefined {
    if (chunk.byteLength < LARGE_BYTES) {
      this.#receiver.data(chunk);
      return undefined;
    }
    if (this.#since === undefined) {
      this.#since = this.#clock.now();
      this.#clock.afterPoll(() => {
        // Others had their turn.
        this.#since = undefined;
      });
    }
    const since = this.#since;
    this.#receiver.data(chunk);
    if (chunk.byteLength < this.#fullBytes) return undefined;
    if (this.#clock.now() - since < MAX_TURN_MS) return undefined;
    // Not a timer that lets the process end: a socket that is not read lets it, too.
    return new Promise((resolve) => this.#clock.afterPoll(resolve));
  }
}
