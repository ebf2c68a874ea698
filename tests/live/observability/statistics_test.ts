/** Every number of the statistics, against what the server itself says. */
import { Buffer } from "node:buffer";
import { assert, assertAlmostEquals, assertEquals, assertRejects } from "@std/assert";
import {
  AcquireTimeoutError,
  CircuitOpenError,
  type RedisConnectionManager,
} from "../../../mod.ts";
import type { RedisServer } from "../../../src/testing/redis_server.ts";
import { delay, waitFor } from "../../../src/testing/wait.ts";
import { withManager } from "../../support/managed.ts";

const ONE = { databases: { main: { db: 0 } } };

/** How often the server ran a command, and how often it failed. */
async function callsOf(server: RedisServer, command: string): Promise<[number, number]> {
  const { [`cmdstat_${command}`]: line = "" } = await server.info("commandstats");
  const read = (field: string) =>
    Number(new RegExp(`${field}=(\\d+)`).exec(line)?.[1] ?? 0);
  return [read("calls"), read("failed_calls") + read("rejected_calls")];
}

async function keyspace(server: RedisServer): Promise<[number, number]> {
  const stats = await server.info("stats");
  return [Number(stats.keyspace_hits), Number(stats.keyspace_misses)];
}

/** Whether a date is of the time from then to now, in milliseconds since the epoch. */
function isSince(then: number, date: string | null): boolean {
  const at = Date.parse(date ?? "");
  return at >= then && at <= Date.now();
}

/** Runs it, and says how long that took, in milliseconds. */
async function timed(run: () => Promise<unknown>): Promise<number> {
  const startedAt = performance.now();
  await run();
  return performance.now() - startedAt;
}

/** Whether a value and all that it holds is frozen. */
function isDeeplyFrozen(value: unknown): boolean {
  if (typeof value !== "object" || value === null) return true;
  return Object.isFrozen(value) && Object.values(value).every(isDeeplyFrozen);
}

Deno.test("RedisStats counts commands, hits and misses as INFO does", () =>
  withManager(ONE, async ({ manager, server }) => {
    const [then, startedAt] = [Date.now(), performance.now()];
    const main = manager.getClient("main");
    await Promise.all(Array.from({ length: 40 }, (_, i) => main.set(`k${i}`, i)));
    await Promise.all(Array.from({ length: 60 }, (_, i) => main.get(`k${i}`)));
    await Promise.allSettled([main.lpush("k0", 1), main.lpush("k1", 1)]);
    await manager.pipeline("main", (p) => {
      p.hset("h", "a", 1);
      p.hget("h", "a");
      p.hget("h", "b");
    });
    const lastedSeconds = (performance.now() - startedAt) / 1000;
    const stats = manager.getStatistics().databaseStats.main!;
    const calls = await Promise.all(
      ["set", "get", "lpush", "hset", "hget"].map((name) => callsOf(server, name)),
    );
    assertEquals(calls, [[40, 0], [60, 0], [2, 2], [1, 0], [2, 0]]);
    const failed = calls.reduce((sum, [, failures]) => sum + failures, 0);
    const total = calls.reduce((sum, [all]) => sum + all, 0);
    assertEquals(stats.databaseName, "main");
    assertEquals(stats.successfulOperations, total - failed);
    assertEquals(stats.failedOperations, failed);
    assertEquals(stats.successRate, (total - failed) / total * 100);
    const [hits, misses] = await keyspace(server);
    // The server counts keys: h was there when its field b was not.
    assertEquals([stats.cacheHits, stats.cacheMisses], [hits - 1, misses + 1]);
    assertEquals([stats.totalRetryAttempts, stats.circuitBreakerTrips], [0, 0]);
    assert(stats.lastError!.startsWith("WRONGTYPE"), String(stats.lastError));
    assert(isSince(then, stats.lastErrorTime) && isSince(then, stats.lastSuccessTime));
    assertEquals(stats.uptimeSeconds, stats.windowSeconds);
    const ranSeconds = (performance.now() - startedAt) / 1000;
    for (const { uptimeSeconds } of [stats, manager.getStatistics()]) {
      assert(uptimeSeconds >= lastedSeconds, `${uptimeSeconds} of ${lastedSeconds} s`);
      assert(uptimeSeconds < ranSeconds + 60, `${uptimeSeconds} of ${ranSeconds} s`);
    }
  }));

