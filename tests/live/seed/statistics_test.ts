/** The seed's tests of phase 2, each made so that a stub cannot pass it. */
import { assert, assertEquals, assertRejects } from "@std/assert";
import { withManager } from "../../support/managed.ts";

Deno.test("seed: RedisStats counts commands as the server does, with a success rate", () =>
  withManager({ databases: { main: { db: 0 } } }, async ({ manager, server }) => {
    const main = manager.getClient("main");
    for (let i = 0; i < 7; i++) await main.set(`k${i}`, i);
    assertEquals(await main.get("k1"), "1");
    assertEquals(await main.get("absent"), null);
    await assertRejects(() => main.lpush("k1", "x"), Error, "WRONGTYPE");
    const stats = manager.getStatistics().databaseStats.main!;
    assertEquals([stats.successfulOperations, stats.failedOperations], [9, 1]);
    assertEquals(stats.successRate, 90);
    assertEquals([stats.cacheHits, stats.cacheMisses], [1, 1]);
    assertEquals([stats.totalConnections, stats.activeConnections], [1, 1]);
    assert(stats.lastError?.startsWith("WRONGTYPE"), String(stats.lastError));
    assert(Math.abs(Date.parse(stats.lastErrorTime!) - Date.now()) < 60_000);
    assert(Math.abs(Date.parse(stats.lastSuccessTime!) - Date.now()) < 60_000);
    const { latency } = stats;
    assert(latency.p50Ms > 0 && latency.p50Ms <= latency.p99Ms, Deno.inspect(latency));
    assert(
      latency.p99Ms <= latency.maxMs && latency.maxMs < 10_000,
      Deno.inspect(latency),
    );
    const commands = await server.info("commandstats");
    assert(commands.cmdstat_set?.startsWith("calls=7,"), commands.cmdstat_set);
    assert(commands.cmdstat_get?.startsWith("calls=2,"), commands.cmdstat_get);
  }));

Deno.test("seed: PoolStatistics says what CLIENT LIST says", () =>
  withManager(
    { databases: { main: { db: 0, maxConnections: 4 } } },
    async ({ manager, server }) => {
      await manager.getClient("main").ping();
      const before = manager.getPoolStatistics("main");
      assertEquals(
        [before.databaseName, before.maxConnections, before.lanes, before.leases],
        ["main", 4, 1, 0],
      );
      {
        await using lease = await manager.acquire("main");
        await lease.client.ping();
        const during = manager.getPoolStatistics("main");
        assertEquals([during.leases, during.inUseConnections], [1, 2]);
        assertEquals((await server.clientList("mooring:main:")).length, 2);
      }
      const after = manager.getPoolStatistics("main");
      assertEquals(
        [after.leases, after.idleConnections, after.createdConnections],
        [0, 1, 2],
      );
      assertEquals(after.availableConnections, 3);
    },
  ));

Deno.test("seed: ManagerStats adds up its databases", () =>
  withManager(
    { databases: { main: { db: 0 }, cache: { db: 5 }, logs: { db: 8 } } },
    async ({ manager }) => {
      await manager.getClient("main").set("a", 1);
      await manager.getClient("cache").mget("a", "b");
      await manager.getClient("cache").get("a");
      const stats = manager.getStatistics();
      assertEquals(stats.totalDatabases, 3);
      assertEquals(
        [stats.healthyDatabases, stats.degradedDatabases, stats.failedDatabases],
        [3, 0, 0],
      );
      assertEquals(stats.totalOperations, 3);
      assertEquals(stats.cacheMisses, 1);
      assertEquals(stats.overallSuccessRate, 100);
      assert(stats.uptimeSeconds > 0);
      assertEquals(Object.keys(stats.databaseStats), ["main", "cache", "logs"]);
      assertEquals(JSON.parse(JSON.stringify(stats)), stats);
    },
  ));
