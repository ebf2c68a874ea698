import { assertEquals } from "@std/assert";
import { withManager } from "../../support/managed.ts";
import { report } from "./_report.ts";

type Client = import("../../../mod.ts").IORedis;

/** What holders leave behind. */
const LEFT: readonly [what: string, leave: (client: Client) => unknown][] = [
  ["WATCH", (client) => client.watch("w")],
  ["MULTI", (client) => client.multi({ pipeline: false })],
  ["MULTI with commands", async (client) => {
    await client.multi({ pipeline: false });
    await client.set("w", "theirs");
  }],
  ["SELECT", (client) => client.select(9)],
  ["SELECT by call", (client) => client.call("select", "9")],
  ["SUBSCRIBE", (client) => client.subscribe("c")],
  ["PSUBSCRIBE", (client) => client.psubscribe("*")],
  ["CLIENT REPLY OFF", (client) => void client.client("REPLY", "OFF").catch(() => {})],
  ["CLIENT TRACKING", (client) => client.client("TRACKING", "ON", "BCAST")],
  ["CLIENT SETNAME", (client) => client.client("SETNAME", "theirs")],
  ["HELLO 2", (client) => client.call("HELLO", "2")],
  ["MONITOR", (client) => client.monitor()],
  ["BLPOP", (client) => void client.blpop("w", 0).catch(() => {})],
  ["commands in flight", (client) => void client.set("x", "theirs")],
  ["a listener", (client) => client.on("message", () => {})],
];

Deno.test("the next holder sees nothing of what the one before has left", () =>
  withManager(
    { databases: { main: { db: 2, maxConnections: 2 } } },
    async ({ manager, server }) => {
      await manager.getClient("main").ping();
      const other = await server.connect();
      try {
        await other.send("SELECT", "2");
        for (const [what, leave] of LEFT) {
          const dirty = await manager.acquire("main");
          await leave(dirty.client);
          dirty.release();
          await using lease = await manager.acquire("main");
          const { client } = lease;
          await other.send("SET", "w", "changed");
          // Watching: EXEC gives null. In MULTI: an error. Elsewhere: another value.
          const executed = await client.multi().get("w").set("y", what).exec();
          assertEquals(executed, [[null, "changed"], [null, "OK"]], what);
          assertEquals(await other.send("GET", "y"), what, what);
          assertEquals(await client.client("GETNAME"), "mooring:main:lease", what);
          assertEquals(client.listenerCount("message"), 0, what);
          await other.send("DEL", "w");
        }
      } finally {
        other.close();
      }
      const { evictions, leases } = manager.getPoolStatistics("main");
      // SUBSCRIBE, PSUBSCRIBE, REPLY OFF, HELLO, MONITOR and BLPOP: nothing undoes them.
      assertEquals([leases, evictions.unclean], [0, 6]);
      await report({
        row: 25,
        fault: `${LEFT.length} ways to leave a lease dirty`,
        outcome: "undone or destroyed",
      });
    },
  ));
