import { assertAlmostEquals, assertEquals, assertGreater } from "@std/assert";
import { meanWaitOfEqualMs } from "../../../bench/simulation/queue_theory.ts";
import { defaultConfig } from "../../../bench/simulation/run.ts";
import { runServerLoad } from "../../../bench/simulation/server_load.ts";

const config = await defaultConfig();
const load = (ioThreads: number, perSecond: number) =>
  runServerLoad({ config, ioThreads, perSecond, commands: 6000, seed: 1 });

Deno.test("meanWaitOfEqualMs() is half of what it is with times left to chance", () => {
  assertAlmostEquals(meanWaitOfEqualMs(0.8, 10), 20);
  assertEquals(meanWaitOfEqualMs(1, 10), Infinity);
});

Deno.test("replies of the modelled server take as long as the theory of queues says", async () => {
  for (
    const [ioThreads, perSecond] of [[1, 50_000], [1, 80_000], [4, 140_000]] as const
  ) {
    const { meanMs, theoryMs } = await load(ioThreads, perSecond);
    assertAlmostEquals(meanMs / theoryMs!, 1, 0.05);
  }
});

Deno.test("what is too much for one io-thread is not for four", async () => {
  const [one, four] = [await load(1, 140_000), await load(4, 140_000)];
  assertEquals([one.theoryMs, one.load > 1, four.load < 1], [null, true, true]);
  assertGreater(one.meanMs, 10 * four.meanMs);
});
