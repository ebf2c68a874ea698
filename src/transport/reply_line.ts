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

/** What a complete line turned out to be. */
export type LineContent =
  /** What its type promises; a length or count stands in {@linkcode ReplyLine.value}. */
  | "right"
  /** RESP2's null: `$-1` or `*-1`. */
  | "nil"
  /** Neither. */
  | "malformed";

/**
 * Reads the line of a number, a length, a count, a double, a boolean or a null, byte by
 * byte: such lines are short, and may be cut anywhere.
 *
 * @example Usage
 * ```ts
 * import { ReplyLine } from "./reply_line.ts";
 * import { assertEquals } from "@std/assert";
 *
 * const line = new ReplyLine(100);
 * line.begin(0x24); // $
 * assertEquals([..."12x"].map((char) => line.add(char.charCodeAt(0))), [true, true, false]);
 * assertEquals([line.value, line.finish()], [12, "right"]);
 * ```
 */
export class ReplyLine {
  readonly #maxDigits: number;
  #type = 0;
  #isShort = false;
  #isNumber = false;
  #short = "";
  #value = 0;
  /** Digits of a number, bytes of a short line. */
  #length = 0;
  #sign = 0;

  /**
   * Makes a reader.
   *
   * @param maxBigNumberDigits Most digits of a big number.
   */
  constructor(maxBigNumberDigits: number) {
    this.#maxDigits = maxBigNumberDigits;
  }

  /** The number that the digits say; exact up to 15 of them. */
  get value(): number {
    return this.#value;
  }

  /**
   * Begins a line.
   *
   * @param type Its type byte.
   */
  begin(type: number): void {
    this.#type = type;
    this.#isShort = LINE_OF_TYPE[type] === Line.SHORT;
    this.#isNumber = LINE_OF_TYPE[type] === Line.NUMBER;
    this.#short = "";
    this.#value = this.#length = this.#sign = 0;
  }

  /**
   * Takes a byte. Whatever the parser would trip over is refused here, at the byte, and
   * not when the line ends: the parser does not wait for that either.
   *
   * @param byte The byte.
   * @returns Whether it may stand there.
   */
  add(byte: number): boolean {
    if (this.#isShort) return this.#addShort(byte);
    if (byte >= Byte.ZERO && byte < Byte.ZERO + 10) {
      this.#value = this.#value * 10 + byte - Byte.ZERO;
      if (this.#sign === Byte.MINUS && !this.#isNumber) return this.#isNil();
      return ++this.#length <= this.#mostDigits();
    }
    if (this.#sign !== 0 || this.#length > 0) return false;
    this.#sign = byte;
    if (this.#isNumber) return byte === Byte.MINUS || byte === Byte.PLUS;
    return byte === Byte.MINUS && (this.#type === Type.BULK || this.#type === Type.ARRAY);
  }

  /**
   * Judges the line when its end has come.
   *
   * @returns What it is.
   */
  finish(): LineContent {
    if (this.#isShort) return this.#isShortLine() ? "right" : "malformed";
    if (this.#length === 0) return "malformed";
    return this.#sign === 0 || this.#isNumber ? "right" : "nil";
  }

  /** Takes the only digit that a negative length or count may have: `-1` is null. */
  #isNil(): boolean {
    return ++this.#length === 1 && this.#value === 1;
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
