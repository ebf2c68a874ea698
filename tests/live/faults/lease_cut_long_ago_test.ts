/** A lease whose connection was cut: whatever its client is told to do settles at once. */
import { assertEquals, assertInstanceOf } from "@std/assert";
import { ConnectionLostError, type IORedis } from "../../../mod.ts";
import { delay, waitFor, within } from "../../../src/testing/wait.ts";
import { report } from "./_report.ts";
import { onStage, Stopwatch } from "./_stage.ts";

/** Longer than a connection may be quiet before it is doubted. */
const QUIET_MS = 1200;
/** "At once", on a quiet machine, in milliseconds. */
const AT_ONCE_MS = 100;
/** What has not settled by then never will: no deadline here is as long. */
const STUCK_MS = 15_000;

/** Everything that a client takes work by; each gives what settles. */
const WORK: Readonly<Record<string, (client: IORedis) => Promise<unknown>>> = {
  read: (client) => client.get("k"),
  write: (client) => client.incr("n"),
  "unknown command": (client) => client.call("NOSUCH", "k"),
  callback: (client) =>
    new Promise((_, reject) => void client.get("k", (error) => reject(error))),
  blocking: (client) => client.blpop("q", 0),
  wait: (client) => client.wait(1, 0),
  watch: (client) => client.watch("k"),
  "multi without a pipeline": (client) => client.multi({ pipeline: false }),
  "SELECT on the client": (client) => client.select(1),
  subscribe: (client) => client.subscribe("c"),
  unsubscribe: (client) => client.unsubscribe("c"),
  "unsubscribe of all": (client) => client.unsubscribe(),
  monitor: (client) => client.monitor(),
  quit: (client) => client.quit(),
  pipeline: (client) =>
    client.pipeline().get("a").incr("n").exec().then((results) => {
      throw results!.at(-1)![0];
    }),
  transaction: (client) => client.multi().get("a").incr("n").exec(),
  script: (client) => {
    client.defineCommand("answer", { numberOfKeys: 0, lua: "return 42" });
    return (client as unknown as { answer(): Promise<number> }).answer();
  },
  stream: (client) =>
    new Promise((_, reject) =>
      void client.scanStream().on("error", reject).on("data", () => {})
    ),
};

/** Cuts a lease in some way; resolves when this side knows. */
const CUTS: Readonly<
  Record<string, (client: IORedis, kill: () => Promise<void>) => Promise<void>>
> = {
  "CLIENT KILL": async (client, kill) => {
    await kill();
    await waitFor(() => client.status === "end", { what: "the end of the lease" });
  },
  "disconnect()": async (client) => {
    client.disconnect();
    await waitFor(() => client.status === "end", { what: "the end of the lease" });
  },
};

for (const [how, cut] of Object.entries(CUTS)) {
  for (const waitMs of [0, QUIET_MS]) {
    Deno.test(`a lease cut by ${how} ${waitMs} ms ago refuses all work at once, as never sent`, () =>
      onStage({}, async ({ server, manager }) => {
        await using lease = await manager.acquire("main");
        const { client } = lease;
        const id = await client.client("ID");
        await cut(
          client,
          async () => void await server.cli("CLIENT", "KILL", "ID", `${id}`),
        );
        await delay(waitMs);
        for (const [what, work] of Object.entries(WORK)) {
          using watch = new Stopwatch();
          const settled = work(client).then((value) => value, (error) => error);
          const outcome = await within(settled, STUCK_MS, what);
          watch.assertWithin({ most: AT_ONCE_MS }, what);
          assertInstanceOf(outcome, ConnectionLostError, `${what}: ${outcome}`);
          assertEquals([what, outcome.delivery], [what, "never-sent"]);
        }
      }));
  }
}

Deno.test("a lease whose connection was cut long ago still gives its place back", () =>
  onStage({}, async ({ server, manager }) => {
    const lease = await manager.acquire("main");
    const id = await lease.client.client("ID");
    await server.cli("CLIENT", "KILL", "ID", `${id}`);
    await delay(QUIET_MS);
    using watch = new Stopwatch();
    const settled = lease.client.get("k").catch((error) => error);
    const error = await within(settled, STUCK_MS, "a GET");
    const { ms } = watch.read();
    assertInstanceOf(error, ConnectionLostError);
    lease.release();
    assertEquals(manager.getPoolStatistics("main").leases, 0);
    assertEquals(await manager.getClient("main").ping(), "PONG");
    await report({
      row: 53,
      fault: "lease cut more than 1 s ago",
      outcome: `${Object.keys(WORK).length} kinds of work refused at once, never-sent`,
      noticedMs: ms,
    });
  }));
