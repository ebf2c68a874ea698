import { Buffer } from "node:buffer";
import type { Clock } from "../core/clock.ts";
import type { ChannelHandlers } from "./channel.ts";

/** Bytes of a read that has filled its buffer: more is waiting. */
const FULL_BYTES = 64 * 1024;
/** Least bytes of a large read; also the bytes of a full TLS record. */
const LARGE_BYTES = 16 * 1024;
/** Longest time that one socket is read while no other is, in milliseconds. */
const MAX_TURN_MS = 60;

/**
 * Limits how long one socket is read without a pause. The runtime reads a socket that has
 * more without a look at the others: beside a reply of a million elements no other socket
 * was read before that reply was complete. So the reader passes its chunks here, and waits,
 * where it is asked to, until the event loop has gone round.
 *
 * Small chunks cost a comparison, large ones a clock read, and the first of them a timer
 * that tells when the loop has gone round by itself. The replies to hundreds of small
 * commands may come without a pause as well, but do not fill a buffer.
 */
export class ReadBudget {
  readonly #clock: Clock;
  readonly #receiver: Pick<ChannelHandlers, "data">;
  readonly #fullBytes: number;
  /** When the first large chunk was read since others last had their turn. */
  #since: number | undefined;

  /**
   * @param isSecure Whether the socket uses TLS, where a read returns a record at most.
   */
  constructor(
    clock: Clock,
    receiver: Pick<ChannelHandlers, "data">,
    isSecure: boolean,
  ) {
    this.#clock = clock;
    this.#receiver = receiver;
    this.#fullBytes = isSecure ? LARGE_BYTES : FULL_BYTES;
  }

  /** Passes a chunk on. Returns what to wait for before the next read; mostly nothing. */
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
    // This timer lets the process end; so does a socket that is not read.
    return new Promise((resolve) => this.#clock.afterPoll(resolve));
  }
}

/** Bytes that are processed between two looks at the time: more than a read of a plain
 * socket returns. */
const SLICE_BYTES = 128 * 1024;

/**
 * Passes the chunks of a node:net socket to a {@linkcode ReadBudget}, and pauses the socket
 * while others have their turn. TLS of some runtimes collects megabytes while the socket is
 * paused, so large chunks are cut into slices, and the rest is held back.
 */
export class FairReader {
  readonly #socket: { pause(): unknown; resume(): unknown };
  readonly #budget: ReadBudget;
  /** Slices that are held back. */
  #held: Uint8Array[] = NOTHING;
  #state: "reading" | "paused" | "over" = "reading";

  constructor(socket: { pause(): unknown; resume(): unknown }, budget: ReadBudget) {
    this.#socket = socket;
    this.#budget = budget;
  }

  /** Takes a chunk that the socket has read. */
  take(chunk: Uint8Array): void {
    if (this.#state === "reading" && chunk.byteLength <= SLICE_BYTES) {
      const turn = this.#budget.take(chunk);
      if (turn !== undefined) this.#pause(turn);
      return;
    }
    if (this.#held === NOTHING) this.#held = [];
    for (let at = 0; at < chunk.byteLength; at += SLICE_BYTES) {
      // A copy: the memory of the chunk may be reused.
      this.#held.push(Buffer.from(chunk.subarray(at, at + SLICE_BYTES)));
    }
    if (this.#state === "reading") this.#deliver();
  }

  /** The socket has closed: delivers what is held back. */
  end(): void {
    this.#state = "over";
    for (const slice of this.#held) void this.#budget.take(slice);
    this.#held = NOTHING;
  }

  #deliver(): void {
    const held = this.#held;
    this.#held = NOTHING;
    for (const [i, slice] of held.entries()) {
      const turn = this.#budget.take(slice);
      if (turn === undefined) continue;
      this.#held = held.slice(i + 1);
      return this.#pause(turn);
    }
  }

  #pause(turn: Promise<void>): void {
    this.#state = "paused";
    this.#socket.pause();
    void turn.then(() => {
      if (this.#state !== "paused") return;
      this.#state = "reading";
      this.#deliver();
      // It may be paused again.
      if ((this.#state as string) === "reading") this.#socket.resume();
    });
  }
}

/** Shared by all readers that hold nothing back; never added to. */
const NOTHING: Uint8Array[] = [];
