/**
 * The sections of the report that show what was measured: which points each chart has, and
 * what it says of them.
 *
 * @module
 */

import type { Mix, Point, Subject, TuneReport } from "../report_types.ts";
import { fastest } from "../statistics.ts";
import { type Axis, type Chart, drawCharts } from "./charts.ts";
import { type Markup, markup } from "./markup.ts";
import { formatNumber } from "./number_style.ts";
import {
  byLanes,
  byPercentile,
  bySubject,
  chosenLanes,
  type Figure,
  lineOf,
  p99Of,
  pointsOf,
  sayLanes,
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

const RIVALS = SUBJECTS.slice(1);
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

const CALLERS: Measured<(point: Point) => number> = {
  ...{ title: "Concurrency", unit: "callers", log: 2 },
  of: ({ concurrency }) => concurrency,
};
const POOL_SIZE: typeof CALLERS = {
  ...{ title: "Pool size", unit: "leases at the same time", log: 2 },
  of: ({ leases }) => leases,
};
const VALUE_SIZE: typeof CALLERS = {
  ...{ title: "Value size", unit: "", log: 2, format: "bytes" },
  of: ({ valueBytes }) => valueBytes,
};
const RATE: typeof CALLERS = {
  ...{ title: "Requested rate", unit: "commands/s", format: "compact" },
  of: ({ rate = 0 }) => rate,
};
const THROUGHPUT: Measured<Figure> = {
  ...{ title: "Throughput", unit: "commands/s", format: "compact" },
  of: ({ perSecond }) => perSecond,
};
const LATENCY: Axis = { title: "Latency", unit: "ms", log: 10 };
const P99: Measured<Figure> = { ...LATENCY, title: "Latency, p99", of: p99Of };
const TRAFFIC: Measured<Figure> = {
  ...{ title: "Traffic", unit: "MiB/s", log: 10 },
  of: ({ bytesPerSecond }) => (bytesPerSecond.in + bytesPerSecond.out) / MEBIBYTE,
};

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
  const section = (id: string, title: string, ...content: readonly Markup[]) => ({
    id,
    title,
    content: markup`${content}`,
  });
  return [
    section("throughput", "Throughput", ...throughput(report, own)),
    section(
      "latency",
      "Latency",
      drawCharts([...latency(own, chosen), ...openLoop(report)]),
    ),
    section("comparison", "Side by side", ...comparison(report, all, chosen)),
    section("mixes", "Command mixes", drawCharts(mixes(report))),
    section("pool", "Pool of leases", drawCharts(leases(report))),
    section("values", "Value sizes", drawCharts(valueSizes(report))),
    section("cpu", "CPU", drawCharts(cpu(chosen))),
  ].filter(({ content }) => !content.isEmpty);
}

function throughput({ knees }: TuneReport, points: readonly Point[]): Markup[] {
  const top = fastest(points);
  if (top === undefined) return [];
  const said = knees.map(({ lanes, concurrency }) =>
    `${formatNumber(concurrency)} with ${sayLanes(lanes)}`
  );
  const rate = formatNumber(top.perSecond.median, "compact");
  const summary = `The highest throughput was ${rate} commands a second, with ` +
    `${sayLanes(top.lanes)} and ${formatNumber(top.concurrency)} callers.` +
    (said.length === 0
      ? ""
      : ` Beyond the knee more callers bring little: ${said.join(", ")}.`);
  const series = byLanes(points, THROUGHPUT.of).map((line) => {
    const knee = knees.find(({ lanes }) => sayLanes(lanes) === line.name)?.concurrency;
    const mark = (x: number) => x === knee ? `knee: ${formatNumber(x)}` : undefined;
    return {
      ...line,
      points: line.points.map((each) => ({ ...each, mark: mark(each.x) })),
    };
  });
  return [
    markup`<p>${summary}</p>`,
    drawCharts([{
      id: "throughput-by-lanes",
      title: "Throughput against concurrency, for each number of lanes",
      description:
        `${sayLoad(top)}. Each caller waits for its reply before it sends the ` +
        "next command. A point is the median of the rounds; the broad bar behind it goes " +
        "from the smallest to the largest.",
      ...{ x: CALLERS, y: THROUGHPUT, series, colors: "order" },
      markMeaning: "knee: beyond it more callers bring little",
    }]),
  ];
}

