/**
 * The pools that are measured side by side, each behind the same small interface. All but
 * node-redis' lend objects that cost nothing to make, reset or check, so that what is
 * measured is the pool itself: ours with statistics, deadlines and leak tracking as users
 * get them, the others with their acquire timeout set to the same.
 *
 * @module
 */
// They are measured here and nowhere else: they must not become dependencies.
// deno-lint-ignore no-import-prefix
import { createPool } from "npm:generic-pool@3.9.0";
// deno-lint-ignore no-import-prefix
import { createClientPool } from "npm:redis@^6.0.0";
// deno-lint-ignore no-import-prefix
import { Pool as TarnPool } from "npm:tarn@3.0.2";
import { systemClock } from "../../src/core/clock.ts";
import { Pool } from "../../src/pool/pool.ts";
import type { Pooled } from "../../src/pool/types.ts";

const TIMEOUT_MS = 60_000;

class Thing implements Pooled {
  static #lastId = 0;
  readonly id = ++Thing.#lastId;
  onEnd(): void {}
}

/** What all pools can do. */
export interface Rival {
  /** Stands in the table. */
  readonly name: string;
  /** Leases, uses and gives back, once. */
  cycle(): Promise<unknown>;
  /** Leases, waits for one asynchronous step, as for any command, and gives back. */
  hold(): Promise<unknown>;
  /** Ends it. */
  close(): Promise<unknown>;
}

/** Ours; one more place than connections for leases, as the last one is for a lane. */
export function ours(size: number, leakDetectionThresholdMs = 0): Rival {
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
    hold: async () => {
      const lease = await pool.acquire();
      await step();
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
    hold: async () => {
      const thing = await pool.acquire();
      await step();
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
    hold: async () => {
      const thing = await pool.acquire().promise;
      await step();
      pool.release(thing);
    },
    close: () => pool.destroy(),
  };
}

/**
 * Its connections are real ones, as it makes them itself; what is run on them does
 * nothing, so that no server is asked.
 */
async function nodeRedis(size: number, url: string): Promise<Rival> {
  const options = { minimum: size, maximum: size, acquireTimeout: TIMEOUT_MS };
  const pool = createClientPool({ url }, options);
  await pool.connect();
  return {
    name: "node-redis pool",
    cycle: () => pool.execute(nothing),
    hold: () => pool.execute(step),
    close: () => pool.close(),
  };
}

function nothing(): void {}

/** What a holder waits for: no time, but a turn of the queue of promises. */
function step(): Promise<void> {
  return Promise.resolve();
}

/**
 * All pools, ours first.
 *
 * @param size How many connections each has.
 * @param url A server, for the one that needs it.
 * @returns The pools.
 */
export async function openRivals(size: number, url: string): Promise<Rival[]> {
  return [ours(size), tarn(size), genericPool(size), await nodeRedis(size, url)];
}
