import { assertEquals } from "@std/assert";
import { waitFor } from "../../../src/testing/wait.ts";
import { withManager } from "../../support/managed.ts";

Deno.test("min_connections are open soon after the first command, and again after each is lost", () =>
  withManager(
    { databases: { main: { db: 0, minConnections: 3, idleTimeoutMs: 1 } } },
    async ({ manager, server }) => {
      const leases = async () => (await server.clientList("mooring:main:lease")).length;
      assertEquals(await leases(), 0);
      await manager.getClient("main").ping();
      await waitFor(async () => await leases() === 3, { what: "three connections" });
      await waitFor(() => manager.getPoolStatistics("main").idleConnections === 3);
      // Idle for longer than they may be, they stay: they are the ones to be kept.
      assertEquals(await manager.cleanupIdleConnections(), 0);
      // A lease has one that is open.
      (await manager.acquire("main")).release();
      assertEquals(manager.getPoolStatistics("main").createdConnections, 4);
      await server.cli("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes");
      await waitFor(() => manager.getPoolStatistics("main").idleConnections === 0);
      // One command finds the server there, and the others follow.
      await manager.getClient("main").ping();
      await waitFor(async () => await leases() === 3, {
        what: "three connections again",
      });
    },
  ));
