import { Buffer } from "node:buffer";
import type { OpenReply } from "./reply_types.ts";

/** Shortest reply that is collected: below it joining pieces costs little. */
const MIN_BYTES = 16 * 1024;
/** Longest reply that is collected: the memory is allocated by what a server only declares.
 * The pieces of longer replies go to the parser as they come. */
const MAX_BYTES = 8 * 1024 * 1024;

/** Longest reply that is collected in reused memory, which is kept for good. */
const MAX_REUSED_BYTES = 2 * 1024 * 1024;

/** Free memory of the whole process, as most replies are complete before another begins. */
let spare: Buffer | undefined;

/**
 * Collects the pieces of one large reply in memory of its size, so that each byte is copied
 * once. The parser of ioredis would keep all pieces and join them in the end.
 */
export class ReplyAssembly {
  readonly #memory: Buffer;
  readonly #bytes: Buffer;
  /** Whether its memory is reused. */
  readonly isReused: boolean;
  #filled = 0;

  /**
   * @param reply The reply; {@linkcode ReplyAssembly.isFor} returned `true` for it.
   * @param mayReuse Whether its bytes are not kept once the parser has read them.
   */
  constructor({ missing, seen }: OpenReply, mayReuse: boolean) {
    const length = seen + missing;
    this.isReused = mayReuse && length <= MAX_REUSED_BYTES;
    const found = this.isReused ? spare : undefined;
    if (found !== undefined) spare = undefined;
    this.#memory = found !== undefined && found.length >= length
      ? found
      : Buffer.allocUnsafeSlow(length);
    this.#bytes = this.#memory.subarray(0, length);
  }

  /** Whether a reply is collected, rather than passed on in pieces: a large one, not a huge one. */
  static isFor({ missing, seen }: OpenReply): boolean {
    return seen + missing >= MIN_BYTES && seen + missing <= MAX_BYTES;
  }

  /** The complete reply; `undefined` while a part is missing. */
  get whole(): Buffer | undefined {
    return this.#filled === this.#bytes.length ? this.#bytes : undefined;
  }

  /** Takes the part of a chunk that belongs to the reply; returns the rest. */
  take(chunk: Uint8Array): Uint8Array {
    const piece = chunk.subarray(0, this.#bytes.length - this.#filled);
    this.#bytes.set(piece, this.#filled);
    this.#filled += piece.length;
    return chunk.subarray(piece.length);
  }

  /** Releases its memory for the next reply. */
  release(): void {
    if (this.isReused) spare = this.#memory;
  }
}
