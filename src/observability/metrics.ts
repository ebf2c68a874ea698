import { ConnectionState } from "../core/events.ts";
import type { LatencyTotals } from "./histogram.ts";
import type { DatabaseHealth, LatencyStats, PoolStatistics } from "./types.ts";

/**
 * What one database's commands and connections did; a frozen snapshot.
 *
 * Counts of commands, retries, trips, hits, misses and bytes, the rate and the latency are
 * of the window: they begin anew with each `getStatistics({ reset: true })`. Connections, the last
 * error and success, and the uptime are never reset.
 */
export interface RedisStats {
  /** Name of the database. */
  readonly databaseName: string;
  /** Connections that were opened since the start, those that are gone included. */
  readonly totalConnections: number;
  /** Connections that are open now. */
  readonly activeConnections: number;
  /** Attempts to open a connection that failed, since the start. */
  readonly failedConnections: number;
  /** Commands that succeeded in the window, as their callers saw it: however often each was
   * sent, it counts once. Questions of the manager's own (PING, INFO) do not count. */
  readonly successfulOperations: number;
  /** Commands that failed in the window, as their callers saw it. */
  readonly failedOperations: number;
  /** Commands and connection attempts that were tried again in the window. */
  readonly totalRetryAttempts: number;
  /** Commands that would have been tried again and were not, as the retry budget was used
   * up, in the window. */
  readonly refusedRetries: number;
  /** How often a command was sent to another node of the cluster, which the first one had
   * named (MOVED, ASK), in the window; 0 without a cluster. Such a command did not run
   * before, so that it is no retry. */
  readonly redirects: number;
  /** Reads that were sent to a replica, in the window: one that was sent again counts
   * again. */
  readonly replicaReads: number;
  /** Reads that a replica could not answer, and that were sent elsewhere, in the window. */
  readonly replicaFallbacks: number;
  /** How often the circuit breaker went from closed to open in the window. */
  readonly circuitBreakerTrips: number;
  /** Reads of single values (GET, HGET …) that found one, in the window. */
  readonly cacheHits: number;
  /** Reads of single values that found none, in the window. */
  readonly cacheMisses: number;
  /** Reads that the near cache answered, in the window: by a reply that it had, or that
   * another caller waited for. MGET counts each key. They count as successful operations,
   * too, but not in `latency`. */
  readonly nearCacheHits: number;
  /** Reads that the near cache let the server answer, as it had no reply, in the window. */
  readonly nearCacheMisses: number;
  /** Replies that the near cache kept, in the window. */
  readonly nearCacheStored: number;
  /** Replies that had to make room for others in the near cache, in the window. */
  readonly nearCacheEvicted: number;
  /** Replies that the near cache forgot as the server announced a change, or could not have
   * announced one any more, in the window. */
  readonly nearCacheInvalidated: number;
  /** Replies that the near cache has now. */
  readonly nearCacheEntries: number;
  /** Bytes of memory that they take, estimated; 0 without a near cache. */
  readonly nearCacheBytes: number;
  /** Blocking commands (BLPOP, XREAD BLOCK …) that were answered in the window, by a value
   * or by their timeout. They are not in `latency`: how long they wait says nothing of the
   * server. */
  readonly blockingOperations: number;
  /** How long those took together, in milliseconds. */
  readonly blockingWaitMs: number;
  /** Bytes that were written to the server in the window, on all connections that were
   * opened: handshakes and the manager's own questions included. */
  readonly bytesSent: number;
  /** Bytes that were read from the server in the window, on all connections. */
  readonly bytesReceived: number;
  /** The text of the last error of a command or a connection, without secrets; `null` if
   * there was none since the start. While the server cannot be reached it is why, with the
   * endpoint: what commands then fail with (a deadline, an open circuit breaker) only
   * follows from it. */
  readonly lastError: string | null;
  /** When it happened, as an ISO 8601 date; `null` if there was none. */
  readonly lastErrorTime: string | null;
  /** When a command last succeeded, as an ISO 8601 date; `null` if none has. */
  readonly lastSuccessTime: string | null;
  /** Seconds since the manager was given the database. */
  readonly uptimeSeconds: number;
  /** Seconds that the window is long: since the last reset, or since the start. */
  readonly windowSeconds: number;
  /** Share of the window's commands that succeeded, in percent; 100 if there were none. */
  readonly successRate: number;
  /** How long the server took to answer, in the window. */
  readonly latency: LatencyStats;
}

/**
 * All databases of a manager; a frozen snapshot of one instant. What is summed up here is
 * of the same window as in `databaseStats`.
 */
