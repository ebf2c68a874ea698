import { assertEquals } from "@std/assert";
import { Pool } from "../../../src/pool/pool.ts";
import type {
  EvictionReason,
  PoolDriver,
  Pooled,
  PoolOptions,
} from "../../../src/pool/types.ts";
import { drainMicrotasks, FakeClock } from "../../../src/testing/fake_clock.ts";
import { checkInvariants } from "./invariants.ts";
import { type Outcome, PoolCallers } from "./pool_callers.ts";
import { PoolModel } from "./pool_model.ts";
import { type Random, seededRandom } from "./random.ts";
import { BASIC } from "./setup.ts";

/** A connection that says whether it works. */
export interface WorldConnection extends Pooled {
  /** Whether it has not ended. */
  readonly alive: boolean;
}

/** An opening that is not answered. */
export interface Opening {
  /** Lets it succeed; gives the connection's number. */
  open(): number | Promise<number>;
  /** Lets it fail. */
  fail(error: Error): void;
}

/** A question about a connection that is not answered. */
export interface Question<C> {
  /** Which one. */
  readonly connection: C;
  /** Answers as far as the connection lets it; gives what was answered. */
  answer(how: Answer): boolean | Promise<boolean>;
}

/** How a question is answered. */
export type Answer = "yes" | "no" | "fails";

/** What the next holder of a lease would find: decides how recycling is answered. */
export type Leaving = "clean" | "unclean" | "throws" | "later";

/** A driver whose every answer comes when the world says so. */
export interface WorldDriver<C extends WorldConnection> extends PoolDriver<C> {
  /** What is open: neither ended nor destroyed. */
  readonly live: ReadonlySet<C>;
  /** What was destroyed, in order. */
  readonly destroyed: readonly { id: number; reason: EvictionReason }[];
  /** Openings that are not answered, the oldest first. */
  readonly creating: readonly Opening[];
  /** Cleanings that are not answered. */
  readonly recycling: readonly Question<C>[];
  /** Validations that are not answered. */
  readonly validating: readonly Question<C>[];
  /** How connections may be left; what comes more often is there more than once. */
  readonly recyclings: readonly Leaving[];
  /** How questions may be answered. */
  readonly answers: readonly Answer[];
  /** The holder leaves a connection in a state; released next. */
  leave(connection: C, how: Leaving): void | Promise<void>;
  /** Ends a connection as the network or the server would. */
  kill(connection: C): void | Promise<void>;
  /** Waits until what was destroyed has really ended. */
  settle(): void | Promise<void>;
}

class CreateError extends Error {
  override readonly name = "CreateError";
}

/** A pool of random settings and its model; both get the same calls. */
export class PoolWorld<C extends WorldConnection> {
  readonly random: Random;
  readonly clock: FakeClock = new FakeClock();
  readonly driver: WorldDriver<C>;
  readonly pool: Pool<C>;
  readonly callers: PoolCallers<C>;
  readonly model: PoolModel;
  /** What was done, for the message of a failure. */
  readonly steps: string[] = [];
  /** What the driver had received at the last comparison. */
  #seen = { validating: new Set<C>(), destroyed: 0, asked: 0 };
  readonly #created: string[] = [];
  /** How often the pool said that it granted a lease, and that one was released. */
  readonly #observed = { acquired: 0, released: 0 };

  constructor(seed: number, driver: WorldDriver<C>) {
    this.random = seededRandom(seed);
    const options = randomOptions(this.random);
    this.driver = driver;
    this.steps.push(`seed ${seed} ${JSON.stringify(options)}`);
    this.pool = new Pool(options, driver, this.clock, {
      acquired: () => this.#observed.acquired++,
      released: () => this.#observed.released++,
    });
    this.callers = new PoolCallers(this.pool);
    this.model = new PoolModel(options);
    const create = this.driver.create.bind(this.driver);
    this.driver.create = (signal, purpose) => {
      this.#created.push(purpose);
      return create(signal, purpose);
    };
  }

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

