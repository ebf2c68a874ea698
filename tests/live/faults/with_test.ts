/** `client.with()`: settings of single calls, in bad weather. */
import {
  assert,
  assertEquals,
  assertInstanceOf,
  assertRejects,
  assertThrows,
} from "@std/assert";
import {
  type CallOptions,
  CommandAbortedError,
  CommandTimeoutError,
} from "../../../mod.ts";
import { delay } from "../../support/clients.ts";
import { assertTook, onStage, timed } from "./_stage.ts";

Deno.test("RedisClient.with() gives a call a deadline of its own", () =>
  onStage({}, async ({ server, manager }) => {
    const client = manager.getClient("main");
    await client.ping();
    server.pause();
    const [short, long] = await Promise.all([
      timed(client.with({ timeoutMs: 100 }).get("k")),
      timed(client.with({ timeoutMs: 400 }).get("k")),
    ]);
    server.resume();
    for (const each of [short, long]) {
      assertInstanceOf(each.error, CommandTimeoutError);
      const { timeoutMs } = each.error;
      assertTook(each, { least: timeoutMs * 0.8, most: timeoutMs + 100 });
    }
    for (
      const [call, text] of [
        [{ timeoutMs: 0 }, "timeoutMs must be more than 0: current value is 0"],
        [{ timeoutMs: "5" }, 'timeoutMs must be more than 0: current value is "5"'],
        [{ once: "yes" }, 'once must be true or false: current value is "yes"'],
        [{ fresh: 1 }, "fresh must be true or false: current value is 1"],
        [{ onse: true }, 'the option "onse" (available: fresh, once,'],
        [{ onse: true }, 'did you mean "once"?'],
      ] as const
    ) {
      assertThrows(() => client.with(call as CallOptions), RangeError, text);
    }
    const once = { once: true } as object;
    for (
      const call of [
        manager.pipeline("main", (pipeline) => pipeline.incr("n"), once),
        manager.transaction("main", (tx) => tx.incr("n"), once),
      ]
    ) await assertRejects(() => call, RangeError, "client.with({ once })");
    assertEquals(await client.get("n"), null);
  }));

Deno.test("RedisClient.with() withdraws a waiting command when its signal says so: it never runs", () =>
  onStage({}, async ({ server, relay, manager }) => {
    const client = manager.getClient("main");
    relay.welcome = "hold";
    const stop = new AbortController();
    const given = timed(client.with({ signal: stop.signal }).incr("n"));
    const kept = client.incr("other");
    const batch = client.with({ signal: stop.signal }).pipeline().incr("n").incr("n")
      .exec();
    await delay(50);
    stop.abort(new Error("given up"));
    const told = await given;
    assertEquals((told.error as Error).message, "given up");
    assertTook(told, { most: 150 });
    const outcomes = await batch;
    assertEquals(outcomes?.map(([error]) => error?.message), ["given up", "given up"]);
    relay.heal();
    assertEquals(await kept, 1);
    assertEquals(await server.cli("GET", "n"), null);
    assertEquals(manager.getStatistics().databaseStats.main!.failedOperations, 3);
  }));

Deno.test("RedisClient.with() says ambiguous of what was given up after it was sent, the reason of what only reads, and goes on", () =>
  onStage({}, async ({ server, manager }) => {
    const client = manager.getClient("main");
    await client.ping();
    server.pause();
    const stop = new AbortController();
    const given = client.with({ signal: stop.signal });
    const taken = [given.incr("n"), given.lpop("q"), given.call("GETDEL", "k")];
    const read = given.get("k");
    const next = client.incr("n");
    await delay(20);
    const reason = new Error("given up");
    stop.abort(reason);
    const outcomes = await Promise.all(taken.map((call) => call.catch((error) => error)));
    server.resume();
    for (const error of outcomes) {
      assertInstanceOf(error, CommandAbortedError);
      assertEquals([error.delivery, error.cause], ["ambiguous", reason]);
      // It did not wait for a connection, but for the reply.
      assert(error.elapsed!.answeringMs! >= 15, error.message);
    }
    assertEquals(await read.catch((error) => error), reason);
    assertEquals(await next, 2);
    // What has not been sent has lost nothing.
    assertEquals(await given.incr("n").catch((error) => error), reason);
    assertEquals(await client.get("n"), "2");
  }));

Deno.test("RedisClient.with() says ambiguous of a write that may have run before it was sent again in vain", () =>
  onStage({}, async ({ server, relay, manager }) => {
    const client = manager.getClient("main");
    await client.ping();
    relay.connections[0]!.set({ toClient: { kind: "cut", afterBytes: 0, how: "reset" } });
    relay.welcome = "hold";
    const error = await client.with({ retryWrites: true, timeoutMs: 400 }).incr("n")
      .catch((error) => error);
    relay.heal();
    assertEquals(error.delivery, "ambiguous", String(error));
    assertEquals(await server.cli("GET", "n"), "1");
  }));

Deno.test("RedisClient.with() lets a single write be sent again", () =>
  onStage({}, async ({ relay, manager }) => {
    const client = manager.getClient("main");
    const cut = { kind: "cut", afterBytes: 0, how: "reset" } as const;
    await client.ping();
    relay.connections[0]!.set({ toClient: cut });
    assertEquals(await client.with({ retryWrites: true }).set("k", "v"), "OK");
    relay.connections[0]!.set({ toClient: cut });
    const error = await client.set("k", "w").catch((error) => error);
    assertEquals(error.delivery, "ambiguous");
  }));
