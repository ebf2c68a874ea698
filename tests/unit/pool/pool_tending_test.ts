import { assert, assertEquals, assertRejects, assertStrictEquals } from "@std/assert";
import { ManagerClosedError } from "../../../src/core/errors/mod.ts";
import { LIFETIME_VARIANCE } from "../../../src/pool/connection_set.ts";
import type { PoolOptions } from "../../../src/pool/types.ts";
import { drainMicrotasks } from "../../../src/testing/fake_clock.ts";
import { checkInvariants } from "./invariants.ts";
import { setUp } from "./setup.ts";

const MANUAL = { recycle: () => true };
const FOREVER = new AbortController().signal;

Deno.test("Pool.reap() ends connections that were idle for too long, and counts them", async () => {
  const { pool, driver, clock } = setUp({ maxConnections: 9, idleTimeoutMs: 300_000 });
  assertEquals(pool.statistics().lastCleanup, null);
  const leases = await Promise.all([1, 2, 3].map(() => pool.acquire()));
  leases[0]!.release();
  await clock.advance(100_000);
  leases[1]!.release();
  await clock.advance(200_000);
  clock.setWall(1_700_000_000_000);
  assertEquals(pool.reap(), 1);
  assertEquals(driver.destroyed, [{ id: 1, reason: "idle_timeout" }]);
  assertEquals(pool.statistics().lastCleanup, 1_700_000_000_000);
  assertEquals(pool.statistics().evictions.idle_timeout, 1);
  assertEquals(pool.reap(), 0);
  checkInvariants(pool, { open: 2, leased: 1 });
});

Deno.test("Pool.reap() is not led astray when the wall clock is set", async () => {
  const { pool, clock } = setUp({ idleTimeoutMs: 1000, maxLifetimeMs: 5000 });
  (await pool.acquire()).release();
  clock.setWall(0);
  assertEquals(pool.reap(), 0);
  clock.setWall(Date.UTC(2100));
  assertEquals(pool.reap(), 0);
  await clock.advance(1000);
  assertEquals(pool.reap(), 1);
});

Deno.test("Pool.reap() replaces what is too old, each at its own time", async () => {
  let random = 0;
  const { pool, driver, clock } = setUp({
    maxConnections: 5,
    minConnections: 2,
    maxLifetimeMs: 1_800_000,
    random: () => (random += 0.4) % 1,
  });
  const leases = await Promise.all([pool.acquire(), pool.acquire()]);
  for (const lease of leases) lease.release();
  await clock.advance(1_764_000);
  assertEquals(pool.reap(), 1);
  assertEquals(driver.destroyed, [{ id: 2, reason: "max_lifetime" }]);
  assertEquals(pool.numbers().connecting, 1);
  await drainMicrotasks();
  assertEquals(pool.numbers().idle, 2);
  await clock.advance(18_000);
  assertEquals(pool.reap(), 1);
  assertEquals(driver.destroyed[1], { id: 1, reason: "max_lifetime" });
});

/** A pool with as many idle connections, that became idle at these times, and the time 100. */
async function withIdle(since: number[], options: Partial<PoolOptions>) {
  const all = setUp({ maxConnections: 9, ...options });
  const leases = await Promise.all(since.map(() => all.pool.acquire()));
  for (const [i, lease] of leases.entries()) {
    await all.clock.advance(since[i]! - all.clock.now());
    lease.release();
  }
  await all.clock.advance(100 - all.clock.now());
  return all;
}

Deno.test("Pool.reap() ends the longest idle first, and leaves what is kept ready", async () => {
  for (
    const [minConnections, ended] of [[0, [1, 2]], [2, [1]], [3, []], [5, []]] as const
  ) {
    const { pool, driver } = await withIdle([0, 10, 60], {
      idleTimeoutMs: 50,
      minConnections,
    });
    // Those that are opened ahead are the youngest.
    await drainMicrotasks();
    assertEquals(pool.reap(), ended.length, `${minConnections}`);
    assertEquals(driver.destroyed, ended.map((id) => ({ id, reason: "idle_timeout" })));
  }
});

