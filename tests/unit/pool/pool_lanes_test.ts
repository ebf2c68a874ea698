import { assert, assertEquals, assertRejects } from "@std/assert";
import { drainMicrotasks } from "../../../src/testing/fake_clock.ts";
import { checkInvariants } from "./invariants.ts";
import { PoolCallers } from "./pool_callers.ts";
import { setUp } from "./setup.ts";

const MANUAL = { recycle: () => true };
const FOREVER = new AbortController().signal;

Deno.test("Pool.openLane() always has a place for the first lane, whatever is leased", async () => {
  for (const maxConnections of [2, 3, 10]) {
    const { pool } = setUp({ maxConnections });
    for (let i = 0; i < maxConnections + 5; i++) pool.acquire().catch(() => {});
    await drainMicrotasks();
    assertEquals(pool.numbers().leased, maxConnections - 1);
    const lane = await pool.openLane(FOREVER);
    assertEquals(lane.connection.purpose, "lane");
    checkInvariants(pool, { open: maxConnections });
    await pool.close();
  }
});

Deno.test("Pool.openLane() evicts what is idle, the longest idle first", async () => {
  const { pool, driver, clock } = setUp({ maxConnections: 3 });
  const leases = await Promise.all([pool.acquire(), pool.acquire()]);
  leases[1]!.release();
  await clock.advance(1);
  leases[0]!.release();
  await pool.openLane(FOREVER);
  assertEquals(driver.destroyed, []);
  await pool.openLane(FOREVER);
  assertEquals(driver.destroyed, [{ id: 2, reason: "made_room" }]);
  checkInvariants(pool, { open: 3 });
});

Deno.test("Pool.openLane() comes before callers who wait for longer", async () => {
  const { pool } = setUp({ maxConnections: 3 });
  const callers = new PoolCallers(pool);
  callers.openLane();
  callers.acquire(Infinity);
  callers.acquire(Infinity);
  await drainMicrotasks();
  callers.acquire(Infinity);
  callers.openLane();
  await drainMicrotasks();
  assertEquals(callers.takeOutcomes().length, 3);
  callers.giveBack(callers.leases[0]!, "release");
  await drainMicrotasks();
  assertEquals(callers.takeOutcomes(), [{ call: 5, result: 4 }]);
  checkInvariants(pool, { open: 3, waiting: 1, leased: 1 });
});

Deno.test("Pool.openLane() rejects with the driver's error, without another try", async () => {
  const { pool, driver } = setUp({}, MANUAL);
  const call = pool.openLane(FOREVER);
  driver.creating[0]!.fail(new TypeError("no"));
  await assertRejects(() => call, TypeError, "no");
  assertEquals(driver.creating.length, 0);
  checkInvariants(pool, { open: 0, opening: 0 });
});

Deno.test("Pool.openLane() ends the opening when its signal aborts", async () => {
  const { pool, driver } = setUp({ maxConnections: 2 }, MANUAL);
  const abort = new AbortController();
  const call = pool.openLane(abort.signal);
  const { signal } = driver.creating[0]!;
  abort.abort(new Error("not now"));
  await assertRejects(() => call, Error, "not now");
  assert(signal!.aborted);
  await drainMicrotasks();
  assertEquals(pool.statistics().evictions.connect_failed, 1);
  checkInvariants(pool, { open: 0, opening: 0 });
  await assertRejects(() => pool.openLane(abort.signal), Error, "not now");
});

Deno.test("Pool.openLane() destroys a lane that opens although its caller has gone", async () => {
  const { pool, driver } = setUp();
  const gate = Promise.withResolvers<void>();
  const { create } = driver;
  driver.create = async (signal, purpose) => {
    await gate.promise;
    return await create.call(driver, signal, purpose);
  };
  const abort = new AbortController();
  const call = pool.openLane(abort.signal);
  abort.abort();
  gate.resolve();
  await call.catch(() => {});
  await drainMicrotasks();
  assertEquals(driver.destroyed, [{ id: 1, reason: "unwanted" }]);
  checkInvariants(pool, { open: 0, opening: 0 });
});

Deno.test("Pool.acquire() always has a place for one lease, however many lanes there are", async () => {
  const { pool } = setUp({ maxConnections: 3 });
  const callers = new PoolCallers(pool);
  for (let i = 0; i < 4; i++) callers.openLane();
  await drainMicrotasks();
  assertEquals([callers.lanes.length, pool.numbers().lanesWaiting], [2, 2]);
  await pool.acquire();
  checkInvariants(pool, { open: 3, leased: 1 });
});

