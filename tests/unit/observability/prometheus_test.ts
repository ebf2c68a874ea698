import { assert, assertEquals } from "@std/assert";
import { EVICTION_REASONS } from "../../../src/pool/types.ts";
import { LatencyWindow } from "../../../src/observability/latency_window.ts";
import {
  LATENCY_BOUNDS_MS,
  type MetricsSource,
  renderPrometheus,
} from "../../../src/observability/prometheus.ts";
import { writeExposition } from "../../../src/observability/prometheus_text.ts";
import { readExposition, valueOf } from "./exposition.ts";

function sourceOf(databaseName: string, latency = new LatencyWindow()): MetricsSource {
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
      databaseName,
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
    },
    connections: { opened: 11, open: 5 },
    failedConnections: 12,
    totals: {
      succeeded: 100,
      failed: 13,
      retries: 14,
      refusedRetries: 21,
      redirects: 18,
      trips: 15,
      hits: 16,
      misses: 17,
      blocked: 22,
      blockedMs: 23_500,
      bytesSent: 18,
      bytesReceived: 19,
    },
    latency: latency.totals(LATENCY_BOUNDS_MS),
  };
}

Deno.test("renderPrometheus() writes every number under its name, by promtool's rules", () => {
  const latency = new LatencyWindow();
  latency.record(0.2, 3);
  latency.record(40, 2);
  latency.record(60_000, 1);
  const sources = [sourceOf("main", latency), sourceOf("cache")];
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
    commands_succeeded_total: 100,
    commands_failed_total: 13,
    retries_total: 14,
    retries_refused_total: 21,
    redirects_total: 18,
    circuit_breaker_trips_total: 15,
    cache_hits_total: 16,
    cache_misses_total: 17,
    blocking_commands_total: 22,
    blocking_wait_seconds_total: 23.5,
    commands_in_flight: 6,
    connections_max: 10,
    connections_opened_total: 11,
    connection_failures_total: 12,
    sent_bytes_total: 18,
    received_bytes_total: 19,
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
  const source = sourceOf("main");
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
  const read = readExposition(renderPrometheus([sourceOf(name)], 1));
  assertEquals(read.problems, []);
  assertEquals(
    valueOf(read, "mooring_redis_waiters", { database: name }),
    5,
  );
});

Deno.test("writeExposition() escapes help and writes numbers that are none", () => {
  const text = writeExposition([{
    name: "odd",
    type: "gauge",
    help: "one\\two\nthree",
    samples: [Infinity, -Infinity, NaN, 1e-7, 1e21].map((value, i) => ({
      labels: { i: String(i) },
      value,
    })),
  }]);
  assertEquals(readExposition(text).problems, []);
  assertEquals(
    text,
    "# HELP odd one\\\\two\\nthree\n# TYPE odd gauge\n" +
      'odd{i="0"} +Inf\nodd{i="1"} -Inf\nodd{i="2"} NaN\nodd{i="3"} 1e-7\nodd{i="4"} 1e+21\n',
  );
});
