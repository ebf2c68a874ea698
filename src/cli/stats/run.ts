import { CliExit, ExitCode } from "../exit.ts";
import type { CliIo } from "../io.ts";
import { makePaint } from "../paint.ts";
import { requirePermissions } from "../permissions.ts";
import { type Column, tableLines } from "../table.ts";
import type { StatsOptions } from "./command.ts";
import { makeRows, readSamples, type Sample, type StatsRow } from "./rows.ts";
import type { Source } from "./source.ts";

/** How long one look may take, in milliseconds. */
const LOOK_MS = 10_000;
/** To the upper left corner, and empties what is below. */
const REDRAW = "\x1b[H\x1b[J";

/**
 * `stats`: a table of every database's numbers, once or until interrupted.
 *
 * @param io What it reads and writes.
 * @param options What the user asked for.
 * @throws {CliExit} If the numbers cannot be had.
 */
export async function runStats(io: CliIo, options: StatsOptions): Promise<void> {
  await using source = await open(options);
  if (!options.watch) {
    const rows = makeRows(await look(source), [], 0);
    return io.out(render(io, options, rows));
  }
  await watch(io, options, source);
}

async function open(options: StatsOptions): Promise<Source> {
  const { url } = options;
  if (url !== undefined) {
    const { host } = new URL(url);
    requirePermissions("stats", { name: "net", host });
    return {
      read: (signal) => fetchMetrics(url, signal),
      [Symbol.asyncDispose]: () => Promise.resolve(),
    };
  }
  const { openManagerSource } = await import("./manager_source.ts");
  return await openManagerSource(options);
}

async function fetchMetrics(url: string, signal?: AbortSignal): Promise<string> {
  // Without user and password, should the URL have any.
  const shown = new URL(url);
  shown.username = shown.password = shown.search = "";
  const fail = (why: string): never => {
    throw new CliExit(ExitCode.FAILED, `Cannot read ${shown}: ${why}`);
  };
  const late = AbortSignal.timeout(LOOK_MS);
  const orFail = (what: string) => (error: Error) => {
    signal?.throwIfAborted();
    return fail(error.name === "TimeoutError" ? `${what} within ${LOOK_MS} ms` : what);
  };
  const response = await fetch(url, {
    signal: signal === undefined ? late : AbortSignal.any([late, signal]),
  }).catch(orFail("no answer"));
  const text = await response.text().catch(orFail("no whole answer"));
  return response.ok ? text : fail(`the server answered ${response.status}`);
}

async function look(source: Source, signal?: AbortSignal): Promise<Sample[]> {
  const samples = readSamples(await source.read(signal));
  if (samples.length > 0) return samples;
  throw new CliExit(
    ExitCode.FAILED,
    "Cannot show numbers: there are no metrics of @mooring/redis in what was read",
  );
}

async function watch(io: CliIo, options: StatsOptions, source: Source): Promise<void> {
  using stop = interrupted();
  let earlier: Sample[] = [];
  let lookedAt = 0;
  while (!stop.signal.aborted) {
    const samples = await look(source, stop.signal).catch((error) => {
      if (stop.signal.aborted) return undefined;
      throw error;
    });
    if (samples === undefined) break;
    const now = performance.now();
    const rows = makeRows(samples, earlier, now - lookedAt);
    [earlier, lookedAt] = [samples, now];
    const isDrawn = io.isTerminal && !options.json;
    io.out((isDrawn ? REDRAW : "") + render(io, options, rows));
    await pause(options.interval, stop.signal);
  }
}

/** A signal that is aborted when the user or the system wants the program to end. */
function interrupted(): Disposable & { readonly signal: AbortSignal } {
  const stop = new AbortController();
  const end = () => stop.abort();
  const names = ["SIGINT", "SIGTERM"] as const;
  for (const name of names) Deno.addSignalListener(name, end);
  return {
    signal: stop.signal,
    [Symbol.dispose]() {
      for (const name of names) Deno.removeSignalListener(name, end);
    },
  };
}

function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) return resolve();
    const end = () => {
      clearTimeout(timer);
      signal.removeEventListener("abort", end);
      resolve();
    };
    const timer = setTimeout(end, ms);
    signal.addEventListener("abort", end);
  });
}

function render(io: CliIo, { json, watch }: StatsOptions, rows: StatsRow[]): string {
  // A line for each look where there are many: a program reads them one by one.
  if (json) return `${JSON.stringify({ databases: rows }, null, watch ? 0 : 2)}\n`;
  return `${tableLines(columns(io), rows).join("\n")}\n`;
}

const fixed = (digits: number, unit = "") => (value: number | null) =>
  value === null ? "-" : value.toFixed(digits) + unit;

function columns(io: CliIo): Column<StatsRow>[] {
  const paint = makePaint(io.useColor);
  const colour: Record<string, (text: string) => string> = {
    healthy: paint.green,
    degraded: paint.yellow,
    failed: paint.red,
  };
  return [
    { title: "database", cell: (row) => row.database, isText: true },
    { title: "db", cell: (row) => String(row.db) },
    {
      title: "state",
      cell: (row) => row.state,
      isText: true,
      paint: (text, row) => colour[row.state]?.(text) ?? text,
    },
    { title: "commands", cell: (row) => String(row.commands) },
    { title: "per s", cell: (row) => fixed(1)(row.perSecond) },
    { title: "success", cell: (row) => fixed(1, " %")(row.successRate) },
    { title: "p50 ms", cell: (row) => fixed(2)(row.p50Ms) },
    { title: "p99 ms", cell: (row) => fixed(2)(row.p99Ms) },
    { title: "conns", cell: (row) => `${row.connections}/${row.maxConnections}` },
    { title: "in flight", cell: (row) => String(row.inFlight) },
    { title: "waiting", cell: (row) => String(row.waiting) },
    { title: "hits", cell: (row) => fixed(1, " %")(row.hitRate) },
  ];
}
