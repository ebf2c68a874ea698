/** Bytes of the protocol (RESP2 and RESP3) that the reply guard looks at. */

/** First bytes of the frames that the parser of ioredis supports. */
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
 */
export function describeByte(byte: number): string {
  const hex = `0x${byte.toString(16).padStart(2, "0")}`;
  return byte > 0x20 && byte < 0x7f ? `${hex} "${String.fromCharCode(byte)}"` : hex;
}

/** Limits of one reply, which bound the memory that a server can make the parser use. */
export interface ReplyLimits {
  /** Most aggregates inside each other, 1 to 1,024. Default 128. */
  readonly maxDepth: number;
  /** Most elements of one aggregate (a map's pairs count twice). Default 8,388,608. */
  readonly maxAggregateElements: number;
  /** Most elements of one reply, at all depths together. Default 8,388,608. */
  readonly maxReplyElements: number;
  /** Most bytes of one bulk string. Default 536,870,912 (512 MiB). */
  readonly maxBulkBytes: number;
  /** Most bytes of one reply on the wire. Default 2,147,483,648 (2 GiB). */
  readonly maxReplyBytes: number;
  /** Most bytes of a line, of an error and of a map's key. Default 16,777,216 (16 MiB). */
  readonly maxLineBytes: number;
}

/**
 * Default limits: far above what real replies need, far below the memory of a process.
 *
 * - The parser allocates an aggregate's slots (8 bytes each) as soon as it has read the
 *   declared count, before any element came. Elements are therefore counted as they are
 *   *declared*: a reply of a few bytes can cost 64 MiB at most. Those that do arrive
 *   were measured at 112 bytes of heap for a bulk string and 560 for an error (an object
 *   with a stack), so that an error inside an aggregate counts as
 *   {@linkcode ERROR_WEIGHT} elements: the heap of one reply stays under 1 GiB whatever
 *   it is made of. The largest reply that passes holds eight times the elements of a
 *   1,000,000-element `LRANGE`.
 * - 512 MiB is the largest value that Redis stores unless `proto-max-bulk-len` is raised.
 *   Bulk strings cost what is sent, nothing ahead of it.
 * - 2 GiB is four such values in one reply.
 * - Lines carry statuses, errors and `MONITOR` output, which quotes whole values. Map
 *   keys and errors become strings at once, which the runtime caps just under 512 MiB.
 * - The parser recurses once per level; 128 is ten times what Redis' own replies nest.
 */
export const DEFAULT_REPLY_LIMITS: ReplyLimits = Object.freeze({
  maxDepth: 128,
  maxAggregateElements: 8_388_608,
  maxReplyElements: 8_388_608,
  maxBulkBytes: 536_870_912,
  maxReplyBytes: 2_147_483_648,
  maxLineBytes: 16_777_216,
});

/** How many elements an error inside an aggregate counts as: 560 bytes against 112. */
export const ERROR_WEIGHT = 5;

/** A reply that was received in part. */
export interface OpenReply {
  /** Bytes received. */
  readonly seen: number;
  /** Bytes that are missing. */
  readonly missing: number;
}
