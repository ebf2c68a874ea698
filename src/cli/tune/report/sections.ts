/**
 * The sections of the report that show what was measured: which points each chart has, and
 * what it says of them.
 *
 * @module
 */

import type {
  Mix,
  Percentiles,
  Point,
  Spread,
  Subject,
  TuneReport,
} from "../report_types.ts";
import { type Axis, type Chart, type ChartSeries, drawCharts } from "./charts.ts";
import { element, join, type Markup, text } from "./markup.ts";
import { formatNumber } from "./number_style.ts";
import { dataTable } from "./table.ts";

/** A part of the page with a heading. */
export interface Section {
  /** Where links to it point to. */
  readonly id: string;
  /** Its heading. */
  readonly title: string;
  /** What stands below the heading; empty if nothing was measured. */
  readonly content: Markup;
}

/** Everybody who can be measured, in the order of the legends. */
export const SUBJECTS: readonly Subject[] = ["mooring", "ioredis", "node-redis"];
const RIVALS = SUBJECTS.slice(1);
const MIXES: readonly Mix[] = [
  "get-heavy",
  "write-heavy",
  "pipeline",
  "blocking",
  "lease",
];
const MEBIBYTE = 2 ** 20;

const CALLERS: Axis = { title: "Concurrency", unit: "callers", log: 2 };
const THROUGHPUT: Axis = { title: "Throughput", unit: "commands/s", format: "compact" };
const LATENCY: Axis = { title: "Latency", unit: "ms", log: 10 };
const P99: Axis = { ...LATENCY, title: "Latency, p99" };
const RATE: Axis = { title: "Requested rate", unit: "commands/s", format: "compact" };
const POOL_SIZE: Axis = { title: "Pool size", unit: "leases at the same time", log: 2 };
const VALUE_SIZE: Axis = { title: "Value size", unit: "", log: 2, format: "bytes" };

type Figure = (point: Point) => number | Spread | null | undefined;
const callers = ({ concurrency }: Point) => concurrency;
const perSecond = ({ perSecond }: Point) => perSecond;

/** The points of a sweep, of one subject or of all. */
export function pointsOf(
  report: TuneReport,
  sweep: Point["sweep"],
  subject?: Subject,
): Point[] {
  return report.points.filter((point) =>
    point.sweep === sweep && (subject === undefined || point.subject === subject)
  );
}

/** The largest part of some points that agree in what a chart holds fixed: a line has one
 * point at each place. */
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

/** The lanes to show where only one number of them fits: the recommended ones, else those
 * with the highest throughput. */
export function chosenLanes(report: TuneReport): number | undefined {
  const points = pointsOf(report, "lanes", "mooring");
  const advised = report.advice.find(({ key }) => key === "max_lanes")?.value;
  if (points.some(({ lanes }) => lanes === advised)) return advised;
  return best(points)?.lanes;
}

function best(points: readonly Point[]): Point | undefined {
  return points.toSorted((a, b) => b.perSecond.median - a.perSecond.median)[0];
}

/** A line through points, in ascending order of `x`; what was not measured is left out. */
export function lineOf(
  name: string,
  points: readonly Point[],
  x: (point: Point) => number,
  figure: Figure,
): ChartSeries {
  const drawn = points.flatMap((point) => {
    const y = figure(point);
    if (y === null || y === undefined) return [];
    if (typeof y === "number") return [{ x: x(point), y }];
    return [{ x: x(point), y: y.median, low: y.low, high: y.high }];
  });
  return { name, points: drawn.sort((a, b) => a.x - b.x) };
}

/** A line for each number of lanes. */
function linesByLanes(points: readonly Point[], figure: Figure): ChartSeries[] {
  const groups = [...Map.groupBy(points, ({ lanes }) => lanes)].sort(([a], [b]) => a - b);
  return groups.map(([lanes, of]) => lineOf(sayLanes(lanes), of, callers, figure));
}

/** A line for each percentile, the tail ones with the range of the rounds. */
function percentileLines(
  points: readonly Point[],
  x: (point: Point) => number,
  of: (point: Point) => Percentiles | undefined,
  rounds: (point: Point) => { p99?: Spread; p999?: Spread },
): ChartSeries[] {
  return (["p50", "p99", "p999"] as const).map((key) =>
    lineOf(key, points, x, (point) => {
      const value = of(point)?.[key];
      return value === undefined || key === "p50"
        ? value
        : withRange(value, rounds(point)[key]);
    })
  );
}

