import { assertEquals } from "@std/assert";
import { Pool } from "../../../src/pool/pool.ts";
import type { PoolOptions } from "../../../src/pool/types.ts";
import { drainMicrotasks, FakeClock } from "../../support/fake_clock.ts";
import { type Asked, type FakeConnection, FakeDriver } from "./fake_driver.ts";
import { checkInvariants } from "./invariants.ts";
import { type Outcome, PoolHands } from "./pool_hands.ts";
import { PoolModel } from "./pool_model.ts";
import { type Random, seededRandom } from "./random.ts";
import { BASIC } from "./setup.ts";

const SEEDS = 200;
const STEPS_PER_SEED = 500;

class CreateError extends Error {
  override readonly name = "CreateError";
}

/** A pool of random settings beside its model, both told the same. */
class World {
  readonly random: Random;
  readonly clock = new FakeClock();
  readonly driver = new FakeDriver({});
  readonly pool: Pool<FakeConnection>;
  readonly hands: PoolHands<FakeConnection>;
  readonly model: PoolModel;
  readonly steps: string[] = [];
  /** Questions that the driver was asked before the last look. */
  #seen = { validating: new Set<Asked<boolean>>(), created: 0, destroyed: 0, asked: 0 };

  constructor(seed: number) {
    this.random = seededRandom(seed);
    const options = randomOptions(this.random);
    this.steps.push(`seed ${seed} ${JSON.stringify(options)}`);
    this.pool = new Pool(options, this.driver, this.clock);
    this.hands = new PoolHands(this.pool);
    this.model = new PoolModel(options);
    const create = this.driver.create.bind(this.driver);
    this.driver.create = (signal, purpose) => {
      this.#created.push(purpose);
      return create(signal, purpose);
    };
  }

  #created: string[] = [];

  get now(): number {
    return this.clock.now();
  }

