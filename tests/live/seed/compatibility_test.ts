/** The seed's tests of phase 5, its integration and module tests, made real. */
import {
  assert,
  assertEquals,
  assertInstanceOf,
  assertRejects,
  assertStrictEquals,
  assertThrows,
} from "@std/assert";
import * as mooring from "../../../mod.ts";
import {
  CircuitOpenError,
  closeAllRedisConnections,
  ConnectionState,
  getRedisClient,
  getRedisManager,
  RedisConnectionManager,
  UnknownDatabaseError,
} from "../../../mod.ts";
import { RedisServer } from "../../../src/testing/redis_server.ts";
import { waitFor } from "../../../src/testing/wait.ts";
import { withManager } from "../../support/managed.ts";

Deno.test("seed: getRedisClient() takes the seed's two arguments, both ways", async () => {
  await using server = await RedisServer.start();
  const { host, port } = server;
  getRedisManager({ host, port, databases: { main: { db: 0 }, knowledge: { db: 1 } } });
  const main = getRedisClient({ asyncClient: false, database: "main" });
  const knowledge = await getRedisClient({ asyncClient: true, database: "knowledge" });
  await main.set("where", "main");
  await knowledge.set("where", "knowledge");
  assertEquals(await getRedisClient().get("where"), "main");
  assertEquals(await knowledge.get("where"), "knowledge");
  await closeAllRedisConnections();
});

Deno.test("seed: getSyncClient() gives the one client of the database, and it works", () =>
  withManager({ databases: { main: { db: 0 } } }, async ({ manager }) => {
    const client = manager.getSyncClient("main");
    assertStrictEquals(client, manager.getClient("main"));
    assertStrictEquals(client, await manager.getAsyncClient("main"));
    assertEquals(await client.set("a", "1"), "OK");
  }));

Deno.test("seed: the legacy metrics and health tell what happened", () =>
  withManager({ databases: { main: { db: 0 } } }, async ({ manager }) => {
    await manager.getClient("main").set("a", "1");
    const metrics = manager.getMetrics("main");
    assertEquals([metrics.totalRequests, metrics.successfulRequests], [1, 1]);
    assert(metrics.averageResponseTimeMs > 0);
    assertEquals(metrics.state, ConnectionState.HEALTHY);
    const health = await manager.healthCheck();
    assertEquals([health.overallHealthy, health.totalDatabases], [true, 1]);
    assert(health.databases.main!.pingMs! > 0);
    assertEquals(await manager.execute("main", "GET", "a"), "1");
  }));

Deno.test("seed: ConnectionState has the seed's three values, and each is reached", async () => {
  assertEquals({ ...ConnectionState }, {
    HEALTHY: "healthy",
    DEGRADED: "degraded",
    FAILED: "failed",
  });
  await using server = await RedisServer.start();
  const { host, port } = server;
  await using manager = new RedisConnectionManager({
    host,
    port,
    connectRetry: { attempts: 1, minMs: 1, maxMs: 1 },
    databases: { main: { db: 0 } },
  });
  const stateNow = async () => (await manager.healthCheck()).databases.main!.state;
  assertEquals(await stateNow(), "healthy");
  await server.kill();
  assertEquals(await stateNow(), "failed");
  await server.restart();
  // Right after an outage the database serves, but not without recent failures.
  assertEquals(await stateNow(), "degraded");
  for (const counts of [manager.getHealthStatus(), manager.getStatistics()]) {
    const { healthyDatabases, degradedDatabases, failedDatabases } = counts;
    assertEquals([healthyDatabases, degradedDatabases, failedDatabases], [0, 1, 0]);
  }
  assertEquals(manager.getHealthStatus().overallHealthy, false);
  assertEquals(manager.listDatabases()[0]!.state, "degraded");
  assertEquals(manager.getMetrics().state, "degraded");
});

Deno.test("seed: an unknown database is an error that names the known ones", () =>
  withManager({ databases: { main: { db: 0 }, cache: { db: 5 } } }, ({ manager }) => {
    const error = assertThrows(() => manager.getClient("cahce"), UnknownDatabaseError);
    assertEquals([error.available, error.suggestion], [["main", "cache"], "cache"]);
    return Promise.resolve();
  }));

Deno.test("seed: an unknown database is main where the configuration says so", () =>
  withManager(
    { databases: { main: { db: 3 } }, unknownDatabase: "main" },
    async ({ manager, server }) => {
      await manager.getClient("nope").set("a", 1);
      await server.cli("SELECT", "3");
      assertEquals(await server.cli("GET", "a"), "1");
    },
  ));

Deno.test("seed: statistics follow commands, failures and reconnects", () =>
  withManager({ databases: { main: { db: 0 } } }, async ({ manager, server }) => {
    const main = manager.getClient("main");
    await main.set("a", 1);
    await server.cli("CLIENT", "KILL", "TYPE", "normal");
    assertEquals(await main.get("a"), "1");
    const stats = manager.getStatistics().databaseStats.main!;
    assertEquals([stats.successfulOperations, stats.failedOperations], [2, 0]);
    assertEquals([stats.totalConnections, stats.activeConnections], [2, 1]);
  }));

Deno.test("seed: the circuit breaker opens after its threshold and closes after a probe", async () => {
  await using server = await RedisServer.start();
  const { host, port } = server;
  await using manager = new RedisConnectionManager({
    host,
    port,
    connectRetry: { attempts: 1, minMs: 1, maxMs: 1 },
    commandTimeoutMs: 1000,
    databases: {
      main: { db: 0, circuitBreakerThreshold: 3, circuitBreakerTimeoutMs: 2000 },
    },
  });
  const main = manager.getClient("main");
  await server.kill();
  for (let i = 0; i < 3; i++) await assertRejects(() => main.get("a"));
  const error = await assertRejects(() => main.get("a"), CircuitOpenError);
  assert(
    error.retryAfterMs > 0 && error.retryAfterMs <= 2000,
    String(error.retryAfterMs),
  );
  assertEquals(error.delivery, "never-sent");
  assertEquals(manager.getStatistics().databaseStats.main!.circuitBreakerTrips, 1);
  manager.resetCircuitBreaker("main");
  assertEquals(manager.getHealthStatus().databases.main!.circuitBreaker, "closed");
  for (let i = 0; i < 3; i++) await assertRejects(() => main.get("a"));
  assertEquals(manager.getHealthStatus().databases.main!.circuitBreaker, "open");
  await server.restart();
  await waitFor(async () => await main.set("a", "1") === "OK", { what: "a probe" });
  assertEquals(manager.getHealthStatus().databases.main!.circuitBreaker, "closed");
});

Deno.test("seed: every name of the public interface is exported and works as what it is", () => {
  for (const [name, value] of Object.entries(mooring)) {
    // The class of the server's own replies is ioredis'.
    if (!/^[A-Z]\w*Error$/.test(name) || name === "ReplyError") continue;
    assert(typeof value === "function", name);
    assert(
      value === mooring.RedisManagerError ||
        value.prototype instanceof mooring.RedisManagerError,
      `${name} extends RedisManagerError`,
    );
  }
  assertInstanceOf(new mooring.ManagerClosedError(), Error);
  assertEquals(typeof mooring.RedisConfigLoader.load, "function");
});
