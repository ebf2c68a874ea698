import { assert, assertEquals, assertRejects } from "@std/assert";
import {
  CommandTimeoutError,
  ConnectionState,
  type RedisConnectionManager,
} from "../../../mod.ts";
import { delay, waitFor, within } from "../../../src/testing/wait.ts";
import { withManager } from "../../support/managed.ts";

/** One attempt, and (below) breakers that open soon and stay open: what brings the server back
 * must be the probe. With defaults: outages_test.ts. */
const ONE = { connectRetry: { attempts: 1 }, databases: { main: { db: 0 } } };
/** For what must come to pass, however busy the machine is. */
const LONG = { timeoutMs: 60_000 };

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

Deno.test("a server that is back is found by the health check before the breaker's cooldown is over", () =>
  withManager(
    {
      ...ONE,
      healthCheckIntervalMs: 200,
      circuitBreakerThreshold: 1,
      circuitBreakerTimeoutMs: 600_000,
    },
    async ({ manager, server }) => {
      const client = manager.getClient("main");
      const failures = () =>
        manager.getStatistics().databaseStats.main!.failedConnections;
      await server.kill();
      while (breakerOf(manager) === "closed") await client.get("k").catch(() => {});
      // What looks in vain changes nothing: the cooldown goes on, and callers are refused.
      const before = failures();
      await waitFor(() => failures() > before + 1, LONG);
      assertEquals(breakerOf(manager), "open");
      await server.restart();
      await waitFor(() => breakerOf(manager) === "closed", LONG);
      await client.get("k");
    },
  ));

Deno.test("the health check leaves a server that hung the rest of the breaker's cooldown", () =>
  withManager(
    {
      ...ONE,
      healthCheckIntervalMs: 100,
      circuitBreakerThreshold: 1,
      circuitBreakerTimeoutMs: 600_000,
      commandTimeoutMs: 1000,
    },
    async ({ manager, server }) => {
      const client = manager.getClient("main");
      await client.ping();
      server.pause();
      await assertRejects(() => client.incr("k"), CommandTimeoutError);
      server.resume();
      assertEquals(breakerOf(manager), "open");
      await delay(1000);
      assertEquals(breakerOf(manager), "open");
      const { databases } = await manager.healthCheck();
      assertEquals(databases.main!.circuitBreaker, "open");
    },
  ));

Deno.test("manager.healthCheck() ends its wait with its signal, while a server hangs too", () =>
  withManager(
    { ...ONE, healthCheckIntervalMs: 0, commandTimeoutMs: 60_000 },
    async ({ manager, server }) => {
      await manager.getClient("main").ping();
      server.pause();
      try {
        const stop = new AbortController();
        const checking = manager.healthCheck({ signal: stop.signal });
        const ended = assertRejects(
          () => within(checking, 30_000, "the check"),
          Error,
          "enough",
        );
        stop.abort(new Error("enough"));
        await ended;
      } finally {
        server.resume();
      }
    },
  ));
