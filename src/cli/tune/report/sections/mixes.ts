import type { Mix, Point, TuneReport } from "../../report_types.ts";
import type { BarChart, BarValue } from "../chart_types.ts";
import { formatNumber } from "../number_style.ts";
import { charts, LATENCY, type Section, THROUGHPUT } from "../section.ts";
import { agreeing, p99Of, pointsOf, SUBJECTS } from "../select.ts";

const MIXES: readonly Mix[] = [
  "get-heavy",
  "write-heavy",
  "pipeline",
  "blocking",
  "lease",
];

/**
 * Throughput and p99 of each mix of commands, side by side.
 *
 * @param report The report.
 * @returns The section; `undefined` if mixes were not measured.
 */
export function mixesSection(report: TuneReport): Section | undefined {
  const fixed = ["valueBytes", "concurrency"] as const;
  const points = agreeing(pointsOf(report, "mixes"), fixed);
  const [first] = points;
  if (first === undefined) return undefined;
  const mixes = MIXES.filter((mix) => points.some((point) => point.mix === mix));
  const subjects = SUBJECTS.filter((subject) =>
    points.some((point) => point.subject === subject)
  );
  const series = (of: (point: Point) => BarValue) =>
    subjects.map((subject) => ({
      name: subject,
      look: SUBJECTS.indexOf(subject),
      values: mixes.map((mix) => {
        const found = points.find((point) =>
          point.subject === subject && point.mix === mix
        );
        return found === undefined ? null : of(found);
      }),
    }));
  const common = {
    description: `${formatNumber(first.concurrency)} callers, values of ${
      formatNumber(first.valueBytes, "bytes")
    }.`,
    groupTitle: "Mix",
    groups: mixes,
  };
  const throughput: BarChart = {
    ...common,
    id: "mixes-throughput",
    title: "Throughput of each mix of commands",
    x: THROUGHPUT,
    series: series(({ perSecond: { median, low, high } }) => ({
      value: median,
      low,
      high,
    })),
  };
  const latency: BarChart = {
    ...common,
    id: "mixes-latency",
    title: "The slowest of 100 (p99) of each mix of commands",
    x: { ...LATENCY, title: "Latency, p99" },
    series: series((point) => {
      const p99 = p99Of(point);
      if (typeof p99 === "number") return { value: p99 };
      const { high, low, median } = p99;
      return { value: median, low, high };
    }),
  };
  return { id: "mixes", title: "Command mixes", content: charts([throughput, latency]) };
}