export interface ManagerStats {
  /** Databases that the manager knows. */
  readonly totalDatabases: number;
  /** Databases that are in state `healthy` now. */
  readonly healthyDatabases: number;
  /** Databases that are in state `degraded` now. */
  readonly degradedDatabases: number;
  /** Databases that are in state `failed` now. */
  readonly failedDatabases: number;
  /** Commands in the window, succeeded and failed. */
  readonly totalOperations: number;
  /** Reads of single values that found one, in the window. */
  readonly cacheHits: number;
  /** Reads of single values that found none, in the window. */
  readonly cacheMisses: number;
  /** Bytes that were written to the servers in the window. */
  readonly bytesSent: number;
  /** Bytes that were read from the servers in the window. */
  readonly bytesReceived: number;
  /** Seconds since the manager was made. */
  readonly uptimeSeconds: number;
  /** Seconds that the window is long: since the last reset, or since the start. */
  readonly windowSeconds: number;
  /** Share of the window's commands that succeeded, in percent; 100 if there were none. */
  readonly overallSuccessRate: number;
  /** Each database by name. */
  readonly databaseStats: Readonly<Record<string, RedisStats>>;
}

/** Connections of one database. */
export interface ConnectionCounts {
  /** Connections opened so far. */
  readonly opened: number;
  /** Connections open now. */
  readonly open: number;
}

/** What a near cache has. */
export interface NearCacheSize {
  /** Replies that are kept. */
  readonly entries: number;
  /** Bytes of memory that they take, estimated. */
  readonly bytes: number;
}

/** What is known of one database when metrics are read; all counts are since the start. */
export interface MetricsSource {
  /** How well it serves. */
  readonly health: DatabaseHealth;
  /** What its pool holds. */
  readonly pool: PoolStatistics;
  /** Connections that the pool keeps ready. */
  readonly minConnections: number;
  /** What its near cache has; unset without one. */
  readonly nearCache?: NearCacheSize | undefined;
  /** Its connections. */
  readonly connections: ConnectionCounts;
  /** What its commands and connections did. */
  readonly totals: Counts;
  /** How long the server took to answer. */
  readonly latency: LatencyTotals;
}

/**
 * Everything that is counted, by its field in {@linkcode RedisStats}: its name in
 * Prometheus, what it means, and what one of Prometheus' units is in ours.
 * `statistics.counts.NAME++` counts.
 */
export const COUNTERS = {
  successfulOperations: [
    "commands_succeeded_total",
    "Commands that succeeded, as their callers saw it.",
  ],
  failedOperations: [
    "commands_failed_total",
    "Commands that failed, as their callers saw it.",
  ],
  totalRetryAttempts: [
    "retries_total",
    "Commands and connection attempts that were tried again.",
  ],
  refusedRetries: [
    "retries_refused_total",
    "Commands that were not tried again as the retry budget was used up.",
  ],
  redirects: [
    "redirects_total",
    "Commands that were sent to another node of the cluster.",
  ],
  replicaReads: ["replica_reads_total", "Reads that were sent to a replica."],
  replicaFallbacks: [
    "replica_fallbacks_total",
    "Reads that a replica could not answer, sent elsewhere.",
  ],
  circuitBreakerTrips: [
    "circuit_breaker_trips_total",
    "How often the circuit breaker went from closed to open.",
  ],
  cacheHits: ["cache_hits_total", "Reads of single values that found one."],
  cacheMisses: ["cache_misses_total", "Reads of single values that found none."],
  nearCacheHits: ["near_cache_hits_total", "Reads that the near cache answered."],
  nearCacheMisses: [
    "near_cache_misses_total",
    "Reads that the server answered as the near cache had no reply.",
  ],
  nearCacheStored: ["near_cache_stored_total", "Replies that the near cache kept."],
  nearCacheEvicted: [
    "near_cache_evicted_total",
    "Replies that had to make room for others in the near cache.",
  ],
  nearCacheInvalidated: [
    "near_cache_invalidated_total",
    "Replies that the near cache forgot as their key had, or may have, changed.",
  ],
  blockingOperations: [
    "blocking_commands_total",
    "Blocking commands that were answered, by a value or by their timeout.",
  ],
  blockingWaitMs: [
    "blocking_wait_seconds_total",
    "How long blocking commands took to be answered, together.",
    1000,
  ],
  failedConnections: [
    "connection_failures_total",
    "Attempts to open a connection that failed.",
  ],
  bytesSent: ["sent_bytes_total", "Bytes written to the server, handshakes included."],
  bytesReceived: [
    "received_bytes_total",
    "Bytes read from the server, handshakes included.",
  ],
} satisfies {
  readonly [K in keyof RedisStats]?: readonly [name: string, help: string, unit?: number];
};

