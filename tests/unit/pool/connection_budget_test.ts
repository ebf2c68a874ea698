import { assert, assertEquals } from "@std/assert";
import { ConnectionBudget } from "../../../src/pool/connection_budget.ts";
import { Pool } from "../../../src/pool/pool.ts";
import type { PoolOptions } from "../../../src/pool/types.ts";
import { drainMicrotasks, FakeClock } from "../../../src/testing/fake_clock.ts";
import { type FakeConnection, FakeDriver } from "./fake_driver.ts";
import { checkBudget, checkInvariants } from "./invariants.ts";
import { PoolCallers } from "./pool_callers.ts";
import { seededRandom } from "./random.ts";
import { BASIC } from "./setup.ts";

/** Pools that share a budget, and who stands at each. */
class Shared {
  readonly clock = new FakeClock();
  readonly driver = new FakeDriver();
  readonly budget: ConnectionBudget;
  readonly pools: Pool<FakeConnection>[];
  readonly callers: PoolCallers<FakeConnection>[];

  constructor(max: number, settings: Partial<PoolOptions>[]) {
    const budget = this.budget = new ConnectionBudget(max);
    this.pools = settings.map((each, i) => {
      const options = {
        ...BASIC,
        database: `db${i}`,
        maxConnections: 20,
        ...each,
      };
      return new Pool(options, this.driver, this.clock, {}, budget);
    });
    this.callers = this.pools.map((pool) => new PoolCallers(pool));
  }

  async check(): Promise<void> {
    await drainMicrotasks();
    checkBudget(this.budget, this.pools);
    for (const pool of this.pools) checkInvariants(pool);
  }

  waiting(): number[] {
    return this.pools.map((pool) => pool.numbers().waiting);
  }

  leased(): number[] {
    return this.pools.map((pool) => pool.numbers().leased);
  }
}

Deno.test("ConnectionBudget limits all pools together, and serves when any gives back", async () => {
  const shared = new Shared(6, [{}, {}]);
  const [a, b] = shared.callers;
  a!.openLane();
  b!.openLane();
  for (let i = 0; i < 4; i++) a!.acquire(Infinity);
  await shared.check();
  assertEquals([shared.leased(), shared.budget.used], [[4, 0], 6]);
  b!.acquire(Infinity);
  await shared.check();
  assertEquals([shared.waiting(), shared.budget.starving], [[0, 1], true]);
  a!.giveBack(a!.leases[0]!, "release");
  await shared.check();
  assertEquals([shared.leased(), shared.waiting()], [[3, 1], [0, 0]]);
  assertEquals(shared.pools[0]!.statistics().evictions.budget, 1);
  assertEquals(shared.budget.starving, false);
});

Deno.test("ConnectionBudget has what was idle for longest make way, of whatever pool", async () => {
  const shared = new Shared(6, [{}, {}, {}]);
  const [a, b, c] = shared.callers;
  for (const callers of shared.callers) callers.openLane();
  await shared.check();
  a!.acquire(Infinity);
  b!.acquire(Infinity);
  c!.acquire(Infinity);
  await shared.check();
  await shared.clock.advance(1);
  b!.giveBack(b!.leases[0]!, "release");
  await shared.clock.advance(1);
  a!.giveBack(a!.leases[0]!, "release");
  await shared.check();
  c!.acquire(Infinity);
  await shared.check();
  assertEquals(shared.pools.map((pool) => pool.numbers().idle), [1, 0, 0]);
  assertEquals(shared.leased(), [0, 0, 2]);
});

Deno.test("ConnectionBudget evicts nothing where that would not make room", async () => {
  const shared = new Shared(4, [{}, {}, {}]);
  const [a, b] = shared.callers;
  a!.acquire(Infinity);
  await shared.check();
  a!.giveBack(a!.leases[0]!, "release");
  // Three places are kept for the lanes of three pools.
  b!.acquire(Infinity);
  await shared.check();
  assertEquals([shared.leased(), shared.waiting()], [[0, 1, 0], [0, 0, 0]]);
  b!.acquire(Infinity);
  await shared.check();
  assertEquals([shared.leased(), shared.waiting()], [[0, 1, 0], [0, 1, 0]]);
});

