/**
 * What the page's functions of `_in_page.js` bring back, and what must hold of it.
 *
 * @module
 */

import { assert, assertAlmostEquals, assertEquals, assertGreater } from "@std/assert";

/** Number of an axis, and where its line is. */
export interface ReadTick {
  axis: "x" | "y";
  text: string;
  at: number;
}

/** A point of a line. */
export interface ReadPoint {
  x: number;
  y: number;
  at: { x: number; y: number };
  isOnLine: boolean;
  mark: string | null;
  hasRim: boolean;
  says: string;
}

/** A bar. */
export interface ReadBar {
  group: string;
  series: string;
  value: number;
  left: number;
  right: number;
}

/** A chart, as it is shown. */
export interface ReadChart {
  id: string;
  layouts: string[];
  axisTitles: (string | undefined)[];
  ticks: ReadTick[];
  series: { name: string; points: ReadPoint[] }[];
  bars: ReadBar[];
  legend: string[];
}

/** Farthest that something may be from its place, in pixels. */
const TOLERANCE = 0.75;

/** A number as an axis or a table writes it. */
export function readNumber(text: string): number {
  const units: Record<string, number> = {
    "": 1,
    K: 1000,
    M: 1e6,
    B: 1,
    KiB: 1024,
    MiB: 2 ** 20,
  };
  const [, digits = "", unit = ""] = /^([\d.,]+)\s*([A-Za-z]*)$/.exec(text) ?? [];
  return Number(digits.replaceAll(",", "")) * (units[unit] ?? NaN);
}

/** From a value to its place, read from an axis' first and last tick. */
export function axisOf(chart: ReadChart, axis: "x" | "y"): (value: number) => number {
  const ticks = chart.ticks.filter((tick) => tick.axis === axis)
    .map(({ at, text }) => ({ at, value: readNumber(text) }));
  const [first, last] = [ticks[0], ticks.at(-1)];
  assert(first !== undefined && last !== undefined && first !== last, chart.id);
  const place = axis === "x" ? chart.axisTitles[0] : chart.axisTitles[1];
  const measure = place?.includes("log scale") ? Math.log : (value: number) => value;
  const scale = (value: number) =>
    first.at + (measure(value) - measure(first.value)) /
      (measure(last.value) - measure(first.value)) * (last.at - first.at);
  for (const { value, at } of ticks) {
    assertAlmostEquals(at, scale(value), TOLERANCE, `${chart.id}: tick ${value}`);
  }
  assertGreater(Math.abs(last.at - first.at), 100, chart.id);
  return scale;
}

/** Holds every point and bar of a chart against the axes' ticks, in pixels. */
export function assertInPlace(chart: ReadChart): void {
  const x = axisOf(chart, "x");
  for (const { group, series, value, left, right } of chart.bars) {
    const name = `${chart.id}: ${group}, ${series}`;
    assertAlmostEquals(left, x(0), TOLERANCE, name);
    assertAlmostEquals(right, x(value), TOLERANCE, name);
  }
  if (chart.series.length === 0) return;
  const y = axisOf(chart, "y");
  const bottom = Math.max(
    ...chart.ticks.filter(({ axis }) => axis === "y").map((t) => t.at),
  );
  for (const { name, points } of chart.series) {
    for (const point of points) {
      const what = `${chart.id}: ${name} at ${point.x}`;
      assertAlmostEquals(point.at.x, x(point.x), TOLERANCE, what);
      // No logarithm of zero: such a point stands where the axis begins.
      const expected = point.y > 0 ? y(point.y) : bottom;
      assertAlmostEquals(point.at.y, expected, TOLERANCE, what);
      assert(point.isOnLine, `${what}: the line misses it`);
      assertEquals(point.hasRim, point.mark !== null, what);
    }
  }
}

/** How much two colours differ in brightness, as WCAG 2 has it: 1 to 21. */
export function contrast(one: readonly number[], other: readonly number[]): number {
  const [low, high] = [one, other].map(luminance).sort((a, b) => a - b);
  return ((high ?? 0) + 0.05) / ((low ?? 0) + 0.05);
}

function luminance(rgb: readonly number[]): number {
  const [red = 0, green = 0, blue = 0] = rgb.map((value) => value / 255).map((value) =>
    value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4
  );
  return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
}
