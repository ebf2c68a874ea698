import { assert, assertEquals } from "@std/assert";
import type { ManagerEventMap } from "../../../mod.ts";
import { delay, waitFor } from "../../../src/testing/wait.ts";
import { capacityAsked, withManager } from "../../support/managed.ts";

const DATABASES = {
  a: { db: 1, maxConnections: 5 },
  b: { db: 2, maxConnections: 5 },
};

Deno.test("max_total_connections bounds all databases together, and serves each of them", () =>
  withManager(
    { maxTotalConnections: 4, acquireTimeoutMs: 30_000, databases: DATABASES },
    async ({ manager, server }) => {
      await Promise.all([manager.getClient("a").ping(), manager.getClient("b").ping()]);
      let held = 0;
      let mostHeld = 0;
      let mostListed = 0;
      let isOver = false;
      const judge = (async () => {
        while (!isOver) {
          const { length } = await server.clientList("mooring:");
          mostListed = Math.max(mostListed, length);
        }
      })();
      await Promise.all(Array.from({ length: 60 }, async (_, i) => {
        const name = i % 2 === 0 ? "a" : "b";
        await using lease = await manager.acquire(name);
        mostHeld = Math.max(mostHeld, ++held);
        await lease.client.incr("n");
        await manager.getClient(name).incr("m");
        held--;
      }));
      isOver = true;
      await judge;
      // Each has its lane, and the two places left go from one to the other.
      assertEquals(mostHeld, 2);
      // Those that go and those that come may be listed together for a moment.
      assert(mostListed >= 4 && mostListed < 10, `${mostListed} connections were open`);
      for (const name of ["a", "b"]) {
        const client = manager.getClient(name);
        assertEquals([await client.get("n"), await client.get("m")], ["30", "30"]);
      }
      // Whichever has them idle, they make way for the other database.
      for (const name of ["a", "b"]) {
        await using _one = await manager.acquire(name);
        await using _two = await manager.acquire(name);
      }
      assert(manager.getPoolStatistics("a").evictions.budget! >= 2);
      await waitFor(async () => (await server.clientList("mooring:")).length <= 4);
    },
  ));

Deno.test("max_total_connections that the server takes is no reason to warn", () =>
  withManager(
    { maxTotalConnections: 8, databases: DATABASES },
    async ({ manager, server }) => {
      const warnings: ManagerEventMap["warning"][] = [];
      manager.addEventListener("warning", ({ detail }) => void warnings.push(detail));
      await manager.getClient("a").ping();
      await capacityAsked(server);
      // Behind the question on the first lane: that has been answered by then.
      await manager.getClient("a").ping();
      await delay(20);
      assertEquals([warnings, manager.warnings], [[], []]);
    },
    // Less than 5 + 5, more than 8 and the tests' own.
    { config: { maxclients: "9" } },
  ));

Deno.test("max_total_connections that the server does not take is told with the numbers", () =>
  withManager(
    { maxTotalConnections: 9, databases: DATABASES },
    async ({ manager, server }) => {
      const warned = new Promise<string>((resolve) =>
        manager.addEventListener("warning", ({ detail }) => resolve(detail.message))
      );
      await manager.getClient("b").ping();
      const message = await warned;
      assert(message.includes("may open 9 connections"), message);
      assert(message.includes("takes 8"), message);
      // Asked once, however many connections and databases there are.
      await manager.getClient("a").ping();
      (await manager.acquire("b")).release();
      // A connection's server is asked a second after it was opened.
      await delay(1100);
      // The test's own INFO does not see itself.
      const { cmdstat_info: asked } = await server.info("commandstats");
      assert(asked?.startsWith("calls=1,"), asked);
      assertEquals(manager.warnings, [message]);
    },
    { config: { maxclients: "8" } },
  ));
