import { assert, assertAlmostEquals, assertEquals, assertThrows } from "@std/assert";
import { LatencyHistogram, LatencyWindow } from "../../../src/observability/histogram.ts";
import { LATENCY_BOUNDS_MS } from "../../../src/observability/metrics.ts";

/** A generator with a fixed sequence, 0 to 1. */
function sequence(): () => number {
  let state = 1;
  return () => (state = state * 48271 % 2147483647) / 2147483647;
}

Deno.test("LatencyHistogram.quantile() is within its error bound over the whole range", () => {
  const random = sequence();
  const durations = Array.from({ length: 20_000 }, () => 0.001 * 10 ** (random() * 9.5));
  const histogram = new LatencyHistogram();
  for (const each of durations) histogram.record(each);
  durations.sort((a, b) => a - b);
  for (const share of [0, 0.001, 0.01, 0.1, 0.25, 0.5, 0.9, 0.95, 0.99, 0.999, 1]) {
    const exact = durations[Math.max(0, Math.ceil(share * durations.length) - 1)]!;
    const off = Math.abs(histogram.quantile(share) - exact) / exact;
    assert(off <= LatencyHistogram.relativeError, `p${share * 100} is off by ${off}`);
  }
  assert(LatencyHistogram.relativeError <= 0.02);
});

Deno.test("LatencyHistogram.quantile() is within its error bound for every single value", () => {
  for (let us = 1; us < 3_600_000_000; us *= 1.0037) {
    const histogram = new LatencyHistogram();
    // A larger and a smaller one, so that the exact ends do not help.
    histogram.record(us / 1000, 98);
    histogram.record(0);
    histogram.record(4_000_000);
    const off = Math.abs(histogram.quantile(0.5) * 1000 - us) / us;
    assert(off <= LatencyHistogram.relativeError, `${us} µs is off by ${off}`);
  }
});

Deno.test("LatencyHistogram.snapshot() has exact count, sum, minimum and maximum", () => {
  const histogram = new LatencyHistogram();
  histogram.record(0.25);
  histogram.record(1.5, 10);
  histogram.record(7.125, 2);
  const { count, sumMs, minMs, maxMs, p50Ms, p99Ms } = histogram.snapshot();
  assertEquals({ count, sumMs, minMs, maxMs }, {
    count: 13,
    sumMs: 0.25 + 15 + 14.25,
    minMs: 0.25,
    maxMs: 7.125,
  });
  assertAlmostEquals(p50Ms, 1.5, 1.5 / 64);
  assertAlmostEquals(p99Ms, 7.125, 7.125 / 64);
  assert(p99Ms <= maxMs);
});

Deno.test("LatencyHistogram.record() takes any number without harm", () => {
  const histogram = new LatencyHistogram();
  for (const ms of [0, -5, NaN, 1e-9, 5_000_000, Infinity]) histogram.record(ms);
  const { count, minMs, maxMs, p50Ms } = histogram.snapshot();
  assertEquals({ count, minMs, maxMs }, { count: 6, minMs: 0, maxMs: Infinity });
  assert(p50Ms <= 0.002);
});

Deno.test("LatencyHistogram that is empty is all zeros", () => {
  const zeros = { count: 0, sumMs: 0, minMs: 0, p50Ms: 0, p95Ms: 0, p99Ms: 0, maxMs: 0 };
  const histogram = new LatencyHistogram();
  assertEquals(histogram.snapshot(), zeros);
  assertEquals(histogram.quantile(0.5), 0);
  histogram.record(3);
  histogram.clear();
  assertEquals(histogram.snapshot(), zeros);
  histogram.record(2);
  assertEquals(histogram.snapshot().minMs, 2);
});

Deno.test("LatencyHistogram.merge() is as if all had been recorded in one", () => {
  const random = sequence();
  const [a, b, both] = [0, 1, 2].map(() => new LatencyHistogram());
  for (let i = 0; i < 1000; i++) {
    // Quarters have exact sums, whatever their order.
    const ms = Math.ceil(random() * 4000) / 4;
    (i % 3 === 0 ? a : b)!.record(ms);
    both!.record(ms);
  }
  a!.merge(b!);
  assertEquals(a!.snapshot(), both!.snapshot());
  a!.merge(new LatencyHistogram());
  assertEquals(a!.snapshot(), both!.snapshot());
});

Deno.test("LatencyHistogram.cumulative() counts up to each bound", () => {
  const histogram = new LatencyHistogram();
  histogram.record(0.5, 5);
  histogram.record(3, 2);
  histogram.record(100);
  assertEquals(histogram.cumulative([0.1, 1, 5, 50, 1000]), [0, 5, 7, 7, 8]);
  assertEquals(new LatencyHistogram().cumulative([1, 2]), [0, 0]);
});

Deno.test("LatencyHistogram.quantile() throws on a share that is none", () => {
  for (const share of [-0.1, 1.1, NaN]) {
    assertThrows(() => new LatencyHistogram().quantile(share), RangeError, "from 0 to 1");
  }
});

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
