/**
 * The sections of the report that show what was measured: which points each chart has, and
 * what it says of them.
 *
 * @module
 */

import type { Mix, Point, Spread, Subject, TuneReport } from "../report_types.ts";
import { fastest } from "../statistics.ts";
import { type Axis, type Chart, drawCharts } from "./charts.ts";
import { type Markup, markup } from "./markup.ts";
import { counted, formatNumber } from "../../numbers.ts";
import {
  byLanes,
  byPercentile,
  bySubject,
  chosenLanes,
  type Figure,
  type Line,
  pointsOf,
  seriesOf,
  SUBJECTS,
} from "./series.ts";
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

const MIXES: readonly Mix[] = [
  "get-heavy",
  "write-heavy",
  "pipeline",
  "blocking",
  "lease",
];
const MEBIBYTE = 2 ** 20;

/** An axis, and what it reads of a point. */
type Measured<T> = Axis & { readonly of: T };
type Place = Measured<(point: Point) => number>;
type Height = Measured<Figure>;

const CALLERS: Place = {
  ...{ title: "Concurrency", unit: "callers", log: 2 },
  of: ({ concurrency }) => concurrency,
};
const POOL_SIZE: Place = {
  ...{ title: "Pool size", unit: "leases at the same time", log: 2 },
  of: ({ leases }) => leases,
};
const VALUE_SIZE: Place = {
  ...{ title: "Value size", unit: "", log: 2, format: "bytes" },
  of: ({ valueBytes }) => valueBytes,
};
const RATE: Place = {
  ...{ title: "Requested rate", unit: "commands/s", format: "compact" },
  of: ({ rate = 0 }) => rate,
};
const THROUGHPUT: Height = {
  ...{ title: "Throughput", unit: "commands/s", format: "compact" },
  of: ({ perSecond }) => perSecond,
};
const P99: Height = {
  ...{ title: "Latency, p99", unit: "ms", log: 10 },
  of: ({ latencyMs }) => latencyMs.p99,
};
const LATENCY: Height = { ...P99, title: "Latency" };
const TRAFFIC: Height = {
  ...{ title: "Traffic", unit: "MiB/s", log: 10 },
  of: ({ bytesPerSecond }) => (bytesPerSecond.in + bytesPerSecond.out) / MEBIBYTE,
};
const CPU: Height = { title: "CPU", unit: "cores busy", of: () => null };

/** A chart of lines, or of bars where it has groups; lines without a point are left out. */
function chart(
  id: string,
  title: string,
  description: string,
  { x, y, lines, ...rest }:
    & { readonly x: Place; readonly y: Height; readonly lines: readonly Line[] }
    & Pick<Chart, "colors" | "groups">,
): Chart {
  const series = lines.map((line) => seriesOf(line, x.of, y.of))
    .filter(({ points }) => points.length > 0);
  return { id, title, description, x, y, series, ...rest };
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
  const all = pointsOf(report, "lanes", ["mix", "valueBytes"]);
  const own = all.filter(({ subject }) => subject === "mooring");
  const lanes = chosenLanes(own, report);
  const chosen = own.filter((point) => point.lanes === lanes);
  const latencies = drawCharts([...latency(own, chosen), ...openLoop(report)]);
  return [
    { id: "throughput", title: "Throughput", content: throughput(report, own) },
    { id: "latency", title: "Latency", content: latencies },
    { id: "comparison", title: "Side by side", content: comparison(report, all, chosen) },
    { id: "mixes", title: "Command mixes", content: drawCharts(mixes(report)) },
    { id: "pool", title: "Pool of leases", content: drawCharts(leases(report)) },
    { id: "values", title: "Value sizes", content: drawCharts(valueSizes(report)) },
    { id: "cpu", title: "CPU", content: drawCharts(cpu(chosen)) },
  ].filter(({ content }) => !content.isEmpty);
}

