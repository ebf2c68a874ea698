import { assert, assertEquals } from "@std/assert";
import type { ConnectionBudget } from "../../../src/pool/connection_budget.ts";
import type { Pool } from "../../../src/pool/pool.ts";
import type { Pooled } from "../../../src/pool/types.ts";

/** The state of the pool as seen from outside. */
export interface Truth {
  /** Connections that are really open. */
  readonly open?: number;
  /** Connections that are really being opened. */
  readonly opening?: number;
  /** Callers that really wait for a lease. */
  readonly waiting?: number;
  /** Leases that are really held on connections that have not ended. */
  readonly leased?: number;
}

/**
 * Holds a pool to what must be true of its numbers at every instant, and to what is
 * known from elsewhere.
 *
 * @param pool The pool.
 * @param truth What is known from elsewhere.
 */
export function checkInvariants<C extends Pooled>(
  pool: Pool<C>,
  truth: Truth = {},
): void {
  const n = pool.numbers();
  const s = pool.statistics();
  const told = JSON.stringify({ n, s, truth });
  for (const [name, value] of Object.entries(n)) {
    assert(Number.isSafeInteger(value) && value >= 0, `${name} is ${value}: ${told}`);
  }
  assertEquals(n.total, n.lanes + n.inUse + n.idle + n.connecting, told);
  assertEquals(n.inUse, n.leased + n.recycling, told);
  assert(n.validating <= n.connecting, told);
  assert(n.total <= n.max, told);
  const evicted = Object.values(s.evictions).reduce((sum, count) => sum + count, 0);
  assertEquals(s.created, evicted + n.total, told);
  // Neither lanes nor leases take all places.
  if (n.max > 1) {
    assert(n.inUse + n.idle + n.validating < n.max, told);
    assert(n.lanes < n.max, told);
  }
  if (truth.open !== undefined) {
    assertEquals(n.total - n.connecting + n.validating, truth.open, told);
  }
  if (truth.opening !== undefined) {
    assertEquals(n.connecting - n.validating, truth.opening, told);
  }
  if (truth.waiting !== undefined) assertEquals(n.waiting, truth.waiting, told);
  if (truth.leased !== undefined) assertEquals(n.leased, truth.leased, told);
}

/**
 * Holds a budget to what its pools have.
 *
 * @param budget The budget.
 * @param pools The pools that share it.
 */
export function checkBudget<C extends Pooled>(
  budget: ConnectionBudget,
  pools: readonly Pool<C>[],
): void {
  const used = pools.reduce((sum, pool) => sum + pool.numbers().total, 0);
  assertEquals(budget.used, used);
  assert(used <= budget.max, `${used} of ${budget.max} connections`);
}
