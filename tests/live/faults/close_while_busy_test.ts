import { assert, assertEquals, assertInstanceOf } from "@std/assert";
import { ManagerClosedError, RedisManagerError } from "../../../mod.ts";
import { RedisServer } from "../../../src/testing/redis_server.ts";
import { waitFor, within } from "../../../src/testing/wait.ts";
import { assertNoConnectionsLeft } from "../../support/clients.ts";
import { assertNothingHeld, TimerWatch } from "../../support/left_over.ts";
import { Child, runChild } from "./_child.ts";
import { report } from "./_report.ts";
import { assertTook, onStage, Stopwatch, timed } from "./_stage.ts";

const CALLERS = 1000;

Deno.test("close lets 1,000 commands in flight finish", () =>
  onStage({}, async ({ server, manager }) => {
    const client = manager.getClient("main");
    await client.ping();
    const busy = Promise.allSettled(
      Array.from({ length: CALLERS }, () => client.incr("n")),
    );
    const closing = timed(manager.closeAll({ drainMs: 20_000 }));
    const late = await client.incr("n").catch((error) => error);
    assertInstanceOf(late, ManagerClosedError);
    const settled = await busy;
    const closed = await closing;
    assertEquals(closed.value, { cutCommands: 0 });
    assertEquals(settled.filter(({ status }) => status === "rejected"), []);
    assertEquals(await server.cli("GET", "n"), String(CALLERS));
    assertTook(closed, { most: 2000 });
  }));

Deno.test("what a hung server does not answer is cut when the time is over, and says so", () =>
  onStage({ manager: { commandTimeoutMs: 5000 } }, async ({ server, manager }) => {
    const client = manager.getClient("main");
    await client.ping();
    server.pause();
    const busy = Promise.allSettled(
      Array.from({ length: CALLERS }, () => client.incr("n")),
    );
    const closed = await timed(manager.closeAll({ drainMs: 300 }));
    const settled = await busy;
    server.resume();
    assertEquals(closed.value, { cutCommands: CALLERS });
    assertTook(closed, { least: 240, most: 500 });
    for (const outcome of settled) {
      assert(outcome.status === "rejected");
      assertInstanceOf(outcome.reason, RedisManagerError);
      assertEquals(outcome.reason.delivery, "ambiguous");
    }
    await report({
      row: 29,
      fault: "close with 1,000 in flight",
      outcome: "drained; the rest cut as ambiguous",
      noticedMs: closed.ms,
    });
  }));

Deno.test("of a manager that is closed in the middle of everything no promise and no timer is left", () =>
  onStage({
    manager: { databases: { main: { db: 0, maxConnections: 6 } } },
  }, async ({ server, manager }) => {
    using timers = new TimerWatch();
    const client = manager.getClient("main");
    await client.ping();
    const lease = await manager.acquire("main");
    const subscription = await manager.subscribe("main", ["c"]);
    const running: Promise<unknown>[] = [
      (async () => {
        for await (const _item of subscription);
      })(),
      client.blpop("q", 0),
      client.blpop("q", 30),
      lease.client.blpop("mine", 0),
      manager.transaction("main", async (_, watched) => {
        await watched.get("k");
        await lease.client.blpop("never", 0);
      }),
    ];
    await waitFor(async () => (await server.info("clients")).blocked_clients === "3");
    // No place is left: one waits for a lease, and what is sent now is not answered.
    running.push(manager.acquire("main", { timeoutMs: 60_000 }));
    server.pause();
    running.push(
      client.incr("n"),
      manager.pipeline("main", (p) => {
        for (let i = 0; i < 5000; i++) p.incr("n");
      }),
      client.pipeline().incr("n").exec(),
    );
    const settled = Promise.allSettled(running);
    await manager.closeAll({ drainMs: 100 });
    const outcomes = await within(settled, 20_000, "the end of what was under way");
    lease.release();
    server.resume();
    // The iteration of the subscription ends well, and so does the pipeline of the
    // library, which says of each command what became of it.
    assertEquals(outcomes.map(({ status }) => status), [
      "fulfilled",
      ...Array(7).fill("rejected"),
      "fulfilled",
    ]);
    assertNothingHeld(manager);
    // What looks at the sockets once more is over in a moment.
    const looks = () => timers.pending.length === 0;
    await waitFor(looks, { timeoutMs: 1000 }).catch(() => {});
    assertEquals(timers.pending, []);
  }));

for (const transport of ["node", "deno"] as const) {
  Deno.test(`the process ends by itself after closeAll, on transport ${transport}`, async () => {
    await using server = await RedisServer.start();
    const { code, text } = await runChild("_closing_child.ts", [
      JSON.stringify({ host: server.host, port: server.port, transport }),
    ]);
    assertEquals([code, text.trim()], [0, "closed"]);
    await assertNoConnectionsLeft(server, "mooring:");
  });
}

Deno.test("a process that is asked to end drains, says what was cut, and ends", async () => {
  await using server = await RedisServer.start();
  await using child = Child.start("_sigterm_child.ts", [String(server.port)]);
  assertEquals(await child.hear(), "ready");
  server.pause();
  await child.say("go");
  assertEquals(await child.hear(), "sent");
  using watch = new Stopwatch();
  child.terminate();
  // Each caller hears what is known of his command before the process ends.
  assertEquals(
    [await child.hear(), await child.hear()].sort(),
    ["ambiguous", "closed, 10 commands cut"],
  );
  assertEquals(await child.ended(), 0);
  watch.assertWithin({ least: 400, most: 3000 }, "the end of the process");
  server.resume();
  await assertNoConnectionsLeft(server, "mooring:");
});
