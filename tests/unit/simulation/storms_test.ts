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
  runOutages,
  runScale,
  runStorms,
} from "../../../bench/simulation/storms.ts";
import type { Mechanism, StormRow } from "../../../bench/simulation/types.ts";

const config = await defaultConfig();
const SEEDS = [1, 2];
/** The throttle lets an attempt pass each 100 ms at the soonest. */
const BOUND = 10;

const restart = {
  ...{ trouble: "away", instances: 12, rate: 5, seeds: SEEDS } as const,
  ...{ downMs: 20_000, watchMs: 8000 },
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
  const scale = { ...restart, seeds: [1], rate: 20 };
  const rows = await runScale(config, scale, [1, 30]);
  for (const { instances, allWorstSecond, allWorstSecondBack } of rows) {
    assertLessOrEqual(allWorstSecond, BOUND * instances);
    assertLessOrEqual(allWorstSecondBack, BOUND * instances);
  }
  // Four times the commands bring no more connects.
  assertLess(rows[1]!.connects, 2 * of(restarts).connects);
});

Deno.test("distances that grow save most of the connects of a restart", () => {
  assertGreater(of(restarts, "backoff").connects, 2 * of(restarts).connects);
});

Deno.test("jitter spreads the connects that follow the return of a server", () => {
  const [withIt, plain] = [of(restarts), of(restarts, "jitter")];
  assertGreater(plain.worstBinBack, 1.5 * withIt.worstBinBack);
});

Deno.test("the longer a server is away, the less often it is tried", async () => {
  const rows = await runOutages(config, { ...restart, seeds: [1] }, [
    { awayMs: 1000, rate: 20 },
    { awayMs: 10_000, rate: 5 },
    { awayMs: 60_000, rate: 0.5 },
    { awayMs: 600_000, rate: 0.2 },
  ]);
  const steady = rows.map(({ steady }) => steady);
  assertEquals(steady, steady.toSorted((a, b) => b - a));
  assertLess(steady.at(-1)!, 0.5);
  assertEquals(
    rows.map(({ allBackMs }) => allBackMs <= 1000),
    [true, true, false, false],
  );
  assertLessOrEqual(rows[2]!.allBackMs, 2500);
  assertLessOrEqual(rows[3]!.allBackMs, 5000);
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
