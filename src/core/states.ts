/**
 * How well a database serves; the seed's name and values.
 *
 * @example Usage
 * ```ts
 * import { ConnectionState } from "@mooring/redis";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(ConnectionState.HEALTHY, "healthy");
 * ```
 */
export const ConnectionState = {
  /** Serves. */
  HEALTHY: "healthy",
  /** Serves in part: probing after a trip, loading, or with recent errors. */
  DEGRADED: "degraded",
  /** Does not serve. */
  FAILED: "failed",
} as const;

/** How well a database serves: `healthy`, `degraded` or `failed`. */
export type ConnectionState = typeof ConnectionState[keyof typeof ConnectionState];
