import type { Percentiles, Point } from "../../../../src/cli/tune/report_types.ts";

/**
 * A measured point, such as a sweep gives.
 *
 * @param values What matters to the test; the rest is usual.
 * @returns The point.
 */
export function makePoint(values: Partial<Point>): Point {
  return {
    sweep: "lanes",
    subject: "mooring",
    mix: "get-heavy",
    lanes: 1,
    leases: 0,
    concurrency: 64,
    valueBytes: 128,
    rounds: 5,
    perSecond: { median: 1000, low: 980, high: 1020 },
    latencyMs: percentiles(1, 2, 3, 4),
    clientCpu: null,
    serverCpu: null,
    connections: 1,
    bytesPerSecond: { in: 0, out: 0 },
    errors: 0,
    ...values,
  };
}

/** Percentiles that are the same in every round. */
export function percentiles(
  p50: number,
  p99: number,
  p999: number,
  max: number,
): Percentiles {
  const same = (ms: number) => ({ median: ms, low: ms, high: ms });
  return { p50: same(p50), p99: same(p99), p999: same(p999), max: same(max) };
}
