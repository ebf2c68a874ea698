import type { Point, TuneReport } from "../../report_types.ts";
import type { Axis, LineChart } from "../chart_types.ts";
import { formatNumber } from "../number_style.ts";
import { charts, type Section, THROUGHPUT } from "../section.ts";
import { agreeing, lineOf, pointsOf, SUBJECTS } from "../select.ts";

const VALUE_SIZE: Axis = {
  title: "Value size",
  unit: "",
  scale: { kind: "log", base: 2 },
  format: "bytes",
};
const MEBIBYTE = 2 ** 20;

/**
 * Throughput against the size of values, in commands and in bytes.
 *
 * @param report The report.
 * @returns The section; `undefined` if sizes were not measured.
 */
export function valuesSection(report: TuneReport): Section | undefined {
  const fixed = ["mix", "lanes", "concurrency"] as const;
  const shown = SUBJECTS.map((subject) => ({
    subject,
    points: agreeing(pointsOf(report, "values", subject), fixed),
  })).filter(({ points }) => points.length > 0);
  const first = shown[0]?.points[0];
  if (first === undefined) return undefined;
  const lines = (y: Parameters<typeof lineOf>[3]) =>
    shown.map(({ subject, points }) => ({
      ...lineOf(subject, points, ({ valueBytes }) => valueBytes, y),
      look: SUBJECTS.indexOf(subject),
    }));
  const load = `Load: ${first.mix}; ${formatNumber(first.concurrency)} callers.`;
  const commands: LineChart = {
    id: "values-throughput",
    title: "Throughput against the size of values",
    description: load,
    x: VALUE_SIZE,
    y: THROUGHPUT,
    series: lines(({ perSecond }) => perSecond),
  };
  const bytes: LineChart = {
    id: "values-bytes",
    title: "Bytes against the size of values",
    description: `${load} Both directions together, as the server counts them.`,
    x: VALUE_SIZE,
    y: { title: "Traffic", unit: "MiB/s", scale: { kind: "log", base: 10 } },
    series: lines(traffic),
  };
  return { id: "values", title: "Value sizes", content: charts([commands, bytes]) };
}

function traffic({ bytesPerSecond }: Point): number {
  return (bytesPerSecond.in + bytesPerSecond.out) / MEBIBYTE;
}