Deno.test("Pool.reap() ends what is too old, even if it is to be kept ready, and counts it as gone", async () => {
  // Lifetimes of the three: without end for this test, 100, without end.
  const lifetimes = () => {
    const random = [0, 1, 0][Symbol.iterator]();
    return { maxLifetimeMs: 100 / 0.975, random: () => random.next().value ?? 0 };
  };
  const kept = await withIdle([0, 10, 60], { ...lifetimes(), minConnections: 3 });
  assertEquals(kept.pool.reap(), 1);
  assertEquals(kept.driver.destroyed, [{ id: 2, reason: "max_lifetime" }]);
  const limits = { ...lifetimes(), minConnections: 1, idleTimeoutMs: 1 };
  const some = await withIdle([0, 10, 60], limits);
  assertEquals(some.pool.reap(), 2);
  assertEquals(some.driver.destroyed, [
    { id: 1, reason: "idle_timeout" },
    { id: 2, reason: "max_lifetime" },
  ]);
});

Deno.test("Pool.reap() ends at the limit, not before, and nothing without one", async () => {
  for (const [since, idleTimeoutMs, ended] of [[51, 50, 0], [50, 50, 1], [0, 0, 0]]) {
    const { pool, clock } = await withIdle([since!], { idleTimeoutMs });
    assertEquals(pool.reap(), ended);
    await clock.advance(1e9);
    assertEquals(pool.reap(), idleTimeoutMs === 0 ? 0 : 1 - ended!);
  }
});

Deno.test("Pool takes up to 2.5 % off the lifetime of each connection, which never ends without one", async () => {
  assertEquals(LIFETIME_VARIANCE, 0.025);
  const expiresAt = async (maxLifetimeMs: number, random: number) => {
    const { pool } = setUp({ maxLifetimeMs, random: () => random });
    return (await pool.openLane(FOREVER)).expiresAt;
  };
  assertEquals(await expiresAt(1_800_000, 0), 1_800_000);
  assertEquals(await expiresAt(1_800_000, 0.5), 1_777_500);
  assert(await expiresAt(1_800_000, 0.999_999) >= 1_755_000);
  assertEquals(await expiresAt(0, 0.5), Infinity);
});

Deno.test("Pool keeps connections ready from the first that opens on, and opens none before", async () => {
  const { pool, driver } = setUp(
    { maxConnections: 9, minConnections: 3, maxConnecting: 2 },
    MANUAL,
  );
  assertEquals([pool.reap(), driver.creating.length], [0, 0]);
  const failing = pool.openLane(FOREVER);
  driver.creating[0]!.fail(new Error("nobody there"));
  await assertRejects(() => failing, Error, "nobody there");
  assertEquals(driver.creating.length, 0);
  const opening = pool.openLane(FOREVER);
  driver.creating[0]!.answer(true);
  await opening;
  // As many at once as may be, the next behind each.
  assertEquals(driver.creating.length, 2);
  driver.creating[0]!.answer(true);
  await drainMicrotasks();
  assertEquals([driver.creating.length, pool.numbers().idle], [2, 1]);
  for (const asked of [...driver.creating]) asked.answer(true);
  await drainMicrotasks();
  assertEquals([pool.numbers().idle, driver.creating.length], [3, 0]);
  // What is leased counts among those that are ready.
  await pool.acquire();
  assertEquals([pool.numbers().idle, pool.numbers().leased], [2, 1]);
});

Deno.test("Pool.reap() replaces what has ended of those that are kept ready, and evicts none", async () => {
  const { pool, driver, clock } = setUp({
    maxConnections: 9,
    minConnections: 2,
    idleTimeoutMs: 10,
  });
  (await pool.acquire()).release();
  await drainMicrotasks();
  assertEquals(pool.numbers().idle, 2);
  driver.kill([...driver.live][0]!);
  await clock.advance(10);
  assertEquals([pool.numbers().idle, pool.reap()], [1, 0]);
  await drainMicrotasks();
  assertEquals(pool.numbers().idle, 2);
});

Deno.test("Pool.fill() opens what is missing, as far as the limits allow", async () => {
  const { pool, driver } = setUp(
    { maxConnections: 4, minConnections: 9, maxConnecting: 2 },
    MANUAL,
  );
  assertEquals([pool.fill(), pool.fill()], [2, 0]);
  driver.creating[0]!.answer(true);
  driver.creating[0]!.answer(true);
  await drainMicrotasks();
  // The last place is for a lane.
  assertEquals([driver.creating.length, pool.fill()], [1, 0]);
  driver.creating[0]!.fail(new Error("no"));
  await drainMicrotasks();
  // Not tried again by itself.
  assertEquals(driver.creating.length, 0);
  assertEquals(pool.fill(), 1);
  checkInvariants(pool, { open: 2, opening: 1 });
});

