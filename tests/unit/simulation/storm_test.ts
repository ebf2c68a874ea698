import { assertEquals, assertGreater, assertLess, assertLessOrEqual } from "@std/assert";
import { BIN_MS, USUAL_SERVER } from "../../../bench/simulation/model_server.ts";
import { runStorm } from "../../../bench/simulation/storm.ts";
import { defaultConfig } from "../../../bench/simulation/run.ts";

const INSTANCES = 50;

async function storm(downMs = 5000) {
  return await runStorm({
    config: await defaultConfig(),
    server: USUAL_SERVER,
    trouble: "away",
    instances: INSTANCES,
    // Each needs its server soon after it went, and soon after it is back.
    rate: 20,
    downMs,
    watchMs: 8000,
    jitter: true,
    seed: 1,
  });
}

const usual = await storm();

Deno.test("runStorm() gives the same for the same seed, and gives time back", async () => {
  const [setTimeoutBefore, random] = [globalThis.setTimeout, Math.random];
  assertEquals(await storm(), usual);
  assertEquals([globalThis.setTimeout, Math.random], [setTimeoutBefore, random]);
});

Deno.test("runStorm() loses no command and counts every connect", () => {
  const { commands, server } = usual;
  // A command may be on its way at the end, or wait for the server.
  assertLess(commands.asked - commands.answered - commands.failed, INSTANCES);
  assertGreater(commands.answered, 0);
  assertGreater(server.calls, commands.answered - 1);
  assertGreater(server.connects, server.accepted);
  assertEquals([server.refused, server.dropped], [0, 0]);
});

Deno.test("all instances are back within a second of outages of up to 10 s, each with one connect", async () => {
  for (const downMs of [300, 3000, 10_000]) {
    const { allBackMs, back, connects } = await storm(downMs);
    assertEquals(back, INSTANCES);
    assertLessOrEqual(allBackMs, 1000, `${downMs} ms`);
    // Where a probe and a caller come at the same moment, both may connect.
    const after = connects.slice(downMs / BIN_MS).reduce((sum, count) => sum + count, 0);
    assertLessOrEqual(after, 1.1 * INSTANCES, `${downMs} ms`);
  }
});

Deno.test("commands that wait for a server which is away for 3 s do not fail", async () => {
  const { commands, failures } = await storm(3000);
  // Those that were in flight when it went, and may not be sent again.
  assertLess(failures.reduce((sum, count) => sum + count, 0), 0.02 * commands.asked);
});