function throughput(report: TuneReport, points: readonly Point[]): Markup {
  const { knees } = report;
  const top = fastest(points);
  if (top === undefined) return markup``;
  const recommended = chosenLanes(points, report);
  const own = knees.find(({ lanes }) => lanes === recommended);
  const said = knees.map(({ lanes, concurrency }) =>
    `${formatNumber(concurrency)} with ${counted(lanes, "lane")}`
  );
  const rate = (perSecond: number) => formatNumber(perSecond, "compact");
  const summary = [
    own === undefined ? "" : `At the knee of ${counted(own.lanes, "lane")}, which ` +
      `${own.lanes === 1 ? "is" : "are"} recommended, ${formatNumber(own.concurrency)} ` +
      `callers got ${rate(own.perSecond)} replies a second. `,
    `The highest throughput was ${rate(top.perSecond.median)}, with ` +
    `${counted(top.lanes, "lane")} and ${formatNumber(top.concurrency)} callers.`,
    said.length === 0
      ? ""
      : ` Beyond the knee more callers bring little: ${said.join(", ")}.`,
  ].join("");
  const description =
    `${sayLoad(top)}. Each caller waits for its reply before it sends ` +
    "the next command. A point is the median of the rounds; the broad bar behind it goes " +
    "from the smallest to the largest.";
  const { series, ...drawn } = chart(
    "throughput-by-lanes",
    "Throughput against concurrency, for each number of lanes",
    description,
    { x: CALLERS, y: THROUGHPUT, lines: byLanes(points), colors: "order" },
  );
  const marked = series.map((line) => {
    const knee = knees.find(({ lanes }) => counted(lanes, "lane") === line.name);
    return {
      ...line,
      isRecommended: knee !== undefined && knee === own,
      points: mark(line.points, knee?.concurrency, "knee"),
    };
  });
  const markMeaning = "knee: beyond it more callers bring little";
  return markup`<p>${summary}</p>${
    drawCharts([{ ...drawn, series: marked, markMeaning }])
  }`;
}

/** Points of which the one at a place is marked. */
function mark(
  points: Chart["series"][number]["points"],
  x: number | undefined,
  meaning: string,
): Chart["series"][number]["points"] {
  return points.map((point) =>
    point.x === x ? { ...point, mark: `${meaning}: ${formatNumber(point.x)}` } : point
  );
}

function latency(points: readonly Point[], chosen: readonly Point[]): Chart[] {
  const [first] = chosen;
  if (first === undefined) return [];
  const load = sayLoad(first);
  const rounds = `${load}. The broad bar behind a point goes from the smallest to the ` +
    "largest of the rounds.";
  const each = byLanes(points);
  const due = `${load}. From the moment a command was due until its reply.`;
  const title = `Latency percentiles with ${counted(first.lanes, "lane")}`;
  const lines = byPercentile(chosen);
  const own = chart("latency-percentiles", title, due, {
    x: CALLERS,
    y: LATENCY,
    lines,
    colors: "order",
  });
  const every = chart(
    "latency-by-lanes",
    "p99 latency, for each number of lanes",
    rounds,
    { x: CALLERS, y: P99, lines: each, colors: "order" },
  );
  return each.length > 1 ? [own, every] : [own];
}

/** The open loop: percentiles of mooring, then the p99 of all where others took part. */
function openLoop(report: TuneReport): Chart[] {
  const points = SUBJECTS.flatMap((subject) =>
    pointsOf(report, "rate", ["mix", "valueBytes", "lanes"], subject)
  );
  const [first] = points;
  if (first === undefined) return [];
  const own = points.filter(({ subject }) => subject === first.subject);
  const description = `${sayLoad(first)}. Commands fall due at an even pace whether or ` +
    "not earlier ones have their replies, so waiting that a slow reply causes to others " +
    "is counted (coordinated omission).";
  const title = `Latency percentiles of ${first.subject} at a fixed rate`;
  const alone = chart("latency-by-rate", title, description, {
    x: RATE,
    y: LATENCY,
    lines: byPercentile(own),
    colors: "order",
  });
  const together = "p99 latency at a fixed rate, side by side";
  return own.length === points.length ? [alone] : [
    alone,
    chart("rate-side-by-side", together, description, {
      x: RATE,
      y: P99,
      lines: bySubject(points),
    }),
  ];
}

/** Mooring with the chosen lanes, and with one, beside clients that have one connection. */
function comparison(
  report: TuneReport,
  points: readonly Point[],
  chosen: readonly Point[],
): Markup {
  const [first] = chosen;
  const others = bySubject(points).slice(1).filter(({ points }) => points.length > 0)
    .map((line) => ({ ...line, name: sayClient(report, line.points[0]!.subject) }));
  if (others.length === 0 || first === undefined) return markup``;
  const name = `mooring, ${counted(first.lanes, "lane")}`;
  const single = points.filter(({ lanes, subject }) =>
    subject === "mooring" && lanes === 1 && first.lanes !== 1
  );
  const lines = [
    { name, look: 0, points: chosen },
    { name: "mooring, 1 lane", look: SUBJECTS.length, points: single },
    ...others,
  ];
  const description = `${sayLoad(first)}, on the same server, in turn within each ` +
    "round. The others use one connection.";
  const charts = drawCharts([
    chart("comparison-throughput", "Throughput side by side", description, {
      x: CALLERS,
      y: THROUGHPUT,
      lines,
    }),
    chart("comparison-latency", "p99 latency side by side", description, {
      x: CALLERS,
      y: P99,
      lines,
    }),
  ]);
  const rows = chosen.toSorted((a, b) => a.concurrency - b.concurrency).map((point) => [
    point.concurrency,
    ...others.map(({ points }) => {
      const other = points.find(({ concurrency }) => concurrency === point.concurrency);
      return other ? sayRatio(point.perSecond, other.perSecond) : null;
    }),
  ]);
  const caption = `Throughput of ${name}, divided by that of the other client: above 1 ` +
    "it is higher. In brackets the interval in which it is: the slowest round of the one " +
    "against the fastest of the other, and the reverse";
  const columns = [
    { title: "Concurrency (callers)" },
    ...others.map(({ name }) => ({ title: name })),
  ];
  return markup`${charts}${dataTable({ caption, columns, rows })}`;
}

