import {
  assert,
  assertEquals,
  assertInstanceOf,
  assertStringIncludes,
} from "@std/assert";
import { ConnectError } from "../../../mod.ts";
import { delay } from "../../support/clients.ts";
import { withManager } from "../../support/managed.ts";
import { plainOutcome, within } from "./_plain.ts";
import { report } from "./_report.ts";
import { onStage, timed } from "./_stage.ts";

/** The most that were accepted within any second. */
function mostInASecond(times: readonly number[]): number {
  return Math.max(
    0,
    ...times.map((from) => times.filter((at) => at >= from && at < from + 1000).length),
  );
}

Deno.test("row 14: a server that takes no more clients is named, and not hammered", () =>
  onStage(
    {
      manager: { commandTimeoutMs: 1500, circuitBreakerThreshold: 1000 },
      server: { config: { maxclients: "5" } },
    },
    async ({ server, relay, manager }) => {
      const client = manager.getClient("main");
      const clients = [];
      // The tests' own connection is the fifth.
      for (let i = 0; i < 4; i++) clients.push(await server.connect());
      const { ms, error } = await timed(client.get("k"));
      assertInstanceOf(error, ConnectError);
      assertStringIncludes(error.message, "max number of clients");
      const until = performance.now() + 2000;
      while (performance.now() < until) {
        await Promise.allSettled([client.get("k"), client.incr("n"), delay(1)]);
      }
      const most = mostInASecond(relay.accepted);
      assert(most <= 10, `${most} connects in a second`);
      const plain = await plainOutcome(
        relay.port,
        (redis) => within(3000, redis.get("k")),
      );
      for (const other of clients) other.close();
      const freeAt = performance.now();
      while (!await client.ping().then(() => true, () => false)) await delay(1);
      const recoveredMs = performance.now() - freeAt;
      assertEquals(manager.getPoolStatistics("main").lanes, 1);
      await report({
        ...plain,
        row: 14,
        fault: "maxclients reached",
        outcome: `named in the error, ${most} connects a second at most`,
        noticedMs: ms,
        recoveredMs,
      });
    },
  ));

Deno.test("row 14: the server's reason arrives although the client speaks first", () =>
  withManager(
    {
      connectRetry: { attempts: 1 },
      circuitBreakerThreshold: 1000,
      databases: { main: { db: 0 } },
    },
    async ({ server, manager }) => {
      const others = [await server.connect(), await server.connect()];
      for (let i = 0; i < 5; i++) {
        const { error } = await timed(manager.getClient("main").get("k"));
        assertStringIncludes((error as Error).message, "max number of clients");
        // Listening first costs a connection of its own, once a second.
        await delay(1000);
      }
      for (const other of others) other.close();
    },
    { config: { maxclients: "3" } },
  ));