function latency(points: readonly Point[], chosen: readonly Point[]): Chart[] {
  const [first] = chosen;
  if (first === undefined) return [];
  const charts: Chart[] = [{
    id: "latency-percentiles",
    title: `Latency percentiles with ${sayLanes(first.lanes)}`,
    description: `${sayLoad(first)}. From the moment a command was due until its reply.`,
    ...{ x: CALLERS, y: LATENCY, colors: "order" },
    series: byPercentile(chosen, CALLERS.of),
  }, {
    id: "latency-by-lanes",
    title: "p99 latency, for each number of lanes",
    description:
      `${sayLoad(first)}. The broad bar behind a point goes from the smallest ` +
      "to the largest of the rounds.",
    ...{ x: CALLERS, y: P99, series: byLanes(points, P99.of), colors: "order" },
  }];
  return charts.filter(({ id, series }) =>
    id !== "latency-by-lanes" || series.length > 1
  );
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
  const charts: Chart[] = [{
    id: "latency-by-rate",
    title: `Latency percentiles of ${first.subject} at a fixed rate`,
    ...{ description, x: RATE, y: LATENCY, colors: "order" },
    series: byPercentile(own, RATE.of),
  }, {
    id: "rate-side-by-side",
    title: "p99 latency at a fixed rate, side by side",
    ...{ description, x: RATE, y: P99, series: bySubject(points, RATE.of, P99.of) },
  }];
  return own.length === points.length ? charts.slice(0, 1) : charts;
}

/** Mooring with the chosen lanes, and with one, beside clients that have one connection. */
function comparison(
  report: TuneReport,
  points: readonly Point[],
  chosen: readonly Point[],
): Markup[] {
  const [first] = chosen;
  const others = RIVALS.map((subject, index) => ({
    name: sayClient(report, subject),
    look: index + 1,
    points: points.filter((point) => point.subject === subject),
  })).filter(({ points }) => points.length > 0);
  if (others.length === 0 || first === undefined) return [];
  const name = `mooring, ${sayLanes(first.lanes)}`;
  const single = points.filter(({ lanes, subject }) =>
    subject === "mooring" && lanes === 1 && first.lanes !== 1
  );
  const lines = (figure: Figure) =>
    [
      { name, look: 0, points: chosen },
      { name: "mooring, 1 lane", look: SUBJECTS.length, points: single },
      ...others,
    ].filter(({ points }) => points.length > 0)
      .map(({ look, name, points }) => lineOf(name, points, CALLERS.of, figure, look));
  const description = `${sayLoad(first)}, on the same server, in turn within each ` +
    "round. The others use one connection.";
  const charts = drawCharts([{
    ...{ id: "comparison-throughput", title: "Throughput side by side", description },
    ...{ x: CALLERS, y: THROUGHPUT, series: lines(THROUGHPUT.of) },
  }, {
    ...{ id: "comparison-latency", title: "p99 latency side by side", description },
    ...{ x: CALLERS, y: P99, series: lines(P99.of) },
  }]);
  const ratios = chosen.toSorted((a, b) => a.concurrency - b.concurrency).map((point) => [
    point.concurrency,
    ...others.map(({ points }) => {
      const other = points.find(({ concurrency }) => concurrency === point.concurrency);
      return other ? point.perSecond.median / other.perSecond.median : null;
    }),
  ]);
  const table = dataTable({
    caption:
      `Throughput of ${name}, divided by that of the other client: above 1 it is ` +
      "higher",
    columns: [
      { title: "Concurrency (callers)" },
      ...others.map(({ name }) => ({ title: name, format: "ratio" as const })),
    ],
    rows: ratios,
  });
  return [charts, table];
}

