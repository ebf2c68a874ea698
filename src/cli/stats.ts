import type { RedisConnectionManager } from "../../mod.ts";
import type { ConfigOptions } from "./load_config.ts";
import { requirePermissions } from "./permissions.ts";
import { makeRows, readSamples, type Sample, type StatsRow } from "./stats_rows.ts";
import { type Column, fittingLines, listNames, tableLines } from "./table.ts";
import {
  CliExit,
  type CliIo,
  ExitCode,
  Interruption,
  makePaint,
  wrap,
} from "./terminal.ts";
import { delay } from "@std/async/delay";

/** Options of `stats`. */
export interface StatsOptions extends ConfigOptions {
  /** Where a service serves its text metrics. */
  readonly url?: string;
  /** Whether it repeats until it is interrupted. */
  readonly watch?: boolean;
  /** Time between two samples, in milliseconds. */
  readonly interval: number;
}

/** Deadline of reading text metrics, in milliseconds. */
const FETCH_MS = 10_000;
/** Moves to the upper left corner, and clears what is below. */
const REDRAW = "\x1b[H\x1b[J";

/** What the statistics are read from. */
interface Source {
  /** What it is, for people. */
  readonly name: string;
  /** Reads text metrics; the signal ends it. */
  read(signal: AbortSignal): Promise<string>;
  /** Why a database failed. */
  reasonOf(database: string): string;
}

/**
 * `stats`: a table of every database's statistics, once or until interrupted.
 *
 * @throws {CliExit} With 1 if a database failed; with 2 if the statistics cannot be read, or
 * a permission is missing.
 * @throws {ConfigError} If the configuration is not valid.
 */
export async function runStats(io: CliIo, options: StatsOptions): Promise<void> {
  const { url } = options;
  if (url !== undefined) {
    requirePermissions("stats", { name: "net", host: new URL(url).host });
    const name = withoutSecrets(url);
    return await show(io, options, {
      name,
      read: (signal) => fetchMetrics(url, signal),
      reasonOf: (database) =>
        `metrics do not say why: see ${new URL(`/readyz?database=${database}`, name)}, ` +
        "or the path at which the service answers /readyz",
    });
  }
  requirePermissions("stats", { name: "env" });
  // With --url, no client is loaded.
  const { RedisConnectionManager } = await import("../../mod.ts");
  const { loadConfig, sourceOf, targetsOf } = await import("./load_config.ts");
  // One attempt each: a server that is not reached is a row of the table.
  const config = await loadConfig("stats", { config: options.config }, {
    connectRetry: { attempts: 1 },
  });
  const databases = Object.values(config.databases);
  const hosts = new Set(databases.flatMap(targetsOf));
  requirePermissions(
    "stats",
    ...[...hosts].map((host) => ({ name: "net", host } as const)),
  );
  // As long as the first command of a service may take.
  const deadlineMs = Math.max(
    ...databases.map(({ commandTimeoutMs, connectTimeoutMs }) =>
      connectTimeoutMs + commandTimeoutMs
    ),
  );
  await using manager = new RedisConnectionManager(config);
  await show(io, options, {
    name: sourceOf(config),
    read: (signal) => checkAll(manager, deadlineMs, signal),
    reasonOf: (database) => {
      const { lastError, reason } = manager.getHealthStatus().databases[database]!;
      return lastError ?? reason;
    },
  });
}

async function fetchMetrics(url: string, signal: AbortSignal): Promise<string> {
  const within = AbortSignal.any([AbortSignal.timeout(FETCH_MS), signal]);
  let problem = "no answer";
  try {
    const response = await fetch(url, { signal: within });
    problem = "incomplete answer";
    const text = await response.text();
    if (response.ok) return text;
    problem = `the server answered ${response.status}`;
  } catch (error) {
    signal.throwIfAborted();
    if ((error as Error).name === "TimeoutError") problem += ` within ${FETCH_MS} ms`;
  }
  throw new CliExit(ExitCode.FAILED, `Cannot read ${withoutSecrets(url)}: ${problem}`);
}

function withoutSecrets(url: string): string {
  const shown = new URL(url);
  shown.username = shown.password = shown.search = "";
  return String(shown);
}

async function checkAll(
  manager: RedisConnectionManager,
  deadlineMs: number,
  signal: AbortSignal,
): Promise<string> {
  const late = AbortSignal.timeout(deadlineMs);
  const within = AbortSignal.any([late, signal]);
  // A database without an answer by then is shown in its last known state.
  await manager.healthCheck({ signal: within }).catch((error) => {
    if (signal.aborted || !late.aborted) throw error;
  });
  return manager.toPrometheus();
}

async function show(io: CliIo, options: StatsOptions, source: Source): Promise<void> {
  const { interval, json, watch } = options;
  using stop = watch ? new Interruption() : undefined;
  const signal = stop?.signal ?? new AbortController().signal;
  let earlier: Sample[] = [];
  let sampledAt = 0;
  try {
    do {
      if (earlier.length > 0) await delay(interval, { signal });
      const samples = readSamples(await source.read(signal));
      if (samples.length === 0) {
        const problem = "the answer has no metrics of @mooring/redis";
        throw new CliExit(ExitCode.FAILED, `Cannot show statistics: ${problem}`);
      }
      const now = performance.now();
      const rows = makeRows(samples, earlier, now - sampledAt);
      [earlier, sampledAt] = [samples, now];
      const isDrawn = watch && io.isTerminal && !json;
      io.out((isDrawn ? REDRAW : "") + render(io, options, rows, source));
      if (!watch && rows.some(hasFailed)) throw new CliExit(ExitCode.WARNINGS);
    } while (watch);
  } catch (error) {
    if (!signal.aborted) throw error;
  }
}

const hasFailed = ({ state }: StatsRow) => state === "failed";

function render(
  io: CliIo,
  { json, watch }: StatsOptions,
  rows: StatsRow[],
  { name, reasonOf }: Source,
): string {
  if (json) {
    const databases = rows.map((row) =>
      hasFailed(row) ? { ...row, reason: reasonOf(row.database) } : row
    );
    // One line for each sample where there are many: a program reads them one by one.
    return `${JSON.stringify({ databases }, null, watch ? 0 : 2)}\n`;
  }
  const { red } = makePaint(io.useColor);
  // Databases of one server fail for one reason.
  const reasons = Map.groupBy(
    rows.filter(hasFailed),
    ({ database }) => reasonOf(database),
  );
  const failures = [...reasons].map(([reason, failed]) =>
    wrap(
      io,
      `${red("failed")} ${listNames(failed.map(({ database }) => database))}: ${reason}`,
      7,
    )
  );
  const shown = columns(io).filter(({ cell, title }) =>
    !OPTIONAL.includes(title) || rows.some((row) => cell(row) !== "-")
  );
  const table = io.isTerminal
    ? fittingLines(shown, rows, io.columns)
    : tableLines(shown, rows);
  return [...table, ...failures, wrap(io, `From: ${name}`, 6), ""].join("\n");
}

/** Columns that are there only where a database has such a thing. */
const OPTIONAL: readonly string[] = ["near hits", "replicas", "lag ms"];

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
    { title: "near hits", cell: (row) => fixed(row.nearHitRate, 1, " %") },
    {
      title: "replicas",
      cell: ({ replicas, replicasInSync }) =>
        replicas === null ? "-" : `${replicasInSync}/${replicas}`,
    },
    { title: "lag ms", cell: (row) => fixed(row.replicaLagMs, 0) },
  ];
}
