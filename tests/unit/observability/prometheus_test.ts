import { COUNTS, metricsSource } from "./metrics_source.ts";
import { assert, assertEquals } from "@std/assert";
import { LatencyWindow } from "../../../src/observability/histogram.ts";
import { renderPrometheus } from "../../../src/observability/prometheus.ts";
import { EVICTION_REASONS } from "../../../src/pool/types.ts";
import { readExposition, valueOf } from "./exposition.ts";

Deno.test("renderPrometheus() writes every number under its name, by promtool's rules", () => {
  const latency = new LatencyWindow();
  latency.record(0.2, 3);
  latency.record(40, 2);
  latency.record(60_000, 1);
  const sources = [metricsSource({}, latency), metricsSource({ databaseName: "cache" })];
  const read = readExposition(renderPrometheus(sources, 42.5));
  assertEquals(read.problems, []);
  const main = (name: string, labels: Record<string, string> = {}) =>
    valueOf(read, `mooring_redis_${name}`, { database: "main", db: "7", ...labels });
  assertEquals(valueOf(read, "mooring_redis_uptime_seconds"), 42.5);
  assertEquals(
    ["healthy", "degraded", "failed"].map((state) => main("database_state", { state })),
    [0, 1, 0],
  );
  assertEquals(
    ["closed", "open", "half_open"].map((state) =>
      main("circuit_breaker_state", { state })
    ),
    [0, 0, 1],
  );
  assertEquals(
    ["lane", "leased", "idle", "connecting"].map((state) =>
      main("connections", { state })
    ),
    [1, 2, 2, 4],
  );
  const expected = {
    ping_seconds: 0.0015,
    commands_succeeded_total: COUNTS.successfulOperations,
    commands_failed_total: COUNTS.failedOperations,
    retries_total: COUNTS.totalRetryAttempts,
    retries_refused_total: COUNTS.refusedRetries,
    redirects_total: COUNTS.redirects,
    circuit_breaker_trips_total: COUNTS.circuitBreakerTrips,
    cache_hits_total: COUNTS.cacheHits,
    cache_misses_total: COUNTS.cacheMisses,
    blocking_commands_total: COUNTS.blockingOperations,
    blocking_wait_seconds_total: COUNTS.blockingWaitMs / 1000,
    commands_in_flight: 6,
    connections_max: 10,
    connections_opened_total: 11,
    connection_failures_total: COUNTS.failedConnections,
    sent_bytes_total: COUNTS.bytesSent,
    received_bytes_total: COUNTS.bytesReceived,
    waiters: 5,
    acquire_timeouts_total: 7,
    command_duration_seconds_count: 6,
    command_duration_seconds_sum: 60.0806,
  };
  for (const [name, value] of Object.entries(expected)) {
    assertEquals(main(name), value, name);
  }
  EVICTION_REASONS.forEach((reason, i) =>
    assertEquals(main("connections_closed_total", { reason }), i)
  );
  const bucket = (le: string) => main("command_duration_seconds_bucket", { le });
  assertEquals(
    ["0.0001", "0.00025", "0.025", "0.05", "10", "+Inf"].map(bucket),
    [0, 3, 3, 5, 5, 6],
  );
});

Deno.test("renderPrometheus() leaves out what is not known", () => {
  const source = metricsSource();
  const unasked = { ...source, health: { ...source.health, pingMs: null } };
  const text = renderPrometheus([unasked], 1);
  assertEquals(readExposition(text).problems, []);
  assert(!text.includes("ping_seconds"));
  assertEquals(Object.keys(readExposition(renderPrometheus([], 1)).types), [
    "mooring_redis_uptime_seconds",
  ]);
});

Deno.test("renderPrometheus() escapes the names of databases", () => {
  const name = 'a"b\\c\nd{}=,é';
  const read = readExposition(
    renderPrometheus([metricsSource({ databaseName: name })], 1),
  );
  assertEquals(read.problems, []);
  assertEquals(
    valueOf(read, "mooring_redis_waiters", { database: name }),
    5,
  );
});