Deno.test("RedisStats counts connections as INFO and CLIENT LIST do", () =>
  withManager(ONE, async ({ manager, server }) => {
    const received = async () =>
      Number((await server.info("stats")).total_connections_received);
    const before = await received();
    const main = manager.getClient("main");
    await main.ping();
    await (await manager.acquire("main")).release();
    const stats = () => manager.getStatistics().databaseStats.main!;
    const rows = await server.clientList("mooring:main:");
    assertEquals(rows.length, 2);
    assertEquals([stats().totalConnections, stats().activeConnections], [2, 2]);
    assertEquals(await received() - before, stats().totalConnections);
    for (const { id } of rows) await server.cli("CLIENT", "KILL", "ID", String(id));
    await waitFor(() => stats().activeConnections === 0, { what: "both gone" });
    assertEquals(stats().totalConnections, 2);
    await main.ping();
    assertEquals([stats().totalConnections, stats().activeConnections], [3, 1]);
    assertEquals(await received() - before, stats().totalConnections);
    assertEquals(stats().failedConnections, 0);
  }));

/** The server's bytes in and out, without those of the tests' own questions. */
async function meterTraffic(server: RedisServer) {
  const read = async () => {
    const text = String(await server.cli("INFO", "stats"));
    const of = (name: string) => Number(new RegExp(`${name}:(\\d+)`).exec(text)![1]);
    return {
      received: of("total_net_input_bytes"),
      sent: of("total_net_output_bytes"),
      length: text.length,
    };
  };
  const first = await read();
  const second = await read();
  const question = second.received - first.received;
  // What the server sends is counted when it has been sent: with the next question.
  const around = second.sent - first.sent - first.length;
  return async () => {
    const now = await read();
    return [
      now.received - second.received - question,
      now.sent - second.sent - second.length - around,
    ];
  };
}

for (const transport of ["node", "deno"] as const) {
  Deno.test(`RedisStats counts bytes as INFO does, on transport ${transport}`, () =>
    withManager(
      { databases: { main: { db: 0, transport } } },
      async ({ manager, server }) => {
        const measure = await meterTraffic(server);
        const main = manager.getClient("main");
        const stats = () => manager.getStatistics().databaseStats.main!;
        assertEquals([stats().bytesSent, stats().bytesReceived], [0, 0]);
        await main.set("k", "ä".repeat(10_000));
        await main.get("k");
        await main.set("b", Buffer.alloc(70_000));
        await (await manager.acquire("main")).release();
        const read = () => [stats().bytesSent, stats().bytesReceived];
        const open = read();
        assertEquals(open, await measure());
        assert(open[0]! > 90_000 && open[1]! > 20_000, `${open}`);
        // Connections that are gone still count.
        const rows = await server.clientList("mooring:main:");
        for (const { id } of rows) await server.cli("CLIENT", "KILL", "ID", String(id));
        await waitFor(() => stats().activeConnections === 0, { what: "both gone" });
        assertEquals(read(), open);
        const { bytesReceived, bytesSent } = manager.getStatistics({ reset: true });
        assertEquals([bytesSent, bytesReceived], open);
        assertEquals(read(), [0, 0]);
      },
    ));
}

