import { assert, assertEquals } from "@std/assert";
import { ConnectionState, RedisConnectionManager } from "../../../mod.ts";
import { assertNoConnectionsLeft } from "../../support/clients.ts";
import { RedisServer } from "../../support/redis_server.ts";
import { waitFor } from "../../support/wait.ts";

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
    await waitFor(() =>
      manager.getHealthStatus().databases.main!.circuitBreaker === "closed"
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
  await waitFor(async () => await breakerAfter() === "closed");
});
