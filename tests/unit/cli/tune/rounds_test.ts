import { assert, assertAlmostEquals, assertEquals, assertRejects } from "@std/assert";
import type { Spec } from "../../../../src/cli/tune/plan.ts";
import { type Round, runRounds, stepsOf } from "../../../../src/cli/tune/rounds.ts";
import { LatencyHistogram } from "../../../../src/observability/histogram.ts";
import { Random } from "./random.ts";

const EFFORT = { rounds: { least: 5, most: 11 }, roundMs: 600 };

function spec(lanes: number): Spec {
  return {
    sweep: "lanes",
    subject: "mooring",
    mix: "get-heavy",
    lanes,
    leases: 0,
    concurrency: 64,
    valueBytes: 128,
  };
}

function round(perSecond: number, ms: number = 1): Round {
  const latency = new LatencyHistogram();
  latency.record(ms);
  return {
    perSecond,
    latency,
    wait: new LatencyHistogram(),
    clientCpu: null,
    serverCpu: 0.5,
    connections: 3,
    bytesPerSecond: { in: 10, out: 20 },
    errors: 1,
    mostPending: 64,
  };
}

/** Runs rounds on time that only they move. */
async function runs(
  lanes: readonly number[],
  figure: (spec: Spec, index: number) => number,
  budgetMs = 1e9,
) {
  let now = 0;
  let steps = 0;
  const order: number[] = [];
  const lengths: number[] = [];
  const counts = new Map<number, number>();
  const points = await runRounds(lanes.map(spec), {
    effort: EFFORT,
    budgetMs,
    now: () => now,
    measure: (each, ms) => {
      const index = counts.get(each.lanes) ?? 0;
      counts.set(each.lanes, index + 1);
      order.push(each.lanes);
      lengths.push(ms);
      now += ms + 2;
      return Promise.resolve(round(figure(each, index)));
    },
    onStep: (count) => steps += count,
  });
  return { points, order, lengths, steps, tookMs: now };
}

Deno.test("runRounds() stops what is settled after five rounds, and goes on with noise", async () => {
  const random = new Random(5);
  const { points } = await runs(
    [1, 2],
    ({ lanes }) => lanes === 1 ? 1000 : 1000 * (0.5 + random.next()),
  );
  assertEquals(points.map(({ rounds }) => rounds), [5, 11]);
  assertEquals(points[0]!.perSecond, { median: 1000, low: 1000, high: 1000 });
  assert(points[1]!.perSecond.high > points[1]!.perSecond.low);
});

Deno.test("runRounds() interleaves the combinations and begins with another one each time", async () => {
  const { order } = await runs([1, 2, 3], () => 1000);
  assertEquals(order, [1, 2, 3, 1, 2, 3, 2, 3, 1, 3, 1, 2, 1, 2, 3, 2, 3, 1]);
});

Deno.test("runRounds() does not count the round that warms up", async () => {
  const { points } = await runs([1], (_spec, index) => index === 0 ? 1 : 1000);
  assertEquals(points[0]!.perSecond.low, 1000);
});

Deno.test("runRounds() keeps to its time, and to the length of a round", async () => {
  const noisy = (_spec: Spec, index: number) => index % 2 === 0 ? 500 : 1500;
  const tight = await runs([1, 2, 3, 4], noisy, 2000);
  assertAlmostEquals(tight.tookMs, 2000, 200);
  const ample = await runs([1], noisy);
  assertEquals(Math.max(...ample.lengths), 600);
});

Deno.test("runRounds() counts all steps, those that were not needed included", async () => {
  const { steps } = await runs([1, 2], ({ lanes }, i) => lanes === 1 ? 1 : 1 + i);
  assertEquals(steps, 2 * stepsOf(EFFORT));
});

Deno.test("runRounds() adds up what the rounds saw", async () => {
  const { points: [point] } = await runs([1], () => 1000);
  assertEquals(
    [point!.errors, point!.connections, point!.clientCpu, point!.serverCpu],
    [5, 3, null, 0.5],
  );
  assertEquals(point!.bytesPerSecond, { in: 10, out: 20 });
  const one = { median: 1, low: 1, high: 1 };
  assertEquals(point!.latencyMs, { p50: one, p99: one, p999: one, max: one });
  assertEquals("waitMs" in point!, false);
});

Deno.test("runRounds() has the slowest of each round, so that one bad round is one of five", async () => {
  let index = 0;
  const [point] = await runRounds([spec(1)], {
    effort: { ...EFFORT, rounds: { least: 5, most: 5 } },
    budgetMs: 1e9,
    now: () => 0,
    measure: () => Promise.resolve(round(1000, index++ === 3 ? 4000 : 2)),
  });
  for (const spread of Object.values(point!.latencyMs)) {
    assertAlmostEquals(spread.median, 2, 0.05);
    assertEquals(spread.high, 4000);
  }
});

Deno.test("runRounds() ends when its signal is aborted", async () => {
  const controller = new AbortController();
  let count = 0;
  const running = runRounds([spec(1)], {
    effort: EFFORT,
    budgetMs: 1000,
    now: () => 0,
    signal: controller.signal,
    measure: () => {
      if (++count === 3) controller.abort();
      return Promise.resolve(round(1000));
    },
  });
  await assertRejects(() => running, DOMException);
  assertEquals(count, 3);
});