const latencyLines = (points: readonly Point[], x: (point: Point) => number) =>
  percentileLines(
    points,
    x,
    ({ latencyMs }) => latencyMs,
    ({ p99Ms, tailMs }) => ({ p99: p99Ms, p999: tailMs?.p999 }),
  );

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
function sayLanes(lanes: number): string {
  return lanes === 1 ? "1 lane" : `${formatNumber(lanes)} lanes`;
}

/** What the commands of a point were, such as `get-heavy, values of 64 B`. */
function sayLoad({ mix, valueBytes }: Point): string {
  return `Load: ${mix}, values of ${formatNumber(valueBytes, "bytes")}`;
}

/** Subject and version, as measured. */
export function sayClient({ clients }: TuneReport, subject: Subject): string {
  return clients[subject] === undefined ? subject : `${subject} ${clients[subject]}`;
}

/** All sections with measurements, in the order of the page. */
export function measuredSections(report: TuneReport): Section[] {
  const lanes = agreeing(pointsOf(report, "lanes"), ["mix", "valueBytes"]);
  const own = lanes.filter(({ subject }) => subject === "mooring");
  const chosen = own.filter(({ lanes }) => lanes === chosenLanes(report));
  const sections: Section[] = [
    { id: "throughput", title: "Throughput", content: throughput(report, own) },
    {
      id: "latency",
      title: "Latency",
      content: drawCharts([...latency(own, chosen), ...openLoop(report)]),
    },
    {
      id: "comparison",
      title: "Side by side",
      content: comparison(report, lanes, chosen),
    },
    { id: "mixes", title: "Command mixes", content: drawCharts(mixes(report)) },
    { id: "pool", title: "Pool of leases", content: drawCharts(leases(report)) },
    { id: "values", title: "Value sizes", content: drawCharts(valueSizes(report)) },
    { id: "cpu", title: "CPU", content: drawCharts(cpu(chosen)) },
  ];
  return sections.filter(({ content }) => content !== "");
}

function throughput({ knees }: TuneReport, points: readonly Point[]): Markup {
  const top = best(points);
  if (top === undefined) return text("");
  const said = knees.map(({ lanes, concurrency }) =>
    `${formatNumber(concurrency)} with ${sayLanes(lanes)}`
  );
  const rate = formatNumber(top.perSecond.median, "compact");
  const summary = `The highest throughput was ${rate} commands a second, with ` +
    `${sayLanes(top.lanes)} and ${formatNumber(callers(top))} callers.` +
    (said.length === 0 ? "" : ` Beyond the knee more callers bring little: ${said}.`);
  const series = linesByLanes(points, perSecond).map((line) => {
    const knee = knees.find(({ lanes }) => sayLanes(lanes) === line.name)?.concurrency;
    const points = line.points.map((point) =>
      point.x === knee ? { ...point, mark: `knee: ${formatNumber(knee)}` } : point
    );
    return { ...line, points };
  });
  const chart: Chart = {
    id: "throughput-by-lanes",
    title: "Throughput against concurrency, for each number of lanes",
    description: `${sayLoad(top)}. Each caller waits for its reply before it sends the ` +
      "next command. A point is the median of the rounds; the broad bar behind it goes " +
      "from the smallest to the largest.",
    ...{ x: CALLERS, y: THROUGHPUT, series, colors: "order" },
    markMeaning: "knee: beyond it more callers bring little",
  };
  return join([element("p", {}, text(summary)), drawCharts([chart])]);
}

