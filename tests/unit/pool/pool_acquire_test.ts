import { assert, assertEquals, assertRejects } from "@std/assert";
import {
  AcquireTimeoutError,
  ManagerClosedError,
  OverloadedError,
} from "../../../src/core/errors/mod.ts";
import type { Lease } from "../../../src/pool/lease.ts";
import { Pool } from "../../../src/pool/pool.ts";
import { drainMicrotasks } from "../../../src/testing/fake_clock.ts";
import type { FakeConnection } from "./fake_driver.ts";
import { checkInvariants } from "./invariants.ts";
import { seededRandom } from "./random.ts";
import { BASIC, setUp } from "./setup.ts";

const MANUAL = { recycle: () => true };

/** Notes how a call ends, in `ended`. */
function note(ended: string[], name: string, call: Promise<Lease<FakeConnection>>) {
  return call.then(
    (lease) => (ended.push(`${name}: ${lease.connection.id}`), lease),
    (error) => void ended.push(`${name}: ${error.name}`),
  );
}

Deno.test("Pool opens nothing before it is asked", async () => {
  const { pool, driver, clock } = setUp({ minConnections: 2 }, MANUAL);
  pool.reap();
  await clock.advance(100_000);
  assertEquals([driver.creating.length, clock.pending], [0, 0]);
  checkInvariants(pool, { open: 0, opening: 0 });
});

Deno.test("Pool.acquire() callers out the connection used last, without a wait", async () => {
  const { pool, driver } = setUp({ maxConnections: 10 });
  const leases = await Promise.all([1, 2, 3].map(() => pool.acquire()));
  const [one, two, three] = leases.map(({ connection }) => connection.id);
  leases[1]!.release();
  leases[0]!.release();
  leases[2]!.release();
  const order: number[] = [];
  for (let i = 0; i < 3; i++) {
    let lease: Lease<FakeConnection> | undefined;
    pool.acquire().then((got) => lease = got);
    await null;
    order.push(lease!.connection.id);
  }
  assertEquals(order, [three!, one!, two!]);
  assertEquals(driver.live.size, 3);
  checkInvariants(pool, { open: 3, leased: 3 });
});

Deno.test("Pool.acquire() serves callers in the order in which they came", async () => {
  const { pool } = setUp({ maxConnections: 3 });
  const leases = await Promise.all([pool.acquire(), pool.acquire()]);
  const ended: string[] = [];
  const waiting = ["a", "b", "c"].map((name) => note(ended, name, pool.acquire()));
  leases[1]!.release();
  await drainMicrotasks();
  (await waiting[0])!.release();
  leases[0]!.release();
  await drainMicrotasks();
  assertEquals(ended, ["a: 2", "b: 2", "c: 1"]);
});

Deno.test("Pool.acquire() rejects when waiting exceeds the time, with the numbers", async () => {
  const { pool, clock } = setUp({ maxConnections: 3, acquireTimeoutMs: 3000 });
  await Promise.all([pool.acquire(), pool.acquire()]);
  const ended: string[] = [];
  note(ended, "later", pool.acquire({ timeoutMs: 5000 }));
  const call = pool.acquire();
  const error = await Promise.all([
    assertRejects(() => call, AcquireTimeoutError),
    clock.advance(3000),
  ]).then(([rejected]) => rejected);
  assertEquals(
    error.message,
    'Cannot acquire a connection from pool "test" within 3000 ms (total 2 of 3, lanes 0, ' +
      "in use 2, idle 0, connecting 0, waiting 2)",
  );
  assertEquals([error.waiting, error.inUse, ended], [2, 2, []]);
  await clock.advance(1999);
  assertEquals(ended, []);
  await clock.advance(1);
  assertEquals(ended, ["later: AcquireTimeoutError"]);
  assertEquals([pool.statistics().acquireTimeouts, clock.pending], [2, 0]);
  checkInvariants(pool, { waiting: 0 });
});

