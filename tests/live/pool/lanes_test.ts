import { assertEquals } from "@std/assert";
import { delay, waitFor } from "../../../src/testing/wait.ts";
import { withManager } from "../../support/managed.ts";

Deno.test("a lane that load has opened is ended when it was idle for idle_timeout, and counted", () =>
  withManager(
    { databases: { main: { db: 0, maxLanes: 2, idleTimeoutMs: 200 } } },
    async ({ manager, server }) => {
      const client = manager.getClient("main");
      await client.set("k", "v");
      const pool = () => manager.getPoolStatistics("main");
      const busy = () => Promise.all(Array.from({ length: 2000 }, () => client.get("k")));
      for (let i = 0; pool().lanes < 2 && i < 1000; i++) await busy();
      assertEquals(pool().lanes, 2);
      // Busy until now: it is needed.
      assertEquals(await manager.cleanupIdleConnections(), 0);
      await delay(250);
      assertEquals(await manager.cleanupIdleConnections(), 1);
      await waitFor(() => pool().lanes === 1);
      assertEquals(pool().evictions.idle_timeout, 1);
      await waitFor(async () => (await server.clientList("mooring:main")).length === 1);
      // The last one stays.
      await delay(250);
      assertEquals(await manager.cleanupIdleConnections(), 0);
      assertEquals(await client.get("k"), "v");
    },
  ));
