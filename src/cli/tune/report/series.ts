import type { Percentiles, Point, Spread, Subject, TuneReport } from "../report_types.ts";
import { fastest } from "../statistics.ts";
import type { ChartSeries } from "./charts.ts";
import { formatNumber } from "./number_style.ts";

/** All clients that can be measured, in the order of the legends. */
export const SUBJECTS: readonly Subject[] = ["mooring", "ioredis", "node-redis"];

/** What a chart shows of a point; nothing if it was not measured. */
export type Figure = (point: Point) => number | Spread | null | undefined;

/** The points of a sweep, of one subject or of all: the largest part of them that agrees in
 * what a chart holds fixed, so that a line has one point at each place. */
export function pointsOf(
  report: TuneReport,
  sweep: Point["sweep"],
  fixed: readonly (keyof Point)[],
  subject?: Subject,
): Point[] {
  const points = report.points.filter((point) =>
    point.sweep === sweep && (subject === undefined || point.subject === subject)
  );
  const parts = Map.groupBy(points, (point) => fixed.map((key) => point[key]).join());
  return [...parts.values()].reduce(
    (most, part) => part.length > most.length ? part : most,
    [],
  );
}

/** The lanes to show where only one number of them fits: the recommended ones, else those
 * with the highest throughput. */
export function chosenLanes(
  points: readonly Point[],
  { advice }: Pick<TuneReport, "advice">,
): number | undefined {
  const advised = advice.find(({ key }) => key === "max_lanes")?.value;
  if (points.some(({ lanes }) => lanes === advised)) return advised;
  return fastest(points)?.lanes;
}

/** A line through points, in ascending order of `x`; what was not measured is left out. */
export function lineOf(
  name: string,
  points: readonly Point[],
  x: (point: Point) => number,
  figure: Figure,
  look?: number,
): ChartSeries {
  const drawn = points.flatMap((point) => {
    const y = figure(point);
    if (y === null || y === undefined) return [];
    if (typeof y === "number") return [{ x: x(point), y }];
    return [{ x: x(point), y: y.median, low: y.low, high: y.high }];
  });
  return { name, look, points: drawn.sort((a, b) => a.x - b.x) };
}

/** A line for each number of lanes. */
export function byLanes(points: readonly Point[], figure: Figure): ChartSeries[] {
  const groups = [...Map.groupBy(points, ({ lanes }) => lanes)].sort(([a], [b]) => a - b);
  return groups.map(([lanes, of]) =>
    lineOf(sayLanes(lanes), of, ({ concurrency }) => concurrency, figure)
  );
}

/** A line, or the bars, for each subject. */
export function bySubject(
  points: readonly Point[],
  x: (point: Point) => number,
  figure: Figure,
): ChartSeries[] {
  const lines = SUBJECTS.map((subject, look) => {
    const measured = points.filter((point) => point.subject === subject);
    return lineOf(subject, measured, x, figure, look);
  });
  return lines.filter(({ points }) => points.length > 0);
}

/** A line for each percentile, the tail ones with the range of the rounds. */
export function byPercentile(
  points: readonly Point[],
  x: (point: Point) => number,
  of: (point: Point) => { all?: Percentiles; p50?: Spread; p99?: Spread; p999?: Spread } =
    ({ latencyMs, p99Ms, tailMs }) => ({
      all: latencyMs,
      p99: p99Ms,
      p999: tailMs?.p999,
    }),
): ChartSeries[] {
  return (["p50", "p99", "p999"] as const).map((key) =>
    lineOf(key, points, x, (point) => {
      const { all, [key]: rounds } = of(point);
      return all && withRange(all[key], rounds);
    })
  );
}

/** The p99 of all rounds together, with the range of the single rounds. */
export function p99Of({ latencyMs, p99Ms }: Point): number | Spread {
  return withRange(latencyMs.p99, p99Ms);
}

/** All rounds together lie between the single ones, but for the width of a bucket. */
function withRange(all: number, rounds: Spread | undefined): number | Spread {
  if (rounds === undefined) return all;
  const { high, low } = rounds;
  return { median: all, low: Math.min(all, low), high: Math.max(all, high) };
}

/** `1 lane`, `4 lanes`. */
export function sayLanes(lanes: number): string {
  return lanes === 1 ? "1 lane" : `${formatNumber(lanes)} lanes`;
}
