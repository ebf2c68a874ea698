import { EVICTION_REASONS } from "../../../src/pool/types.ts";
import { LatencyWindow } from "../../../src/observability/histogram.ts";
import {
  COUNTER_NAMES,
  type Counts,
  LATENCY_BOUNDS_MS,
  type MetricsSource,
} from "../../../src/observability/metrics.ts";
import type { PoolStatistics } from "../../../src/observability/types.ts";

/** Counters that differ from each other, and from everything else there is. */
export const COUNTS = Object.fromEntries(
  COUNTER_NAMES.map((name, i) => [name, 1000 + i]),
) as Counts;

/**
 * What is known of a database whose numbers differ from each other.
 *
 * @param pool What differs in its pool.
 * @param latency How long its server took to answer.
 * @returns The numbers.
 */
export function metricsSource(
  pool: Partial<PoolStatistics> = {},
  latency: LatencyWindow = new LatencyWindow(),
): MetricsSource {
  return {
    health: {
      state: "degraded",
      reason: "3 failures lately",
      since: "2026-01-01T00:00:00.000Z",
      endpoint: "127.0.0.1:6379",
      db: 7,
      circuitBreaker: "half_open",
      lastError: null,
      pingMs: 1.5,
    },
    pool: {
      databaseName: "main",
      createdConnections: 9,
      availableConnections: 6,
      inUseConnections: 3,
      maxConnections: 10,
      idleConnections: 2,
      lastCleanup: null,
      lanes: 1,
      leases: 2,
      connecting: 4,
      waiting: 5,
      inFlight: 6,
      acquireTimeouts: 7,
      evictions: Object.fromEntries(EVICTION_REASONS.map((reason, i) => [reason, i])),
      connections: [],
      ...pool,
    },
    minConnections: 8,
    connections: { opened: 11, open: 5 },
    totals: COUNTS,
    latency: latency.totals(LATENCY_BOUNDS_MS),
  };
}
