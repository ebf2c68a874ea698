import type { Percentiles, Point, Spread, Subject, TuneReport } from "../report_types.ts";
import { fastest } from "../statistics.ts";
import type { ChartSeries } from "./charts.ts";
import { counted } from "../../numbers.ts";

/** All clients that can be measured, in the order of the legends. */
export const SUBJECTS: readonly Subject[] = ["mooring", "ioredis", "node-redis"];

/** What a chart shows of a point; nothing if it was not measured. */
export type Figure = (point: Point) => number | Spread | null | undefined;

/** What a line shows. */
export interface Line {
  /** Its name in the legend. */
  readonly name: string;
  /** Which colour and shape it has. Default: its place among the lines. */
  readonly look?: number;
  /** What it goes through, in any order. */
  readonly points: readonly Point[];
  /** Its heights. Default: the figure of the chart. */
  readonly of?: Figure;
}

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

/** A line as a chart draws it, in ascending order of `x`, without what was not measured. */
export function seriesOf(
  { look, name, of, points }: Line,
  x: (point: Point) => number,
  figure: Figure,
): ChartSeries {
  const drawn = points.flatMap((point) => {
    const y = (of ?? figure)(point);
    if (y === null || y === undefined) return [];
    if (typeof y === "number") return [{ x: x(point), y }];
    return [{ x: x(point), y: y.median, low: y.low, high: y.high }];
  });
  return { name, look, points: drawn.sort((a, b) => a.x - b.x) };
}

/** A line for each number of lanes. */
export function byLanes(points: readonly Point[]): Line[] {
  return [...Map.groupBy(points, ({ lanes }) => lanes)].sort(([a], [b]) => a - b)
    .map(([lanes, points]) => ({ name: counted(lanes, "lane"), points }));
}

/** A line, or the bars, for each subject. */
export function bySubject(points: readonly Point[]): Line[] {
  return SUBJECTS.map((subject, look) => ({
    ...{ name: subject, look },
    points: points.filter((point) => point.subject === subject),
  }));
}

/** A line for each percentile. */
export function byPercentile(
  points: readonly Point[],
  of: (point: Point) => Percentiles | undefined = ({ latencyMs }) => latencyMs,
): Line[] {
  const names = { p50: "p50", p99: "p99", p999: "p99.9" } as const;
  return (["p50", "p99", "p999"] as const).map((key) => ({
    ...{ name: names[key], points },
    of: (point) => of(point)?.[key],
  }));
}
