/** How connections are opened in bad weather: deadlines, pace, order of what waits. */
import { assert, assertEquals, assertInstanceOf, assertMatch } from "@std/assert";
import { ConnectError } from "../../../mod.ts";
import { delay, waitFor } from "../../support/clients.ts";
import { assertTook, onStage, Stopwatch, timed } from "./_stage.ts";

Deno.test("connecting: each attempt has its deadline, and 100 callers wait for the same attempts", () =>
  onStage(
    {
      manager: {
        commandTimeoutMs: 20_000,
        connectTimeoutMs: 300,
        connectRetry: { attempts: 3, minMs: 20, maxMs: 20, jitter: 0 },
      },
      relay: { welcome: "hold" },
    },
    async ({ relay, manager }) => {
      const client = manager.getClient("main");
      const told = await Promise.all(
        Array.from({ length: 100 }, () => timed(client.incr("n"))),
      );
      for (const each of told) {
        assertInstanceOf(each.error, ConnectError);
        assertEquals([each.error.attempts, each.error.delivery], [3, "never-sent"]);
        assertMatch(each.error.message, /no answer within 300 ms/);
        assertTook(each, { least: 700, most: 1500 });
      }
      // Beside those three the recovery probe makes attempts of its own, one at a time.
      const attempts = relay.accepted.length;
      assert(attempts >= 3 && attempts < 10, `${attempts} attempts`);
    },
  ));

Deno.test("connecting: after a loss it starts fast, whatever the policy's first wait is", () =>
  onStage(
    {
      manager: {
        commandTimeoutMs: 60_000,
        connectRetry: { attempts: 5, minMs: 20_000, maxMs: 30_000, jitter: 0 },
      },
    },
    async ({ relay, manager }) => {
      const client = manager.getClient("main");
      assertEquals(await client.incr("n"), 1);
      await relay.refuse();
      relay.reset();
      await waitFor(() => manager.getPoolStatistics("main").lanes === 0);
      const waiting = client.incr("n");
      await delay(300);
      await relay.listen();
      using watch = new Stopwatch();
      assertEquals(await waiting, 2);
      watch.assertWithin({ most: 1500 }, "the next attempt");
      assertEquals(manager.getStatistics().databaseStats.main!.failedOperations, 0);
    },
  ));

Deno.test("connecting: commands that waited for a connection run in the order of their calls", () =>
  onStage(
    { manager: { commandTimeoutMs: 20_000, maxLanes: 4 } },
    async ({ server, relay, manager }) => {
      const client = manager.getClient("main");
      await client.ping();
      await relay.refuse();
      relay.reset();
      await waitFor(() => manager.getPoolStatistics("main").lanes === 0);
      const values = Array.from({ length: 300 }, (_, i) => String(i));
      const waiting = values.flatMap((value) => [
        client.rpush("list", value),
        client.get("other"),
      ]);
      await relay.listen();
      await Promise.all(waiting);
      assertEquals(await server.cli("LRANGE", "list", 0, -1), values);
    },
  ));
