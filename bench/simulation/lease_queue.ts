import { AcquireTimeoutError } from "../../src/core/errors/mod.ts";
import { Pool } from "../../src/pool/pool.ts";
import type { Pooled } from "../../src/pool/types.ts";
import { Random } from "./random.ts";
import { SimClock } from "./sim_clock.ts";

/** Callers that lease connections of one pool. */
export interface LeaseQueueOptions {
  /** Most leases at the same time; the pool has one place more, for its lane. */
  readonly leases: number;
  /** Callers a second, at random. */
  readonly rate: number;
  /** How long a lease is held on average, in milliseconds; exponentially distributed. */
  readonly holdMs: number;
  /** How long a caller waits, in milliseconds. */
  readonly acquireTimeoutMs: number;
  /** How many callers there are. */
  readonly callers: number;
  /** Any whole number; the same gives the same run. */
  readonly seed: number;
}

/** What became of them. */
export interface LeaseQueueResult {
  /** Callers that had a lease. */
  readonly served: number;
  /** Callers that waited in vain. */
  readonly timedOut: number;
  /** Mean wait of those that were served, in milliseconds. */
  readonly meanWaitMs: number;
  /** What 99 of 100 of them waited at most, in milliseconds. */
  readonly p99WaitMs: number;
  /** Most connections at a time. */
  readonly peakConnections: number;
  /** Leases that would be held on average if nobody had to wait: what chance made of the
   * rate and of the time. The mean wait is so sensitive to it that it is compared by this
   * one. */
  readonly offered: number;
}

/** Connections cost nothing here: what is asked is how long callers wait for each other. */
class Thing implements Pooled {
  static #lastId = 0;
  readonly id = ++Thing.#lastId;
  onEnd(): void {}
}

/** Promise hops from the release of a lease to the caller that waits for it, and more. */
const HOPS = 8;
/** Connections are opened meanwhile, and the queue gets its usual length. */
const WARM_UP_SHARE = 0.05;

/**
 * Lets callers come to the real pool.
 *
 * @param options Who, and how often.
 * @returns What became of them, the first ones left out.
 */
export async function runLeaseQueue(
  options: LeaseQueueOptions,
): Promise<LeaseQueueResult> {
  const { callers, rate, holdMs, seed } = options;
  const clock = new SimClock(HOPS);
  const arrivals = new Random(Math.imul(2 * seed, 0x9e3779b1));
  const holds = new Random(Math.imul(2 * seed + 1, 0x9e3779b1));
  const pool = makePool(options, clock);
  const first = Math.floor(callers * WARM_UP_SHARE);
  const waits: number[] = [];
  let [came, left, timedOut, peakConnections, asked, cameUntil] = [0, 0, 0, 0, 0, 0];
  const serve = async (number: number, heldMs: number) => {
    const cameAt = clock.now();
    try {
      const lease = await pool.acquire();
      if (number >= first) waits.push(clock.now() - cameAt);
      clock.setTimer(() => lease.release(), heldMs);
    } catch (error) {
      if (!(error instanceof AcquireTimeoutError)) throw error;
      if (number >= first) timedOut++;
    }
    left++;
    peakConnections = Math.max(peakConnections, pool.numbers().total);
  };
  const come = () => {
    const heldMs = holds.exponential(holdMs);
    asked += heldMs;
    cameUntil = clock.now();
    void serve(came++, heldMs);
    if (came < callers) clock.setTimer(come, arrivals.exponential(1000 / rate));
  };
  clock.setTimer(come, 0);
  while (left < callers) await clock.runUntil(clock.now() + options.acquireTimeoutMs);
  waits.sort((a, b) => a - b);
  return {
    served: waits.length,
    timedOut,
    meanWaitMs: waits.reduce((sum, wait) => sum + wait, 0) / Math.max(1, waits.length),
    p99WaitMs: waits[Math.ceil(waits.length * 0.99) - 1] ?? 0,
    peakConnections,
    offered: asked / cameUntil,
  };
}

function makePool(options: LeaseQueueOptions, clock: SimClock): Pool<Thing> {
  return new Pool<Thing>(
    {
      database: "simulation",
      maxConnections: options.leases + 1,
      minConnections: options.leases,
      maxConnecting: options.leases,
      acquireTimeoutMs: options.acquireTimeoutMs,
      maxWaiting: options.callers,
      idleTimeoutMs: 0,
      maxLifetimeMs: 0,
      validateAfterMs: Infinity,
      leakDetectionThresholdMs: 0,
    },
    {
      create: () => Promise.resolve(new Thing()),
      recycle: () => true,
      validate: () => Promise.resolve(true),
      destroy: () => {},
    },
    clock,
  );
}