Deno.test("ConnectionBudget keeps a place for the first lane of every pool", async () => {
  const shared = new Shared(10, [{}, {}, {}]);
  const [a, b, c] = shared.callers;
  for (let i = 0; i < 20; i++) a!.acquire(Infinity);
  await shared.check();
  assertEquals([shared.leased(), shared.waiting()], [[7, 0, 0], [13, 0, 0]]);
  for (const callers of [c!, b!, a!]) callers.openLane();
  await shared.check();
  assertEquals(shared.pools.map((pool) => pool.numbers().lanes), [1, 1, 1]);
  assertEquals(shared.budget.used, 10);
  // A lane that is lost can be opened again before any caller gets the place.
  shared.driver.kill(b!.lanes[0]!.item.connection);
  await shared.check();
  assertEquals(shared.leased(), [7, 0, 0]);
  b!.openLane();
  await shared.check();
  assertEquals(shared.pools[1]!.numbers().lanes, 1);
});

Deno.test("ConnectionBudget that is smaller than its pools still serves leases and lanes", async () => {
  const shared = new Shared(2, [{}, {}, {}, {}]);
  const [a, b, c, d] = shared.callers;
  a!.acquire(Infinity);
  await shared.check();
  b!.acquire(Infinity);
  await shared.check();
  assertEquals(shared.leased(), [1, 0, 0, 0]);
  c!.openLane();
  d!.openLane();
  await shared.check();
  assertEquals(shared.pools.map((pool) => pool.numbers().lanes), [0, 0, 1, 0]);
  a!.giveBack(a!.leases[0]!, "release");
  await shared.check();
  // Lanes come before leases, also when they came later.
  assertEquals(shared.pools.map((pool) => pool.numbers().lanes), [0, 0, 1, 1]);
  assertEquals(shared.leased(), [0, 0, 0, 0]);
});

Deno.test("ConnectionBudget lets pools of one connection use their place for either", async () => {
  const shared = new Shared(2, [{ maxConnections: 1 }, { maxConnections: 1 }]);
  const [a, b] = shared.callers;
  a!.acquire(Infinity);
  await shared.check();
  b!.openLane();
  await shared.check();
  assertEquals([shared.leased(), shared.budget.used], [[1, 0], 2]);
});

Deno.test("ConnectionBudget gives no further lane the last place", async () => {
  const shared = new Shared(4, [{ minConnections: 1 }, {}]);
  const [a, b] = shared.callers;
  for (const callers of [a!, b!, a!, b!]) callers.openLane();
  await shared.check();
  assertEquals(shared.pools.map((pool) => pool.numbers().lanes), [2, 1]);
  // Nothing is opened ahead while the lane waits.
  assertEquals(shared.pools[0]!.fill(), 0);
  b!.acquire(Infinity);
  await shared.check();
  assertEquals([shared.leased(), shared.budget.used], [[0, 1], 4]);
});

Deno.test("ConnectionBudget keeps a place for a pool of one connection", async () => {
  const shared = new Shared(3, [{}, { maxConnections: 1 }]);
  const [a, b] = shared.callers;
  for (let i = 0; i < 3; i++) a!.acquire(Infinity);
  await shared.check();
  assertEquals([shared.leased(), shared.waiting()], [[1, 0], [2, 0]]);
  b!.acquire(Infinity);
  await shared.check();
  assertEquals([shared.leased(), shared.waiting()], [[1, 1], [2, 0]]);
});

Deno.test("ConnectionBudget keeps no place for a pool that is closed", async () => {
  const shared = new Shared(2, [{}, {}]);
  const [a] = shared.callers;
  a!.openLane();
  a!.acquire(Infinity);
  await shared.check();
  assertEquals([shared.leased(), shared.waiting()], [[0, 0], [1, 0]]);
  await shared.pools[1]!.close();
  await shared.check();
  assertEquals([shared.leased(), shared.waiting()], [[1, 0], [0, 0]]);
});

