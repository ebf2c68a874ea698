import { Buffer } from "node:buffer";
import type { Clock } from "../core/clock.ts";

/** Bytes that are dealt with before the time is looked at: more than a read of a plain
 * socket brings. */
const SLICE_BYTES = 128 * 1024;

/** A socket that can be kept from bringing more. */
export interface Pausable {
  /** Brings nothing for now. */
  pause(): unknown;
  /** Goes on. */
  resume(): unknown;
}

/**
 * Deals with the chunks of a socket in turns, and lets the socket rest in between. What it
 * brings at once may be too much for one turn: TLS of some runtimes collects megabytes
 * while the socket rests. So large chunks are cut, and the rest is held back.
 */
export class FairReader {
  readonly #socket: Pausable;
  readonly #turn: ReadBudget;
  /** Unset where nothing is held back. */
  #held: Uint8Array[] | undefined;
  #state: "reading" | "resting" | "over" = "reading";

  /**
   * Begins to read.
   *
   * @param socket The socket.
   * @param turn Deals with the chunks, and says when others have theirs.
   */
  constructor(socket: Pausable, turn: ReadBudget) {
    this.#socket = socket;
    this.#turn = turn;
  }

  /**
   * Takes a chunk that the socket has brought.
   *
   * @param chunk The chunk.
   */
  take(chunk: Uint8Array): void {
    if (this.#state === "reading" && chunk.byteLength <= SLICE_BYTES) {
      const over = this.#turn.take(chunk);
      if (over !== undefined) this.#rest(over);
      return;
    }
    const held = this.#held ??= [];
    for (let at = 0; at < chunk.byteLength; at += SLICE_BYTES) {
      // A copy: the bytes may be lent.
      held.push(Buffer.from(chunk.subarray(at, at + SLICE_BYTES)));
    }
    if (this.#state === "reading") this.#deal();
  }

  /** The socket has closed: deals with what is held back, as nothing comes after it. */
  end(): void {
    this.#state = "over";
    const held = this.#held ?? [];
    this.#held = undefined;
    for (const slice of held) void this.#turn.take(slice);
  }

  #deal(): void {
    const held = this.#held ?? [];
    this.#held = undefined;
    for (const [i, slice] of held.entries()) {
      const over = this.#turn.take(slice);
      if (over === undefined) continue;
      this.#held = held.slice(i + 1);
      return this.#rest(over);
    }
  }

  #rest(over: Promise<void>): void {
    this.#state = "resting";
    this.#socket.pause();
    void over.then(() => {
      if (this.#state !== "resting") return;
      this.#state = "reading";
      this.#deal();
      // It may have to rest again.
      if ((this.#state as string) === "reading") this.#socket.resume();
    });
  }
}

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
 */
export class ReadBudget {
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