Deno.test("Pool.close() fails who waits, ends what is free, waits for what is used", async () => {
  const { pool, driver, clock } = setUp({
    maxConnections: 4,
    leakDetectionThresholdMs: 50,
  });
  const lane = await pool.openLane(FOREVER);
  const leases = await Promise.all([1, 2, 3].map(() => pool.acquire()));
  const rejected = Promise.all(
    [pool.acquire(), pool.acquire(), pool.openLane(FOREVER)].map((call) =>
      assertRejects(() => call as Promise<unknown>, ManagerClosedError)
    ),
  );
  let closed: number | undefined;
  const close = pool.close(5000).then((result) => closed = result);
  await rejected;
  checkInvariants(pool, { open: 4, waiting: 0, leased: 3 });
  leases[0]!.release();
  lane.release();
  await clock.advance(4999);
  leases[1]!.release();
  assertEquals([closed, driver.live.size], [undefined, 1]);
  leases[2]!.release();
  await close;
  assertEquals([closed, driver.live.size, clock.pending], [0, 0, 0]);
  checkInvariants(pool, { open: 0, opening: 0, waiting: 0, leased: 0 });
});

Deno.test("Pool.close() cuts what is in use when the drain's time is up", async () => {
  const { pool, driver, clock } = setUp();
  const lane = await pool.openLane(FOREVER);
  const lease = await pool.acquire();
  const close = pool.close(100);
  await clock.advance(100);
  assertEquals(await close, 2);
  assertEquals(driver.destroyed.map(({ reason }) => reason), ["closed", "closed"]);
  assertEquals(lease.connection.alive, false);
  lease.release();
  lane.release();
  assertEquals(driver.destroyed.length, 2);
});

Deno.test("Pool.close() without a drain is over at once, and gives the same promise", async () => {
  const { pool, driver } = setUp({}, MANUAL);
  const calls = [pool.acquire(), pool.openLane(FOREVER)];
  const { signal } = driver.creating[0]!;
  const rejected = Promise.all(
    calls.map((call) =>
      assertRejects(() => call as Promise<unknown>, ManagerClosedError)
    ),
  );
  const close = pool.close();
  assertStrictEquals(pool.close(1000), close);
  checkInvariants(pool, { open: 0, opening: 0, waiting: 0 });
  assert(signal!.aborted);
  await rejected;
  assertEquals(await close, 0);
  assertStrictEquals(pool.close(), close);
  assertEquals([pool.reap(), pool.fill()], [0, 0]);
  await assertRejects(() => pool.close(-1), RangeError, "drainMs must be");
});

Deno.test("Pool.close() destroys a connection that opens all the same", async () => {
  const { pool, driver } = setUp({}, { recycle: () => true });
  const gate = Promise.withResolvers<void>();
  const { create } = driver;
  driver.create = async (signal, purpose) => {
    driver.answers.create = () => true;
    await gate.promise;
    return await create.call(driver, signal, purpose);
  };
  const call = pool.acquire();
  await Promise.all([assertRejects(() => call, ManagerClosedError), pool.close()]);
  gate.resolve();
  await drainMicrotasks();
  assertEquals(driver.destroyed, [{ id: 1, reason: "closed" }]);
  assertEquals(driver.live.size, 0);
});

Deno.test("Pool.close() ends what is being validated and cleaned, and drops the answers", async () => {
  const { pool, driver, clock } = setUp(
    { validateAfterMs: 10 },
    { create: () => true, recycle: () => true },
  );
  const [one, two] = await Promise.all([pool.acquire(), pool.acquire()]);
  one.release();
  await clock.advance(11);
  const call = pool.acquire();
  driver.answers.recycle = () => undefined;
  two.release();
  assertEquals([pool.numbers().validating, pool.numbers().recycling], [1, 1]);
  await Promise.all([
    assertRejects(() => call, ManagerClosedError),
    pool.close(1000),
  ]);
  driver.validating[0]!.answer(true);
  driver.recycling[0]!.answer(true);
  await drainMicrotasks();
  assertEquals(driver.destroyed.length, 2);
  checkInvariants(pool, { open: 0, opening: 0, waiting: 0, leased: 0 });
});

Deno.test("Pool.close() ends the drain when the last connection in use ends by itself", async () => {
  const { pool, clock } = setUp();
  const lease = await pool.acquire();
  const close = pool.close(Infinity);
  assertEquals(clock.pending, 0);
  lease.connection.end("lost");
  assertEquals(await close, 0);
});