function latency(points: readonly Point[], chosen: readonly Point[]): Chart[] {
  const [first] = chosen;
  if (first === undefined) return [];
  const byLanes = linesByLanes(points, p99Of);
  const percentiles: Chart = {
    id: "latency-percentiles",
    title: `Latency percentiles with ${sayLanes(first.lanes)}`,
    description: `${sayLoad(first)}. From the moment a command was due until its reply.`,
    ...{ x: CALLERS, y: LATENCY, series: latencyLines(chosen, callers), colors: "order" },
  };
  if (byLanes.length < 2) return [percentiles];
  return [percentiles, {
    id: "latency-by-lanes",
    title: "p99 latency, for each number of lanes",
    description:
      `${sayLoad(first)}. The broad bar behind a point goes from the smallest ` +
      "to the largest of the rounds.",
    ...{ x: CALLERS, y: P99, series: byLanes, colors: "order" },
  }];
}

/** The open loop: percentiles of mooring, then the p99 of all where others took part. */
function openLoop(report: TuneReport): Chart[] {
  const fixed = ["mix", "valueBytes", "lanes"] as const;
  const asked = ({ rate = 0 }: Point) => rate;
  const series = SUBJECTS.map((subject, look) => {
    const points = agreeing(pointsOf(report, "rate", subject), fixed);
    return { ...lineOf(subject, points, asked, p99Of), look, measured: points };
  }).filter(({ measured }) => measured.length > 0);
  const [own] = series;
  if (own === undefined) return [];
  const description = `${sayLoad(own.measured[0]!)}. Commands fall due at an even pace ` +
    "whether or not earlier ones have their replies, so waiting that a slow reply causes " +
    "to others is counted (coordinated omission).";
  const percentiles: Chart = {
    id: "latency-by-rate",
    title: `Latency percentiles of ${own.name} at a fixed rate`,
    ...{ description, x: RATE, y: LATENCY, colors: "order" },
    series: latencyLines(own.measured, asked),
  };
  if (series.length < 2) return [percentiles];
  const title = "p99 latency at a fixed rate, side by side";
  return [percentiles, {
    ...{ id: "rate-side-by-side", title, description, x: RATE, y: P99, series },
  }];
}

/** Mooring with the chosen lanes, and with one, beside clients that have one connection. */
function comparison(
  report: TuneReport,
  points: readonly Point[],
  chosen: readonly Point[],
): Markup {
  const single = points.filter(({ lanes, subject }) =>
    subject === "mooring" && lanes === 1 && lanes !== chosen[0]?.lanes
  );
  const own = [chosen, single].filter(({ length }) => length > 0)
    .map((points, index) => ({
      name: `mooring, ${sayLanes(points[0]!.lanes)}`,
      look: index === 0 ? 0 : SUBJECTS.length,
      points,
    }));
  const others = RIVALS.map((subject) => ({
    name: sayClient(report, subject),
    look: SUBJECTS.indexOf(subject),
    points: points.filter((point) => point.subject === subject),
  })).filter(({ points }) => points.length > 0);
  const [first] = own;
  if (others.length === 0 || first === undefined) return text("");
  const lines = (figure: Figure) =>
    [...own, ...others].map(({ look, name, points }) => ({
      ...lineOf(name, points, callers, figure),
      look,
    }));
  const description = `${sayLoad(chosen[0]!)}, on the same server, in turn within each ` +
    "round. The others use one connection.";
  const common = { description, x: CALLERS };
  const figures = drawCharts([{
    ...{ ...common, id: "comparison-throughput", title: "Throughput side by side" },
    ...{ y: THROUGHPUT, series: lines(perSecond) },
  }, {
    ...{ ...common, id: "comparison-latency", title: "p99 latency side by side" },
    ...{ y: P99, series: lines(p99Of) },
  }]);
  const ratio = (point: Point, rival: readonly Point[]) => {
    const other = rival.find((other) => callers(other) === callers(point));
    return other ? point.perSecond.median / other.perSecond.median : null;
  };
  const ratios = dataTable({
    caption:
      `Throughput of ${first.name}, divided by that of the other client: above 1 ` +
      "it is higher",
    columns: [
      { title: "Concurrency (callers)" },
      ...others.map(({ name }) => ({ title: name, format: "ratio" as const })),
    ],
    rows: first.points.toSorted((a, b) => callers(a) - callers(b)).map((point) => [
      callers(point),
      ...others.map(({ points }) => ratio(point, points)),
    ]),
  });
  return join([figures, ratios]);
}