  /** Holds the pool to the model, and its numbers to what must be true of them. */
  compare(): void {
    const { pool, model, driver, callers } = this;
    const told = this.steps.slice(-25).join("\n");
    const expected = model.takeExpected();
    assertEquals(pool.numbers(), model.numbers(), told);
    assertEquals(byCall(callers.takeOutcomes()), byCall(expected.outcomes), told);
    assertEquals(this.#created.splice(0), expected.created, told);
    assertEquals(driver.destroyed.slice(this.#seen.destroyed), expected.destroyed, told);
    this.#seen.destroyed = driver.destroyed.length;
    const validating = driver.validating.map(({ connection }) => connection);
    const fresh = validating.filter((connection) =>
      !this.#seen.validating.has(connection)
    );
    assertEquals(fresh.map(({ id }) => id), expected.validated, told);
    this.#seen.validating = new Set(validating);
    assertEquals(callers.asked.slice(this.#seen.asked), expected.asked, told);
    this.#seen.asked = callers.asked.length;
    assertEquals(pool.statistics().acquireTimeouts, model.timeouts, told);
    assertEquals(
      [this.#observed.acquired, this.#observed.released],
      [model.acquires, model.acquires - callers.leases.length],
      told,
    );
    checkInvariants(pool, {
      open: driver.live.size,
      opening: driver.creating.length,
      waiting: model.leases.length,
      leased: callers.leases.filter(({ item }) => item.connection.alive).length,
    });
  }

  /** Closes the pool and sees that nothing is left. */
  async close(): Promise<void> {
    const { pool, callers, driver, random } = this;
    this.steps.push("close");
    const told = this.steps.slice(-25).join("\n");
    const inUse = [...callers.leases, ...callers.lanes].filter(({ item }) =>
      item.connection.alive
    );
    const closed = pool.close(50);
    await this.clock.advance(49);
    checkInvariants(pool, { open: inUse.length, opening: 0, waiting: 0 });
    let returned = 0;
    for (const held of [...callers.leases]) {
      if (random.next() < 0.5) continue;
      if (held.item.connection.alive) returned++;
      callers.giveBack(held, "release");
    }
    await this.clock.advance(1);
    await driver.settle();
    assertEquals(await closed, inUse.length - returned, told);
    checkInvariants(pool, { open: 0, opening: 0, waiting: 0, leased: 0 });
    assertEquals(driver.live.size, 0, told);
    assertEquals([callers.pending.size, this.clock.pending], [0, 0], told);
    for (const held of [...callers.leases]) callers.giveBack(held, "release");
    assertEquals(driver.live.size, 0, told);
  }

  /** What can be done now; what should be done more often is there more than once. */
  #actions(): [string, () => void | Promise<void>][] {
    const { callers, driver } = this;
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
    some(callers.leases.length, "release", () => this.#release());
    some(callers.leases.length, "release", () => this.#release());
    some(driver.creating.length, "create answered", () => this.#answerCreate());
    some(driver.creating.length, "create answered", () => this.#answerCreate());
    some(driver.validating.length, "validate answered", () => this.#answer("validating"));
    some(driver.recycling.length, "recycle answered", () => this.#answer("recycling"));
    some(callers.pending.size, "abort", () => this.#abort());
    some(callers.lanes.length && +rare, "close lane", () => this.#closeLane());
    some(+rare, "open lane", () => this.#openLane());
    some(+rare * driver.live.size, "kill", () => this.#kill());
    some(+rare, "reap", () => this.#reap());
    some(+rare, "fill", () => this.#fill());
    return actions;
  }

  #acquire(): void {
    const timeoutMs = this.random.pick([0, 3, 10, 50, Infinity])!;
    const call = this.callers.acquire(timeoutMs);
    this.model.acquire(call, timeoutMs, this.now);
  }

  #openLane(): void {
    this.model.openLane(this.callers.openLane(), this.now);
  }

  async #advance(): Promise<void> {
    await this.clock.advance(this.random.pick([0, 1, 3, 10, 40])!);
    this.model.advance(this.now);
  }

  async #release(): Promise<void> {
    const { callers, driver, model, random } = this;
    const held = random.pick(callers.leases)!;
    this.steps.push(`  lease ${held.id}`);
    if (random.next() < 0.1) {
      callers.giveBack(held, "destroy");
      return model.given(held.id, "discarded", this.now);
    }
    const answer = random.pick(driver.recyclings)!;
    await driver.leave(held.item.connection, answer);
    callers.giveBack(held, "release");
    model.recycling(held.id);
    if (answer !== "later") model.answered(held.id, answer === "clean", this.now);
  }

  async #answerCreate(): Promise<void> {
    const { driver, model, random } = this;
    const index = random.below(driver.creating.length);
    if (random.next() < 0.25) {
      driver.creating[index]!.fail(new CreateError("no"));
      return model.createFailed(index, this.now);
    }
    model.created(index, await driver.creating[index]!.open(), this.now);
  }

  async #answer(what: "validating" | "recycling"): Promise<void> {
    const { driver, random } = this;
    const asked = random.pick(driver[what])!;
    const works = await asked.answer(random.pick(driver.answers)!);
    this.model.answered(asked.connection.id, works, this.now);
  }

  #abort(): void {
    const call = this.random.pick([...this.callers.pending.keys()])!;
    this.callers.abort(call);
    this.model.abort(call, this.now);
  }

  #closeLane(): void {
    const held = this.random.pick(this.callers.lanes)!;
    this.callers.closeLane(held);
    this.model.given(held.id, "lane_released", this.now);
  }

  async #kill(): Promise<void> {
    const connection = this.random.pick([...this.driver.live])!;
    this.steps.push(`  connection ${connection.id}`);
    await this.driver.kill(connection);
    this.model.killed(connection.id, this.now);
  }

  #reap(): void {
    this.pool.reap();
    this.model.reap(this.now);
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
