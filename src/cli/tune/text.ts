import { type Column, tableLines } from "../table.ts";
import { patchText } from "./patch.ts";
import type { Point, TuneReport } from "./report_types.ts";

const thousands = (value: number) => Math.round(value).toLocaleString("en");
const ms = (value?: number) => value?.toFixed(value < 10 ? 2 : 0) ?? "";
const percent = (share: number | null) =>
  share === null ? "-" : `${Math.round(share * 100)} %`;

const COLUMNS: readonly Column<Point>[] = [
  { title: "sweep", cell: ({ sweep }) => sweep, isText: true },
  { title: "subject", cell: ({ subject }) => subject, isText: true },
  { title: "mix", cell: ({ mix }) => mix, isText: true },
  { title: "lanes", cell: ({ lanes }) => String(lanes) },
  { title: "leases", cell: ({ leases }) => String(leases) },
  {
    title: "callers",
    cell: ({ concurrency, rate }) =>
      rate === undefined ? String(concurrency) : `${rate}/s`,
  },
  { title: "bytes", cell: ({ valueBytes }) => String(valueBytes) },
  { title: "commands/s", cell: ({ perSecond }) => thousands(perSecond.median) },
  {
    title: "±",
    cell: ({ perSecond: { high, low, median } }) => percent((high - low) / 2 / median),
  },
  { title: "p50 ms", cell: ({ latencyMs }) => ms(latencyMs.p50.median) },
  { title: "p99 ms", cell: ({ latencyMs }) => ms(latencyMs.p99.median) },
  { title: "p99.9 ms", cell: ({ latencyMs }) => ms(latencyMs.p999.median) },
  { title: "max ms", cell: ({ latencyMs }) => ms(latencyMs.max.high) },
  { title: "wait p99", cell: ({ waitMs }) => ms(waitMs?.p99.median) },
  { title: "CPU", cell: ({ clientCpu }) => percent(clientCpu) },
  { title: "server", cell: ({ serverCpu }) => percent(serverCpu) },
  { title: "conns", cell: ({ connections }) => String(connections) },
  { title: "errors", cell: ({ errors }) => String(errors) },
];

/**
 * The report as text for a terminal.
 *
 * @param report The report.
 * @param database Name of the database that the advice is for; without it, for all.
 * @returns The text.
 */
export function reportText(report: TuneReport, database?: string): string {
  const { advice, effort, knees, machine, points, seconds, server } = report;
  const parts = [
    `${server.endpoint}: version ${server.version}, io-threads ${server.ioThreads}; ` +
    `${machine.runtime}, ${machine.cores} cores; ${effort}, ${seconds.toFixed(1)} s`,
    tableLines(COLUMNS, points).join("\n"),
    ...points.filter(({ errors }) => errors > 0)
      .map(({ errors, firstError, mix, subject }) =>
        `${errors} commands of ${subject}, ${mix}, failed; the first one: ${firstError}`
      ),
    knees.map(({ concurrency, lanes, perSecond }) =>
      `knee of ${lanes} ${lanes === 1 ? "lane" : "lanes"}: ${concurrency} callers, ` +
      `${thousands(perSecond)} commands/s`
    ).join("\n"),
    advice.map(({ current, key, reason, value }) => {
      const what = value === current
        ? `keep ${current}`
        : `${value} instead of ${current}`;
      return `${key}: ${what} - ${reason}`;
    }).join("\n"),
    patchText(advice, database) || "Nothing to change.\n",
  ];
  return parts.filter((part) => part !== "").join("\n\n");
}
