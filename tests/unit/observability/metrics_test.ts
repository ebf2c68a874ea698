import { assertEquals, assertMatch } from "@std/assert";
import { withTable } from "../../../config/generate.ts";
import { metricsMarkdown } from "../../../config/metric_table.ts";
import {
  COUNTER_NAMES,
  COUNTERS,
  DURATIONS,
  METRICS,
  readMetric,
} from "../../../src/observability/metrics.ts";
import { DatabaseStatistics } from "../../../src/observability/statistics.ts";
import { FakeClock } from "../../../src/testing/fake_clock.ts";
import { COUNTS, metricsSource } from "./metrics_source.ts";

function assertUnique(names: readonly string[]): void {
  assertEquals(names.length, new Set(names).size, names.join(" "));
}

Deno.test("METRICS names each metric once, and counters as Prometheus wants them", () => {
  assertUnique(METRICS.flatMap(({ name }) => name ?? []));
  assertUnique([
    ...METRICS.flatMap(({ convention }) => convention?.[0] ?? []),
    ...Object.values(DURATIONS).map(([name]) => name),
  ]);
  assertUnique(COUNTER_NAMES);
  for (const { name, type, help } of METRICS) {
    // Prometheus gets it without escapes.
    assertMatch(help, /^[A-Z][^\\\n]*\.$/);
    if (name !== undefined) {
      assertEquals(name.endsWith("_total"), type === "counter", name);
    }
  }
});

Deno.test("each counter is a field of the statistics and a metric", () => {
  const statistics = new DatabaseStatistics("main", new FakeClock());
  Object.assign(statistics.counts, COUNTS);
  const stats = statistics.snapshot({ opened: 0, open: 0 });
  const source = metricsSource();
  for (const name of COUNTER_NAMES) {
    // Connections count their own bytes.
    assertEquals(stats[name], name.startsWith("bytes") ? 0 : COUNTS[name]);
    const [exported, , unit = 1] = COUNTERS[name] as readonly [string, string, number?];
    const metric = METRICS.find((each) => each.name === exported)!;
    assertEquals(readMetric(metric, source), [[{}, COUNTS[name] / unit]]);
  }
});

Deno.test("metricsMarkdown() has a line for every metric, and the documents have it", async () => {
  const markdown = metricsMarkdown();
  for (const { name, convention } of METRICS) {
    for (const told of [name, convention?.[0]]) {
      if (told !== undefined) assertMatch(markdown, new RegExp(`\`${told}[\`{]`));
    }
  }
  for (const path of ["README.md", "src/observability/README.md"]) {
    const text = await Deno.readTextFile(path).catch(() => undefined);
    if (text !== undefined) assertEquals(withTable(text), text, `${path} is stale`);
  }
});