Deno.test("Pool.acquire() times out in the order of deadlines, with one timer", async () => {
  const { pool, clock } = setUp({ maxConnections: 2 });
  await pool.acquire();
  const ended: string[] = [];
  for (const ms of [500, 100, 300, 200, Infinity]) {
    note(ended, `${ms}`, pool.acquire({ timeoutMs: ms }));
  }
  assertEquals(clock.pending, 1);
  await clock.advance(250);
  assertEquals(ended.map((text) => text.split(":")[0]), ["100", "200"]);
  await clock.advance(1e9);
  assertEquals(ended.map((text) => text.split(":")[0]), ["100", "200", "300", "500"]);
  checkInvariants(pool, { waiting: 1 });
});

Deno.test("Pool.acquire() is served by what came back while the process was busy", async () => {
  const { pool, clock } = setUp({ maxConnections: 2 });
  const lease = await pool.acquire();
  const ended: string[] = [];
  note(ended, "a", pool.acquire({ timeoutMs: 1000 }));
  // A reply that is in the socket when the process wakes up gives the lease back: the
  // timer is due before, and the deadline must be judged after.
  const { afterPoll } = clock;
  clock.afterPoll = (fn) => {
    lease.release();
    afterPoll.call(clock, fn);
  };
  clock.freeze(20_000);
  await clock.advance(0);
  assertEquals(ended, ["a: 1"]);
});

Deno.test("Pool.acquire() refuses at once when too many wait", async () => {
  const { pool } = setUp({ maxConnections: 2, maxWaiting: 2 });
  await pool.acquire();
  const ended: string[] = [];
  note(ended, "a", pool.acquire());
  note(ended, "b", pool.acquire());
  const error = await assertRejects(() => pool.acquire(), OverloadedError);
  assertEquals([error.current, error.limit, ended], [2, 2, []]);
  checkInvariants(pool, { waiting: 2 });
});

Deno.test("Pool.acquire() refuses a time that is none", async () => {
  const { pool, driver } = setUp({}, MANUAL);
  for (const timeoutMs of [-1, NaN]) {
    await assertRejects(
      () => pool.acquire({ timeoutMs }),
      RangeError,
      "timeoutMs must be",
    );
  }
  assertEquals(driver.creating.length, 0);
});

Deno.test("Pool.acquire() rejects with the signal's reason, before and during the wait", async () => {
  const { pool, clock } = setUp({ maxConnections: 2 });
  const held = await pool.acquire();
  const reason = new Error("the caller has gone");
  await assertRejects(
    () => pool.acquire({ signal: AbortSignal.abort(reason) }),
    Error,
    "the caller has gone",
  );
  await assertRejects(
    () => {
      const abort = new AbortController();
      const call = pool.acquire({ signal: abort.signal });
      checkInvariants(pool, { waiting: 1 });
      abort.abort(null);
      checkInvariants(pool, { waiting: 0 });
      return call.catch((given) => {
        assertEquals(given, null);
        throw reason;
      });
    },
    Error,
    "the caller has gone",
  );
  held.release();
  await clock.advance(10_000);
  checkInvariants(pool, { open: 1, waiting: 0, leased: 0 });
});

Deno.test("Pool.acquire() gives what was opened for an aborted caller to the next one", async () => {
  const { pool, driver } = setUp({ maxConnections: 2 }, MANUAL);
  const abort = new AbortController();
  const ended: string[] = [];
  note(ended, "a", pool.acquire({ signal: abort.signal }));
  note(ended, "b", pool.acquire());
  assertEquals(driver.creating.length, 1);
  abort.abort();
  assertEquals(driver.creating[0]!.signal!.aborted, false);
  driver.creating[0]!.answer(true);
  await drainMicrotasks();
  assertEquals(ended, ["a: AbortError", "b: 1"]);
});

