import { assertEquals, assertGreater, assertLess } from "@std/assert";
import { USUAL_SERVER } from "../../../bench/simulation/model_server.ts";
import { runStorm } from "../../../bench/simulation/storm.ts";
import { RedisConfigLoader } from "../../../src/config/mod.ts";

const INSTANCES = 50;

async function storm(jitter = true, circuitBreakerTimeoutMs = 60_000) {
  const overrides = { databases: { main: { circuitBreakerTimeoutMs } } };
  const { databases } = await RedisConfigLoader.load({
    env: {},
    yamlText: "",
    overrides,
  });
  return await runStorm({
    config: databases.main!,
    server: USUAL_SERVER,
    instances: INSTANCES,
    rate: 2,
    downMs: 5000,
    watchMs: 20_000,
    jitter,
    seed: 1,
  });
}

Deno.test("runStorm() gives the same for the same seed, and gives time back", async () => {
  const [setTimeoutBefore, random] = [globalThis.setTimeout, Math.random];
  assertEquals(await storm(), await storm());
  assertEquals([globalThis.setTimeout, Math.random], [setTimeoutBefore, random]);
});

Deno.test("runStorm() loses no command and counts every connect", async () => {
  const { commands, server } = await storm();
  // A command may be on its way at the end, or wait for the server.
  assertLess(commands.asked - commands.answered - commands.failed, INSTANCES);
  assertGreater(commands.answered, 0);
  assertGreater(server.connects, server.accepted);
  assertEquals([server.refused, server.dropped], [0, 0]);
});

Deno.test("an instance asks at most ten times a second, with jitter and without", async () => {
  for (const jitter of [true, false]) {
    const { connects } = await storm(jitter);
    for (let i = 0; i + 10 <= connects.length; i++) {
      const second = connects.slice(i, i + 10).reduce((sum, n) => sum + n, 0);
      assertLess(second, 10 * INSTANCES + 1);
    }
  }
});

Deno.test("a restart of 5 s keeps breakers of 60 s open, and not those of 5 s", async () => {
  const long = await storm(true, 60_000);
  assertGreater(long.trips, INSTANCES * 0.9);
  assertLess(long.back, INSTANCES * 0.1);
  assertEquals((await storm(true, 5000)).back, INSTANCES);
});
