import { assert, assertEquals, assertRejects } from "@std/assert";
import {
  CommandTimeoutError,
  ConnectionState,
  RedisConnectionManager,
} from "../../../mod.ts";
import { assertNoConnectionsLeft, delay } from "../../support/clients.ts";
import { RedisServer } from "../../support/redis_server.ts";
import { waitFor } from "../../support/wait.ts";

/** What takes a fraction of a second may take long on a busy machine. */
const PATIENCE = { timeoutMs: 60_000 };

Deno.test("a database whose server was gone is connected again without a caller, and its breaker closed", async () => {
  await using server = await RedisServer.start();
  const { host, port } = server;
  {
    await using manager = new RedisConnectionManager({
      host,
      port,
      healthCheckIntervalMs: 200,
      circuitBreakerThreshold: 2,
      circuitBreakerTimeoutMs: 300,
      connectRetry: { attempts: 1 },
      databases: { main: { db: 0 } },
    });
    const states: string[] = [];
    manager.addEventListener("statechange", ({ detail }) => states.push(detail.to));
    const client = manager.getClient("main");
    await client.ping();
    await server.kill();
    while (manager.getHealthStatus().databases.main!.circuitBreaker === "closed") {
      await client.get("k").catch(() => {});
    }
    await server.restart();
    const before = manager.getStatistics().totalOperations;
    await waitFor(
      () => manager.getHealthStatus().databases.main!.circuitBreaker === "closed",
      PATIENCE,
    );
    assertEquals(manager.getPoolStatistics("main").lanes, 1);
    assertEquals(manager.getStatistics().totalOperations, before);
    assert(states.includes(ConnectionState.FAILED), states.join());
    await client.get("k");
  }
  await assertNoConnectionsLeft(server, "mooring:");
});

Deno.test("manager.healthCheck() asks as a probe when the breaker's cooldown is over, and not before", async () => {
  await using server = await RedisServer.start();
  const { host, port } = server;
  await using manager = new RedisConnectionManager({
    host,
    port,
    healthCheckIntervalMs: 0,
    circuitBreakerThreshold: 1,
    circuitBreakerTimeoutMs: 400,
    connectRetry: { attempts: 1 },
    databases: { main: { db: 0 } },
  });
  await server.kill();
  await manager.getClient("main").get("k").catch(() => {});
  await server.restart();
  const breakerAfter = async () =>
    (await manager.healthCheck()).databases.main!.circuitBreaker;
  assertEquals(await breakerAfter(), "open");
  await waitFor(async () => await breakerAfter() === "closed", PATIENCE);
});

Deno.test("a server that is back is found by the health check before the breaker's cooldown is over", async () => {
  await using server = await RedisServer.start();
  const { host, port } = server;
  await using manager = new RedisConnectionManager({
    host,
    port,
    healthCheckIntervalMs: 200,
    circuitBreakerThreshold: 1,
    circuitBreakerTimeoutMs: 600_000,
    connectRetry: { attempts: 1 },
    databases: { main: { db: 0 } },
  });
  const breaker = () => manager.getHealthStatus().databases.main!.circuitBreaker;
  await server.kill();
  while (breaker() === "closed") await manager.getClient("main").get("k").catch(() => {});
  // What looks in vain changes nothing: the cooldown goes on, and callers are refused.
  const { failedConnections } = manager.getStatistics().databaseStats.main!;
  await waitFor(
    () =>
      manager.getStatistics().databaseStats.main!.failedConnections >
        failedConnections + 1,
    PATIENCE,
  );
  assertEquals(breaker(), "open");
  await server.restart();
  await waitFor(() => breaker() === "closed", PATIENCE);
  await manager.getClient("main").get("k");
});

Deno.test("the health check leaves a server that hung the rest of the breaker's cooldown", async () => {
  await using server = await RedisServer.start();
  const { host, port } = server;
  await using manager = new RedisConnectionManager({
    host,
    port,
    healthCheckIntervalMs: 100,
    circuitBreakerThreshold: 1,
    circuitBreakerTimeoutMs: 600_000,
    commandTimeoutMs: 1000,
    databases: { main: { db: 0 } },
  });
  const client = manager.getClient("main");
  await client.ping();
  server.pause();
  await assertRejects(() => client.incr("k"), CommandTimeoutError);
  server.resume();
  const breaker = () => manager.getHealthStatus().databases.main!.circuitBreaker;
  assertEquals(breaker(), "open");
  await delay(1000);
  assertEquals(breaker(), "open");
  assertEquals((await manager.healthCheck()).databases.main!.circuitBreaker, "open");
});