function mixes(report: TuneReport): Chart[] {
  const points = pointsOf(report, "mixes", ["valueBytes", "concurrency"]);
  const [first] = points;
  if (first === undefined) return [];
  const groups = MIXES.filter((mix) => points.some((point) => point.mix === mix));
  const place = ({ mix }: Point) => groups.indexOf(mix);
  const description = `${formatNumber(first.concurrency)} callers, values of ` +
    `${formatNumber(first.valueBytes, "bytes")}.`;
  const common = { description, x: { title: "Mix", unit: "" }, groups };
  return [{
    ...{ ...common, id: "mixes-throughput", title: "Throughput of each mix of commands" },
    ...{ y: THROUGHPUT, series: bySubject(points, place, THROUGHPUT.of) },
  }, {
    ...{ ...common, id: "mixes-latency", title: "p99 latency of each mix of commands" },
    ...{ y: P99, series: bySubject(points, place, P99.of) },
  }];
}

function leases(report: TuneReport): Chart[] {
  const fixed = ["mix", "valueBytes", "concurrency"] as const;
  const points = pointsOf(report, "leases", fixed, "mooring");
  const [first] = points;
  if (first === undefined) return [];
  const load = `${sayLoad(first)}; ${formatNumber(first.concurrency)} callers.`;
  return [{
    id: "pool-wait",
    title: "Wait for a lease against the size of the pool",
    description: `${load} A lease is a connection that one caller has alone, for WATCH ` +
      "and MULTI. A wait of 0 stands at the beginning of the axis.",
    ...{ x: POOL_SIZE, y: { ...LATENCY, title: "Wait" }, colors: "order" },
    series: byPercentile(points, POOL_SIZE.of, ({ waitMs, waitTailMs }) => ({
      all: waitMs,
      p999: waitTailMs?.p999,
    })),
  }, {
    ...{ id: "pool-throughput", title: "Throughput against the size of the pool" },
    ...{ description: load, x: POOL_SIZE, y: THROUGHPUT },
    series: bySubject(points, POOL_SIZE.of, THROUGHPUT.of),
  }];
}

function valueSizes(report: TuneReport): Chart[] {
  const points = SUBJECTS.flatMap((subject) =>
    pointsOf(report, "values", ["mix", "lanes", "concurrency"], subject)
  );
  const [first] = points;
  if (first === undefined) return [];
  const load = `Load: ${first.mix}; ${formatNumber(first.concurrency)} callers.`;
  const lines = ({ of }: Measured<Figure>) => bySubject(points, VALUE_SIZE.of, of);
  return [{
    ...{ id: "values-throughput", title: "Throughput against the size of values" },
    ...{ description: load, x: VALUE_SIZE, y: THROUGHPUT, series: lines(THROUGHPUT) },
  }, {
    ...{ id: "values-bytes", title: "Bytes against the size of values" },
    description: `${load} Both directions together, as the server counts them.`,
    ...{ x: VALUE_SIZE, y: TRAFFIC, series: lines(TRAFFIC) },
  }];
}

function cpu(points: readonly Point[]): Chart[] {
  const [first] = points;
  if (first === undefined) return [];
  const lines = [
    lineOf("client", points, CALLERS.of, ({ clientCpu }) => clientCpu),
    lineOf("server", points, CALLERS.of, ({ serverCpu }) => serverCpu),
  ];
  return [{
    id: "cpu-by-concurrency",
    title: `CPU with ${sayLanes(first.lanes)}`,
    description: `${sayLoad(first)}. 1 is one core all the time: a process with one ` +
      "thread that is there limits the throughput.",
    ...{ x: CALLERS, y: { title: "CPU", unit: "cores busy" } },
    series: lines.filter(({ points }) => points.length > 0),
  }];
}
