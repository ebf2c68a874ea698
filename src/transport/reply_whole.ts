import { Byte, Type } from "./reply_types.ts";

/** Most digits of a length that are read here: what they say stays a small integer. */
const MAX_LENGTH_DIGITS = 9;

/** Most digits of an integer that are read here; a time in microseconds has 16. */
const MAX_INTEGER_DIGITS = 16;

/** Bytes that must be left in a chunk for a header to be read without looking for its
 * end: a type, a sign, the digits and CR LF. */
export const HEADER_ROOM = MAX_INTEGER_DIGITS + 4;

/**
 * Steps over one plain frame that lies whole in a chunk: a bulk string, an integer, a
 * null or `+OK`. The hot path of the reply guard.
 *
 * @param chunk The chunk; at least {@linkcode HEADER_ROOM} bytes from `start` on.
 * @param start Index of the frame's type byte.
 * @param maxBulk Longest bulk string that is stepped over.
 * @returns Index of the byte behind the frame; 0 if it is no such frame, is not whole, or
 * has something wrong with it.
 *
 * @example Usage
 * ```ts
 * import { HEADER_ROOM, skipWholeFrame } from "./reply_whole.ts";
 * import { assertEquals } from "@std/assert";
 *
 * const text = "$5\r\nhello\r\n" + " ".repeat(HEADER_ROOM);
 * assertEquals(skipWholeFrame(new TextEncoder().encode(text), 0, 100), 11);
 * ```
 */
export function skipWholeFrame(
  chunk: Uint8Array,
  start: number,
  maxBulk: number,
): number {
  const type = chunk[start];
  if (type === Type.BULK) return skipBulk(chunk, start, maxBulk);
  if (type === Type.INTEGER) return skipInteger(chunk, start);
  if (type === Type.STATUS) return skipOk(chunk, start);
  if (type !== Type.NULL) return 0;
  return chunk[start + 1] === Byte.CR && chunk[start + 2] === Byte.LF ? start + 3 : 0;
}

function skipBulk(chunk: Uint8Array, start: number, maxBulk: number): number {
  let i = start + 1;
  let length = 0;
  for (let digit = chunk[i]! - Byte.ZERO; digit >= 0 && digit <= 9;) {
    length = length * 10 + digit;
    digit = chunk[++i]! - Byte.ZERO;
  }
  const digits = i - start - 1;
  if (digits === 0) return skipNil(chunk, start);
  if (digits > MAX_LENGTH_DIGITS || chunk[i] !== Byte.CR || chunk[i + 1] !== Byte.LF) {
    return 0;
  }
  const end = i + 2 + length;
  if (length > maxBulk || end + 2 > chunk.length) return 0;
  return chunk[end] === Byte.CR && chunk[end + 1] === Byte.LF ? end + 2 : 0;
}

function skipNil(chunk: Uint8Array, start: number): number {
  return chunk[start + 1] === Byte.MINUS && chunk[start + 2] === Byte.ONE &&
      chunk[start + 3] === Byte.CR && chunk[start + 4] === Byte.LF
    ? start + 5
    : 0;
}

function skipInteger(chunk: Uint8Array, start: number): number {
  let i = start + 1;
  if (chunk[i] === Byte.MINUS) i++;
  const first = i;
  for (let byte = chunk[i]!; byte >= Byte.ZERO && byte < Byte.ZERO + 10;) {
    byte = chunk[++i]!;
  }
  const digits = i - first;
  if (digits === 0 || digits > MAX_INTEGER_DIGITS) return 0;
  return chunk[i] === Byte.CR && chunk[i + 1] === Byte.LF ? i + 2 : 0;
}

function skipOk(chunk: Uint8Array, start: number): number {
  return chunk[start + 1] === 0x4f && chunk[start + 2] === 0x4b &&
      chunk[start + 3] === Byte.CR && chunk[start + 4] === Byte.LF
    ? start + 5
    : 0;
}