  /** Takes one random step and compares. */
  async step(): Promise<void> {
    const [name, act] = this.random.pick(this.#actions())!;
    this.steps.push(name);
    await act();
    await drainMicrotasks(12);
    this.compare();
  }

  compare(): void {
    const { pool, model, driver, hands } = this;
    const told = this.steps.slice(-25).join("\n");
    const expected = model.takeExpected();
    assertEquals(pool.numbers(), model.numbers(), told);
    assertEquals(byCall(hands.takeOutcomes()), byCall(expected.outcomes), told);
    assertEquals(this.#created.splice(0), expected.created, told);
    assertEquals(driver.destroyed.slice(this.#seen.destroyed), expected.destroyed, told);
    this.#seen.destroyed = driver.destroyed.length;
    const validating = driver.validating.filter((asked) =>
      !this.#seen.validating.has(asked)
    );
    assertEquals(
      validating.map(({ connection }) => connection!.id),
      expected.validated,
      told,
    );
    this.#seen.validating = new Set(driver.validating);
    assertEquals(hands.asked.slice(this.#seen.asked), expected.asked, told);
    this.#seen.asked = hands.asked.length;
    const { acquires, acquireTimeouts, cancelled } = pool.statistics();
    assertEquals(
      [acquires, acquireTimeouts, cancelled],
      [model.acquires, model.timeouts, model.cancelled],
      told,
    );
    checkInvariants(pool, {
      open: driver.live.size,
      opening: driver.creating.length,
      waiting: model.leases.length,
      leased: hands.leases.filter(({ item }) => item.connection.alive).length,
    });
  }

  /** Closes the pool and sees that nothing is left. */
  async close(): Promise<void> {
    const { pool, hands, driver, random } = this;
    this.steps.push("close");
    const told = this.steps.slice(-25).join("\n");
    const inUse = [...hands.leases, ...hands.lanes].filter(({ item }) =>
      item.connection.alive
    );
    const closed = pool.close({ drainMs: 50 });
    await this.clock.advance(49);
    checkInvariants(pool, { open: inUse.length, opening: 0, waiting: 0 });
    let returned = 0;
    for (const held of [...hands.leases]) {
      if (random.next() < 0.5) continue;
      if (held.item.connection.alive) returned++;
      hands.giveBack(held, "release");
    }
    await this.clock.advance(1);
    assertEquals(await closed, { cut: inUse.length - returned }, told);
    checkInvariants(pool, { open: 0, opening: 0, waiting: 0, leased: 0 });
    assertEquals(driver.live.size, 0, told);
    assertEquals([hands.pending.size, this.clock.pending], [0, 0], told);
    for (const held of [...hands.leases]) hands.giveBack(held, "release");
    assertEquals(driver.live.size, 0, told);
  }

  /** What can be done now; what should be done more often is there more than once. */
  #actions(): [string, () => void | Promise<void>][] {
    const { hands, driver } = this;
    const actions: [string, () => void | Promise<void>][] = [
      ["acquire", () => this.#acquire()],
      ["acquire", () => this.#acquire()],
      ["acquire", () => this.#acquire()],
      ["advance", () => this.#advance()],
    ];
    const some = (count: number, name: string, act: () => void | Promise<void>) => {
      if (count > 0) actions.push([name, act]);
    };
    const rare = this.random.next() < 0.3;
    some(hands.leases.length, "release", () => this.#release());
    some(hands.leases.length, "release", () => this.#release());
    some(driver.creating.length, "create answered", () => this.#answerCreate());
    some(driver.creating.length, "create answered", () => this.#answerCreate());
    some(driver.validating.length, "validate answered", () => this.#answer("validating"));
    some(driver.recycling.length, "recycle answered", () => this.#answer("recycling"));
    some(hands.pending.size, "abort", () => this.#abort());
    some(hands.lanes.length && +rare, "close lane", () => this.#closeLane());
    some(+rare, "open lane", () => this.#openLane());
    some(+rare * driver.live.size, "kill", () => this.#kill());
    some(+rare, "reap", () => this.#reap());
    some(+rare, "suspect all", () => this.#suspectAll());
    some(+rare, "fill", () => this.#fill());
    return actions;
  }

  #acquire(): void {
    const timeoutMs = this.random.pick([0, 3, 10, 50, Infinity])!;
    const call = this.hands.acquire(timeoutMs);
    this.model.acquire(call, timeoutMs, this.now);
  }

  #openLane(): void {
    this.model.openLane(this.hands.openLane(), this.now);
  }

  async #advance(): Promise<void> {
    await this.clock.advance(this.random.pick([0, 1, 3, 10, 40])!);
    this.model.advance(this.now);
  }

  #release(): void {
    const { hands, driver, model, random } = this;
    const held = random.pick(hands.leases)!;
    this.steps.push(`  lease ${held.id}`);
    if (random.next() < 0.1) {
      hands.giveBack(held, "destroy");
      return model.given(held.id, "discarded", this.now);
    }
    const answer = random.pick([
      "clean",
      "clean",
      "clean",
      "unclean",
      "throws",
      "later",
    ])!;
    driver.answers.recycle = () => {
      if (answer === "throws") throw new Error("cannot recycle");
      return answer === "later" ? undefined : answer === "clean";
    };
    hands.giveBack(held, "release");
    model.recycling(held.id);
    if (answer !== "later") model.answered(held.id, answer === "clean", this.now);
  }

  #answerCreate(): void {
    const { driver, model, random } = this;
    const index = random.below(driver.creating.length);
    if (random.next() < 0.25) {
      driver.creating[index]!.fail(new CreateError("no"));
      return model.createFailed(index, this.now);
    }
    driver.creating[index]!.answer(true);
    model.created(index, Math.max(...[...driver.live].map(({ id }) => id)), this.now);
  }

  #answer(what: "validating" | "recycling"): void {
    const asked = this.random.pick(this.driver[what])!;
    const answer = this.random.pick(["yes", "yes", "yes", "no", "fails"])!;
    if (answer === "fails") asked.fail(new Error("cannot tell"));
    else asked.answer(answer === "yes");
    this.model.answered(asked.connection!.id, answer === "yes", this.now);
  }

  #abort(): void {
    const call = this.random.pick([...this.hands.pending.keys()])!;
    this.hands.abort(call);
    this.model.abort(call, this.now);
  }

  #closeLane(): void {
    const held = this.random.pick(this.hands.lanes)!;
    this.hands.closeLane(held);
    this.model.given(held.id, "lane_released", this.now);
  }

  #kill(): void {
    const connection = this.random.pick([...this.driver.live])!;
    this.steps.push(`  connection ${connection.id}`);
    this.driver.kill(connection);
    this.model.killed(connection.id, this.now);
  }

  #reap(): void {
    this.pool.reap();
    this.model.reap(this.now);
  }

  #suspectAll(): void {
    this.pool.suspectAll();
    this.model.suspectAll();
  }

  #fill(): void {
    this.pool.fill();
    this.model.fill();
  }
}

function randomOptions(random: Random): PoolOptions {
  return {
    ...BASIC,
    maxConnections: random.pick([1, 1, 2, 3, 5, 8])!,
    minConnections: random.pick([0, 0, 2, 4])!,
    maxConnecting: random.pick([1, 2, 10])!,
    maxWaiting: random.pick([2, 10, 1000])!,
    idleTimeoutMs: random.pick([0, 20, 100])!,
    maxLifetimeMs: random.pick([0, 60, 300])!,
    validateAfterMs: random.pick([0, 15, Infinity])!,
  };
}

function byCall(outcomes: readonly Outcome[]): Outcome[] {
  return [...outcomes].sort((a, b) => a.call - b.call);
}

Deno.test("Pool does what the model says in 100,000 random steps", async () => {
  const first = 1;
  console.log(`seeds ${first} to ${first + SEEDS - 1}, ${STEPS_PER_SEED} steps each`);
  for (let seed = first; seed < first + SEEDS; seed++) {
    const world = new World(seed);
    for (let step = 0; step < STEPS_PER_SEED; step++) await world.step();
    await world.close();
  }
});
