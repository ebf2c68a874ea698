import { delay } from "@std/async/delay";
import type { RedisConnectionManager } from "../../mod.ts";
import type { StatsOptions } from "./commands.ts";
import { requirePermissions } from "./permissions.ts";
import { makeRows, readSamples, type Sample, type StatsRow } from "./stats_rows.ts";
import { type Column, tableLines } from "./table.ts";
import { CliExit, type CliIo, ExitCode, Interruption, makePaint } from "./terminal.ts";

/** Deadline of reading text metrics, in milliseconds. */
const FETCH_MS = 10_000;
/** Deadline of one round of health checks, in milliseconds. */
const CHECK_MS = 5000;
/** Deadline of one attempt to connect: shorter, so that the sample shows its result. */
const CONNECT_MS = 4000;
/** Moves to the upper left corner, and clears what is below. */
const REDRAW = "\x1b[H\x1b[J";

/** Reads text metrics; the signal ends it. */
type ReadMetrics = (signal?: AbortSignal) => Promise<string>;

/**
 * `stats`: a table of every database's statistics, once or until interrupted.
 *
 * @throws {CliExit} If the statistics cannot be read, or a permission is missing.
 * @throws {ConfigError} If the configuration is not valid.
 */
export async function runStats(io: CliIo, options: StatsOptions): Promise<void> {
  const { url } = options;
  if (url !== undefined) {
    requirePermissions("stats", { name: "net", host: new URL(url).host });
    return await show(io, options, (signal) => fetchMetrics(url, signal));
  }
  requirePermissions("stats", { name: "env" });
  // With --url, no client is loaded.
  const { RedisConnectionManager } = await import("../../mod.ts");
  const { loadConfig, targetsOf } = await import("./load_config.ts");
  // One attempt each: a server that is not reached is a row of the table.
  const config = await loadConfig("stats", { config: options.config }, {
    connectRetry: { attempts: 1 },
    connectTimeoutMs: CONNECT_MS,
  });
  const hosts = new Set(Object.values(config.databases).flatMap(targetsOf));
  requirePermissions(
    "stats",
    ...[...hosts].map((host) => ({ name: "net", host } as const)),
  );
  await using manager = new RedisConnectionManager(config);
  await show(io, options, (signal) => checkAll(manager, signal));
}

async function fetchMetrics(url: string, signal?: AbortSignal): Promise<string> {
  // Without user and password, should the URL have any.
  const shown = new URL(url);
  shown.username = shown.password = shown.search = "";
  const fail = (why: string): never => {
    throw new CliExit(ExitCode.FAILED, `Cannot read ${shown}: ${why}`);
  };
  const late = AbortSignal.timeout(FETCH_MS);
  const orFail = (what: string) => (error: Error) => {
    signal?.throwIfAborted();
    return fail(error.name === "TimeoutError" ? `${what} within ${FETCH_MS} ms` : what);
  };
  const within = AbortSignal.any([late, ...signal === undefined ? [] : [signal]]);
  const response = await fetch(url, { signal: within }).catch(orFail("no answer"));
  const text = await response.text().catch(orFail("incomplete answer"));
  return response.ok ? text : fail(`the server answered ${response.status}`);
}

async function checkAll(
  manager: RedisConnectionManager,
  signal?: AbortSignal,
): Promise<string> {
  const late = AbortSignal.timeout(CHECK_MS);
  const within = AbortSignal.any([late, ...signal === undefined ? [] : [signal]]);
  // A database without an answer by then is shown in its last known state.
  await manager.healthCheck({ signal: within }).catch((error) => {
    if (signal?.aborted || !late.aborted) throw error;
  });
  return manager.toPrometheus();
}

async function show(io: CliIo, options: StatsOptions, read: ReadMetrics): Promise<void> {
  if (!options.watch) {
    return io.out(render(io, options, makeRows(await sample(read), [], 0)));
  }
  using stop = new Interruption();
  const { signal } = stop;
  let earlier: Sample[] = [];
  let sampledAt = 0;
  try {
    while (true) {
      const samples = await sample(read, signal);
      const now = performance.now();
      const rows = makeRows(samples, earlier, now - sampledAt);
      [earlier, sampledAt] = [samples, now];
      const isDrawn = io.isTerminal && !options.json;
      io.out((isDrawn ? REDRAW : "") + render(io, options, rows));
      await delay(options.interval, { signal });
    }
  } catch (error) {
    if (!signal.aborted) throw error;
  }
}

async function sample(read: ReadMetrics, signal?: AbortSignal): Promise<Sample[]> {
  const samples = readSamples(await read(signal));
  if (samples.length > 0) return samples;
  throw new CliExit(
    ExitCode.FAILED,
    "Cannot show statistics: the answer has no metrics of @mooring/redis",
  );
}

function render(io: CliIo, { json, watch }: StatsOptions, rows: StatsRow[]): string {
  // One line for each sample where there are many: a program reads them one by one.
  if (json) return `${JSON.stringify({ databases: rows }, null, watch ? 0 : 2)}\n`;
  return `${tableLines(columns(io), rows).join("\n")}\n`;
}

const fixed = (value: number | null, digits: number, unit = "") =>
  value === null ? "-" : value.toFixed(digits) + unit;

function columns(io: CliIo): Column<StatsRow>[] {
  const { green, red, yellow } = makePaint(io.useColor);
  const colors: Record<string, (text: string) => string> = {
    healthy: green,
    degraded: yellow,
    failed: red,
  };
  return [
    { title: "database", cell: (row) => row.database, isText: true },
    { title: "db", cell: (row) => String(row.db) },
    {
      title: "state",
      cell: (row) => row.state,
      isText: true,
      paint: (text, row) => colors[row.state]?.(text) ?? text,
    },
    { title: "commands", cell: (row) => String(row.commands) },
    { title: "per s", cell: (row) => fixed(row.perSecond, 1) },
    { title: "success", cell: (row) => fixed(row.successRate, 1, " %") },
    { title: "p50 ms", cell: (row) => fixed(row.p50Ms, 2) },
    { title: "p99 ms", cell: (row) => fixed(row.p99Ms, 2) },
    { title: "conns", cell: (row) => `${row.connections}/${row.maxConnections}` },
    { title: "in flight", cell: (row) => String(row.inFlight) },
    { title: "waiting", cell: (row) => String(row.waiting) },
    { title: "hits", cell: (row) => fixed(row.hitRate, 1, " %") },
  ];
}
