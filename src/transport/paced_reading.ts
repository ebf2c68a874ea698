import { Buffer } from "node:buffer";
import type { ReadingTurn } from "./reading_turn.ts";

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
 *
 * @example Usage
 * ```ts ignore
 * const reading = new PacedReading(socket, turn);
 * socket.on("data", (chunk) => reading.take(chunk));
 * ```
 */
export class PacedReading {
  readonly #socket: Pausable;
  readonly #turn: ReadingTurn;
  /** Unset where nothing is held back. */
  #held: Uint8Array[] | undefined;
  #state: "reading" | "resting" | "over" = "reading";

  /**
   * Begins to read.
   *
   * @param socket The socket.
   * @param turn Deals with the chunks, and says when others have theirs.
   */
  constructor(socket: Pausable, turn: ReadingTurn) {
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
