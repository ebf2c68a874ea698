import type { Comparison, Regression } from "./compare.ts";
import { patchText } from "./patch.ts";
import type { Point, TuneReport } from "./report_types.ts";

const thousands = (value: number) => Math.round(value).toLocaleString("en");
const ms = (value: number) => value.toFixed(value < 10 ? 2 : 0);
const share = (value: number | null) =>
  value === null ? "-" : `${Math.round(value * 100)} %`;

const HEAD = [
  ...["sweep", "subject", "mix", "lanes", "leases", "callers", "bytes"],
  ...["commands/s", "±", "p50 ms", "p99 ms", "p99.9 ms", "max ms", "wait p99"],
  ...["CPU", "server", "conns", "errors"],
];

function row(point: Point): string[] {
  const { high, low, median } = point.perSecond;
  const { latencyMs, waitMs } = point;
  return [
    point.sweep,
    point.subject,
    point.mix,
    String(point.lanes),
    String(point.leases),
    point.rate === undefined ? String(point.concurrency) : `${point.rate}/s`,
    String(point.valueBytes),
    thousands(median),
    `${Math.round((high - low) / 2 / median * 100)} %`,
    ms(latencyMs.p50),
    ms(latencyMs.p99),
    ms(latencyMs.p999),
    ms(latencyMs.max),
    waitMs === undefined ? "" : ms(waitMs.p99),
    share(point.clientCpu),
    share(point.serverCpu),
    String(point.connections),
    String(point.errors),
  ];
}

/** Columns of text; all others are figures. */
const WORDS = 3;

function table(rows: readonly (readonly string[])[]): string {
  const widths = rows[0]!.map((_, i) => Math.max(...rows.map((row) => row[i]!.length)));
  return rows.map((row) =>
    row.map((cell, i) => i < WORDS ? cell.padEnd(widths[i]!) : cell.padStart(widths[i]!))
      .join("  ").trimEnd()
  ).join("\n");
}

/**
 * The report as text for a terminal.
 *
 * @param report The report.
 * @param database Name of the database that the advice is for; without it, for all.
 * @returns The text.
 */
export function reportText(report: TuneReport, database?: string): string {
  const { machine, server } = report;
  const failed = report.points.filter(({ errors }) => errors > 0);
  const parts = [
    `${server.endpoint}: version ${server.version}, io-threads ${server.ioThreads}; ` +
    `${machine.runtime}, ${machine.cores} cores; ${report.effort}, ` +
    `${report.seconds.toFixed(1)} s`,
    table([HEAD, ...report.points.map(row)]),
    ...failed.map(({ errors, firstError, mix, subject }) =>
      `${errors} commands of ${subject}, ${mix}, failed; the first one: ${firstError}`
    ),
    report.knees.map(({ concurrency, lanes, perSecond }) =>
      `knee of ${lanes} ${lanes === 1 ? "lane" : "lanes"}: ${concurrency} callers, ` +
      `${thousands(perSecond)} commands/s`
    ).join("\n"),
    report.advice.map(({ current, key, reason, value }) =>
      `${key}: ${
        value === current ? `keep ${current}` : `${value} instead of ${current}`
      }` +
      ` - ${reason}`
    ).join("\n"),
    patchText(report.advice, database) || "Nothing to change.\n",
  ];
  return parts.filter((part) => part !== "").join("\n\n");
}

function regressionText({ after, before, figure, what }: Regression): string {
  if (figure === "errors") return `WORSE ${what}: ${after} commands failed, none then`;
  const show = figure === "p99" ? (value: number) => `${ms(value)} ms` : thousands;
  const unit = figure === "p99" ? "p99" : "commands/s";
  return `WORSE ${what}: ${show(after)} ${unit}, ${show(before)} then`;
}

/**
 * A comparison as text.
 *
 * @param comparison The comparison.
 * @returns The text.
 */
export function comparisonText(comparison: Comparison): string {
  const { compared, differences, regressions } = comparison;
  return [
    ...differences.map((difference) => `Not the same ${difference}`),
    ...regressions.map(regressionText),
    `${compared} combinations compared, ${regressions.length} figures worse by more than ` +
    "the noise",
    "",
  ].join("\n");
}
