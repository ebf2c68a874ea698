import { assertGreater, assertLess } from "@std/assert";
import { USUAL_SERVER } from "../../../bench/simulation/model_server.ts";
import { defaultConfig } from "../../../bench/simulation/run.ts";
import { runStorm } from "../../../bench/simulation/storm.ts";

const config = await defaultConfig();
const withoutBreaker = { ...config, circuitBreakerThreshold: Number.MAX_SAFE_INTEGER };
const sum = (numbers: readonly number[]) => numbers.reduce((total, n) => total + n, 0);

async function flap(retryBudget = config.retryBudget) {
  const [instances, rate, seconds] = [5, 100, 15];
  const result = await runStorm({
    config: { ...withoutBreaker, retryBudget },
    server: { ...USUAL_SERVER, roundTripMs: 60 },
    trouble: "flaps",
    downMs: seconds * 1000,
    watchMs: 0,
    jitter: true,
    seed: 1,
    instances,
    rate,
  });
  const { minPerSecond, ratio } = config.retryBudget;
  // The reserve of ten seconds, what comes to it in the time, and the share of the
  // commands that were answered.
  const bound = instances * minPerSecond * (10 + seconds) +
    ratio * result.commands.answered;
  return { ...result, bound };
}

Deno.test("the retry budget bounds the retries that a flapping server causes", async () => {
  const { retries, bound } = await flap();
  assertGreater(sum(retries), 0);
  assertLess(sum(retries), bound);
});

Deno.test("without the budget there are more retries than its bound", async () => {
  const { retries, bound } = await flap({ ratio: 10, minPerSecond: 1e6 });
  assertGreater(sum(retries), 2 * bound);
});

Deno.test("jitter spreads the connects that follow the return of a server", async () => {
  const peak = async (jitter: boolean) => {
    const { connects, commands } = await runStorm({
      config: withoutBreaker,
      server: { ...USUAL_SERVER, roundTripMs: 20 },
      instances: 60,
      rate: 5,
      downMs: 15_000,
      watchMs: 15_000,
      jitter,
      seed: 1,
    });
    assertGreater(commands.answered, 0);
    return Math.max(...connects.slice(150));
  };
  const [withIt, without] = [await peak(true), await peak(false)];
  assertGreater(without, 2 * withIt);
});
