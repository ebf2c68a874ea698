import { assert, assertEquals, assertRejects } from "@std/assert";
import { OverloadedError } from "../../../mod.ts";
import { withManager } from "../../support/managed.ts";
import { report } from "./_report.ts";

const CALLERS = 10_000;

Deno.test(`row 22: ${CALLERS} acquires on a pool of 10 are served in order, one more is refused`, () =>
  withManager(
    {
      // Ten for leases, and the place that is kept for a lane.
      maxConnections: 11,
      acquireTimeoutMs: 60_000,
      maxWaiting: CALLERS,
      databases: { main: { db: 0 } },
    },
    async ({ manager, server }) => {
      const order: number[] = [];
      const callers = Array.from({ length: CALLERS }, async (_, i) => {
        await using lease = await manager.acquire("main");
        order.push(i);
        if (i % 100 === 0) await lease.client.ping();
      });
      const error = await assertRejects(() => manager.acquire("main"), OverloadedError);
      assertEquals([error.current, error.limit], [CALLERS, CALLERS]);
      await Promise.all(callers);
      assertEquals(order, Array.from({ length: CALLERS }, (_, i) => i));
      const { leases, idleConnections, waiting, createdConnections } = manager
        .getPoolStatistics("main");
      assertEquals([leases, waiting], [0, 0]);
      assert(createdConnections <= 10, String(createdConnections));
      assertEquals(
        (await server.clientList("mooring:main:lease")).length,
        idleConnections,
      );
      await report({
        row: 22,
        fault: `${CALLERS} acquires on a pool of 10`,
        outcome: "all served in order, the next refused at once",
      });
    },
  ));
