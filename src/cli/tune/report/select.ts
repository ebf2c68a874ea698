/**
 * Finds the points that a chart shows among all that were measured.
 *
 * @module
 */

import type { LineSeries, PlotPoint } from "./chart_types.ts";
import { formatNumber } from "./number_style.ts";
import type { Point, Spread, Subject, TuneReport } from "../report_types.ts";

/** Everybody who can be measured, in the order of the legends. */
export const SUBJECTS: readonly Subject[] = ["mooring", "ioredis", "node-redis"];

/**
 * The points of one sweep, of one who was measured or of all.
 *
 * @param report The report.
 * @param sweep Which sweep.
 * @param subject Who was measured; everybody if it is left out.
 * @returns The points, in the order of the report.
 */
export function pointsOf(
  report: TuneReport,
  sweep: Point["sweep"],
  subject?: Subject,
): Point[] {
  return report.points.filter((point) =>
    point.sweep === sweep && (subject === undefined || point.subject === subject)
  );
}

/**
 * The largest part of some points that agree in what a chart holds fixed, so that no two
 * of them stand for one place of a line.
 *
 * @param points The points.
 * @param fixed What they must agree in.
 * @returns The part; the first of them tells what is fixed.
 */
export function agreeing(
  points: readonly Point[],
  fixed: readonly (keyof Point)[],
): Point[] {
  const parts = Map.groupBy(points, (point) => fixed.map((key) => point[key]).join());
  return [...parts.values()].reduce(
    (most, part) => part.length > most.length ? part : most,
    [],
  );
}

/**
 * The different values that points have, in ascending order.
 *
 * @param points The points.
 * @param of What to read of each.
 * @returns The values.
 */
export function valuesOf(
  points: readonly Point[],
  of: (point: Point) => number,
): number[] {
  return [...new Set(points.map(of))].sort((a, b) => a - b);
}

/**
 * A line through points.
 *
 * @param name Its name.
 * @param points The points.
 * @param x What stands on the lower axis.
 * @param y What stands on the left axis: a number, or a spread; nothing if not measured.
 * @returns The line.
 */
export function lineOf(
  name: string,
  points: readonly Point[],
  x: (point: Point) => number,
  y: (point: Point) => number | Point["perSecond"] | null | undefined,
): LineSeries {
  const drawn = points.flatMap((point): PlotPoint[] => {
    const value = y(point);
    if (value === null || value === undefined) return [];
    if (typeof value === "number") return [{ x: x(point), y: value }];
    return [{ x: x(point), y: value.median, low: value.low, high: value.high }];
  });
  return { name, points: drawn.sort((a, b) => a.x - b.x) };
}

/**
 * The slowest of 100, with the range of the rounds where it is known.
 *
 * @param point The point.
 * @returns A number, or a spread, in milliseconds.
 */
export function p99Of({ latencyMs, p99Ms }: Point): number | Spread {
  return withRange(latencyMs.p99, p99Ms);
}

/**
 * A percentile of all rounds together, with the range of the single rounds.
 *
 * @param all Of all rounds.
 * @param rounds Of the single ones, where they are known.
 * @returns A number, or a spread that has the number in the middle.
 */
export function withRange(all: number, rounds: Spread | undefined): number | Spread {
  if (rounds === undefined) return all;
  // All rounds together lie between them, but for the width of a bucket.
  return {
    median: all,
    low: Math.min(all, rounds.low),
    high: Math.max(all, rounds.high),
  };
}

/**
 * The lanes to show where only one number of them fits: the recommended ones, or else those
 * that did best.
 *
 * @param report The report.
 * @returns A number of lanes that was measured; `undefined` if none was.
 */
export function chosenLanes(report: TuneReport): number | undefined {
  const points = pointsOf(report, "lanes", "mooring");
  const advised = report.advice.find(({ key }) => key === "max_lanes")?.value;
  if (points.some(({ lanes }) => lanes === advised)) return advised;
  return points.reduce<Point | undefined>(
    (best, point) =>
      best === undefined || point.perSecond.median > best.perSecond.median ? point : best,
    undefined,
  )?.lanes;
}

/** `1 lane`, `4 lanes`. */
export function sayLanes(lanes: number): string {
  return lanes === 1 ? "1 lane" : `${formatNumber(lanes)} lanes`;
}

/** What one point's commands were, such as `get-heavy, values of 64 B`. */
export function sayLoad(point: Point): string {
  return `${point.mix}, values of ${formatNumber(point.valueBytes, "bytes")}`;
}

/** A rate of commands in prose, such as `412K commands a second`. */
export function sayRate(perSecond: number): string {
  return `${formatNumber(perSecond, "compact")} commands a second`;
}
