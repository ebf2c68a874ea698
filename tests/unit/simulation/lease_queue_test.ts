import { assertAlmostEquals, assertEquals, assertGreater, assertLess } from "@std/assert";
import { runLeaseQueue } from "../../../bench/simulation/lease_queue.ts";
import {
  erlangC,
  meanWaitMs,
  waitQuantileMs,
} from "../../../bench/simulation/queue_theory.ts";

const HOLD_MS = 10;

const sum = (numbers: readonly number[]) => numbers.reduce((total, n) => total + n, 0);

/** Runs callers at a pool whose connections are leased for a share of the time. */
function queue(leases: number, load: number, callers: number, seed = 1) {
  return runLeaseQueue({
    leases,
    rate: load * leases * 1000 / HOLD_MS,
    holdMs: HOLD_MS,
    acquireTimeoutMs: 3000,
    callers,
    seed,
  });
}

Deno.test("erlangC() and the waits are those of the textbook", () => {
  // One server: the chance to wait is the load; W = load / (1 - load) times the service.
  assertAlmostEquals(erlangC(1, 0.8), 0.8);
  assertAlmostEquals(meanWaitMs(1, 0.8, 10), 40);
  // Two: 2 r^2 / (1 + r) with r the load of each.
  assertAlmostEquals(erlangC(2, 1), 1 / 3);
  assertAlmostEquals(waitQuantileMs(1, 0.8, 10, 0.99), Math.log(80) * 50);
  assertEquals(waitQuantileMs(10, 1, 10, 0.99), 0);
  assertEquals([erlangC(2, 2), meanWaitMs(2, 2, 10)], [1, Infinity]);
});

const SEEDS = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10];

Deno.test("runLeaseQueue() waits as M/M/c does, and never opens more than allowed", async () => {
  const pools = [[1, 0.5], [2, 0.6], [4, 0.6], [8, 0.6], [19, 0.7], [32, 0.75]] as const;
  for (const [leases, load] of pools) {
    const ratios: number[] = [];
    for (const seed of SEEDS) {
      const found = await queue(leases, load, 20_000, seed);
      assertEquals([found.timedOut, found.served], [0, 19_000]);
      assertEquals(found.peakConnections, leases);
      ratios.push(found.meanWaitMs / meanWaitMs(leases, found.offered, HOLD_MS));
    }
    const mean = sum(ratios) / ratios.length;
    // Large pools make few wait: what chance does to them is told by how seeds differ.
    const squares = ratios.map((ratio) => (ratio - mean) ** 2);
    const error = Math.sqrt(sum(squares) / (ratios.length - 1) / ratios.length);
    assertLess(error, leases > 8 ? 0.06 : 0.02, `${leases} leases`);
    assertLess(Math.abs(mean - 1), Math.max(0.05, 2 * error), `${leases} leases`);
  }
});

Deno.test("runLeaseQueue() gives the same for the same seed, and another for another", async () => {
  const first = await queue(2, 0.7, 2000);
  assertEquals(await queue(2, 0.7, 2000), first);
  assertGreater(
    Math.abs((await queue(2, 0.7, 2000, 2)).meanWaitMs - first.meanWaitMs),
    0,
  );
});

Deno.test("a pool with twice the load it can carry sends half away, after the timeout", async () => {
  const { served, timedOut, p99WaitMs } = await queue(4, 2, 20_000);
  assertEquals(served + timedOut, 19_000);
  assertAlmostEquals(timedOut / 19_000, 0.5, 0.1);
  assertLess(p99WaitMs, 3001);
});
