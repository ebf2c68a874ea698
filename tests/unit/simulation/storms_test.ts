import {
  assertAlmostEquals,
  assertEquals,
  assertGreater,
  assertLess,
  assertLessOrEqual,
} from "@std/assert";
import { defaultConfig } from "../../../bench/simulation/run.ts";
import {
  HANG_UP_ROWS,
  mostInASecond,
  RESTART_ROWS,
  runScale,
  runStorms,
} from "../../../bench/simulation/storms.ts";
import type { Mechanism, StormRow } from "../../../bench/simulation/types.ts";

const config = await defaultConfig();
const SEEDS = [1, 2];
/** A gate lets an attempt pass each 110 ms at the soonest. */
const BOUND = 10;

const restart = {
  ...{ trouble: "away", instances: 12, rate: 5, seeds: SEEDS } as const,
  ...{ downMs: 20_000, watchMs: 45_000 },
};
const hangUp = {
  ...{ trouble: "hangs-up", instances: 4, rate: 50, seeds: SEEDS } as const,
  ...{ downMs: 8000, watchMs: 0 },
};
const restarts = await runStorms(config, restart, RESTART_ROWS);
const hangUps = await runStorms(config, hangUp, HANG_UP_ROWS);

function of(rows: readonly StormRow[], ...without: Mechanism[]): StormRow {
  return rows.find((row) => row.without.join() === without.join())!;
}

Deno.test("mostInASecond() is the most of any ten bins in a row", () => {
  assertEquals(mostInASecond([]), 0);
  assertEquals(mostInASecond([3, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2, 2]), 4);
  assertEquals(mostInASecond(Array.from({ length: 30 }, () => 1)), 10);
});

Deno.test("no instance connects more than ten times a second, whatever is taken away", () => {
  for (const { worstSecond, without } of [...restarts, ...hangUps]) {
    assertLessOrEqual(worstSecond, BOUND, without.join());
    assertGreater(worstSecond, 0);
  }
});

Deno.test("connects a second grow with the instances, and with nothing else", async () => {
  const scale = { ...restart, rate: 20, watchMs: 31_000 };
  const rows = await runScale(config, scale, [1, 30]);
  for (const { instances, allWorstSecond, allWorstSecondBack } of rows) {
    assertLessOrEqual(allWorstSecond, BOUND * instances);
    assertLessOrEqual(allWorstSecondBack, BOUND * instances);
  }
  // Four times the commands bring no more connects.
  assertLess(rows[1]!.connects, 2 * of(restarts).connects);
});

Deno.test("backoff and breaker save most of the connects of a restart", () => {
  const bare = of(restarts, "breaker", "backoff").connects;
  const unbroken = of(restarts, "breaker").connects;
  assertGreater(bare, 4 * unbroken);
  assertGreater(unbroken, 1.2 * of(restarts).connects);
});

Deno.test("jitter spreads the connects that follow the return of a server", () => {
  for (const without of [[], ["breaker"]] as const) {
    const [withIt, plain] = [
      of(restarts, ...without),
      of(restarts, ...without, "jitter"),
    ];
    assertGreater(plain.worstBinBack, 2 * withIt.worstBinBack);
  }
  // Health checks without it find the server at the same moment.
  assertEquals(of(restarts, "jitter").worstBinBack, 1);
});

Deno.test("health checks end what the breaker's cooldown would last", () => {
  const { circuitBreakerTimeoutMs, healthCheckIntervalMs } = config;
  const shipped = of(restarts);
  const alone = of(restarts, "health checks");
  assertEquals([shipped.trips, alone.trips], [restart.instances, restart.instances]);
  assertLess(shipped.failedForMs, healthCheckIntervalMs + 1000);
  // The breakers open within some seconds, and let nobody through until a minute later.
  assertGreater(alone.failedForMs, circuitBreakerTimeoutMs - restart.downMs);
});

Deno.test("the retry budget has no part in a restart's connects", () => {
  const [withIt, without] = [
    of(restarts, "breaker"),
    of(restarts, "breaker", "retry budget"),
  ];
  assertEquals(without.connects, withIt.connects);
});

Deno.test("the retry budget bounds what is sent to a server that hangs up", () => {
  const withIt = of(hangUps, "breaker");
  const without = of(hangUps, "breaker", "retry budget");
  const { minPerSecond, ratio } = config.retryBudget;
  // The reserve of ten seconds, what comes to it in the time, and a share of what is
  // answered, which is nothing.
  const seconds = hangUp.downMs / 1000;
  const retries = minPerSecond * (10 + seconds) / (hangUp.rate * seconds);
  assertLess(withIt.calls, 1 + retries + ratio);
  assertGreater(without.calls, 1 + 2 * (retries + ratio));
  // Each command goes out once, and three times again.
  assertAlmostEquals(without.calls, 4, 0.5);
});
