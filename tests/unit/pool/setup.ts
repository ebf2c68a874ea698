import { Pool } from "../../../src/pool/pool.ts";
import type { PoolHooks, PoolOptions } from "../../../src/pool/types.ts";
import { FakeClock } from "../../../src/testing/fake_clock.ts";
import { type Answers, type FakeConnection, FakeDriver } from "./fake_driver.ts";

/** Settings of a pool that no test means in particular. */
export const BASIC: PoolOptions = {
  database: "test",
  maxConnections: 4,
  minConnections: 0,
  maxConnecting: 10,
  acquireTimeoutMs: 3000,
  maxWaiting: 1000,
  idleTimeoutMs: 0,
  maxLifetimeMs: 0,
  validateAfterMs: Infinity,
  leakDetectionThresholdMs: 0,
  random: () => 0,
};

/** A pool with all that it stands on. */
export interface Setup {
  readonly pool: Pool<FakeConnection>;
  readonly driver: FakeDriver;
  readonly clock: FakeClock;
}

/**
 * Makes a pool on a fake driver and fake time.
 *
 * @param options What differs from {@linkcode BASIC}.
 * @param answers What the driver answers by itself.
 * @param hooks Observes events.
 * @returns The pool and what it stands on.
 */
export function setUp(
  options: Partial<PoolOptions> = {},
  answers?: Answers,
  hooks: PoolHooks<FakeConnection> = {},
): Setup {
  const clock = new FakeClock();
  const driver = new FakeDriver(answers);
  const pool = new Pool({ ...BASIC, ...options }, driver, clock, hooks);
  return { pool, driver, clock };
}