Deno.test("Pool.acquire() keeps what was opened for an aborted caller idle", async () => {
  const { pool, driver } = setUp({}, MANUAL);
  const abort = new AbortController();
  const ended: string[] = [];
  note(ended, "a", pool.acquire({ signal: abort.signal }));
  abort.abort();
  driver.creating[0]!.answer(true);
  await drainMicrotasks();
  assertEquals([ended, pool.numbers().idle], [["a: AbortError"], 1]);
  checkInvariants(pool, { open: 1, opening: 0, waiting: 0 });
});

Deno.test("Pool is whole after 5,000 callers were aborted in random order", async () => {
  const { pool, clock } = setUp({ maxConnections: 11, maxWaiting: 10_000 });
  const held = await Promise.all(Array.from({ length: 10 }, () => pool.acquire()));
  const ended: string[] = [];
  const aborts = Array.from({ length: 5000 }, (_, i) => {
    const abort = new AbortController();
    note(ended, `${i}`, pool.acquire({ signal: abort.signal }));
    return abort;
  });
  const random = seededRandom(3);
  let released = 0;
  while (aborts.length > 0) {
    aborts.splice(random.below(aborts.length), 1)[0]!.abort();
    // Some are served meanwhile, and give nothing back before all is over.
    if (aborts.length % 1000 === 0) held[released++]!.release();
    checkInvariants(pool, { waiting: pool.numbers().waiting });
  }
  await drainMicrotasks();
  assertEquals(ended.length, 5000);
  const served = ended.filter((text) => !text.endsWith("AbortError")).length;
  checkInvariants(pool, { open: 10, waiting: 0, leased: 10 - released + served });
  await clock.advance(10_000);
});

Deno.test("Pool.acquire() opens one connection for each caller, up to maxConnecting", async () => {
  const { pool, driver } = setUp({ maxConnections: 9, maxConnecting: 3 }, MANUAL);
  const ended: string[] = [];
  for (const name of ["a", "b", "c", "d", "e"]) note(ended, name, pool.acquire());
  assertEquals(driver.creating.length, 3);
  driver.creating[2]!.answer(true);
  await drainMicrotasks();
  assertEquals([ended, driver.creating.length], [["a: 1"], 3]);
  checkInvariants(pool, { open: 1, opening: 3, waiting: 4 });
});

Deno.test("Pool.acquire() fails the caller whose connection could not be opened, and no other", async () => {
  const { pool, driver } = setUp({ maxConnections: 3 }, MANUAL);
  const ended: string[] = [];
  for (const name of ["a", "b", "c"]) note(ended, name, pool.acquire());
  assertEquals(driver.creating.length, 2);
  driver.creating[1]!.fail(new TypeError("no"));
  await drainMicrotasks();
  assertEquals(ended, ["b: TypeError"]);
  // The next one is tried for the caller who had none on the way.
  assertEquals(driver.creating.length, 2);
  driver.creating[1]!.answer(true);
  await drainMicrotasks();
  assertEquals(ended, ["b: TypeError", "a: 1"]);
  // It was for a, who has been served: c comes first now, and has nothing on the way.
  driver.creating[0]!.fail(new RangeError("no"));
  await drainMicrotasks();
  assertEquals(ended, ["b: TypeError", "a: 1", "c: RangeError"]);
  assertEquals(pool.statistics().evictions.connect_failed, 2);
  checkInvariants(pool, { open: 1, opening: 0, waiting: 0 });
});

Deno.test("Pool.acquire() fails no caller when enough connections for all are coming", async () => {
  const { pool, driver } = setUp({ maxConnections: 4, minConnections: 2 }, MANUAL);
  pool.fill();
  assertEquals(driver.creating.length, 2);
  const ended: string[] = [];
  note(ended, "a", pool.acquire());
  driver.creating[0]!.fail(new Error("no"));
  await drainMicrotasks();
  assertEquals(ended, []);
  driver.creating[0]!.answer(true);
  await drainMicrotasks();
  assertEquals(ended, ["a: 1"]);
});

