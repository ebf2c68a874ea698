import { assert, assertEquals } from "@std/assert";
import { ConnectionState, type RedisConnectionManager } from "../../../mod.ts";
import { withManager } from "../../support/managed.ts";
import { waitFor } from "../../support/wait.ts";

const ONE = { connectRetry: { attempts: 1 }, databases: { main: { db: 0 } } };
/** For what must come to pass, however busy the machine is. */
const LONG = { timeoutMs: 20_000 };

const breakerOf = (manager: RedisConnectionManager) =>
  manager.getHealthStatus().databases.main!.circuitBreaker;

Deno.test("a database whose server was gone is connected again without a caller, and its breaker closed", () =>
  withManager(
    {
      ...ONE,
      healthCheckIntervalMs: 200,
      circuitBreakerThreshold: 2,
      circuitBreakerTimeoutMs: 300,
    },
    async ({ manager, server }) => {
      const states: string[] = [];
      manager.addEventListener("statechange", ({ detail }) => states.push(detail.to));
      const client = manager.getClient("main");
      await client.ping();
      await server.kill();
      while (breakerOf(manager) === "closed") await client.get("k").catch(() => {});
      await server.restart();
      const before = manager.getStatistics().totalOperations;
      await waitFor(() => breakerOf(manager) === "closed", LONG);
      assertEquals(manager.getPoolStatistics("main").lanes, 1);
      assertEquals(manager.getStatistics().totalOperations, before);
      assert(states.includes(ConnectionState.FAILED), states.join());
      await client.get("k");
    },
  ));

Deno.test("manager.healthCheck() asks as a probe when the breaker's cooldown is over, and not before", () =>
  withManager(
    {
      ...ONE,
      healthCheckIntervalMs: 0,
      circuitBreakerThreshold: 1,
      circuitBreakerTimeoutMs: 2000,
    },
    async ({ manager, server }) => {
      await server.kill();
      await manager.getClient("main").get("k").catch(() => {});
      await server.restart();
      const breakerAfter = async () =>
        (await manager.healthCheck()).databases.main!.circuitBreaker;
      const { retryAfterMs } = await manager.getClient("main").get("k")
        .catch((error) => error);
      const found = await breakerAfter();
      // A machine so busy that two seconds are over has nothing to show.
      if (retryAfterMs > 1000) assertEquals(found, "open");
      await waitFor(async () => await breakerAfter() === "closed", LONG);
    },
  ));
