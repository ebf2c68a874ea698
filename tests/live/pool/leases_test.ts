import { assert, assertEquals, assertMatch, assertRejects } from "@std/assert";
import { AcquireTimeoutError, type ManagerEventMap } from "../../../mod.ts";
import type { RedisServer } from "../../../src/testing/redis_server.ts";
import { delay, waitFor } from "../../../src/testing/wait.ts";
import { withManager } from "../../support/managed.ts";

/** Idle for longer than this, a connection is asked before it is lent. */
const VALIDATE_AFTER_MS = 1000;

/** How often the server ran each command, but for those that ask for it. */
async function calls(server: RedisServer): Promise<Record<string, number>> {
  const stats = Object.entries(await server.info("commandstats"))
    .map(([name, text]) => [
      name.replace("cmdstat_", ""),
      Number(/^calls=(\d+)/.exec(text)![1]),
    ])
    .filter(([name]) => name !== "info");
  return Object.fromEntries(stats);
}

Deno.test("manager.acquire() and release() of an idle, clean connection cost no round trip", () =>
  withManager(
    { databases: { main: { db: 0, maxConnections: 2 } } },
    async ({ manager, server }) => {
      (await manager.acquire("main")).release();
      const before = await calls(server);
      let releasedAt = performance.now();
      let stale = 0;
      for (let i = 0; i < 1000; i++) {
        const lease = await manager.acquire("main");
        // A machine that stood still meanwhile makes it an idle one.
        if (performance.now() - releasedAt >= VALIDATE_AFTER_MS) stale++;
        lease.release();
        releasedAt = performance.now();
      }
      const { ping = 0, ...others } = await calls(server);
      const { ping: pingBefore = 0, ...othersBefore } = before;
      assertEquals(others, othersBefore);
      assert(ping - pingBefore <= stale, `${ping - pingBefore} PINGs, ${stale} allowed`);
    },
  ));

Deno.test("manager.acquire() asks a connection that was idle for a second once, and lends it", () =>
  withManager(
    { databases: { main: { db: 0, maxConnections: 2 } } },
    async ({ manager, server }) => {
      (await manager.acquire("main")).release();
      const before = await calls(server);
      await delay(VALIDATE_AFTER_MS + 50);
      (await manager.acquire("main")).release();
      assertEquals(await calls(server), { ...before, ping: (before.ping ?? 0) + 1 });
      assertEquals(manager.getPoolStatistics("main").createdConnections, 1);
    },
  ));

Deno.test("manager.acquire() that times out reports all numbers, and the holder of the oldest lease", () =>
  withManager(
    {
      databases: {
        main: { db: 0, maxConnections: 2, leakDetectionThresholdMs: 600_000 },
      },
    },
    async ({ manager }) => {
      await manager.getClient("main").ping();
      const oldestHolder = () => manager.acquire("main");
      await using _lease = await oldestHolder();
      const error = await assertRejects(
        () => manager.acquire("main", { timeoutMs: 20 }),
        AcquireTimeoutError,
      );
      const { total, lanes, inUse, idle, connecting, waiting } = error;
      assertEquals({ total, lanes, inUse, idle, connecting, waiting }, {
        total: 2,
        lanes: 1,
        inUse: 1,
        idle: 0,
        connecting: 0,
        waiting: 1,
      });
      assertMatch(
        error.message,
        /within 20 ms \(total 2 of 2, lanes 1, in use 1, idle 0, connecting 0, waiting 1\)/,
      );
      assertMatch(error.message, /held for \d+ ms, acquired\nat [^]*oldestHolder/);
    },
  ));

Deno.test("manager reports leases that callers hold for too long, with the stack, and none of its own", () =>
  withManager(
    {
      databases: {
        main: { db: 0, commandTimeoutMs: 10_000, leakDetectionThresholdMs: 50 },
      },
    },
    async ({ manager, server }) => {
      const leaks: ManagerEventMap["leak"][] = [];
      manager.addEventListener("leak", ({ detail }) => void leaks.push(detail));
      const waiting = manager.getClient("main").blpop("q", 0);
      await using _subscription = await manager.subscribe("main", ["c"]);
      const slowHolder = () => manager.acquire("main");
      await using _lease = await slowHolder();
      await waitFor(() => leaks.length > 0);
      // The others have been held for longer.
      await delay(60);
      assertEquals(leaks.map(({ database, kind }) => [database, kind]), [
        ["main", "held"],
      ]);
      assert(leaks[0]!.heldMs >= 50, JSON.stringify(leaks));
      assertMatch(leaks[0]!.stack!, /slowHolder/);
      await server.cli("RPUSH", "q", "v");
      assertEquals(await waiting, ["q", "v"]);
    },
  ));