Deno.test("RedisStats counts failed attempts, retries and trips of a server that is gone", () =>
  withManager({
    ...ONE,
    // The breaker opens at the end of one call, and stays open.
    circuitBreakerThreshold: 3,
    circuitBreakerTimeoutMs: 60_000,
    connectRetry: { attempts: 3, minMs: 5, maxMs: 5, jitter: 0 },
  }, async ({ manager, server }) => {
    const stats = () => manager.getStatistics().databaseStats.main!;
    const then = Date.now();
    await server.stop();
    await assertRejects(() => manager.getClient("main").get("k"));
    assertEquals(stats().failedConnections, 3);
    assertEquals(stats().totalRetryAttempts, 2);
    assertEquals(stats().circuitBreakerTrips, 1);
    await assertRejects(() => manager.getClient("main").get("k"), CircuitOpenError);
    assertEquals([stats().failedOperations, stats().successfulOperations], [2, 0]);
    assertEquals(stats().successRate, 0);
    assertEquals([stats().totalConnections, stats().activeConnections], [0, 0]);
    assertEquals(stats().lastSuccessTime, null);
    assert(isSince(then, stats().lastErrorTime));
    const metrics = manager.getMetrics("main");
    assertEquals([metrics.state, metrics.circuitBreakerTrips], ["failed", 1]);
    assertEquals([metrics.totalRequests, metrics.failedRequests], [2, 2]);
    assertEquals(metrics.consecutiveFailures, 3);
    assertEquals(metrics.lastError, stats().lastError);
  }));

Deno.test("RedisStats measures latency as long as the server makes it", () =>
  withManager(ONE, async ({ manager, server }) => {
    const main = manager.getClient("main");
    await main.ping();
    manager.getStatistics({ reset: true });
    // As long as their callers waited, or shorter: what a busy machine takes is in both.
    const waits: number[] = [];
    for (let i = 0; i < 98; i++) waits.push(await timed(() => main.set("k", i)));
    const latencyNow = () => manager.getStatistics().databaseStats.main!.latency;
    const quick = latencyNow();
    assert(quick.p50Ms > 0 && quick.p50Ms <= quick.p95Ms, Deno.inspect(quick));
    assert(quick.p95Ms <= quick.p99Ms && quick.p99Ms <= quick.maxMs);
    assert(quick.maxMs <= Math.max(...waits), `${quick.maxMs} of ${waits}`);
    server.pause();
    const slow = Promise.all([1, 2].map((i) => timed(() => main.set("k", i))));
    await delay(300);
    server.resume();
    waits.push(...await slow);
    waits.sort((a, b) => a - b);
    const latency = latencyNow();
    const told = Deno.inspect({ latency, waits });
    // No reply came before the server went on; quantiles are within 1.6 %.
    assert(latency.maxMs >= 295 && latency.maxMs <= waits[99]!, told);
    assert(latency.p99Ms >= 290 && latency.p50Ms <= waits[50]! * 1.02, told);
    assert(latency.p95Ms <= waits[95]! * 1.02, told);
    const sumMs = manager.getMetrics("main").averageResponseTimeMs * 100;
    assert(sumMs >= 2 * 295, `${sumMs} ms`);
    assert(sumMs <= waits.reduce((sum, ms) => sum + ms), `${sumMs} of ${told}`);
  }));

Deno.test("getStatistics({ reset: true }) cuts time into windows that add up to what the server ran", () =>
  withManager(
    { databases: { main: { db: 0 }, cache: { db: 1 } } },
    async ({ manager, server }) => {
      const clients = [manager.getClient("main"), manager.getClient("cache")];
      const work = (async () => {
        for (let round = 0; round < 50; round++) {
          await Promise.all(
            clients.flatMap((client) => [client.set("k", round), client.get("k")]),
          );
        }
      })();
      const totals = { operations: 0, hits: 0, seconds: 0 };
      const take = () => {
        const window = manager.getStatistics({ reset: true });
        totals.operations += window.totalOperations;
        totals.hits += window.cacheHits;
        totals.seconds += window.windowSeconds;
        return window;
      };
      for (let i = 0; i < 5; i++) {
        take();
        await new Promise((resolve) => setTimeout(resolve, 2));
      }
      await work;
      take();
      assertEquals([totals.operations, totals.hits], [200, 100]);
      assertEquals(await callsOf(server, "set"), [100, 0]);
      assertEquals(await callsOf(server, "get"), [100, 0]);
      const after = manager.getStatistics();
      assertEquals([after.totalOperations, after.overallSuccessRate], [0, 100]);
      assertEquals(after.databaseStats.main!.latency.maxMs, 0);
      assertEquals(after.databaseStats.main!.totalConnections, 1);
      const lived = totals.seconds + after.windowSeconds;
      // One look at the clock is the end of a window and the beginning of the next.
      assertAlmostEquals(lived, after.uptimeSeconds, 1e-6);
      // What has no window goes on.
      assertEquals(manager.getMetrics("main").totalRequests, 100);
    },
  ));

