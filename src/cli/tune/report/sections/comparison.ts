import type { Point, TuneReport } from "../../report_types.ts";
import type { LineChart } from "../chart_types.ts";
import { join, type Markup, text } from "../markup.ts";
import {
  CALLERS,
  charts,
  LATENCY,
  paragraph,
  type Section,
  THROUGHPUT,
} from "../section.ts";
import {
  agreeing,
  chosenLanes,
  lineOf,
  p99Of,
  pointsOf,
  sayLanes,
  sayLoad,
  SUBJECTS,
} from "../select.ts";
import { dataTable } from "../table.ts";

const callers = ({ concurrency }: Point) => concurrency;

interface Rival {
  readonly name: string;
  readonly look: number;
  readonly points: readonly Point[];
}

/**
 * Mooring beside plain ioredis and node-redis on the same server.
 *
 * @param report The report.
 * @returns The section; `undefined` if nobody else was measured.
 */
export function comparisonSection(report: TuneReport): Section | undefined {
  const all = agreeing(pointsOf(report, "lanes"), ["mix", "valueBytes"]);
  const others = SUBJECTS.filter((subject) => subject !== "mooring").map((subject) => ({
    name: withVersion(report, subject),
    look: SUBJECTS.indexOf(subject),
    points: all.filter((point) => point.subject === subject),
  })).filter(({ points }) => points.length > 0);
  const own = ownLines(all, chosenLanes(report));
  const [first] = all;
  if (others.length === 0 || own.length === 0 || first === undefined) return undefined;
  const rivals = [...own, ...others];
  const description = `The same server, the same load (${sayLoad(first)}), in turn ` +
    "within each round. The others use one connection.";
  const lines = (y: Parameters<typeof lineOf>[3]) =>
    rivals.map(({ name, look, points }) => ({
      ...lineOf(name, points, callers, y),
      look,
    }));
  const throughput: LineChart = {
    id: "comparison-throughput",
    title: "Throughput side by side",
    description,
    x: CALLERS,
    y: THROUGHPUT,
    series: lines(({ perSecond }) => perSecond),
  };
  const latency: LineChart = {
    id: "comparison-latency",
    title: "The slowest of 100 (p99) side by side",
    description,
    x: CALLERS,
    y: { ...LATENCY, title: "Latency, p99" },
    series: lines(p99Of),
  };
  return {
    id: "comparison",
    title: "Side by side",
    content: join([charts([throughput, latency]), ratios(own, others)]),
  };
}

function withVersion(report: TuneReport, subject: Point["subject"]): string {
  const version = report.clients[subject];
  return version === undefined ? subject : `${subject} ${version}`;
}

/** Mooring with the lanes it should have, and with one, as the others have one connection. */
function ownLines(points: readonly Point[], chosen: number | undefined): Rival[] {
  const wanted = new Set([chosen ?? 1, 1]);
  return [...wanted].map((lanes, index) => ({
    name: `mooring, ${sayLanes(lanes)}`,
    look: index === 0 ? SUBJECTS.indexOf("mooring") : SUBJECTS.length,
    points: points.filter((point) =>
      point.subject === "mooring" && point.lanes === lanes
    ),
  })).filter(({ points }) => points.length > 0);
}

function ratios(own: readonly Rival[], others: readonly Rival[]): Markup {
  const [best] = own;
  if (best === undefined) return text("");
  const rows = best.points.toSorted((a, b) => callers(a) - callers(b)).map((point) => [
    callers(point),
    ...others.map(({ points }) => {
      const other = points.find((other) => callers(other) === callers(point));
      return other === undefined || other.perSecond.median === 0
        ? null
        : point.perSecond.median / other.perSecond.median;
    }),
  ]);
  return join([
    paragraph(
      "The same as ratios: above 1 there is more throughput than with the other.",
    ),
    dataTable({
      caption: `Throughput of ${best.name}, divided by another's`,
      columns: [
        { title: "Concurrency (callers)" },
        ...others.map(({ name }) => ({ title: name, format: "ratio" as const })),
      ],
      rows,
    }),
  ]);
}
