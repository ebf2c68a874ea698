import { Buffer } from "node:buffer";
import type { OpenReply } from "./reply_types.ts";

/** Shortest reply that gets memory of its own: below it joining pieces costs little. */
const MIN_BYTES = 16 * 1024;
/**
 * Longest one: it is taken at once for what a server only says it will send. The pieces of
 * longer replies go to the parser as they come.
 */
const MAX_BYTES = 8 * 1024 * 1024;

/** Longest reply that is collected in memory which others have used: it is kept for good. */
const MAX_REUSED_BYTES = 2 * 1024 * 1024;

/** Memory that was used and is free; of the whole process, as most replies come whole
 * before another one begins. */
let spare: Buffer | undefined;

/**
 * Collects the pieces of one large reply in memory of its own size, so that each byte is
 * copied once. Given pieces, the client library's parser would keep them all and join them
 * in the end.
 */
export class ReplyAssembly {
  readonly #memory: Buffer;
  readonly #bytes: Buffer;
  /** Whether its memory may be used again. */
  readonly isReused: boolean;
  #filled = 0;

  /**
   * Begins with nothing.
   *
   * @param reply How much of the reply there is; {@linkcode ReplyAssembly.isFor} it.
   * @param mayReuse Whether nobody keeps its bytes once the parser has them: then they are
   * collected where others were before.
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

  /**
   * Whether a reply is to be collected, rather than given to the parser in pieces.
   *
   * @param reply How much of it there is.
   * @returns `true` if it is large, and not huge.
   */
  static isFor({ missing, seen }: OpenReply): boolean {
    return seen + missing >= MIN_BYTES && seen + missing <= MAX_BYTES;
  }

  /** The whole reply; `undefined` while a part is missing. */
  get whole(): Buffer | undefined {
    return this.#filled === this.#bytes.length ? this.#bytes : undefined;
  }

  /**
   * Takes what a chunk has of the reply.
   *
   * @param chunk The chunk.
   * @returns What it has behind the reply.
   */
  take(chunk: Uint8Array): Uint8Array {
    const piece = chunk.subarray(0, this.#bytes.length - this.#filled);
    this.#bytes.set(piece, this.#filled);
    this.#filled += piece.length;
    return chunk.subarray(piece.length);
  }

  /** Its bytes are nobody's any more: gives the memory to the next one. */
  release(): void {
    if (this.isReused) spare = this.#memory;
  }
}
