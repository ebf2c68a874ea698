import { assertEquals, assertLessOrEqual } from "@std/assert";
import { backoffMs, probeDelayMs } from "../../../src/resilience/backoff.ts";

Deno.test("backoffMs() doubles from the least to the most", () => {
  const options = { minMs: 50, maxMs: 1000 };
  const waits = [1, 2, 3, 4, 5, 6, 7, 1000].map((n) => backoffMs(n, options, 0));
  assertEquals(waits, [50, 100, 200, 400, 800, 1000, 1000, 1000]);
});

Deno.test("backoffMs() takes off half at most", () => {
  const options = { minMs: 100, maxMs: 100 };
  assertEquals([0, 0.5, 1].map((random) => backoffMs(1, options, random)), [100, 75, 50]);
});

Deno.test("probeDelayMs() finds a server within the time that an outage of its length may be followed by", () => {
  // The longest wait, at the moment of the return, with a fifth for connecting.
  for (
    const [outageMs, withinMs] of [
      [300, 1000],
      [3000, 1000],
      [10_000, 1000],
      [60_000, 2500],
      [86_400_000, 5000],
    ] as const
  ) assertLessOrEqual(probeDelayMs(outageMs, 0), withinMs * 0.8, `${outageMs} ms`);
  assertEquals(probeDelayMs(0, 0), 200);
  assertEquals(probeDelayMs(86_400_000, 1), 2000);
  assertEquals(probeDelayMs(86_400_000, 0, 500), 500);
  assertEquals(probeDelayMs(86_400_000, 0, 0), 200);
});
