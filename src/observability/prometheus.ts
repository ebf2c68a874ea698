import { ConnectionState } from "../core/events.ts";
import type { CommandCounters, ConnectionCounts } from "./database_statistics.ts";
import type { LatencyTotals } from "./latency_window.ts";
import {
  type Family,
  type FamilyType,
  type Sample,
  writeExposition,
  writeNumber,
} from "./prometheus_text.ts";
import type { DatabaseHealth, PoolStatistics } from "./types.ts";

/** What is put before every name. */
const PREFIX = "mooring_redis_";

/** Upper bounds of the latency buckets, in milliseconds: those that OpenTelemetry advises
 * for databases (1 ms to 10 s), and more below and between, where a server nearby is. */
export const LATENCY_BOUNDS_MS: readonly number[] = [
  ...[0.1, 0.25, 0.5, 1, 2.5, 5, 10, 25, 50],
  ...[100, 250, 500, 1000, 2500, 5000, 10_000],
];

/** What is known of one database; all counts since the start. */
export interface MetricsSource {
  /** How well it serves. */
  readonly health: DatabaseHealth;
  /** What its pool holds. */
  readonly pool: PoolStatistics;
  /** Its connections. */
  readonly connections: ConnectionCounts;
  /** Attempts to connect that failed. */
  readonly failedConnections: number;
  /** What its commands did. */
  readonly totals: CommandCounters;
  /** How long the server took to answer. */
  readonly latency: LatencyTotals;
}

/** A value, and the labels that tell it from others of its database. */
type Value = readonly [labels: Readonly<Record<string, string>>, value: number];

interface Definition {
  readonly name: string;
  readonly type: FamilyType;
  readonly help: string;
  readonly values: (source: MetricsSource) => readonly Value[];
}

/** One line for each state, 1 where it is the one that holds. */
function states(all: readonly string[], current: string): Value[] {
  return all.map((state) => [{ state }, state === current ? 1 : 0]);
}

function counter(
  name: string,
  help: string,
  value: (source: MetricsSource) => number,
): Definition {
  return { name, type: "counter", help, values: (source) => [[{}, value(source)]] };
}

function gauge(
  name: string,
  help: string,
  value: (source: MetricsSource) => number,
): Definition {
  return { name, type: "gauge", help, values: (source) => [[{}, value(source)]] };
}

const HEALTH: readonly Definition[] = [
  {
    name: "database_state",
    type: "gauge",
    help: "How well the database serves: 1 for the state that it is in.",
    values: ({ health }) => states(Object.values(ConnectionState), health.state),
  },
  {
    name: "circuit_breaker_state",
    type: "gauge",
    help: "The circuit breaker: 1 for the state that it is in.",
    values: ({ health }) =>
      states(["closed", "open", "half_open"], health.circuitBreaker),
  },
  counter(
    "circuit_breaker_trips_total",
    "How often the circuit breaker went from closed to open.",
    ({ totals }) => totals.trips,
  ),
  {
    name: "ping_seconds",
    type: "gauge",
    help: "What the last health check measured for one PING.",
    values: ({ health: { pingMs } }) => pingMs === null ? [] : [[{}, pingMs / 1000]],
  },
];

const COMMANDS: readonly Definition[] = [
  counter(
    "commands_succeeded_total",
    "Commands that succeeded, as their callers saw it.",
    ({ totals }) => totals.succeeded,
  ),
  counter(
    "commands_failed_total",
    "Commands that failed, as their callers saw it.",
    ({ totals }) => totals.failed,
  ),
  counter(
    "retries_total",
    "Commands and connection attempts that were tried again.",
    ({ totals }) => totals.retries,
  ),
  counter(
    "retries_refused_total",
    "Commands that were not tried again as the retry budget was used up.",
    ({ totals }) => totals.refusedRetries,
  ),
  counter(
    "redirects_total",
    "Commands that were sent to another node of the cluster.",
    ({ totals }) => totals.redirects,
  ),
  counter(
    "cache_hits_total",
    "Reads of single values that found one.",
    ({ totals }) => totals.hits,
  ),
  counter(
    "cache_misses_total",
    "Reads of single values that found none.",
    ({ totals }) => totals.misses,
  ),
  counter(
    "blocking_commands_total",
    "Blocking commands that were answered, by a value or by their timeout.",
    ({ totals }) => totals.blocked,
  ),
  counter(
    "blocking_wait_seconds_total",
    "How long blocking commands took to be answered, together.",
    ({ totals }) => totals.blockedMs / 1000,
  ),
  gauge(
    "commands_in_flight",
    "Commands that were sent on lanes and are not answered.",
    ({ pool }) => pool.inFlight,
  ),
];