/** Name of a counter. */
export type Counter = keyof typeof COUNTERS;

/** All counters, since the start. */
export type Counts = Record<Counter, number>;

/** The names of all counters. */
export const COUNTER_NAMES = Object.keys(COUNTERS) as readonly Counter[];

/** What is read of each database whenever metrics are asked for. */
export interface Metric {
  /** Its name in Prometheus, behind {@linkcode PREFIX}; without it, Prometheus does not get it. */
  readonly name?: string;
  /** Its name in OpenTelemetry and its unit there; without them, OpenTelemetry does not get it. */
  readonly convention?: readonly [name: string, unit: string];
  /** Whether it only grows. */
  readonly type: "counter" | "gauge";
  /** What it means. */
  readonly help: string;
  /** The label, an attribute in OpenTelemetry, of its several values. */
  readonly label?: string;
  /** Reads it: one number; or with a label one for each of its values. */
  readonly read: (source: MetricsSource) => number | Readonly<Record<string, number>>;
}

/** What is put before every name in Prometheus. */
export const PREFIX = "mooring_redis_";

/** Each state, 1 where it is the one that holds. */
function states(all: readonly string[], current: string): Record<string, number> {
  return Object.fromEntries(all.map((state) => [state, state === current ? 1 : 0]));
}

/** How often each of some words is among others. */
function sumOf(words: Iterable<string>, all: readonly string[]): Record<string, number> {
  return Object.fromEntries(
    [...words].map((word) => [word, all.filter((each) => each === word).length]),
  );
}

/** No value: for what a database does not have. */
const NONE: Readonly<Record<string, number>> = {};

type Row = Omit<Metric, "type"> & Partial<Pick<Metric, "type">>;

/**
 * Every metric but the durations, in the order in which Prometheus gets them. Names in
 * OpenTelemetry are those of its semantic conventions, 1.44; those of a near cache are what
 * the clients of Redis agree on.
 */
const ROWS: readonly Row[] = [
  {
    name: "database_state",
    help: "How well the database serves: 1 for the state that it is in.",
    label: "state",
    read: ({ health }) => states(Object.values(ConnectionState), health.state),
  },
  {
    name: "circuit_breaker_state",
    help: "The circuit breaker: 1 for the state that it is in.",
    label: "state",
    read: ({ health }) => states(["closed", "open", "half_open"], health.circuitBreaker),
  },
  {
    name: "ping_seconds",
    help: "What the last health check measured for one PING.",
    read: ({ health: { pingMs } }) => pingMs === null ? {} : pingMs / 1000,
  },
  ...COUNTER_NAMES.map((counter): Row => {
    const [name, help, unit = 1] = COUNTERS[counter] as [string, string, number?];
    return { name, help, read: ({ totals }) => totals[counter] / unit };
  }),
  {
    name: "near_cache_entries",
    convention: ["redis.client.csc.items", "{item}"],
    help: "Replies that the near cache has.",
    read: ({ nearCache }) => nearCache?.entries ?? NONE,
  },
  {
    name: "near_cache_bytes",
    help: "Bytes of memory that these take, estimated.",
    read: ({ nearCache }) => nearCache?.bytes ?? NONE,
  },
  {
    convention: ["redis.client.csc.requests", "{request}"],
    type: "counter",
    help: "Reads by whether the near cache answered them.",
    label: "redis.client.csc.result",
    read: ({ nearCache, totals }) =>
      nearCache === undefined
        ? NONE
        : { hit: totals.nearCacheHits, miss: totals.nearCacheMisses },
  },
  {
    convention: ["redis.client.csc.evictions", "{eviction}"],
    type: "counter",
    help: "Replies that the near cache let go, by why.",
    label: "redis.client.csc.reason",
    read: ({ nearCache, totals }) =>
      nearCache === undefined
        ? NONE
        : { full: totals.nearCacheEvicted, invalidation: totals.nearCacheInvalidated },
  },
  {
    name: "replicas",
    convention: ["mooring.client.replica.count", "{replica}"],
    help: "Replicas that reads may go to, by whether they get any.",
    label: "state",
    read: ({ health: { replicas } }) =>
      replicas === undefined
        ? {}
        : sumOf(["in_sync", "left_out"], replicas.map(({ state }) => state)),
  },
  {
    name: "replica_lag_seconds",
    convention: ["mooring.client.replica.lag", "s"],
    help: "How long a replica has been behind its primary at least.",
    label: "replica",
    read: ({ health: { replicas = [] } }) =>
      Object.fromEntries(
        replicas.flatMap(({ endpoint, lagMs }) =>
          lagMs === null ? [] : [[endpoint, lagMs / 1000]]
        ),
      ),
  },
  {
    name: "replica_zone",
    convention: ["mooring.client.replica.zone", "{replica}"],
    help: "Availability zones of replicas: how many report each.",
    label: "zone",
    read: ({ health: { replicas = [] } }) => {
      const zones = replicas.flatMap(({ zone }) => zone ?? []);
      return sumOf(new Set(zones), zones);
    },
  },
  {
    name: "commands_in_flight",
    help: "Commands that were sent on lanes and are not answered.",
    read: ({ pool }) => pool.inFlight,
  },
  {
    name: "connections",
    help: "Connections by what they are doing.",
    label: "state",
    read: ({ pool }) => ({
      lane: pool.lanes,
      leased: pool.leases,
      idle: pool.idleConnections,
      connecting: pool.connecting,
    }),
  },
  {
    convention: ["db.client.connection.count", "{connection}"],
    help: "The number of connections that are currently in state described by the " +
      "`state` attribute.",
    label: "db.client.connection.state",
    read: ({ pool }) => ({ idle: pool.idleConnections, used: pool.inUseConnections }),
  },
  {
    convention: ["db.client.connection.idle.max", "{connection}"],
    help: "The maximum number of idle open connections allowed.",
    read: ({ pool }) => pool.maxConnections,
  },
  {
    convention: ["db.client.connection.idle.min", "{connection}"],
    help: "The minimum number of idle open connections allowed.",
    read: ({ minConnections }) => minConnections,
  },
  {
    name: "connections_max",
    convention: ["db.client.connection.max", "{connection}"],
    help: "The most connections that there may be.",
    read: ({ pool }) => pool.maxConnections,
  },
  {
    name: "connections_opened_total",
    help: "Connections that were opened.",
    read: ({ connections }) => connections.opened,
  },
  {
    name: "connections_closed_total",
    help: "Connections that left the pool, by reason; connect_failed: never opened.",
    label: "reason",
    read: ({ pool }) => pool.evictions,
  },
  {
    name: "waiters",
    convention: ["db.client.connection.pending_requests", "{request}"],
    help: "Callers that wait for a lease, and commands that wait for a lane.",
    read: ({ pool }) => pool.waiting,
  },
  {
    name: "acquire_timeouts_total",
    convention: ["db.client.connection.timeouts", "{timeout}"],
    help: "Callers whose wait for a lease timed out.",
    read: ({ pool }) => pool.acquireTimeouts,
  },
];

