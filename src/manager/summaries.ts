import { ConnectionState } from "../core/events.ts";
import type { Database } from "../database/database.ts";
import type { ManagerStats } from "../observability/metrics.ts";
import type {
  DatabaseHealth,
  DatabaseListing,
  HealthStatus,
} from "../observability/types.ts";

/**
 * What a manager says of one of its databases.
 *
 * @param database The database.
 * @returns Name, number, endpoint, description, state.
 */
export function describeDatabase(database: Database): DatabaseListing {
  const { config, name } = database;
  const { state, endpoint } = database.health();
  return Object.freeze({
    name,
    db: config.db,
    endpoint,
    description: config.description,
    state,
  });
}

/** How many databases are in each state. */
function countStates(healths: readonly DatabaseHealth[]) {
  const states = healths.map(({ state }) => state);
  const count = (wanted: ConnectionState) =>
    states.filter((state) => state === wanted).length;
  return {
    totalDatabases: states.length,
    healthyDatabases: count(ConnectionState.HEALTHY),
    degradedDatabases: count(ConnectionState.DEGRADED),
    failedDatabases: count(ConnectionState.FAILED),
  };
}

/**
 * How well databases serve, all together.
 *
 * @param databases The databases.
 * @returns A frozen snapshot.
 */
export function summarizeHealth(databases: readonly Database[]): HealthStatus {
  const entries = databases.map((each) => [each.name, each.health()] as const);
  const counts = countStates(entries.map(([, health]) => health));
  return Object.freeze({
    overallHealthy: counts.healthyDatabases === counts.totalDatabases,
    ...counts,
    databases: Object.freeze(Object.fromEntries(entries)),
  });
}

/**
 * What databases did, all together.
 *
 * @param databases The databases.
 * @param times How long the manager has lived, and the window, in seconds.
 * @returns A frozen snapshot.
 */
export function summarizeStatistics(
  databases: readonly Database[],
  times: Pick<ManagerStats, "uptimeSeconds" | "windowSeconds">,
): ManagerStats {
  const stats = databases.map((database) => database.statistics());
  const sum = (pick: (s: typeof stats[number]) => number) =>
    stats.reduce((total, s) => total + pick(s), 0);
  const succeeded = sum((s) => s.successfulOperations);
  const total = succeeded + sum((s) => s.failedOperations);
  return Object.freeze({
    ...countStates(databases.map((database) => database.health())),
    totalOperations: total,
    cacheHits: sum((s) => s.cacheHits),
    cacheMisses: sum((s) => s.cacheMisses),
    bytesSent: sum((s) => s.bytesSent),
    bytesReceived: sum((s) => s.bytesReceived),
    ...times,
    overallSuccessRate: total === 0 ? 100 : (succeeded / total) * 100,
    databaseStats: Object.freeze(
      Object.fromEntries(stats.map((s) => [s.databaseName, s])),
    ),
  });
}
