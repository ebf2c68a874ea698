import { RedisServer } from "../../../src/testing/redis_server.ts";
import { assertNoConnectionsLeft } from "../../support/clients.ts";
import { PoolWorld } from "../../unit/pool/pool_world.ts";
import { RealDriver } from "./real_driver.ts";

const FIRST_SEED = 1001;
const SEEDS = 20;
const STEPS_PER_SEED = 500;

Deno.test("Pool does what the model says in 10,000 random steps on a real server", async () => {
  const last = FIRST_SEED + SEEDS - 1;
  console.log(`seeds ${FIRST_SEED} to ${last}, ${STEPS_PER_SEED} steps each`);
  await using server = await RedisServer.start();
  const judge = await server.connect();
  try {
    for (let seed = FIRST_SEED; seed <= last; seed++) {
      const driver = await RealDriver.make(server, judge);
      const world = new PoolWorld(seed, driver);
      for (let step = 0; step < STEPS_PER_SEED; step++) {
        await world.step();
        await driver.settle(world.model.idle);
      }
      await world.close();
      await driver.settle();
    }
  } finally {
    judge.close();
  }
  await assertNoConnectionsLeft(server, "mooring:");
});
