import { assert, assertEquals, assertInstanceOf, assertRejects } from "@std/assert";
import { CircuitOpenError, CommandTimeoutError } from "../../../mod.ts";
import { delay } from "../../support/clients.ts";
import { withManager } from "../../support/managed.ts";
import { report } from "./_report.ts";
import { QUICK_RETRY } from "./_stage.ts";

const CALLERS = 1000;

Deno.test("of 1,000 callers of a half-open breaker exactly one reaches the server", () =>
  withManager(
    {
      // A server that hangs opens it; sooner than by default, so that the test is quick.
      commandTimeoutMs: 500,
      circuitBreakerThreshold: 1,
      // Longer than 1,000 calls take on a busy machine: a probe is given up after as long.
      circuitBreakerTimeoutMs: 3000,
      connectRetry: QUICK_RETRY,
      databases: { main: { db: 0 } },
    },
    async ({ manager, server }) => {
      const client = manager.getClient("main").with({ timeoutMs: 20_000 });
      await client.ping();
      server.pause();
      await assertRejects(() => manager.getClient("main").get("k"), CommandTimeoutError);
      server.resume();
      assertEquals(manager.getHealthStatus().databases.main!.circuitBreaker, "open");
      await delay(3050);
      assertEquals(await server.cli("GET", "n"), null, "nothing came while it was open");
      const outcomes = await Promise.allSettled(
        Array.from({ length: CALLERS }, () => client.incr("n")),
      );
      const served = outcomes.filter(({ status }) => status === "fulfilled");
      assertEquals(served.length, 1);
      for (const outcome of outcomes) {
        if (outcome.status === "rejected") {
          assertInstanceOf(outcome.reason, CircuitOpenError);
        }
      }
      assertEquals(await server.cli("GET", "n"), "1");
      assertEquals(manager.getHealthStatus().databases.main!.circuitBreaker, "closed");
      assertEquals(await client.incr("n"), 2);
      assert(manager.getStatistics().databaseStats.main!.circuitBreakerTrips === 1);
      await report({
        row: 21,
        fault: "1,000 callers, half-open breaker",
        outcome: "1 probe reached the server",
      });
    },
  ));
