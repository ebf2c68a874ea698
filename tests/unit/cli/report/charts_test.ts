import { assert, assertEquals, assertGreaterOrEqual } from "@std/assert";
import {
  type Chart,
  drawCharts as draw,
  logRange,
} from "../../../../src/cli/tune/report/charts.ts";
import { seededRandom } from "../../pool/random.ts";

const CHART: Chart = {
  id: "one",
  title: "Latency",
  description: "GET of 64 B.",
  x: { title: "Callers", unit: "", log: 2 },
  y: { title: "p99", unit: "ms", log: 10 },
  series: [{ name: "1 lane", points: [{ x: 1, y: 0.08 }, { x: 64, y: 0.7 }] }],
};

const drawCharts = (charts: readonly Chart[]) => draw(charts).toString();

/** Place and value of each data item, as the drawings name them. */
function itemsOf(html: string): string[][] {
  return [...html.matchAll(/data-x="([^"]*)" data-y="([^"]*)"/g)]
    .map(([, x = "", y = ""]) => [x, y]);
}

Deno.test("drawCharts() draws each chart for wide and for narrow pages, with its numbers", () => {
  const items = [["1", "0.08"], ["64", "0.7"]];
  assertEquals(itemsOf(drawCharts([CHART])), [...items, ...items]);
});

Deno.test("drawCharts() leaves no script, no style and no colour of its own in the page", () => {
  const groups = ["a", "b"];
  const bars = { ...CHART, id: "two", groups, y: { title: "p99", unit: "ms" } };
  const points = [{ x: 0, y: 1, low: 0.5, high: 2, mark: "knee" }];
  const html = drawCharts([CHART, { ...bars, series: [{ name: "one", points }] }, {
    ...{ ...CHART, id: "three", markMeaning: "knee" },
    series: [{ name: "one", points: [{ ...points[0]!, x: 2 }] }],
  }]);
  assert(!/<script|<style|class="zr|ecmeta|#[0-9a-f]{3,6}"|rgb/.test(html), html);
  assertEquals(html.split("not measured").length - 1, 2);
});

Deno.test("drawCharts() draws no point that has no place, and no chart without data", () => {
  const points = [{ x: 1, y: NaN }, { x: 2, y: Infinity }, { x: 3, y: 4 }];
  const html = drawCharts([{ ...CHART, series: [{ name: "one", points }] }]);
  assertEquals(itemsOf(html), [["3", "4"], ["3", "4"]]);
  assert(!/NaN|Infinity/.test(html));
  const none = points.slice(0, 2);
  assertEquals(drawCharts([{ ...CHART, series: [{ name: "one", points: none }] }]), "");
});

Deno.test("drawCharts() draws zero where a logarithmic axis begins", () => {
  const points = [{ x: 1, y: 0 }, { x: 2, y: 10 }];
  const html = drawCharts([{ ...CHART, series: [{ name: "one", points }] }]);
  assertEquals(itemsOf(html).slice(0, 2), [["1", "0"], ["2", "10"]]);
  assert(!/NaN|Infinity/.test(html));
});

Deno.test("logRange() goes from a power of two to another, with as many ticks as there is room for", () => {
  const ends = (values: number[], ticks: number) => {
    const { interval, max, min } = logRange(values, 2, ticks);
    return [min, max, interval];
  };
  assertEquals(ends([1, 3, 1024], 12), [1, 1024, 1]);
  assertEquals(ends([1, 3, 1024], 6), [1, 1024, 2]);
  assertEquals(ends([1, 3, 1024], 5), [1, 4096, 3]);
  assertEquals(ends([16, 65_536], 8), [16, 65_536, 2]);
  assertEquals(ends([3], 8), [2, 4, 1]);
  assertEquals(ends([4], 8), [4, 8, 1]);
  assertEquals(ends([], 8), [1, 2, 1]);
});

Deno.test("logRange() goes from a 1, 2 or 5 to another", () => {
  const ends = (values: number[]) => {
    const { max, min } = logRange(values, 10, 6);
    return [min, max];
  };
  assertEquals(ends([0.06, 18]), [0.05, 20]);
  assertEquals(ends([3, 4]), [2, 5]);
  assertEquals(ends([1, 10_000]), [1, 10_000]);
  assertEquals(ends([0, -3, 0.2, 40]), [0.2, 50]);
  assertEquals(ends([]), [1, 10]);
});

Deno.test("logRange() has every positive value, whatever the values", () => {
  const random = seededRandom(20);
  for (let run = 0; run < 3000; run++) {
    const base = [2, 10][random.below(2)] as 2 | 10;
    const ticks = 3 + random.below(10);
    const values = Array.from(
      { length: 1 + random.below(5) },
      () => random.next() * 10 ** (random.below(16) - 6),
    );
    const range = logRange(values, base, ticks);
    const what = JSON.stringify({ base, ticks, values, range });
    assert(range.min < range.max, what);
    for (const value of values) assert(value >= range.min && value <= range.max, what);
    const steps = Math.log2(range.max / range.min) / (range.interval ?? Infinity);
    assertGreaterOrEqual(ticks - 1, Math.round(steps), what);
  }
});