/** Every metric but the durations. Prometheus wants counters, and no others, to end so. */
export const METRICS: readonly Metric[] = ROWS.map((row) => ({
  type: row.name?.endsWith("_total") ? "counter" : "gauge",
  ...row,
}));

/**
 * Reads a metric.
 *
 * @param metric The metric.
 * @param source What is known of a database.
 * @returns Its values, each with its labels; none where nothing is known.
 */
export function readMetric(
  { label, read }: Metric,
  source: MetricsSource,
): (readonly [labels: Readonly<Record<string, string>>, value: number])[] {
  const values = read(source);
  if (typeof values === "number") return [[{}, values]];
  return Object.entries(values).map(([of, value]) => [{ [label ?? ""]: of }, value]);
}

/** The histogram of Prometheus, in seconds. */
export const COMMAND_DURATION = {
  name: "command_duration_seconds",
  help: "How long the server took to answer commands, error replies included, " +
    "blocking commands not.",
} as const;

/** Upper bounds of its buckets, in milliseconds: those that OpenTelemetry advises for
 * databases (1 ms to 10 s), and more below and between, where a server nearby is. */
export const LATENCY_BOUNDS_MS: readonly number[] = [
  ...[0.1, 0.25, 0.5, 1, 2.5, 5, 10, 25, 50],
  ...[100, 250, 500, 1000, 2500, 5000, 10_000],
];

/** The histograms of OpenTelemetry, of seconds: names and descriptions. */
export const DURATIONS = {
  operation: ["db.client.operation.duration", "Duration of database client operations."],
  /** How long these wait says nothing of the server; there is no convention for it. */
  blocking: [
    "mooring.client.blocking_operation.duration",
    "Duration of commands that wait for a value, such as BLPOP.",
  ],
  create: [
    "db.client.connection.create_time",
    "The time it took to create a new connection.",
  ],
  wait: [
    "db.client.connection.wait_time",
    "The time it took to obtain an open connection from the pool.",
  ],
  use: [
    "db.client.connection.use_time",
    "The time between borrowing a connection and returning it to the pool.",
  ],
} as const;