Deno.test("ConnectionBudget serves pools in turn", async () => {
  const shared = new Shared(4, [{}, {}, {}]);
  for (const callers of shared.callers) callers.openLane();
  await shared.check();
  const [a, b, c] = shared.callers;
  a!.acquire(Infinity);
  await shared.check();
  for (let i = 0; i < 3; i++) a!.acquire(Infinity);
  for (const callers of [b!, c!]) callers.acquire(Infinity);
  const order: number[] = [];
  for (let i = 0; i < 6; i++) {
    await shared.check();
    const holder = shared.callers.findIndex(({ leases }) => leases.length > 0);
    order.push(holder);
    const [held] = shared.callers[holder]!.leases;
    // What a pool has, it lends to its own callers first; a new place goes round.
    shared.callers[holder]!.giveBack(held!, "destroy");
  }
  assertEquals(order, [0, 0, 1, 2, 0, 0]);
});

Deno.test("ConnectionBudget opens ahead only into places that no other pool waits for", async () => {
  const shared = new Shared(4, [{ minConnections: 3 }, { minConnections: 3 }]);
  for (const callers of shared.callers) callers.openLane();
  await shared.check();
  const [a, b] = shared.pools;
  assertEquals([a!.numbers().idle, b!.numbers().idle], [2, 0]);
  assertEquals([a!.fill(), b!.fill()], [0, 0]);
  shared.callers[1]!.acquire(Infinity);
  await shared.check();
  assertEquals([a!.numbers().idle, b!.numbers().leased], [1, 1]);
});

Deno.test("ConnectionBudget gives the places of a closed pool to the others", async () => {
  const shared = new Shared(3, [{}, {}]);
  const [a, b] = shared.callers;
  a!.acquire(Infinity);
  a!.openLane();
  await shared.check();
  b!.acquire(Infinity);
  await shared.check();
  assertEquals(shared.waiting(), [0, 1]);
  await shared.pools[0]!.close();
  await shared.check();
  assertEquals([shared.leased(), shared.budget.used], [[0, 1], 1]);
  await shared.pools[1]!.close();
  assertEquals([shared.budget.used, shared.budget.starving], [0, false]);
});

Deno.test("ConnectionBudget holds in 20,000 random steps of three pools, and none starves", async () => {
  for (let seed = 1; seed <= 20; seed++) {
    const random = seededRandom(seed);
    const max = 3 + random.below(6);
    const sizes = [random.pick([1, 2, 5])!, random.pick([1, 3])!, 4];
    const settings = sizes.map((maxConnections) => ({
      maxConnections,
      minConnections: random.below(3),
      maxConnecting: 1 + random.below(3),
    }));
    const shared = new Shared(max, settings);
    shared.driver.answers.create = () => random.next() < 0.1 ? new Error("no") : true;
    for (let step = 0; step < 1000; step++) {
      const callers = random.pick(shared.callers)!;
      const dice = random.next();
      if (dice < 0.4) callers.acquire(random.pick([5, 50, Infinity])!);
      else if (dice < 0.45) callers.openLane();
      else if (dice < 0.8) {
        if (callers.leases.length > 0) {
          callers.giveBack(random.pick(callers.leases)!, "release");
        }
      } else if (dice < 0.85) {
        callers.abort(random.pick([...callers.pending.keys()]) ?? 0);
      } else if (dice < 0.9) {
        if (callers.lanes.length > 0) callers.closeLane(random.pick(callers.lanes)!);
      } else if (dice < 0.94) {
        if (shared.driver.live.size > 0) {
          shared.driver.kill(random.pick([...shared.driver.live])!);
        }
      } else if (dice < 0.97) random.pick(shared.pools)!.reap();
      else await shared.clock.advance(3);
      await shared.check();
    }
    shared.driver.answers.create = () => true;
    // When all is given back, again and again, everybody has been served.
    const busy = () => shared.callers.some(({ pending }) => pending.size > 0);
    for (let round = 0; busy(); round++) {
      assert(round < 2000, `seed ${seed}: still waiting ${shared.waiting()}`);
      for (const callers of shared.callers) {
        for (const held of [...callers.leases]) callers.giveBack(held, "release");
        for (const held of [...callers.lanes]) callers.closeLane(held);
      }
      await shared.check();
    }
    for (const pool of shared.pools) await pool.close();
    assertEquals([shared.budget.used, shared.driver.live.size], [0, 0]);
  }
});
