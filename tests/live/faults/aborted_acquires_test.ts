import { assertEquals } from "@std/assert";
import { withManager } from "../../support/managed.ts";
import { report } from "./_report.ts";

const CALLERS = 5_000;
const SEED = 20_261;

/** A small generator of random numbers, so that the seed gives the same order again. */
function random(seed: number): () => number {
  let state = seed;
  return () => (state = (state * 1_103_515_245 + 12_345) % 2 ** 31) / 2 ** 31;
}

Deno.test(`${CALLERS} acquires aborted in random order lose no connection, seed ${SEED}`, () =>
  withManager(
    {
      maxConnections: 6,
      acquireTimeoutMs: 60_000,
      maxWaiting: CALLERS,
      databases: { main: { db: 0 } },
    },
    async ({ manager, server }) => {
      const next = random(SEED);
      const aborts = Array.from({ length: CALLERS }, () => new AbortController());
      let served = 0;
      const callers = aborts.map(async ({ signal }) => {
        await using lease = await manager.acquire("main", { signal });
        served++;
        await lease.client.ping();
      });
      const settled = Promise.allSettled(callers);
      const order = aborts.map((abort) => ({ abort, at: next() }))
        .sort((a, b) => a.at - b.at);
      for (const [i, { abort }] of order.entries()) {
        abort.abort(new Error("changed my mind"));
        // Let some be served in between.
        if (i % 50 === 0) await new Promise((resolve) => setTimeout(resolve, 1));
      }
      const results = await settled;
      const aborted = results.filter((result) => result.status === "rejected");
      for (const { reason } of aborted) assertEquals(reason.message, "changed my mind");
      assertEquals(served + aborted.length, CALLERS);
      const held = await Promise.all(
        Array.from({ length: 5 }, () => manager.acquire("main", { timeoutMs: 30_000 })),
      );
      assertEquals(
        await Promise.all(held.map((lease) => lease.client.ping())),
        Array(5).fill("PONG"),
      );
      assertEquals((await server.clientList("mooring:main:lease")).length, 5);
      for (const lease of held) lease.release();
      const { leases, waiting } = manager.getPoolStatistics("main");
      assertEquals([leases, waiting], [0, 0]);
      await report({
        row: 23,
        fault: `${CALLERS} acquires aborted in random order`,
        outcome: `pool whole, ${served} served, ${aborted.length} aborted`,
      });
    },
  ));