Deno.test("getStatistics() and its like are frozen through and through, and JSON", () =>
  withManager(ONE, async ({ manager }) => {
    await manager.getClient("main").get("k");
    const snapshots = [
      manager.getStatistics(),
      manager.getPoolStatistics(),
      manager.getHealthStatus(),
      manager.getMetrics(),
      ...manager.listDatabases(),
    ];
    for (const snapshot of snapshots) {
      assert(isDeeplyFrozen(snapshot), Deno.inspect(snapshot));
      assertEquals(
        JSON.parse(JSON.stringify(snapshot)),
        JSON.parse(JSON.stringify(structuredClone(snapshot))),
      );
    }
    const taken = manager.getStatistics();
    const operations = taken.totalOperations;
    await manager.getClient("main").get("k");
    assertEquals(taken.totalOperations, operations);
  }));

Deno.test("PoolStatistics says at each step what CLIENT LIST says", () =>
  withManager(
    { databases: { main: { db: 0, maxConnections: 3 } }, idleTimeoutMs: 50 },
    async ({ manager, server }) => {
      const then = Date.now();
      const pool = () => {
        const stats = manager.getPoolStatistics("main");
        const { inUseConnections, idleConnections, connecting, maxConnections } = stats;
        const total = inUseConnections + idleConnections + connecting;
        const gone = Object.values(stats.evictions).reduce((sum, n) => sum + n, 0);
        assertEquals(stats.createdConnections, total + gone);
        assertEquals(inUseConnections, stats.lanes + stats.leases);
        const free = maxConnections - total;
        assertEquals(stats.availableConnections, idleConnections + free);
        return stats;
      };
      const open = async () => (await server.clientList("mooring:main:")).length;
      assertEquals(
        [pool().databaseName, pool().maxConnections, pool().createdConnections],
        ["main", 3, 0],
      );
      await manager.getClient("main").ping();
      const first = await manager.acquire("main");
      const second = await manager.acquire("main");
      assertEquals([pool().lanes, pool().leases, await open()], [1, 2, 3]);
      assertEquals([pool().availableConnections, pool().waiting], [0, 0]);

      const late = assertRejects(
        () => manager.acquire("main", { timeoutMs: 60 }),
        AcquireTimeoutError,
      );
      const lucky = manager.acquire("main");
      assertEquals(pool().waiting, 2);
      await late;
      assertEquals([pool().waiting, pool().acquireTimeouts], [1, 1]);
      await first.release();
      const third = await lucky;
      assertEquals([pool().waiting, pool().leases, await open()], [0, 2, 3]);

      await second.release();
      await third.release();
      await waitFor(() => pool().idleConnections === 2, { what: "two idle ones" });
      assertEquals([pool().leases, await open(), pool().lastCleanup], [0, 3, null]);
      await new Promise((resolve) => setTimeout(resolve, 80));
      assertEquals(await manager.cleanupIdleConnections(), 2);
      assertEquals([pool().idleConnections, pool().evictions.idle_timeout], [0, 2]);
      assert(isSince(then, pool().lastCleanup));
      await waitFor(async () => await open() === 1, { what: "one left on the server" });
      assertEquals(pool().createdConnections, 3);
    },
  ));

Deno.test("PoolStatistics counts what is in flight and what is being opened", () =>
  withManager(ONE, async ({ manager, server }) => {
    const main = manager.getClient("main");
    await main.ping();
    const pool = () => manager.getPoolStatistics("main");
    server.pause();
    const replies = Promise.all(Array.from({ length: 7 }, () => main.incr("n")));
    const lease = manager.acquire("main");
    await waitFor(() => pool().inFlight === 7, { what: "seven in flight" });
    assertEquals([pool().connecting, pool().waiting, pool().leases], [1, 1, 0]);
    server.resume();
    assertEquals(await replies, [1, 2, 3, 4, 5, 6, 7]);
    await (await lease).release();
    assertEquals([pool().inFlight, pool().connecting, pool().waiting], [0, 0, 0]);
  }));

