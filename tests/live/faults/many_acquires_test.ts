import { assert, assertEquals, assertRejects } from "@std/assert";
import { OverloadedError } from "../../../mod.ts";
import { delay } from "../../../src/testing/wait.ts";
import { withManager } from "../../support/managed.ts";
import { report } from "./_report.ts";

const CALLERS = 10_000;

Deno.test(`${CALLERS} acquires on a pool of 10 are served in order, one more is refused`, () =>
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
      let held = 0;
      let mostHeld = 0;
      const callers = Array.from({ length: CALLERS }, async (_, i) => {
        await using lease = await manager.acquire("main");
        order.push(i);
        mostHeld = Math.max(mostHeld, ++held);
        await delay(1);
        if (i % 100 === 0) await lease.client.ping();
        held--;
      });
      const error = await assertRejects(() => manager.acquire("main"), OverloadedError);
      assertEquals([error.current, error.limit], [CALLERS, CALLERS]);
      await Promise.all(callers);
      assertEquals(order, Array.from({ length: CALLERS }, (_, i) => i));
      const {
        acquireTimeouts,
        createdConnections,
        idleConnections,
        leases,
        waiting,
      } = manager.getPoolStatistics("main");
      assertEquals([leases, waiting, acquireTimeouts, mostHeld], [0, 0, 0, 10]);
      assert(createdConnections <= 10, String(createdConnections));
      assertEquals(
        (await server.clientList("mooring:main:lease")).length,
        idleConnections,
      );
      await report({
        row: 22,
        fault: `${CALLERS} acquires of 1 ms on a pool of 10`,
        outcome: "all served in order, the next refused at once",
      });
    },
  ));
