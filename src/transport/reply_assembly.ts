import { Buffer } from "node:buffer";

/** Shortest reply that gets memory of its own: below it joining pieces costs little. */
const MIN_BYTES = 16 * 1024;
/**
 * Longest one: it is taken at once for what a server only says it will send. The pieces of
 * longer replies go to the parser as they come.
 */
const MAX_BYTES = 8 * 1024 * 1024;

/** How much of a reply is there. */
export interface OpenReply {
  /** Its bytes so far. */
  readonly seen: number;
  /** Its bytes that are to come. */
  readonly missing: number;
}

/**
 * Collects the pieces of one large reply in memory of its own size, so that each byte is
 * copied once. Given pieces, the client library's parser would keep them all and join them
 * in the end.
 */
export class ReplyAssembly {
  readonly #bytes: Buffer;
  #filled = 0;

  private constructor(length: number) {
    this.#bytes = Buffer.allocUnsafeSlow(length);
  }

  /**
   * Begins with a reply that is open at the end of a chunk.
   *
   * @param chunk The chunk.
   * @param reply How much of the reply there is.
   * @returns The assembly; `undefined` where the parser is to have the pieces.
   */
  static begin(chunk: Uint8Array, reply: OpenReply): ReplyAssembly | undefined {
    const { missing, seen } = reply;
    const length = seen + missing;
    // What began in an earlier chunk the parser has already.
    if (seen > chunk.length || length < MIN_BYTES || length > MAX_BYTES) return undefined;
    const assembly = new ReplyAssembly(length);
    assembly.take(chunk.subarray(chunk.length - seen));
    return assembly;
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
}
