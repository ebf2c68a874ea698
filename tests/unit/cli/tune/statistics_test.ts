import { assert, assertAlmostEquals, assertEquals } from "@std/assert";
import {
  findKnee,
  isAsGood,
  isLarger,
  isSettled,
  median,
  medianInterval,
  spreadOf,
} from "../../../../src/cli/tune/statistics.ts";
import { Random } from "./random.ts";

Deno.test("medianInterval() has the coverage of the binomial distribution", () => {
  assertEquals(medianInterval([1, 2, 3, 4], 0.9), undefined);
  assertEquals(medianInterval([5, 1, 3, 2, 4], 0.9), {
    low: 1,
    high: 5,
    coverage: 0.9375,
  });
  const eight = medianInterval([1, 2, 3, 4, 5, 6, 7, 8], 0.9)!;
  assertEquals([eight.low, eight.high], [2, 7]);
  assertAlmostEquals(eight.coverage, 1 - 2 * 9 / 256, 1e-12);
});

Deno.test("medianInterval() holds the true median as often as it says", () => {
  const random = new Random(7);
  const trials = 4000;
  let held = 0;
  for (let i = 0; i < trials; i++) {
    const values = Array.from({ length: 9 }, () => random.exponential(1));
    const { low, high } = medianInterval(values, 0.9)!;
    if (low <= Math.LN2 && Math.LN2 <= high) held++;
  }
  // Of nine, the second and the eighth: 1 - 2 (1 + 9) / 512.
  assertAlmostEquals(held / trials, 1 - 20 / 512, 0.015);
});

Deno.test("isSettled() needs five rounds that agree", () => {
  assertEquals(isSettled([100, 100, 100, 100]), false);
  assertEquals(isSettled([100, 101, 99, 100, 102]), true);
  assertEquals(isSettled([100, 140, 70, 100, 102]), false);
  // One round that was disturbed is forgotten once there are eight.
  assertEquals(isSettled([100, 101, 99, 100, 40, 100, 102, 99]), true);
});

Deno.test("isLarger() and isAsGood() know the noise", () => {
  const calm = spreadOf([99, 100, 101]);
  assertEquals(isLarger(spreadOf([109, 110, 111]), calm), true);
  assertEquals(isLarger(spreadOf([103, 104, 105]), calm), false);
  assertEquals(isLarger(spreadOf([60, 110, 160]), calm), false);
  assertEquals(isAsGood(spreadOf([96, 97, 98]), calm), true);
  assertEquals(isAsGood(spreadOf([84, 85, 86]), calm), false);
  assertEquals(isAsGood(spreadOf([60, 100, 160]), calm), false);
});

Deno.test("median() is the middle, or the mean of the two in the middle", () => {
  assertEquals(median([3, 1, 2]), 2);
  assertEquals(median([4, 1, 2, 3]), 2.5);
});

const GRID = [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024];

/** Throughput by the Universal Scalability Law (Gunther). */
function usl(at: number, sigma: number, kappa: number): number {
  return 1000 * at / (1 + sigma * (at - 1) + kappa * at * (at - 1));
}

Deno.test("findKnee() finds the knee of curves of the Universal Scalability Law", () => {
  for (const [sigma, kappa] of [[0.2, 0], [0.05, 0], [0.02, 0], [0.05, 1e-5]] as const) {
    const curve = GRID.map((at) => ({ at, perSecond: usl(at, sigma, kappa) }));
    // The knee of the continuous curve up to its peak: where its slope is the chord's.
    const peak = kappa === 0 ? 1024 : Math.min(1024, Math.sqrt((1 - sigma) / kappa));
    const top = usl(peak, sigma, kappa);
    let due = 1;
    let highest = -1;
    for (let at = 1; at <= peak; at++) {
      const above = (usl(at, sigma, kappa) - 1000) / (top - 1000) - (at - 1) / 1023;
      if (above > highest) [highest, due] = [above, at];
    }
    const found = findKnee(curve)!.at;
    assert(
      found >= due / 2 && found <= due * 2,
      `${sigma} ${kappa}: ${found}, due ${due}`,
    );
  }
});

Deno.test("findKnee() is not misled by noise, by a fall, or by straight lines", () => {
  const random = new Random(3);
  for (let i = 0; i < 50; i++) {
    const curve = GRID.map((at) => ({
      at,
      perSecond: usl(at, 0.05, 0) * (0.98 + random.next() * 0.04),
    }));
    const { at } = findKnee(curve)!;
    assert(at >= 64 && at <= 256, `found ${at}`);
  }
  const falls = GRID.map((at) => ({ at, perSecond: at <= 64 ? at : 64 * 64 / at }));
  assertEquals(findKnee(falls)!.at, 64);
  assertEquals(findKnee(GRID.map((at) => ({ at, perSecond: 5 * at })))!.at, 1024);
  assertEquals(findKnee(GRID.map((at) => ({ at, perSecond: 5 / at })))!.at, 1);
  assertEquals(findKnee([]), undefined);
});
