import { assert, assertEquals, assertLessOrEqual } from "@std/assert";
import {
  backoffMs,
  probeDelayMs,
  reconnectDelayMs,
} from "../../../src/resilience/backoff.ts";

Deno.test("backoffMs() doubles from the least to the most", () => {
  const options = { minMs: 50, maxMs: 1000, jitter: 0 };
  const waits = [1, 2, 3, 4, 5, 6, 7, 1000].map((n) => backoffMs(n, options, 0.5));
  assertEquals(waits, [50, 100, 200, 400, 800, 1000, 1000, 1000]);
  assertEquals(backoffMs(3, { ...options, multiplier: 3 }, 0.5), 450);
});

Deno.test("backoffMs() takes off at most the share that jitter says", () => {
  const options = { minMs: 100, maxMs: 100 };
  assertEquals([0, 0.5, 1].map((random) => backoffMs(1, options, random)), [100, 75, 50]);
  assertEquals(backoffMs(1, { ...options, jitter: 1 }, 1), 0);
});

Deno.test("reconnectDelayMs() is none at first and bounded afterwards", () => {
  assertEquals(reconnectDelayMs(0, 0), 0);
  assertEquals(reconnectDelayMs(1, 0), 50);
  assertEquals(reconnectDelayMs(100, 0), 30_000);
  assertEquals(reconnectDelayMs(3, 0, { minMs: 10, jitter: 0 }), 40);
  // Also with the worst luck fewer than ten attempts fall into any second.
  let elapsed = 0;
  let attempts = 0;
  while (elapsed < 1000) elapsed += reconnectDelayMs(attempts++, 1);
  assert(attempts <= 10, `${attempts} attempts in a second`);
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
