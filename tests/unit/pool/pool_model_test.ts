import { type Asked, type FakeConnection, FakeDriver } from "./fake_driver.ts";
import {
  type Answer,
  type Leaving,
  type Opening,
  PoolWorld,
  type Question,
  type WorldDriver,
} from "./pool_world.ts";
import type { Purpose } from "../../../src/pool/types.ts";

const SEEDS = 200;
const STEPS_PER_SEED = 500;

/** A driver without a network, as a world wants it. */
class FakeWorldDriver implements WorldDriver<FakeConnection> {
  readonly recyclings = [
    "clean",
    "clean",
    "clean",
    "unclean",
    "throws",
    "later",
  ] as const;
  readonly answers = ["yes", "yes", "yes", "no", "fails"] as const;
  readonly #driver = new FakeDriver({});

  get live(): ReadonlySet<FakeConnection> {
    return this.#driver.live;
  }

  get destroyed() {
    return this.#driver.destroyed;
  }

  get creating(): Opening[] {
    const { creating, live } = this.#driver;
    return creating.map((asked) => ({
      open: () => {
        asked.answer(true);
        return Math.max(...[...live].map(({ id }) => id));
      },
      fail: (error) => asked.fail(error),
    }));
  }

  get recycling(): Question<FakeConnection>[] {
    return this.#driver.recycling.map(questionOf);
  }

  get validating(): Question<FakeConnection>[] {
    return this.#driver.validating.map(questionOf);
  }

  create(signal: AbortSignal, purpose: Purpose): Promise<FakeConnection> {
    return this.#driver.create(signal, purpose);
  }

  recycle(connection: FakeConnection): boolean | Promise<boolean> {
    return this.#driver.recycle(connection);
  }

  validate(connection: FakeConnection): Promise<boolean> {
    return this.#driver.validate(connection);
  }

  destroy(...args: Parameters<FakeDriver["destroy"]>): void {
    this.#driver.destroy(...args);
  }

  kill(connection: FakeConnection): void {
    this.#driver.kill(connection);
  }

  leave(_connection: FakeConnection, how: Leaving): void {
    this.#driver.answers.recycle = () => {
      if (how === "throws") throw new Error("cannot recycle");
      return how === "later" ? undefined : how === "clean";
    };
  }

  settle(): void {}
}

function questionOf(asked: Asked<boolean>): Question<FakeConnection> {
  return {
    connection: asked.connection!,
    answer: (how: Answer) => {
      if (how === "fails") asked.fail(new Error("cannot tell"));
      else asked.answer(how === "yes");
      return how === "yes";
    },
  };
}

Deno.test("Pool does what the model says in 100,000 random steps", async () => {
  const first = 1;
  console.log(`seeds ${first} to ${first + SEEDS - 1}, ${STEPS_PER_SEED} steps each`);
  for (let seed = first; seed < first + SEEDS; seed++) {
    const world = new PoolWorld(seed, new FakeWorldDriver());
    for (let step = 0; step < STEPS_PER_SEED; step++) await world.step();
    await world.close();
  }
});
