import { counted, milliseconds, percent, thousands } from "../numbers.ts";
import { type Column, fittingLines, tableLines } from "../table.ts";
import { type CliIo, makePaint, wrap } from "../terminal.ts";
import { patchText } from "./patch.ts";
import type { Point, TuneReport } from "./report_types.ts";
import { noiseOf } from "./statistics.ts";
import { verdictOf } from "./verdict.ts";

const ms = (value?: number) => value === undefined ? "" : milliseconds(value);
const share = (value: number | null) => value === null ? "-" : percent(value);

const COLUMNS: readonly Column<Point>[] = [
  { title: "subject", cell: ({ subject }) => subject, isText: true },
  { title: "mix", cell: ({ mix }) => mix, isText: true },
  { title: "lanes", cell: ({ lanes }) => String(lanes) },
  { title: "leases", cell: ({ leases }) => String(leases) },
  { title: "bytes", cell: ({ valueBytes }) => String(valueBytes) },
  {
    title: "callers",
    cell: ({ concurrency, rate }) =>
      rate === undefined ? String(concurrency) : `${rate}/s`,
  },
  { title: "commands/s", cell: ({ perSecond }) => thousands(perSecond.median) },
  {
    title: "±",
    cell: ({ perSecond }) => share(noiseOf(perSecond) / perSecond.median),
  },
  { title: "p50", cell: ({ latencyMs }) => ms(latencyMs.p50.median) },
  { title: "p99", cell: ({ latencyMs }) => ms(latencyMs.p99.median) },
  { title: "p99.9", cell: ({ latencyMs }) => ms(latencyMs.p999.median) },
  { title: "max", cell: ({ latencyMs }) => ms(latencyMs.max.high) },
  { title: "wait", cell: ({ waitMs }) => ms(waitMs?.p99.median) },
  { title: "CPU", cell: ({ clientCpu }) => share(clientCpu) },
  { title: "server", cell: ({ serverCpu }) => share(serverCpu) },
];

/**
 * A sweep's table. What is the same in all of its rows stands above it.
 *
 * @param io Where it is written: on a terminal, a table that is too wide is turned.
 */
function sweepText(io: CliIo, sweep: string, points: readonly Point[]): string {
  const said = COLUMNS.map((column) => {
    const [first, ...others] = new Set(points.map(column.cell));
    // A single measurement has its figures in the table all the same.
    const isSame = others.length === 0 && (points.length > 1 || first === "");
    return { column, text: isSame ? first : undefined };
  });
  const same = said.filter(({ text }) => text !== undefined && text !== "")
    .map(({ column: { title }, text }) => `${title} ${text}`);
  const columns = said.filter(({ text }) => text === undefined)
    .map(({ column }) => column);
  const lines = io.isTerminal
    ? fittingLines(columns, points, io.columns)
    : tableLines(columns, points);
  const heading = [`${sweep}: latency in ms`, ...same].join(", ");
  return [wrap(io, heading, 2), ...lines].join("\n");
}

/**
 * The report as text for a terminal.
 *
 * @param io Where it is written.
 * @param report The report.
 * @param database Name of the database that the advice is for; without it, for all.
 * @returns The text.
 */
export function reportText(io: CliIo, report: TuneReport, database?: string): string {
  const { advice, effort, knees, machine, points, seconds, server } = report;
  const { noise, summary } = verdictOf(report);
  const { bold, yellow } = makePaint(io.useColor);
  const line = (text: string) => wrap(io, text, 2);
  const parts = [
    line(bold(summary)),
    noise === undefined ? "" : line(yellow(noise)),
    line(
      `${server.endpoint}: version ${server.version}, io-threads ${server.ioThreads}; ` +
        `${machine.runtime}, ${machine.cores} cores; ${effort}, ${seconds.toFixed(1)} s`,
    ),
    ...[...Map.groupBy(points, ({ sweep }) => sweep)]
      .map(([sweep, points]) => sweepText(io, sweep, points)),
    ...points.filter(({ errors }) => errors > 0)
      .map(({ errors, firstError, mix, subject }) =>
        line(
          `${errors} commands of ${subject}, ${mix}, failed; the first one: ${firstError}`,
        )
      ),
    knees.map(({ concurrency, lanes, perSecond }) =>
      line(
        `knee of ${counted(lanes, "lane")}: ${counted(concurrency, "caller")}, ` +
          `${thousands(perSecond)} commands/s`,
      )
    ).join("\n"),
    advice.map(({ current, key, reason, value }) => {
      const what = value === current
        ? `keep ${current}`
        : `${value} instead of ${current}`;
      return line(`${key}: ${what} - ${reason}`);
    }).join("\n"),
    patchText(advice, database) || "Nothing to change.\n",
  ];
  return parts.filter((part) => part !== "").join("\n\n");
}
