import { assert, assertEquals } from "@std/assert";
import {
  CircuitOpenError,
  CommandTimeoutError,
  ConnectError,
} from "../../../src/core/errors/mod.ts";
import { COUNTER_NAMES, type Counts } from "../../../src/observability/metrics.ts";
import { DatabaseStatistics, Traffic } from "../../../src/observability/statistics.ts";
import { FakeClock } from "../../../src/testing/fake_clock.ts";

const CONNECTIONS = { opened: 3, open: 2 };

function statisticsOf(clock: FakeClock): DatabaseStatistics {
  const statistics = new DatabaseStatistics("main", clock);
  clock.freeze(5000);
  statistics.counts.successfulOperations += 3;
  statistics.answered(4990, 5000, 3);
  statistics.commandFailed(new Error("WRONGTYPE"));
  statistics.counts.cacheHits += 2;
  statistics.counts.cacheMisses++;
  statistics.counts.totalRetryAttempts++;
  statistics.counts.circuitBreakerTrips++;
  statistics.connectFailed(new Error("refused"), "127.0.0.1:6379");
  return statistics;
}

Deno.test("DatabaseStatistics.snapshot() is frozen, through and through, and JSON", () => {
  const snapshot = statisticsOf(new FakeClock()).snapshot(CONNECTIONS);
  assert(Object.isFrozen(snapshot) && Object.isFrozen(snapshot.latency));
  assertEquals(JSON.parse(JSON.stringify(snapshot)), snapshot);
});

Deno.test("DatabaseStatistics.resetWindow() begins a window and keeps what knows none", () => {
  const clock = new FakeClock();
  const statistics = statisticsOf(clock);
  const whole = statistics.snapshot(CONNECTIONS);
  assertEquals([whole.successfulOperations, whole.failedOperations], [3, 1]);
  assertEquals([whole.successRate, whole.cacheHits, whole.cacheMisses], [75, 2, 1]);
  assertEquals([whole.totalRetryAttempts, whole.circuitBreakerTrips], [1, 1]);
  assertEquals([whole.uptimeSeconds, whole.windowSeconds], [5, 5]);
  statistics.resetWindow();
  clock.freeze(2000);
  const empty = statistics.snapshot(CONNECTIONS);
  assertEquals(empty, {
    ...whole,
    successfulOperations: 0,
    failedOperations: 0,
    successRate: 100,
    cacheHits: 0,
    cacheMisses: 0,
    totalRetryAttempts: 0,
    circuitBreakerTrips: 0,
    uptimeSeconds: 7,
    windowSeconds: 2,
    latency: { p50Ms: 0, p95Ms: 0, p99Ms: 0, maxMs: 0 },
  });
  assertEquals(
    [empty.totalConnections, empty.activeConnections, empty.failedConnections],
    [3, 2, 1],
  );
  statistics.counts.successfulOperations++;
  statistics.counts.redirects++;
  statistics.counts.refusedRetries++;
  assertEquals(statistics.snapshot(CONNECTIONS).refusedRetries, 1);
  assertEquals(statistics.snapshot(CONNECTIONS).successfulOperations, 1);
  assertEquals([whole.redirects, statistics.snapshot(CONNECTIONS).redirects], [0, 1]);
  const counted: Partial<Counts> = {
    successfulOperations: 4,
    failedOperations: 1,
    totalRetryAttempts: 1,
    refusedRetries: 1,
    redirects: 1,
    circuitBreakerTrips: 1,
    cacheHits: 2,
    cacheMisses: 1,
    failedConnections: 1,
  };
  const zeros = Object.fromEntries(COUNTER_NAMES.map((name) => [name, 0]));
  assertEquals<object>(statistics.totals, { ...zeros, ...counted });
});

Deno.test("DatabaseStatistics counts the bytes of a window, and all of them in its totals", () => {
  const statistics = new DatabaseStatistics("main", new FakeClock());
  const source = { bytesSent: 100, bytesReceived: 200 };
  statistics.traffic.opened(source);
  const window = () => {
    const { bytesSent, bytesReceived } = statistics.snapshot(CONNECTIONS);
    return [bytesSent, bytesReceived];
  };
  assertEquals(window(), [100, 200]);
  statistics.resetWindow();
  assertEquals(window(), [0, 0]);
  source.bytesSent += 7;
  statistics.traffic.ended(source);
  assertEquals(window(), [7, 0]);
  const { bytesSent, bytesReceived } = statistics.totals;
  assertEquals([bytesSent, bytesReceived], [107, 200]);
});

