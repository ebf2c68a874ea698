/**
 * What acquire and release cost, beside other pools in the same run. All lend objects that
 * cost nothing to make, reset or check, so that what is measured is the pool itself: ours
 * with statistics, deadlines and leak tracking as users get them, the others with their
 * acquire timeout set to the same.
 *
 * First it prints what each of many waiters costs: the same, however many there are, if the
 * total is linear. Then the groups: one caller on an idle connection, and 1, 10 and 1,000
 * callers who wait for the only connection. Run: `deno bench -A bench/pool_bench.ts`.
 */
import { createPool } from "npm:generic-pool@3.9.0";
import { Pool as TarnPool } from "npm:tarn@3.0.2";
import { systemClock } from "../src/core/clock.ts";
import { Pool } from "../src/pool/pool.ts";
import type { Pooled } from "../src/pool/types.ts";

const TIMEOUT_MS = 60_000;
const PER_ITERATION = 1000;
const ROUNDS = 7;

class Thing implements Pooled {
  static #lastId = 0;
  readonly id = ++Thing.#lastId;
  onEnd(): void {}
}

/** What all pools can do. */
interface Rival {
  readonly name: string;
  /** Leases, uses and gives back, once. */
  cycle(): Promise<void>;
  close(): Promise<unknown>;
}

/** Ours; one more place than connections for leases, as the last one is for a lane. */
function ours(size: number, leakDetectionThresholdMs = 0): Rival {
  const pool = new Pool<Thing>(
    {
      database: "bench",
      maxConnections: size + 1,
      minConnections: 0,
      maxConnecting: size,
      acquireTimeoutMs: TIMEOUT_MS,
      maxWaiting: 1_000_000,
      idleTimeoutMs: 300_000,
      maxLifetimeMs: 1_800_000,
      validateAfterMs: 30_000,
      leakDetectionThresholdMs,
    },
    {
      create: () => Promise.resolve(new Thing()),
      recycle: () => true,
      validate: () => Promise.resolve(true),
      destroy: () => {},
    },
    systemClock,
  );
  return {
    name: leakDetectionThresholdMs === 0 ? "mooring" : "mooring, leak detection on",
    cycle: async () => {
      const lease = await pool.acquire();
      lease.release();
    },
    close: () => pool.close(),
  };
}

function genericPool(size: number): Rival {
  const factory = {
    create: () => Promise.resolve(new Thing()),
    destroy: () => Promise.resolve(),
  };
  const options = { max: size, acquireTimeoutMillis: TIMEOUT_MS };
  const pool = createPool<Thing>(factory, options);
  return {
    name: "generic-pool",
    cycle: async () => {
      const thing = await pool.acquire();
      await pool.release(thing);
    },
    close: async () => {
      await pool.drain();
      await pool.clear();
    },
  };
}

function tarn(size: number): Rival {
  const pool = new TarnPool<Thing>({
    create: () => Promise.resolve(new Thing()),
    destroy: () => {},
    min: 0,
    max: size,
    acquireTimeoutMillis: TIMEOUT_MS,
    idleTimeoutMillis: 300_000,
  });
  return {
    name: "tarn",
    cycle: async () => {
      const thing = await pool.acquire().promise;
      pool.release(thing);
    },
    close: () => pool.destroy(),
  };
}

const RIVALS = [(size: number) => ours(size), tarn, genericPool];

/** Lets so many callers in at the same moment, and waits for all. */
async function crowd({ cycle }: Rival, callers: number): Promise<void> {
  await Promise.all(Array.from({ length: callers }, cycle));
}

function median(values: number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)]!;
}

/** Microseconds for each of many callers of ten connections. */
async function costOfEach(rival: Rival, callers: number): Promise<number> {
  const found: number[] = [];
  // Before anything is timed, the engine has seen the code.
  for (let round = 0; round < 3; round++) await crowd(rival, 2_500);
  for (let round = 0; round < ROUNDS; round++) {
    const start = performance.now();
    await crowd(rival, callers);
    found.push((performance.now() - start) * 1000 / callers);
  }
  return median(found);
}

async function printWaiters(): Promise<void> {
  const counts = [2_500, 10_000, 40_000];
  console.log(`callers of 10 connections, µs for each (median of ${ROUNDS} rounds):`);
  console.log("  " + ["", ...counts].map((cell) => `${cell}`.padStart(14)).join(""));
  for (const make of RIVALS) {
    const rival = make(10);
    const cells = [rival.name];
    for (const count of counts) cells.push((await costOfEach(rival, count)).toFixed(2));
    console.log("  " + cells.map((cell) => cell.padStart(14)).join(""));
    await rival.close();
  }
}

await printWaiters();

for (const make of [...RIVALS, (size: number) => ours(size, 10_000)]) {
  const rival = make(1);
  await crowd(rival, 1);
  Deno.bench({
    name: rival.name,
    group: `acquire and release, one caller, ${PER_ITERATION} times`,
    baseline: make === RIVALS[0],
    async fn() {
      for (let i = 0; i < PER_ITERATION; i++) await rival.cycle();
    },
  });
}

for (const waiters of [1, 10, 1000]) {
  for (const make of RIVALS) {
    const rival = make(1);
    await crowd(rival, 1);
    Deno.bench({
      name: rival.name,
      group: `${waiters} waiting for the only connection`,
      baseline: make === RIVALS[0],
      async fn() {
        await crowd(rival, waiters + 1);
      },
    });
  }
}