Deno.test("Pool.acquire() remembers who lost what was on the way, and opens for that one", async () => {
  const { pool, driver } = setUp({ maxConnections: 5 }, { create: () => true });
  const lease = await pool.acquire();
  driver.answers = {};
  const ended: string[] = [];
  for (const name of ["a", "b"]) note(ended, name, pool.acquire());
  lease.release();
  // One is on the way for a, and one is being cleaned: enough for both.
  driver.creating[1]!.fail(new TypeError("no"));
  await drainMicrotasks();
  assertEquals([ended, driver.creating.length], [[], 1]);
  driver.recycling[0]!.answer(false);
  await drainMicrotasks();
  assertEquals([ended, driver.creating.length], [[], 2]);
  driver.creating[1]!.fail(new RangeError("no"));
  await drainMicrotasks();
  assertEquals(ended, ["b: RangeError"]);
});

Deno.test("Pool.acquire() survives drivers that throw, and fails each caller once", async () => {
  const { pool, driver } = setUp({ maxConnections: 3 });
  driver.create = () => {
    throw new SyntaxError("thrown");
  };
  const ended: string[] = [];
  for (const name of ["a", "b", "c", "d"]) note(ended, name, pool.acquire());
  await drainMicrotasks();
  assertEquals(ended.length, 4);
  assert(ended.every((text) => text.endsWith("SyntaxError")), ended.join());
  assertEquals(pool.statistics().created, 4);
  checkInvariants(pool, { open: 0, opening: 0, waiting: 0 });
});

Deno.test("Pool.acquire() fails a caller when the connection ends as it opens", async () => {
  const { pool, driver } = setUp({ maxConnections: 3 });
  const { create } = driver;
  driver.create = async (signal, purpose) => {
    const connection = await create.call(driver, signal, purpose);
    driver.kill(connection);
    return connection;
  };
  await assertRejects(() => pool.acquire(), Error, "the connection was lost (killed)");
  await assertRejects(
    () => pool.openLane(new AbortController().signal),
    Error,
    "the connection was lost (killed)",
  );
  assertEquals([driver.destroyed, pool.statistics().evictions.ended], [[], 2]);
  checkInvariants(pool, { open: 0, opening: 0, waiting: 0 });
});

Deno.test("Pool.acquire() opens another connection when a held one ends", async () => {
  const { pool, driver } = setUp({ maxConnections: 2 });
  const lease = await pool.acquire();
  const ended: string[] = [];
  note(ended, "a", pool.acquire());
  await drainMicrotasks();
  assertEquals(ended, []);
  driver.kill(lease.connection);
  await drainMicrotasks();
  assertEquals(ended, ["a: 2"]);
  lease.release();
  checkInvariants(pool, { open: 1, leased: 1 });
});

Deno.test("Pool.acquire() never callers out an idle connection that has ended", async () => {
  const { pool, driver } = setUp();
  const leases = await Promise.all([pool.acquire(), pool.acquire()]);
  const [one, two] = leases.map(({ connection }) => connection);
  for (const lease of leases) lease.release();
  driver.kill(two!);
  assertEquals((await pool.acquire()).connection, one);
  assertEquals(driver.destroyed, []);
});

for (
  const [how, recycle] of [
    ["says no", () => false],
    ["throws", () => {
      throw new Error("no");
    }],
    ["says no later", () => Promise.resolve(false)],
    ["fails later", () => Promise.reject(new Error("no"))],
  ] as const
) {
  Deno.test(`Pool destroys what is not clean when recycling ${how}, and opens another`, async () => {
    const { pool, driver } = setUp({ maxConnections: 2 }, {
      create: () => true,
      recycle,
    });
    const lease = await pool.acquire();
    const ended: string[] = [];
    note(ended, "a", pool.acquire());
    lease.release();
    await drainMicrotasks();
    assertEquals(ended, ["a: 2"]);
    assertEquals(driver.destroyed, [{ id: 1, reason: "unclean" }]);
    checkInvariants(pool, { open: 1 });
  });
}

