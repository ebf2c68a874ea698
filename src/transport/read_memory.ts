import { Buffer } from "node:buffer";

/** Bytes that a plain socket reads at once. */
export const READ_BYTES = 64 * 1024;
/** Sockets whose memory is allocated together. */
const SLOTS = 32;

/** Memory that no socket reads into. */
const free: Buffer[] = [];

/**
 * Takes memory that one socket reads into. No other socket has it until it is given back:
 * `node:net` promises to leave the bytes of one socket alone until its callback returns,
 * and promises nothing for memory that several sockets read into.
 *
 * So much is allocated at once that the system gives it page by page, as it is written to:
 * an idle connection takes one page of it.
 *
 * @returns {@linkcode READ_BYTES} of memory.
 */
export function takeReadMemory(): Buffer {
  if (free.length === 0) {
    const slab = Buffer.allocUnsafeSlow(SLOTS * READ_BYTES);
    // The first is taken first: those at the end may never be touched.
    for (let end = slab.length; end > 0; end -= READ_BYTES) {
      free.push(slab.subarray(end - READ_BYTES, end));
    }
  }
  return free.pop()!;
}

/**
 * Gives memory back for the next socket.
 *
 * @param memory What a socket took that is closed now.
 */
export function giveReadMemory(memory: Buffer): void {
  free.push(memory);
}