Deno.test("Pool.openLane() waits when lanes and leases have all places", async () => {
  const { pool, driver } = setUp({ maxConnections: 3 });
  const callers = new PoolCallers(pool);
  callers.openLane();
  callers.openLane();
  callers.openLane();
  await drainMicrotasks();
  assertEquals([callers.lanes.length, pool.numbers().lanesWaiting], [2, 1]);
  driver.kill(callers.lanes[0]!.item.connection);
  await drainMicrotasks();
  assertEquals(callers.lanes.length, 3);
  checkInvariants(pool, { open: 2 });
});

Deno.test("LaneHandle.release() ends the connection once, for the reason given", async () => {
  const { pool, driver } = setUp();
  const [one, two, three] = await Promise.all(
    [1, 2, 3].map(() => pool.openLane(FOREVER)),
  );
  one!.release();
  one!.release("unclean");
  two!.release("max_lifetime");
  driver.kill(three!.connection);
  three!.release();
  assertEquals(driver.destroyed, [
    { id: 1, reason: "lane_released" },
    { id: 2, reason: "max_lifetime" },
  ]);
  assertEquals(pool.statistics().evictions.ended, 1);
  checkInvariants(pool, { open: 0 });
});

Deno.test("LaneHandle.expiresAt tells when the lane is too old", async () => {
  const { pool, clock } = setUp({ maxLifetimeMs: 1000, random: () => 0.8 });
  await clock.advance(100);
  assertEquals((await pool.openLane(FOREVER)).expiresAt, 1080);
  assertEquals((await setUp().pool.openLane(FOREVER)).expiresAt, Infinity);
});

Deno.test("Pool of one connection asks the lane to make way, once, and takes turns", async () => {
  const { pool } = setUp({ maxConnections: 1 });
  const lane = await pool.openLane(FOREVER);
  let asked = 0;
  lane.onWanted(() => asked++);
  const ended: string[] = [];
  const first = pool.acquire().then((lease) => (ended.push("lease 1"), lease));
  const second = pool.acquire().then((lease) => (ended.push("lease 2"), lease));
  assertEquals([asked, lane.wanted], [1, true]);
  // The owner has commands to send, and asks for the next lane at once.
  const next = pool.openLane(FOREVER).then((slot) => (ended.push("lane"), slot));
  lane.release();
  await drainMicrotasks();
  assertEquals(ended, ["lease 1"]);
  (await first).release();
  await drainMicrotasks();
  assertEquals(ended, ["lease 1", "lane"]);
  let wanted = false;
  (await next).onWanted(() => wanted = true);
  assertEquals(wanted, true);
  (await next).release();
  (await second).release();
  checkInvariants(pool, { open: 1, leased: 0, waiting: 0 });
});

Deno.test("Pool of one connection gives the lane the place of an idle connection", async () => {
  const { pool, driver } = setUp({ maxConnections: 1 });
  (await pool.acquire()).release();
  await pool.openLane(FOREVER);
  assertEquals(driver.destroyed, [{ id: 1, reason: "made_room" }]);
  checkInvariants(pool, { open: 1, leased: 0 });
});

Deno.test("Pool of one connection lets callers time out while the lane does not make way", async () => {
  const { pool, clock } = setUp({ maxConnections: 1, acquireTimeoutMs: 100 });
  await pool.openLane(FOREVER);
  const ended: string[] = [];
  pool.acquire().catch((error) => ended.push(error.message));
  await clock.advance(100);
  assertEquals(ended.length, 1);
  assert(ended[0]!.includes("lanes 1, in use 0"), ended[0]);
});

Deno.test("Pool of one connection takes turns also when connections fail", async () => {
  const { pool, driver } = setUp({ maxConnections: 1 }, MANUAL);
  const callers = new PoolCallers(pool);
  const purposes: string[] = [];
  callers.acquire(Infinity);
  for (let i = 0; i < 3; i++) {
    callers.acquire(Infinity);
    callers.openLane();
  }
  for (let i = 0; i < 6; i++) {
    purposes.push(driver.creating[0]!.purpose!);
    driver.creating[0]!.fail(new Error("no"));
    await drainMicrotasks();
  }
  assertEquals(purposes, ["lease", "lane", "lease", "lane", "lease", "lane"]);
});
