/** How much a server may make the parser hold for one reply. */
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
 * What a reply may cost when nothing else is said: far more than a sane reply needs,
 * and far less than a process has.
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

/** Where each limit must lie, so that counters fit their arrays. */
const RANGES: { readonly [K in keyof ReplyLimits]: readonly [number, number] } = {
  maxDepth: [1, 1024],
  maxAggregateElements: [1, 2 ** 30],
  maxReplyElements: [1, 2 ** 30],
  maxBulkBytes: [1, 2 ** 40],
  maxReplyBytes: [1, 2 ** 50],
  maxLineBytes: [1, 2 ** 29 - 64],
};

/** What limits that cannot change were resolved to: all connections of a database share
 * one object. */
const RESOLVED = new WeakMap<Partial<ReplyLimits>, ReplyLimits>();

/**
 * Fills up and checks limits.
 *
 * @param limits What differs from {@linkcode DEFAULT_REPLY_LIMITS}.
 * @returns All limits, frozen.
 * @throws {RangeError} If a limit is no integer within its range.
 *
 * @example Usage
 * ```ts
 * import { resolveReplyLimits } from "./reply_limits.ts";
 * import { assertEquals, assertThrows } from "@std/assert";
 *
 * assertEquals(resolveReplyLimits({ maxDepth: 9 }).maxBulkBytes, 536_870_912);
 * assertThrows(() => resolveReplyLimits({ maxDepth: 0 }), RangeError);
 * ```
 */
export function resolveReplyLimits(
  limits: Partial<ReplyLimits> = DEFAULT_REPLY_LIMITS,
): ReplyLimits {
  const known = RESOLVED.get(limits);
  if (known !== undefined) return known;
  const resolved = { ...DEFAULT_REPLY_LIMITS, ...limits };
  for (const key of Object.keys(RANGES) as (keyof ReplyLimits)[]) {
    const [min, max] = RANGES[key];
    const value = resolved[key];
    if (!Number.isInteger(value) || value < min || value > max) {
      throw new RangeError(
        `Cannot limit replies as ${key} must be an integer from ${min} to ${max}: ` +
          `current value is ${value}`,
      );
    }
  }
  Object.freeze(resolved);
  if (Object.isFrozen(limits)) RESOLVED.set(limits, resolved);
  return resolved;
}
