import { assert, assertAlmostEquals, assertEquals } from "@std/assert";
import { makeScale, type ScaleKind } from "../../../../src/cli/tune/report/scale.ts";
import { seededRandom } from "../../pool/random.ts";

const LINEAR: ScaleKind = { kind: "linear" };
const LOG_2: ScaleKind = { kind: "log", base: 2 };
const LOG_10: ScaleKind = { kind: "log", base: 10 };

function ticksOf(
  scale: ScaleKind,
  values: number[],
  maxTicks: number,
): readonly number[] {
  return makeScale({ scale, values, range: [0, 100], maxTicks }).ticks;
}

Deno.test("makeScale() gives a linear axis round steps from zero", () => {
  for (
    const [values, maxTicks, expected] of [
      [[3, 412_000], 7, [0, 100_000, 200_000, 300_000, 400_000, 500_000]],
      [[0.31], 5, [0, 0.1, 0.2, 0.3, 0.4]],
      [[7], 10, [0, 1, 2, 3, 4, 5, 6, 7]],
      [[7], 3, [0, 5, 10]],
      [[-4, 9], 10, [-4, -2, 0, 2, 4, 6, 8, 10]],
      [[100], 3, [0, 50, 100]],
      [[0], 5, [0, 1]],
      [[], 5, [0, 1]],
    ] as [number[], number, number[]][]
  ) assertEquals(ticksOf(LINEAR, values, maxTicks), expected);
});

Deno.test("makeScale() gives a logarithmic axis powers of two, as many as there is room for", () => {
  const callers = [1, 3, 1024];
  assertEquals(ticksOf(LOG_2, callers, 12), Array.from({ length: 11 }, (_, i) => 2 ** i));
  assertEquals(ticksOf(LOG_2, callers, 6), [1, 4, 16, 64, 256, 1024]);
  assertEquals(ticksOf(LOG_2, callers, 4), [1, 16, 256]);
  assertEquals(ticksOf(LOG_2, [16, 65_536], 8), [
    16,
    64,
    256,
    1024,
    4096,
    16_384,
    65_536,
  ]);
  assertEquals(ticksOf(LOG_2, [3], 8), [2, 4]);
  assertEquals(ticksOf(LOG_2, [4], 8), [4, 8]);
});

Deno.test("makeScale() gives a logarithmic axis 1, 2, 5 or else powers of ten", () => {
  assertEquals(ticksOf(LOG_10, [0.06, 18], 10), [0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20]);
  assertEquals(ticksOf(LOG_10, [0.06, 18], 6), [0.1, 1, 10]);
  assertEquals(ticksOf(LOG_10, [3, 4], 10), [2, 5]);
  assertEquals(ticksOf(LOG_10, [1, 10_000], 6), [1, 10, 100, 1000, 10_000]);
  assertEquals(ticksOf(LOG_10, [1, 10_000], 3), [1, 100, 10_000]);
  assertEquals(ticksOf(LOG_10, [], 6), [1, 2, 5, 10]);
});

Deno.test("a scale places values by their measure between the ends of its range", () => {
  const linear = makeScale({
    scale: LINEAR,
    values: [100],
    range: [50, 250],
    maxTicks: 5,
  });
  assertEquals([0, 25, 100].map(linear.place), [50, 100, 250]);
  const log = makeScale({
    scale: LOG_2,
    values: [1, 1024],
    range: [300, 0],
    maxTicks: 12,
  });
  for (const [value, place] of [[1, 300], [32, 150], [1024, 0]] as const) {
    assertAlmostEquals(log.place(value), place, 1e-9);
  }
});

Deno.test("a logarithmic scale places zero and less where the axis begins", () => {
  const values = [0, -3, 0.2, 40];
  const scale = makeScale({ scale: LOG_10, values, range: [0, 100], maxTicks: 10 });
  assertEquals(scale.domain, [0.2, 50]);
  assertEquals([0, -3, 0.2].map(scale.place), [0, 0, 0]);
});

Deno.test("makeScale() shows every value, with few enough ticks, whatever the values", () => {
  const random = seededRandom(20);
  for (let run = 0; run < 3000; run++) {
    const scale = [LINEAR, LOG_2, LOG_10][random.below(3)]!;
    const maxTicks = 3 + random.below(10);
    const values = Array.from(
      { length: 1 + random.below(5) },
      () => random.next() * 10 ** (random.below(16) - 6),
    );
    const made = makeScale({ scale, values, range: [0, 100], maxTicks });
    const what = JSON.stringify({ scale, maxTicks, values, made });
    assert(made.ticks.length >= 1 && made.ticks.length <= maxTicks, what);
    assertEquals([...made.ticks].sort((a, b) => a - b), [...new Set(made.ticks)], what);
    for (const value of [...values, ...made.ticks]) {
      const place = made.place(value);
      assert(place >= -1e-6 && place <= 100 + 1e-6, `${value}: ${place} ${what}`);
    }
  }
});
