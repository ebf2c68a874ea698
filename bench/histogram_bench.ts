/**
 * What it costs to count one command's latency, and to read the quantiles. One iteration
 * of `record` is {@linkcode TIMES} calls. Run: `deno bench bench/histogram_bench.ts`.
 */
import { LatencyHistogram } from "../src/observability/histogram.ts";

const TIMES = 1000;
const histogram = new LatencyHistogram();
const durations = Float64Array.from(
  { length: TIMES },
  () => 0.02 * 2 ** (Math.random() * 12),
);

Deno.bench({
  name: `record() × ${TIMES}`,
  group: "write",
  baseline: true,
  fn() {
    for (let i = 0; i < TIMES; i++) histogram.record(durations[i]!);
  },
});

Deno.bench({
  name: `record() of 10 at a time × ${TIMES}`,
  group: "write",
  fn() {
    for (let i = 0; i < TIMES; i++) histogram.record(durations[i]!, 10);
  },
});

Deno.bench({
  name: "an array of all durations, for comparison",
  group: "write",
  fn() {
    const all: number[] = [];
    for (let i = 0; i < TIMES; i++) all.push(durations[i]!);
    if (all.length !== TIMES) throw new Error("lost some");
  },
});

Deno.bench({
  name: "snapshot()",
  group: "read",
  fn() {
    histogram.snapshot();
  },
});
