/** Bytes of the protocol (RESP2 and RESP3) that the reply guard looks at. */

/** First bytes of the frames that the client library's parser knows. */
export const Type = {
  STATUS: 0x2b, // +
  ERROR: 0x2d, // -
  INTEGER: 0x3a, // :
  BIG_NUMBER: 0x28, // (
  DOUBLE: 0x2c, // ,
  BOOLEAN: 0x23, // #
  NULL: 0x5f, // _
  BULK: 0x24, // $
  BLOB_ERROR: 0x21, // !
  VERBATIM: 0x3d, // =
  ARRAY: 0x2a, // *
  SET: 0x7e, // ~
  MAP: 0x25, // %
  PUSH: 0x3e, // >
} as const;

/** Other bytes with a meaning. */
export const Byte = {
  CR: 0x0d,
  LF: 0x0a,
  ZERO: 0x30,
  ONE: 0x31,
  MINUS: 0x2d,
  PLUS: 0x2b,
} as const;

/** What follows a type byte up to the line's end. */
export const Line = {
  /** Not a type byte. */
  NONE: 0,
  /** Any text. */
  TEXT: 1,
  /** A sign and digits. */
  NUMBER: 2,
  /** A word or a double, checked as a whole. */
  SHORT: 3,
  /** The length of a bulk string, which follows. */
  BULK_LENGTH: 4,
  /** The count of an aggregate, whose elements follow. */
  COUNT: 5,
} as const;

/** Kind of line by type byte. */
export const LINE_OF_TYPE: Uint8Array = (() => {
  const table = new Uint8Array(256);
  table[Type.STATUS] = table[Type.ERROR] = Line.TEXT;
  table[Type.INTEGER] = table[Type.BIG_NUMBER] = Line.NUMBER;
  table[Type.DOUBLE] = table[Type.BOOLEAN] = table[Type.NULL] = Line.SHORT;
  table[Type.BULK] = table[Type.BLOB_ERROR] = table[Type.VERBATIM] = Line.BULK_LENGTH;
  table[Type.ARRAY] =
    table[Type.SET] =
    table[Type.MAP] =
    table[Type.PUSH] =
      Line.COUNT;
  return table;
})();

/**
 * A byte in words, for messages.
 *
 * @param byte The byte.
 * @returns Text such as `0x7c "|"` or `0x00`.
 *
 * @example Usage
 * ```ts
 * import { describeByte } from "./reply_types.ts";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(describeByte(0x7c), '0x7c "|"');
 * ```
 */
export function describeByte(byte: number): string {
  const hex = `0x${byte.toString(16).padStart(2, "0")}`;
  return byte > 0x20 && byte < 0x7f ? `${hex} "${String.fromCharCode(byte)}"` : hex;
}
