import { Byte, Line, LINE_OF_TYPE, Type } from "./reply_types.ts";

/** Longest line of a double, in bytes; `%.17g` needs 24. */
const MAX_SHORT_LINE = 64;

/** Most digits of an integer reply: 2^63 has 19. */
const MAX_INTEGER_DIGITS = 20;

/** Most digits of a length or count; more than any limit, and still exact. */
const MAX_LENGTH_DIGITS = 15;

/**
 * How a double may begin. The parser skips a fixed number of bytes after an `i` or `n`,
 * so that any other word there would shift every later reply.
 */
const DOUBLE_START =
  /^[+-]?(?:i(?:n(?:f)?)?|n(?:a(?:n)?)?|\d+(?:\.\d*)?(?:[eE][+-]?\d*)?)?$/;

/** The forms in which doubles come. */
const DOUBLE = /^[+-]?(?:\d+(?:\.\d*)?(?:[eE][+-]?\d+)?|inf|nan)$/;

/** Result of reading a line. */
export type LineContent =
  /** Valid; a length or count is in {@linkcode ReplyLine.value}. */
  | "valid"
  /** RESP2's null: `$-1` or `*-1`. */
  | "nil"
  | "malformed";

/**
 * Reads the line of a number, a length, a count, a double, a boolean or a null, byte by
 * byte: such lines are short, and may be cut anywhere.
 */
export class ReplyLine {
  readonly #maxDigits: number;
  #type = 0;
  #isShort = false;
  #isNumber = false;
  #short = "";
  /** The number of the digits; exact up to 15 of them. */
  value = 0;
  /** Digits of a number, bytes of a short line. */
  #length = 0;
  #sign = 0;

  /** `maxBigNumberDigits` limits a big number. */
  constructor(maxBigNumberDigits: number) {
    this.#maxDigits = maxBigNumberDigits;
  }

  /** Begins the line of a frame. */
  begin(type: number): void {
    this.#type = type;
    this.#isShort = LINE_OF_TYPE[type] === Line.SHORT;
    this.#isNumber = LINE_OF_TYPE[type] === Line.NUMBER;
    this.#short = "";
    this.value = this.#length = this.#sign = 0;
  }

  /** Adds a byte. Returns `false` if it is invalid there: the parser does not wait for the
   * end of the line either. */
  add(byte: number): boolean {
    if (this.#isShort) return this.#addShort(byte);
    if (byte >= Byte.ZERO && byte < Byte.ZERO + 10) {
      this.value = this.value * 10 + byte - Byte.ZERO;
      if (this.#sign === Byte.MINUS && !this.#isNumber) return this.#isNil();
      return ++this.#length <= this.#mostDigits();
    }
    if (this.#sign !== 0 || this.#length > 0) return false;
    this.#sign = byte;
    if (this.#isNumber) return byte === Byte.MINUS || byte === Byte.PLUS;
    return byte === Byte.MINUS && (this.#type === Type.BULK || this.#type === Type.ARRAY);
  }

  /** Ends the line. */
  finish(): LineContent {
    if (this.#isShort) return this.#isShortLine() ? "valid" : "malformed";
    if (this.#length === 0) return "malformed";
    return this.#sign === 0 || this.#isNumber ? "valid" : "nil";
  }

  /** Whether a negative length or count is `-1`, which is null. */
  #isNil(): boolean {
    return ++this.#length === 1 && this.value === 1;
  }

  #mostDigits(): number {
    if (this.#type === Type.INTEGER) return MAX_INTEGER_DIGITS;
    return this.#type === Type.BIG_NUMBER ? this.#maxDigits : MAX_LENGTH_DIGITS;
  }

  #addShort(byte: number): boolean {
    if (this.#length === MAX_SHORT_LINE) return false;
    const char = String.fromCharCode(byte);
    this.#short += char;
    this.#length++;
    if (this.#type === Type.NULL) return false;
    if (this.#type === Type.BOOLEAN) return this.#short === "t" || this.#short === "f";
    return DOUBLE_START.test(this.#short);
  }

  #isShortLine(): boolean {
    if (this.#type === Type.NULL) return this.#length === 0;
    if (this.#type === Type.BOOLEAN) return this.#length === 1;
    return DOUBLE.test(this.#short);
  }
}

/** Most digits of a length that is read on the fast path: it stays a small integer. */
const MAX_FAST_LENGTH_DIGITS = 9;

/** Most digits of an integer on the fast path; a time in microseconds has 16. */
const MAX_FAST_DIGITS = 16;

/** Bytes that must be left in a chunk for a header to be read without looking for its
 * end: a type, a sign, the digits and CR LF. */
export const HEADER_ROOM = MAX_FAST_DIGITS + 4;

/**
 * Skips one plain frame that is complete in a chunk: a bulk string, an integer, a null or
 * `+OK`. Hot path.
 *
 * @param chunk The chunk; at least {@linkcode HEADER_ROOM} bytes from `start` on.
 * @param start Index of the frame's type byte.
 * @param maxBulk Longest bulk string that is skipped.
 * @returns Index behind the frame; 0 if it is another frame, incomplete, or invalid.
 */
export function skipCompleteFrame(
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
  if (
    digits > MAX_FAST_LENGTH_DIGITS || chunk[i] !== Byte.CR || chunk[i + 1] !== Byte.LF
  ) {
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
  if (digits === 0 || digits > MAX_FAST_DIGITS) return 0;
  return chunk[i] === Byte.CR && chunk[i + 1] === Byte.LF ? i + 2 : 0;
}

function skipOk(chunk: Uint8Array, start: number): number {
  return chunk[start + 1] === 0x4f && chunk[start + 2] === 0x4b &&
      chunk[start + 3] === Byte.CR && chunk[start + 4] === Byte.LF
    ? start + 5
    : 0;
}
