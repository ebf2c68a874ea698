import { assertEquals, assertGreater, assertLess } from "@std/assert";
import { USUAL_SERVER } from "../../../bench/simulation/model_server.ts";
import { runStorm } from "../../../bench/simulation/storm.ts";
import { RedisConfigLoader } from "../../../src/config/mod.ts";

const INSTANCES = 50;

async function storm(
  jitter = true,
  circuitBreakerTimeoutMs = 60_000,
  healthCheckIntervalMs = 30_000,
) {
  const main = { circuitBreakerTimeoutMs, healthCheckIntervalMs };
  const overrides = { databases: { main } };
  const { databases } = await RedisConfigLoader.load({
    env: {},
    yamlText: "",
    overrides,
  });
  return await runStorm({
    config: databases.main!,
    server: USUAL_SERVER,
    trouble: "away",
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
  assertGreater(server.calls, commands.answered - 1);
  assertGreater(server.connects, server.accepted);
  assertEquals([server.refused, server.dropped], [0, 0]);
});

Deno.test("a restart of 5 s keeps breakers of 60 s open until a health check, and not those of 5 s", async () => {
  const long = await storm(true, 60_000);
  assertGreater(long.trips, INSTANCES * 0.9);
  // Of 15 to 30 s after the breakers opened, some 21 s have passed.
  assertGreater(long.back, INSTANCES * 0.2);
  assertLess(long.back, INSTANCES * 0.8);
  const unchecked = await storm(true, 60_000, 0);
  assertLess(unchecked.back, INSTANCES * 0.1);
  assertEquals((await storm(true, 5000, 0)).back, INSTANCES);
});
