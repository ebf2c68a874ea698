import { ConnectionState, type RedisConnectionManager } from "../../mod.ts";
import { type Column, tableLines } from "../../src/cli/table.ts";
import type { Outcome } from "./work.ts";

/** One line of the report. */
export interface ReportRow {
  readonly database: string;
  readonly db: number;
  readonly endpoint: string;
  readonly state: ConnectionState;
  readonly operations: number;
  readonly successRate: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly connections: number;
  readonly problems: readonly string[];
}

/** The report of a run. */
export interface Report {
  /** Whether every database was healthy and every check in it passed. */
  readonly ok: boolean;
  readonly databases: readonly ReportRow[];
  readonly totals: {
    readonly databases: number;
    readonly healthy: number;
    readonly operations: number;
    readonly successRate: number;
    readonly connections: number;
  };
}

/**
 * Makes the report of a run out of the manager's own numbers.
 *
 * @param manager The manager.
 * @param outcomes The outcome of the work in each database.
 * @returns The report.
 */
export function report(
  manager: RedisConnectionManager,
  outcomes: readonly Outcome[],
): Report {
  const stats = manager.getStatistics();
  const problems = new Map(outcomes.map((o) => [o.database, o.problems]));
  const databases = manager.listDatabases().map(({ name, db, endpoint, state }) => {
    const s = stats.databaseStats[name]!;
    return {
      database: name,
      db,
      endpoint,
      state,
      operations: s.successfulOperations + s.failedOperations,
      successRate: s.successRate,
      p50Ms: s.latency.p50Ms,
      p99Ms: s.latency.p99Ms,
      connections: s.activeConnections,
      problems: problems.get(name) ?? ["not worked in"],
    };
  });
  const held = (row: ReportRow) =>
    row.state === ConnectionState.HEALTHY && row.problems.length === 0 &&
    row.operations > 0 && row.successRate === 100;
  return {
    ok: databases.length > 0 && databases.every(held),
    databases,
    totals: {
      databases: stats.totalDatabases,
      healthy: stats.healthyDatabases,
      operations: stats.totalOperations,
      successRate: stats.overallSuccessRate,
      connections: databases.reduce((sum, row) => sum + row.connections, 0),
    },
  };
}

/**
 * The report as JSON.
 *
 * @param report The report.
 * @returns Indented JSON.
 */
export function toJson(report: Report): string {
  return JSON.stringify(report, null, 2);
}

const COLUMNS: readonly Column<ReportRow>[] = [
  { title: "database", cell: (row) => row.database, isText: true },
  { title: "db", cell: (row) => String(row.db) },
  { title: "endpoint", cell: (row) => row.endpoint, isText: true },
  { title: "state", cell: (row) => row.state, isText: true },
  { title: "operations", cell: (row) => String(row.operations) },
  { title: "success", cell: (row) => `${row.successRate.toFixed(1)} %` },
  { title: "p50 ms", cell: (row) => row.p50Ms.toFixed(2) },
  { title: "p99 ms", cell: (row) => row.p99Ms.toFixed(2) },
  { title: "connections", cell: (row) => String(row.connections) },
];

/**
 * The report as a table for people.
 *
 * @param report The report.
 * @returns Several lines of text.
 */
export function toTable(report: Report): string {
  const { totals } = report;
  const problems = report.databases.flatMap((row) =>
    row.problems.map((problem) => `${row.database}: ${problem}`)
  );
  return [
    "",
    ...tableLines(COLUMNS, report.databases),
    `${totals.databases} databases, ${totals.healthy} healthy, ` +
    `${totals.operations} operations, ${totals.successRate.toFixed(1)} % succeeded, ` +
    `${totals.connections} connections`,
    ...problems,
    report.ok ? "All checks passed." : "Not all checks passed.",
  ].join("\n");
}