/** A ratio with its interval, such as `2.9× (2.6 to 3.3)`. */
function sayRatio(one: Spread, other: Spread): string {
  const ratio = formatNumber(one.median / other.median, "ratio");
  const [low, high] = [one.low / other.high, one.high / other.low];
  return `${ratio} (${formatNumber(low)} to ${formatNumber(high)})`;
}

function mixes(report: TuneReport): Chart[] {
  const points = pointsOf(report, "mixes", ["valueBytes", "concurrency"]);
  const [first] = points;
  if (first === undefined) return [];
  const groups = MIXES.filter((mix) => points.some((point) => point.mix === mix));
  const x: Place = { title: "Mix", unit: "", of: ({ mix }) => groups.indexOf(mix) };
  const description = `${formatNumber(first.concurrency)} callers, values of ` +
    `${formatNumber(first.valueBytes, "bytes")}.`;
  const common = { x, lines: bySubject(points), groups };
  return [
    chart("mixes-throughput", "Throughput of each mix of commands", description, {
      ...common,
      y: THROUGHPUT,
    }),
    chart("mixes-latency", "p99 latency of each mix of commands", description, {
      ...common,
      y: P99,
    }),
  ];
}

function leases(report: TuneReport): Chart[] {
  const fixed = ["mix", "valueBytes", "concurrency"] as const;
  const points = pointsOf(report, "leases", fixed, "mooring");
  const [first] = points;
  if (first === undefined) return [];
  const load = `${sayLoad(first)}; ${formatNumber(first.concurrency)} callers.`;
  const alone = `${load} A lease is a connection that one caller has alone, for WATCH ` +
    "and MULTI. A wait of 0 stands at the beginning of the axis.";
  const lines = byPercentile(points, ({ waitMs }) => waitMs);
  const advised = (key: string) =>
    report.advice.find((advice) => advice.key === key)?.value ?? NaN;
  const recommended = advised("max_connections") - advised("max_lanes");
  const isMeasured = points.some((point) => point.leases === recommended);
  return [
    chart("pool-wait", "Wait for a lease against the size of the pool", alone, {
      x: POOL_SIZE,
      y: { ...LATENCY, title: "Wait" },
      lines,
      colors: "order",
    }),
    chart("pool-throughput", "Throughput against the size of the pool", load, {
      x: POOL_SIZE,
      y: THROUGHPUT,
      lines: bySubject(points),
    }),
  ].map((drawn) => ({
    ...drawn,
    series: drawn.series.map((line) => ({
      ...line,
      points: mark(line.points, recommended, "recommended"),
    })),
    ...(isMeasured ? { markMeaning: "recommended size" } : {}),
  }));
}

function valueSizes(report: TuneReport): Chart[] {
  const points = SUBJECTS.flatMap((subject) =>
    pointsOf(report, "values", ["mix", "lanes", "concurrency"], subject)
  );
  const [first] = points;
  if (first === undefined) return [];
  const load = `Load: ${first.mix}; ${formatNumber(first.concurrency)} callers.`;
  const both = `${load} Both directions together, as the server counts them.`;
  const common = { x: VALUE_SIZE, lines: bySubject(points) };
  return [
    chart("values-throughput", "Throughput against the size of values", load, {
      ...common,
      y: THROUGHPUT,
    }),
    chart("values-bytes", "Bytes against the size of values", both, {
      ...common,
      y: TRAFFIC,
    }),
  ];
}

function cpu(points: readonly Point[]): Chart[] {
  const [first] = points;
  if (first === undefined) return [];
  const description =
    `${sayLoad(first)}. 1 is one core all the time: a process with one ` +
    "thread that is there limits the throughput.";
  const lines: Line[] = [
    { name: "client", points, of: ({ clientCpu }) => clientCpu },
    { name: "server", points, of: ({ serverCpu }) => serverCpu },
  ];
  const title = `CPU with ${counted(first.lanes, "lane")}`;
  return [chart("cpu-by-concurrency", title, description, { x: CALLERS, y: CPU, lines })];
}
