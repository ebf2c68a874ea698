import { assert, assertAlmostEquals, assertEquals } from "@std/assert";
import { LatencyHistogram } from "../../../src/observability/histogram.ts";
import { LatencyWindow } from "../../../src/observability/latency_window.ts";
import { LATENCY_BOUNDS_MS } from "../../../src/observability/prometheus.ts";

Deno.test("LatencyWindow.reset() empties the window and keeps the totals", () => {
  const latency = new LatencyWindow();
  latency.record(2, 10);
  latency.reset();
  assertEquals(latency.stats(), { p50Ms: 0, p95Ms: 0, p99Ms: 0, maxMs: 0 });
  latency.record(8, 5);
  const { p50Ms, maxMs } = latency.stats();
  assertAlmostEquals(p50Ms, 8, 8 * LatencyHistogram.relativeError);
  assertEquals(maxMs, 8);
  const { counts, count, sumMs } = latency.totals([1, 5, 10]);
  assertEquals([counts, count, sumMs], [[0, 10, 15], 15, 60]);
  assert(Object.isFrozen(latency.stats()));
});

Deno.test("LatencyWindow.totals() never takes back what it has counted", () => {
  const latency = new LatencyWindow();
  // Values at both sides of each bound, in an order that widens what has been seen.
  const values = LATENCY_BOUNDS_MS.flatMap((bound) => [bound * 0.995, bound * 1.005]);
  let before = LATENCY_BOUNDS_MS.map(() => 0);
  values.forEach((value, i) => {
    latency.record(value, 1);
    if (i % 5 === 0) latency.reset();
    const { counts, count } = latency.totals(LATENCY_BOUNDS_MS);
    assertEquals(count, i + 1);
    counts.forEach((each, at) => assert(each >= before[at]!, `${value}: ${counts}`));
    before = [...counts];
  });
});
