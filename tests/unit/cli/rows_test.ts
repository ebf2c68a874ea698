import { assertAlmostEquals, assertEquals } from "@std/assert";
import {
  makeRows,
  parseMetrics,
  quantile,
  readSamples,
} from "../../../src/cli/stats_rows.ts";

Deno.test("quantile() is on the line inside the bucket that it falls into", () => {
  const buckets = [[1, 10], [2, 30], [4, 40], [Infinity, 40]] as const;
  assertEquals(quantile(buckets, 0.25), 1);
  assertEquals(quantile(buckets, 0.5), 1.5);
  assertEquals(quantile(buckets, 0.75), 2);
  assertEquals(quantile(buckets, 1), 4);
});

Deno.test("quantile() of nothing is null, and of what is above all bounds the last one", () => {
  assertEquals(quantile([], 0.5), null);
  assertEquals(quantile([[1, 0], [Infinity, 0]], 0.5), null);
  assertEquals(quantile([[1, 0], [2, 1], [Infinity, 100]], 0.99), 2);
});

Deno.test("parseMetrics() reads names, labels with escapes, and values that are no numbers", () => {
  const text = [
    "# HELP a_total all",
    "# TYPE a_total counter",
    'a_total{database="a\\"b\\\\c\\nd",db="0"} 12',
    'b_bucket{le="+Inf"} +Inf',
    "c 1.5e3 1700000000000",
    "no line at all",
    "",
  ].join("\n");
  assertEquals(parseMetrics(text), [
    { name: "a_total", labels: { database: 'a"b\\c\nd', db: "0" }, value: 12 },
    { name: "b_bucket", labels: { le: "+Inf" }, value: Infinity },
    { name: "c", labels: {}, value: 1500 },
  ]);
});

/** Text metrics of two databases. */
function metrics(main: number, cache: number): string {
  const of = (database: string, done: number) =>
    [
      ["database_state", `,state="healthy"`, 0],
      ["database_state", `,state="degraded"`, 1],
      ["commands_succeeded_total", "", done],
      ["commands_failed_total", "", 5],
      ["cache_hits_total", "", done / 2],
      ["cache_misses_total", "", done / 2],
      ["near_cache_hits_total", "", 3],
      ["near_cache_misses_total", "", 1],
      ["connections", `,state="lane"`, 1],
      ["connections", `,state="idle"`, 2],
      ["connections", `,state="connecting"`, 7],
      ["connections_max", "", 20],
      ["commands_in_flight", "", 3],
      ["waiters", "", 4],
      ["replicas", `,state="in_sync"`, 2],
      ["replicas", `,state="left_out"`, 1],
      ["replica_lag_seconds", `,replica="10.0.0.7:6379"`, 0.25],
      ["replica_lag_seconds", `,replica="10.0.0.8:6379"`, 0.125],
      ["command_duration_seconds_bucket", `,le="0.001"`, done],
      ["command_duration_seconds_bucket", `,le="+Inf"`, done],
    ].map(([name, labels, value]) =>
      `mooring_redis_${name}{database="${database}",db="5"${labels}} ${value}`
    ).join("\n");
  return `other_total 1\n${of("main", main)}\n${of("cache", cache)}\n`;
}

Deno.test("makeRows() has a line for each database, in their order", () => {
  const [main, cache, ...more] = makeRows(readSamples(metrics(95, 45)), [], 0);
  assertEquals(more, []);
  assertEquals([main?.database, cache?.database], ["main", "cache"]);
  assertEquals(main, {
    database: "main",
    db: 5,
    state: "degraded",
    commands: 100,
    perSecond: null,
    successRate: 95,
    p50Ms: 0.5,
    p99Ms: 0.99,
    connections: 3,
    maxConnections: 20,
    inFlight: 3,
    waiting: 4,
    hitRate: 50,
    nearHitRate: 75,
    ...{ replicasInSync: 2, replicas: 3, replicaLagMs: 250 },
  });
  assertEquals(cache?.commands, 50);
});

Deno.test("makeRows() tells what happened since the last look", () => {
  const [row] = makeRows(
    readSamples(metrics(300, 0)),
    readSamples(metrics(100, 0)),
    2000,
  );
  assertEquals([row!.perSecond, row!.successRate, row!.commands], [100, 100, 305]);
  assertAlmostEquals(row!.p50Ms!, 0.5);
});

Deno.test("makeRows() begins anew with a service that was started anew", () => {
  const [row] = makeRows(
    readSamples(metrics(10, 0)),
    readSamples(metrics(100, 0)),
    1000,
  );
  assertEquals([row!.perSecond, row!.commands], [null, 15]);
});