Deno.test("DatabaseStatistics.lastSuccessTime is of a success, not of an error reply", () => {
  const clock = new FakeClock({ wall: Date.UTC(2026, 0, 1) });
  const statistics = new DatabaseStatistics("main", clock);
  statistics.counts.failedOperations++;
  statistics.answered(0, 1, 1);
  assertEquals(statistics.lastSuccessTime, null);
  clock.freeze(1000);
  statistics.counts.successfulOperations++;
  statistics.answered(0, 1, 1);
  assertEquals(statistics.lastSuccessTime, "2026-01-01T00:00:01.000Z");
  clock.freeze(1000);
  statistics.counts.failedOperations++;
  statistics.answered(0, 1, 1);
  assertEquals(statistics.lastSuccessTime, "2026-01-01T00:00:01.000Z");
});

Deno.test("what only follows from an error does not take its place as the last one", () => {
  const clock = new FakeClock();
  const statistics = new DatabaseStatistics("main", clock);
  const open = new CircuitOpenError("main", 1000);
  statistics.commandFailed(open);
  assertEquals(statistics.lastError, open.message);
  const refused = new Error("connection refused");
  statistics.connectFailed(refused, "127.0.0.1:1");
  const noted = "127.0.0.1:1: connection refused";
  assertEquals(statistics.lastError, noted);
  const cause = new ConnectError("main", "127.0.0.1:1", "connection refused", {
    attempts: 3,
    cause: refused,
  });
  const { lastErrorTime } = statistics.snapshot(CONNECTIONS);
  clock.freeze(1000);
  const waited = { attempts: 0, elapsed: { waitingMs: 5000 } };
  const consequences = [
    open,
    cause,
    new CommandTimeoutError("main", "get", 5000, "never-sent", waited, cause),
  ];
  for (const error of consequences) {
    statistics.commandFailed(error);
    assertEquals(statistics.lastError, noted);
  }
  assertEquals(statistics.snapshot(CONNECTIONS).lastErrorTime, lastErrorTime);
  assertEquals(statistics.totals.failedOperations, 1 + consequences.length);
  const other = new Error("WRONGTYPE");
  statistics.commandFailed(other);
  assertEquals(statistics.lastError, "WRONGTYPE");
});

Deno.test("blocking commands have counters of their own, and no part in the latency", () => {
  const statistics = new DatabaseStatistics("main", new FakeClock());
  statistics.answered(0, 2, 10);
  statistics.blockingAnswered(0, 7500);
  statistics.blockingAnswered(0, 500);
  const { blockingOperations, blockingWaitMs, latency } = statistics.snapshot(
    CONNECTIONS,
  );
  assertEquals([blockingOperations, blockingWaitMs], [2, 8000]);
  assertEquals([latency.maxMs, statistics.averageResponseMs], [2, 2]);
  statistics.resetWindow();
  assertEquals(statistics.snapshot(CONNECTIONS).blockingOperations, 0);
  assertEquals([statistics.totals.blockingOperations, statistics.totals.blockingWaitMs], [
    2,
    8000,
  ]);
});

Deno.test("Traffic adds up connections that are open and those that are gone, each once", () => {
  const traffic = new Traffic();
  const read = () => [traffic.bytesSent, traffic.bytesReceived];
  const first = { bytesSent: 10, bytesReceived: 100 };
  const second = { bytesSent: 1, bytesReceived: 2 };
  traffic.opened(first);
  traffic.opened(second);
  assertEquals(read(), [11, 102]);
  first.bytesSent += 5;
  assertEquals(read(), [16, 102]);
  traffic.ended(first);
  traffic.ended(first);
  assertEquals(read(), [16, 102]);
  first.bytesSent += 1000;
  second.bytesReceived += 8;
  assertEquals(read(), [16, 110]);
});