Deno.test("Pool callers out what is being cleaned only when it is clean", async () => {
  const { pool, driver } = setUp({ maxConnections: 3 }, { create: () => true });
  const lease = await pool.acquire();
  lease.release();
  assertEquals([pool.numbers().recycling, pool.numbers().inUse], [1, 1]);
  const ended: string[] = [];
  note(ended, "a", pool.acquire());
  await drainMicrotasks();
  // What will be clean soon is enough for one; the next one needs another.
  assertEquals([ended, pool.numbers().total], [[], 1]);
  note(ended, "b", pool.acquire());
  await drainMicrotasks();
  assertEquals(ended, ["a: 2"]);
  driver.recycling[0]!.answer(true);
  await drainMicrotasks();
  assertEquals(ended, ["a: 2", "b: 1"]);
});

Deno.test("Pool drops the answer of a connection that ended while it was cleaned", async () => {
  const { pool, driver } = setUp({}, { create: () => true });
  const lease = await pool.acquire();
  const { connection } = lease;
  lease.release();
  driver.kill(connection);
  driver.recycling[0]!.answer(true);
  await drainMicrotasks();
  checkInvariants(pool, { open: 0, leased: 0 });
  assertEquals(driver.destroyed, []);
});

Deno.test("Pool drops a connection that ends while it is recycled at once", async () => {
  const { pool, driver } = setUp();
  const lease = await pool.acquire();
  driver.answers.recycle = (connection) => {
    driver.kill(connection);
    return true;
  };
  lease.release();
  checkInvariants(pool, { open: 0, leased: 0 });
  assertEquals(pool.numbers().idle, 0);
});

Deno.test("Pool.acquire() validates what was idle for long, and only that", async () => {
  const { pool, driver, clock } = setUp({ validateAfterMs: 30_000 });
  (await pool.acquire()).release();
  await clock.advance(30_000);
  (await pool.acquire()).release();
  assertEquals(driver.validating.length, 0);
  await clock.advance(30_001);
  const ended: string[] = [];
  note(ended, "a", pool.acquire());
  await drainMicrotasks();
  assertEquals(ended, []);
  const { validating, idle, connecting } = pool.numbers();
  assertEquals({ validating, idle, connecting }, {
    validating: 1,
    idle: 0,
    connecting: 1,
  });
  driver.validating[0]!.answer(true);
  await drainMicrotasks();
  assertEquals(ended, ["a: 1"]);
});

Deno.test("Pool.acquire() validates each time with a threshold of 0, and ends", async () => {
  const { pool, driver, clock } = setUp({ validateAfterMs: 0 });
  let asked = 0;
  driver.answers.validate = () => ++asked > 0;
  for (let i = 0; i < 5; i++) {
    (await pool.acquire()).release();
    await clock.advance(1);
  }
  assertEquals([asked, driver.live.size], [4, 1]);
});

Deno.test("Pool.acquire() replaces what does not answer, and tries what is idle first", async () => {
  const { pool, driver, clock } = setUp({ validateAfterMs: 10 });
  const leases = await Promise.all([pool.acquire(), pool.acquire()]);
  for (const lease of leases) lease.release();
  await clock.advance(11);
  const ended: string[] = [];
  note(ended, "a", pool.acquire());
  driver.validating[0]!.answer(false);
  await drainMicrotasks();
  driver.validating[0]!.fail(new Error("timeout"));
  await drainMicrotasks();
  assertEquals(driver.destroyed, [{ id: 2, reason: "invalid" }, {
    id: 1,
    reason: "invalid",
  }]);
  assertEquals(ended, ["a: 3"]);
});

Deno.test("Pool.acquire() opens another connection when one ends while it is validated", async () => {
  const { pool, driver, clock } = setUp({ validateAfterMs: 10 });
  (await pool.acquire()).release();
  await clock.advance(11);
  const call = pool.acquire();
  const [asked] = driver.validating;
  driver.kill(asked!.connection!);
  asked!.answer(true);
  assertEquals((await call).connection.id, 2);
  checkInvariants(pool, { open: 1, leased: 1 });
});