Deno.test("ManagerStats and HealthStatus count databases by state and add them up", async () => {
  await withManager({
    databases: { main: { db: 0 }, cache: { db: 1 }, gone: { db: 0, port: 1 } },
    connectRetry: { attempts: 1 },
  }, async ({ manager, server }) => {
    const then = Date.now();
    await manager.getClient("main").set("k", 1);
    await manager.getClient("cache").get("k");
    await assertRejects(() => manager.getClient("gone").get("k"));
    const health = await manager.healthCheck();
    const stats = manager.getStatistics();
    for (const counts of [stats, health]) {
      assertEquals(
        [counts.totalDatabases, counts.healthyDatabases, counts.degradedDatabases],
        [3, 2, 0],
      );
      assertEquals(counts.failedDatabases, 1);
    }
    assertEquals([stats.totalOperations, stats.cacheHits, stats.cacheMisses], [3, 0, 1]);
    assertEquals(stats.overallSuccessRate, 2 / 3 * 100);
    assertEquals(Object.keys(stats.databaseStats), ["main", "cache", "gone"]);
    assert(!health.overallHealthy);
    const { main, cache, gone } = health.databases;
    assertEquals([main!.state, main!.reason, main!.db], ["healthy", "connected", 0]);
    assertEquals(main!.endpoint, `127.0.0.1:${server.port}`);
    assertEquals([main!.circuitBreaker, main!.lastError], ["closed", null]);
    assert(main!.pingMs! > 0 && main!.pingMs! < 10_000, `${main!.pingMs}`);
    assertEquals(cache!.db, 1);
    assertEquals([gone!.state, gone!.pingMs], ["failed", null]);
    assert(gone!.reason.includes("127.0.0.1:1"), gone!.reason);
    assert(gone!.lastError!.includes("127.0.0.1:1"));
    // The state of main is as old as the manager, that of gone as its failure.
    assert(main!.since < gone!.since, `${main!.since} ${gone!.since}`);
    assert(isSince(then, gone!.since));
    assertEquals(manager.getHealthStatus().databases.gone!.since, gone!.since);
  });
});

Deno.test("ConnectionMetrics says of one database what the server says, and knows no window", () =>
  withManager(ONE, async ({ manager, server }) => {
    const then = Date.now();
    const main = manager.getClient("main");
    await Promise.all(Array.from({ length: 9 }, (_, i) => main.set("k", i)));
    await assertRejects(() => main.lpush("k", 1), Error, "WRONGTYPE");
    manager.getStatistics({ reset: true });
    const metrics = manager.getMetrics("main");
    const [sets] = await callsOf(server, "set");
    const [pushes, refused] = await callsOf(server, "lpush");
    assertEquals([metrics.databaseName, metrics.state], ["main", "healthy"]);
    assertEquals(metrics.totalRequests, sets + pushes);
    assertEquals([metrics.successfulRequests, metrics.failedRequests], [sets, refused]);
    const open = await server.clientList("mooring:main:");
    assertEquals(metrics.activeConnections, open.length);
    assertEquals([metrics.circuitBreakerTrips, metrics.consecutiveFailures], [0, 0]);
    assert(metrics.lastError!.startsWith("WRONGTYPE"), String(metrics.lastError));
    assert(isSince(then, metrics.lastSuccessTime));
    assert(metrics.averageResponseTimeMs > 0 && metrics.averageResponseTimeMs < 10_000);
    await server.cli("CLIENT", "KILL", "ID", String(open[0]!.id));
    const failures = () => manager.getMetrics("main").consecutiveFailures;
    await waitFor(() => failures() === 1, { what: "the loss to be counted" });
    await main.set("k", 1);
    assertEquals(failures(), 0);
  }));

Deno.test("getStatistics() is there after the closing, and of what there was before", async () => {
  let kept: RedisConnectionManager | undefined;
  await withManager(ONE, async ({ manager }) => {
    kept = manager;
    await manager.getClient("main").ping();
  });
  const stats = kept!.getStatistics().databaseStats.main!;
  assertEquals([stats.successfulOperations, stats.activeConnections], [1, 0]);
  assertEquals(stats.totalConnections, 1);
});
