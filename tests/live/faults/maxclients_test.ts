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
import { onStage, Stopwatch, timed } from "./_stage.ts";

/** The most that were accepted within any second. */
function mostInASecond(times: readonly number[]): number {
  return Math.max(
    0,
    ...times.map((from) => times.filter((at) => at >= from && at < from + 1000).length),
  );
}

Deno.test("a server that takes no more clients is named, and not hammered", () =>
  onStage(
    {
      // Nothing but the refusals ends the wait: neither deadline nor breaker.
      manager: { commandTimeoutMs: 20_000, circuitBreakerThreshold: 1000 },
      server: { config: { maxclients: "5" } },
    },
    async ({ server, relay, manager }) => {
      const client = manager.getClient("main");
      const clients = [];
      // The tests' own connection is the fifth.
      for (let i = 0; i < 4; i++) clients.push(await server.connect());
      using watch = new Stopwatch();
      const { ms, error } = await timed(client.get("k"));
      assertInstanceOf(error, ConnectError);
      assertStringIncludes(error.message, "max number of clients");
      const until = performance.now() + 2000;
      while (performance.now() < until) {
        await Promise.allSettled([client.get("k"), client.incr("n"), delay(1)]);
      }
      const most = mostInASecond(relay.accepted);
      // What was begun at a distance may be accepted together by a process that is late.
      const allowed = 10 + Math.ceil(watch.read().lateMs / 100);
      assert(most <= allowed, `${most} connects in a second, ${allowed} are allowed`);
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

Deno.test("the server's reason arrives although the client speaks first", () =>
  withManager(
    {
      // One attempt, so that its reason is the error.
      commandTimeoutMs: 20_000,
      connectRetry: { attempts: 1 },
      circuitBreakerThreshold: 1000,
      databases: { main: { db: 0 } },
    },
    async ({ server, manager }) => {
      const others = [await server.connect(), await server.connect()];
      let named = 0;
      // A server that shares a busy machine may miss the moment in which it is listened to.
      for (let times = 0; named < 5 && times < 15; times++) {
        const { error } = await timed(manager.getClient("main").get("k"));
        if ((error as Error).message.includes("max number of clients")) named++;
        // Listening first costs a connection of its own, once a second.
        if (named < 5) await delay(1000);
      }
      assertEquals(named, 5);
      for (const other of others) other.close();
    },
    { config: { maxclients: "3" } },
  ));
