/** How waits grow between attempts. */
export interface BackoffOptions {
  /** Milliseconds before the first repetition, more than 0. */
  readonly minMs: number;
  /** Most milliseconds, at least `minMs`. */
  readonly maxMs: number;
}

/** Share of a wait that is left to chance. */
const JITTER = 0.5;

/**
 * How long to wait before trying again: doubled each time, capped, with jitter downwards, so
 * that the cap holds and clients that failed together do not come back together.
 *
 * @param attempt How many attempts have failed, 1 or more.
 * @param options The first wait and the longest.
 * @param random A random number from 0 to 1; 0 gives the full wait.
 * @returns Milliseconds, from half of the full wait to all of it.
 *
 * @example Usage
 * ```ts
 * import { backoffMs } from "./backoff.ts";
 * import { assertEquals } from "@std/assert";
 *
 * const options = { minMs: 50, maxMs: 1000 };
 * assertEquals([1, 2, 3, 10].map((n) => backoffMs(n, options, 0)), [50, 100, 200, 1000]);
 * ```
 */
export function backoffMs(
  attempt: number,
  { maxMs, minMs }: BackoffOptions,
  random: number,
): number {
  return Math.min(maxMs, minMs * 2 ** (attempt - 1)) * (1 - JITTER * random);
}

/** Pauses of those who ask for a connection again and again, in milliseconds. Attempts to
 * connect keep their own, longer distance. */
export const ASK_AGAIN: BackoffOptions = Object.freeze({ minMs: 50, maxMs: 500 });

/** Least distance of two attempts to reach a server that was not reached, before chance
 * shortens it, in milliseconds. */
const MIN_PROBE_MS = 200;
/** The distance after an outage of one second, in milliseconds. */
const PROBE_MS_AT_1_S = 310;
/** The power of the outage's age that the distance grows with: as fast as a server that is
 * back must be found, which is within 1 s after 10 s, and within 2.5 s after 60 s. */
const PROBE_GROWTH = 0.4;
/** Most milliseconds between two attempts, reached after ten minutes. */
const MAX_PROBE_MS = 4000;
/**
 * How long to wait before a server that was not reached is tried again. A server that is
 * back is found after one distance at the latest, so the distance is a part of what the
 * outage took already: short outages end soon for everybody, and long ones cost a server
 * that stays away less than an attempt in 2 s.
 *
 * @param outageMs Milliseconds since the first attempt that failed.
 * @param random A random number from 0 to 1.
 * @param mostMs Most milliseconds to wait, where that is less. Default: no less.
 * @returns Milliseconds, from half of the full distance to all of it.
 *
 * @example Usage
 * ```ts
 * import { probeDelayMs } from "./backoff.ts";
 * import { assertEquals } from "@std/assert";
 *
 * const longest = (outageMs: number) => Math.round(probeDelayMs(outageMs, 0));
 * assertEquals([0, 10_000, 60_000, 3_600_000].map(longest), [200, 779, 1594, 4000]);
 * ```
 */
export function probeDelayMs(
  outageMs: number,
  random: number,
  mostMs: number = MAX_PROBE_MS,
): number {
  const grown = Math.min(
    MAX_PROBE_MS,
    PROBE_MS_AT_1_S * (outageMs / 1000) ** PROBE_GROWTH,
  );
  const full = Math.max(MIN_PROBE_MS, Math.min(grown, mostMs));
  return full * (1 - JITTER * random);
}