function mixes(report: TuneReport): Chart[] {
  const points = agreeing(pointsOf(report, "mixes"), ["valueBytes", "concurrency"]);
  const [first] = points;
  if (first === undefined) return [];
  const groups = MIXES.filter((mix) => points.some((point) => point.mix === mix));
  const place = ({ mix }: Point) => groups.indexOf(mix);
  const series = (figure: Figure) =>
    SUBJECTS.map((subject, look) => {
      const measured = points.filter((point) => point.subject === subject);
      return { ...lineOf(subject, measured, place, figure), look };
    }).filter(({ points }) => points.length > 0);
  const common = {
    description: `${formatNumber(callers(first))} callers, values of ${
      formatNumber(first.valueBytes, "bytes")
    }.`,
    ...{ x: { title: "Mix", unit: "" }, groups },
  };
  return [{
    ...{ ...common, id: "mixes-throughput", title: "Throughput of each mix of commands" },
    ...{ y: THROUGHPUT, series: series(perSecond) },
  }, {
    ...{ ...common, id: "mixes-latency", title: "p99 latency of each mix of commands" },
    ...{ y: P99, series: series(p99Of) },
  }];
}

function leases(report: TuneReport): Chart[] {
  const fixed = ["mix", "valueBytes", "concurrency"] as const;
  const points = agreeing(pointsOf(report, "leases", "mooring"), fixed);
  const [first] = points;
  if (first === undefined) return [];
  const size = ({ leases }: Point) => leases;
  const load = `${sayLoad(first)}; ${formatNumber(callers(first))} callers.`;
  const waits = percentileLines(
    points,
    size,
    ({ waitMs }) => waitMs,
    ({ waitTailMs }) => ({ p999: waitTailMs?.p999 }),
  );
  return [{
    id: "pool-wait",
    title: "Wait for a lease against the size of the pool",
    description: `${load} A lease is a connection that one caller has alone, for WATCH ` +
      "and MULTI. A wait of 0 stands at the beginning of the axis.",
    ...{ x: POOL_SIZE, y: { ...LATENCY, title: "Wait" }, series: waits, colors: "order" },
  }, {
    ...{ id: "pool-throughput", title: "Throughput against the size of the pool" },
    ...{ description: load, x: POOL_SIZE, y: THROUGHPUT },
    series: [lineOf("mooring", points, size, perSecond)],
  }];
}

function valueSizes(report: TuneReport): Chart[] {
  const fixed = ["mix", "lanes", "concurrency"] as const;
  const measured = SUBJECTS.map((subject, look) => ({
    ...{ subject, look },
    points: agreeing(pointsOf(report, "values", subject), fixed),
  })).filter(({ points }) => points.length > 0);
  const first = measured[0]?.points[0];
  if (first === undefined) return [];
  const series = (figure: Figure) =>
    measured.map(({ look, points, subject }) => ({
      ...lineOf(subject, points, ({ valueBytes }) => valueBytes, figure),
      look,
    }));
  const load = `Load: ${first.mix}; ${formatNumber(callers(first))} callers.`;
  return [{
    ...{ id: "values-throughput", title: "Throughput against the size of values" },
    ...{ description: load, x: VALUE_SIZE, y: THROUGHPUT, series: series(perSecond) },
  }, {
    ...{ id: "values-bytes", title: "Bytes against the size of values", x: VALUE_SIZE },
    description: `${load} Both directions together, as the server counts them.`,
    y: { title: "Traffic", unit: "MiB/s", log: 10 },
    series: series(({ bytesPerSecond }) =>
      (bytesPerSecond.in + bytesPerSecond.out) / MEBIBYTE
    ),
  }];
}

function cpu(points: readonly Point[]): Chart[] {
  const [first] = points;
  if (first === undefined) return [];
  return [{
    id: "cpu-by-concurrency",
    title: `CPU with ${sayLanes(first.lanes)}`,
    description: `${sayLoad(first)}. 1 is one core all the time: a process with one ` +
      "thread that is there limits the throughput.",
    ...{ x: CALLERS, y: { title: "CPU", unit: "cores busy" } },
    series: [
      lineOf("client", points, callers, ({ clientCpu }) => clientCpu),
      lineOf("server", points, callers, ({ serverCpu }) => serverCpu),
    ].filter(({ points }) => points.length > 0),
  }];
}