const POOL: readonly Definition[] = [
  {
    name: "connections",
    type: "gauge",
    help: "Connections by what they are doing.",
    values: ({ pool }) => [
      [{ state: "lane" }, pool.lanes],
      [{ state: "leased" }, pool.leases],
      [{ state: "idle" }, pool.idleConnections],
      [{ state: "connecting" }, pool.connecting],
    ],
  },
  gauge(
    "connections_max",
    "The most connections that there may be.",
    ({ pool }) => pool.maxConnections,
  ),
  counter(
    "connections_opened_total",
    "Connections that were opened.",
    ({ connections }) => connections.opened,
  ),
  counter(
    "connection_failures_total",
    "Attempts to open a connection that failed.",
    ({ failedConnections }) => failedConnections,
  ),
  {
    name: "connections_closed_total",
    type: "counter",
    help: "Connections that left the pool, by reason; connect_failed: never opened.",
    values: ({ pool }) =>
      Object.entries(pool.evictions).map(([reason, count]) => [{ reason }, count]),
  },
  counter(
    "sent_bytes_total",
    "Bytes written to the server, handshakes included.",
    ({ totals }) => totals.bytesSent,
  ),
  counter(
    "received_bytes_total",
    "Bytes read from the server, handshakes included.",
    ({ totals }) => totals.bytesReceived,
  ),
  gauge(
    "waiters",
    "Callers that wait for a lease, and commands that wait for a lane.",
    ({ pool }) => pool.waiting,
  ),
  counter(
    "acquire_timeouts_total",
    "Callers that waited for a lease in vain.",
    ({ pool }) => pool.acquireTimeouts,
  ),
];

function labelsOf({ health, pool }: MetricsSource): { database: string; db: string } {
  return { database: pool.databaseName, db: String(health.db) };
}

function familyOf(definition: Definition, sources: readonly MetricsSource[]): Family {
  const { name, type, help, values } = definition;
  const samples = sources.flatMap((source) =>
    values(source).map(([labels, value]) => ({
      labels: { ...labelsOf(source), ...labels },
      value,
    }))
  );
  return { name: PREFIX + name, type, help, samples };
}

function bucketsOf(source: MetricsSource): Sample[] {
  const { boundsMs, counts, count, sumMs } = source.latency;
  const labels = labelsOf(source);
  const bucket = (bound: number, value: number): Sample => ({
    suffix: "_bucket",
    labels: { ...labels, le: writeNumber(bound / 1000) },
    value,
  });
  return [
    ...boundsMs.map((bound, i) => bucket(bound, counts[i]!)),
    bucket(Infinity, count),
    { suffix: "_sum", labels, value: sumMs / 1000 },
    { suffix: "_count", labels, value: count },
  ];
}

/**
 * Writes what is known of databases as text metrics.
 *
 * @param sources The databases.
 * @param uptimeSeconds How long their manager has lived.
 * @returns The text exposition format, 0.0.4.
 */
export function renderPrometheus(
  sources: readonly MetricsSource[],
  uptimeSeconds: number,
): string {
  const uptime: Family = {
    name: `${PREFIX}uptime_seconds`,
    type: "gauge",
    help: "Time since the manager was made.",
    samples: [{ labels: {}, value: uptimeSeconds }],
  };
  const duration: Family = {
    name: `${PREFIX}command_duration_seconds`,
    type: "histogram",
    help: "How long the server took to answer commands, error replies included, " +
      "blocking commands not.",
    samples: sources.flatMap(bucketsOf),
  };
  const families = [...HEALTH, ...COMMANDS, ...POOL]
    .map((definition) => familyOf(definition, sources));
  return writeExposition([uptime, ...families, duration]);
}