Deno.test("Pool.acquire() ends a connection that is too old instead of leasing it", async () => {
  const { pool, driver, clock } = setUp({ maxLifetimeMs: 1000 });
  const held = await pool.acquire();
  (await pool.acquire()).release();
  await clock.advance(1000);
  const lease = await pool.acquire();
  assertEquals(lease.connection.id, 3);
  assertEquals(driver.destroyed, [{ id: 2, reason: "max_lifetime" }]);
  held.release();
  assertEquals(driver.destroyed[1], { id: 1, reason: "max_lifetime" });
});

Deno.test("Pool counts what it does, and gives its observers the times", async () => {
  const times: string[] = [];
  const { pool, clock } = setUp({ maxConnections: 2 }, undefined, {
    opened: (_connection, _purpose, ms) => times.push(`opened ${ms}`),
    acquired: (ms) => times.push(`acquired ${ms}`),
    released: (ms) => times.push(`released ${ms}`),
  });
  const lease = await pool.acquire();
  const waiting = pool.acquire();
  await clock.advance(40);
  lease.release();
  const second = await waiting;
  await clock.advance(10);
  second.release();
  assertEquals(pool.statistics().created, 1);
  assertEquals(times, [
    "opened 0",
    "acquired 0",
    "released 40",
    "acquired 40",
    "released 10",
  ]);
});

Deno.test("Pool.statistics() is a snapshot", async () => {
  const { pool } = setUp();
  const before = pool.statistics();
  (await pool.acquire()).destroy();
  assertEquals([before.created, before.evictions.discarded], [0, 0]);
  const { created, evictions } = pool.statistics();
  assertEquals([created, evictions.discarded], [1, 1]);
});

Deno.test("Pool calls its hooks, and does the same without them", async () => {
  const told: string[] = [];
  const { pool, driver, clock } = setUp({ maxConnections: 2 }, undefined, {
    opened: ({ id }, purpose, ms) => told.push(`opened ${id} ${purpose} ${ms}`),
    acquired: (ms) => told.push(`acquired ${ms}`),
    released: (ms) => told.push(`released ${ms}`),
  });
  const lease = await pool.acquire();
  await clock.advance(5);
  lease.release();
  driver.kill([...driver.live][0]!);
  driver.answers.create = () => new Error("refused");
  await pool.acquire().catch(() => {});
  driver.answers.create = () => true;
  await pool.openLane(new AbortController().signal);
  await pool.close();
  assertEquals(told, [
    "opened 1 lease 0",
    "acquired 0",
    "released 5",
    "opened 2 lane 0",
  ]);
  assertEquals(driver.destroyed, [{ id: 2, reason: "closed" }]);
  const { ended, connect_failed, closed } = pool.statistics().evictions;
  assertEquals([ended, connect_failed, closed], [1, 1, 1]);
});

Deno.test("Pool.acquire() costs the same for each of many callers, few or many", async () => {
  // Counted, not timed: how often the clock is read and the driver is asked grows with
  // the callers, and nothing is looked at twice for each of the others.
  for (const callers of [100, 10_000]) {
    const { driver, clock } = setUp();
    let looked = 0;
    let served = 0;
    const now = clock.now.bind(clock);
    clock.now = () => (looked++, now());
    const pool = new Pool(
      { ...BASIC, maxConnections: 11, maxWaiting: callers },
      driver,
      clock,
    );
    await Promise.all(Array.from({ length: callers }, async () => {
      (await pool.acquire()).release();
      served++;
    }));
    assertEquals(served, callers);
    assertEquals(driver.live.size, 10);
    assert(
      looked < callers * 4 + 100,
      `${looked} looks at the clock for ${callers} callers`,
    );
    await pool.close();
  }
});

Deno.test("Pool.acquire() rejects when the pool is closed", async () => {
  const { pool } = setUp();
  await pool.close();
  await assertRejects(() => pool.acquire(), ManagerClosedError, '"test"');
  await assertRejects(
    () => pool.openLane(new AbortController().signal),
    ManagerClosedError,
  );
});
