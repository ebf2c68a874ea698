import type { Percentiles, Point, Spread, TuneReport } from "../../report_types.ts";
import { CALLERS, charts, LATENCY, type Section } from "../section.ts";
import type { Axis, LineChart } from "../chart_types.ts";
import {
  agreeing,
  chosenLanes,
  lineOf,
  p99Of,
  pointsOf,
  sayLanes,
  sayLoad,
  SUBJECTS,
  valuesOf,
  withRange,
} from "../select.ts";

const RATE: Axis = {
  title: "Rate asked for",
  unit: "commands/s",
  scale: { kind: "linear" },
  format: "compact",
};

const askedFor = ({ rate = 0 }: Point) => rate;
const callers = ({ concurrency }: Point) => concurrency;

/**
 * Percentiles of the latency against callers, and against the rate of the open-loop mode.
 *
 * @param report The report.
 * @returns The section; `undefined` if neither was measured.
 */
export function latencySection(report: TuneReport): Section | undefined {
  const points = agreeing(pointsOf(report, "lanes", "mooring"), ["mix", "valueBytes"]);
  const content = charts([
    ...percentilesChart(points, chosenLanes(report)),
    ...tailChart(points),
    ...rateCharts(report),
  ]);
  if (content === "") return undefined;
  return { id: "latency", title: "Latency", content };
}

function percentilesChart(
  points: readonly Point[],
  lanes: number | undefined,
): LineChart[] {
  const shown = points.filter((point) => point.lanes === lanes);
  const [first] = shown;
  if (first === undefined) return [];
  return [{
    id: "latency-percentiles",
    title: `Latency percentiles with ${sayLanes(first.lanes)}`,
    description: `Load: ${sayLoad(first)}. From the moment a command was due until its ` +
      "reply.",
    x: CALLERS,
    y: LATENCY,
    colors: "order",
    series: percentileLines(shown, callers, latencies),
  }];
}

function tailChart(points: readonly Point[]): LineChart[] {
  const [first] = points;
  const lanes = valuesOf(points, (point) => point.lanes);
  if (first === undefined || lanes.length < 2) return [];
  return [{
    id: "latency-by-lanes",
    title: "The slowest of 100 (p99), for each number of lanes",
    description: `Load: ${sayLoad(first)}. The broad bar behind a point goes from the ` +
      "smallest to the largest of the rounds.",
    x: CALLERS,
    y: { ...LATENCY, title: "Latency, p99" },
    colors: "order",
    series: lanes.map((lanes) =>
      lineOf(
        sayLanes(lanes),
        points.filter((point) => point.lanes === lanes),
        callers,
        p99Of,
      )
    ),
  }];
}

/** The open-loop mode: mooring's percentiles, then everybody's p99 where others took part. */
function rateCharts(report: TuneReport): LineChart[] {
  const lines = SUBJECTS.map((subject, look) => ({
    subject,
    look,
    points: agreeing(pointsOf(report, "rate", subject), ["mix", "valueBytes", "lanes"]),
  })).filter(({ points }) => points.length > 0);
  const [own] = lines;
  const first = own?.points[0];
  if (own === undefined || first === undefined) return [];
  const common = {
    x: RATE,
    description:
      `Load: ${sayLoad(first)}. Commands fall due at an even pace whether or ` +
      "not earlier ones have their replies, so waiting that a slow reply causes to others " +
      "is counted (coordinated omission).",
  };
  const percentiles: LineChart = {
    ...common,
    id: "latency-by-rate",
    title: `Latency percentiles of ${own.subject} at a fixed rate`,
    y: LATENCY,
    colors: "order",
    series: percentileLines(own.points, askedFor, latencies),
  };
  const sideBySide: LineChart = {
    ...common,
    id: "rate-side-by-side",
    title: "The slowest of 100 (p99) at a fixed rate, side by side",
    y: { ...LATENCY, title: "Latency, p99" },
    series: lines.map(({ subject, look, points }) => ({
      ...lineOf(subject, points, askedFor, p99Of),
      look,
    })),
  };
  return lines.length > 1 ? [percentiles, sideBySide] : [percentiles];
}

/** What the percentiles of a point are, and how those of its rounds differ. */
interface PointPercentiles {
  readonly all: Percentiles | undefined;
  readonly p99?: Spread | undefined;
  readonly p999?: Spread | undefined;
}

/** The latencies of a point. */
function latencies({ latencyMs, p99Ms, tailMs }: Point): PointPercentiles {
  return { all: latencyMs, p99: p99Ms, p999: tailMs?.p999 };
}

/** One line for each percentile. */
export function percentileLines(
  points: readonly Point[],
  x: (point: Point) => number,
  of: (point: Point) => PointPercentiles,
): LineChart["series"] {
  return (["p50", "p99", "p999"] as const).map((key) =>
    lineOf(key, points, x, (point) => {
      const { all, ...rounds } = of(point);
      if (all === undefined || key === "p50") return all?.[key];
      return withRange(all[key], rounds[key]);
    })
  );
}
