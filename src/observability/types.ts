import type { KeepaliveTier, KernelKeepalive, TlsSession } from "../core/address.ts";
import type { ConnectionState } from "../core/events.ts";

/**
 * How long the server took to answer, in milliseconds: from the tick that a command was
 * sent in to the arrival of its reply or error reply. A command that was sent again counts
 * once for each answer; one that got none does not count, nor does one that blocks (BLPOP,
 * XREAD BLOCK …). Quantiles are within 1.6 %.
 */
export interface LatencyStats {
  /** Half of the answers took at most this, in milliseconds; 0 if there were none. */
  readonly p50Ms: number;
  /** 95 % of the answers took at most this, in milliseconds. */
  readonly p95Ms: number;
  /** 99 % of the answers took at most this, in milliseconds. */
  readonly p99Ms: number;
  /** The slowest answer took this, in milliseconds; exact. */
  readonly maxMs: number;
}

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
  /** How often the circuit breaker went from closed to open in the window. */
  readonly circuitBreakerTrips: number;
  /** Reads of single values (GET, HGET …) that found one, in the window. */
  readonly cacheHits: number;
  /** Reads of single values that found none, in the window. */
  readonly cacheMisses: number;
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
  /** The last error of a command or a connection, in words, without secrets; `null` if
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

/** One open connection; a frozen snapshot. */
export interface ConnectionDetails {
  /** Unique in the process; later ones are greater. */
  readonly id: number;
  /** Shared by the commands of many callers, or for leases, idle ones included. */
  readonly purpose: "lane" | "lease";
  /** Where it goes, such as `127.0.0.1:6379`. */
  readonly endpoint: string;
  /** Port of this end, by which CLIENT LIST and the system know it; 0 for a Unix socket. */
  readonly localPort: number;
  /** Seconds since it was opened. */
  readonly ageSeconds: number;
  /** Commands that were sent on it and are not answered. */
  readonly inFlight: number;
  /** How much of TCP keepalive it got. */
  readonly keepalive: KeepaliveTier;
  /** The kernel's values of keepalive, as it told them when they had been set; `null`
   * where it cannot be asked: not on Linux, or without `--allow-ffi`. */
  readonly kernelKeepalive: KernelKeepalive | null;
  /** What TLS agreed on; `null` without TLS. */
  readonly tls: TlsSession | null;
}

/**
 * One database's pool; a frozen snapshot of one instant, in connections where nothing else
 * is said. Those that there are = `inUseConnections` + `idleConnections` + `connecting`,
 * and `createdConnections` = those + the sum of `evictions`.
 */
export interface PoolStatistics {
  /** Name of the database. */
  readonly databaseName: string;
  /** Begun since the start: those that are gone, are being opened, or failed, included. */
  readonly createdConnections: number;
  /** That could be had at once or opened: idle ones and free places. */
  readonly availableConnections: number;
  /** In use: `lanes` + `leases`. */
  readonly inUseConnections: number;
  /** The most that there may be: `max_connections`. */
  readonly maxConnections: number;
  /** Open, and waiting for somebody to lease them. */
  readonly idleConnections: number;
  /** When idle connections were last looked at, as an ISO 8601 date; `null` if never. */
  readonly lastCleanup: string | null;
  /** Shared by the commands of many callers. */
  readonly lanes: number;
  /** Held by one caller, or being made clean after one. */
  readonly leases: number;
  /** Being opened, or asked whether they still work. */
  readonly connecting: number;
  /** Callers that wait for a lease, and commands that wait for a lane. */
  readonly waiting: number;
  /** Commands that were sent on lanes and are not answered. */
  readonly inFlight: number;
  /** Callers that waited for a lease in vain, since the start. */
  readonly acquireTimeouts: number;
  /** Connections that left the pool since the start, by reason, such as `idle_timeout`;
   * `connect_failed` counts those that never opened. */
  readonly evictions: Readonly<Record<string, number>>;
  /** Those that are open, the oldest first. */
  readonly connections: readonly ConnectionDetails[];
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

/** How well one database serves; a frozen snapshot. */
export interface DatabaseHealth {
  /** The state. */
  readonly state: ConnectionState;
  /** Why, in words. */
  readonly reason: string;
  /** Since when it has been in this state, as far as was noticed, as an ISO 8601 date. */
  readonly since: string;
  /** Where it is, such as `127.0.0.1:6379`. */
  readonly endpoint: string;
  /** Number of the database. */
  readonly db: number;
  /** State of its circuit breaker. */
  readonly circuitBreaker: "closed" | "open" | "half_open";
  /** The last error since the start, in words; `null` if there was none. */
  readonly lastError: string | null;
  /** What the last health check measured for one PING, in milliseconds; `null` if there
   * was none or it got no answer. */
  readonly pingMs: number | null;
}

/** How well all databases serve; a frozen snapshot of one instant. */
export interface HealthStatus {
  /** Whether every database is in state `healthy`. */
  readonly overallHealthy: boolean;
  /** Databases that the manager knows. */
  readonly totalDatabases: number;
  /** Databases in state `healthy`. */
  readonly healthyDatabases: number;
  /** Databases in state `degraded`. */
  readonly degradedDatabases: number;
  /** Databases in state `failed`. */
  readonly failedDatabases: number;
  /** Each database by name. */
  readonly databases: Readonly<Record<string, DatabaseHealth>>;
}

/**
 * One database in the seed's legacy shape; a frozen snapshot. All counts are since the
 * start: no window resets them.
 */
export interface ConnectionMetrics {
  /** Name of the database. */
  readonly databaseName: string;
  /** How well it serves. */
  readonly state: ConnectionState;
  /** Commands, succeeded and failed. */
  readonly totalRequests: number;
  /** Commands that succeeded. */
  readonly successfulRequests: number;
  /** Commands that failed. */
  readonly failedRequests: number;
  /** Average of the last 100 response times, in milliseconds; 0 if there were none. */
  readonly averageResponseTimeMs: number;
  /** Connections that are open now. */
  readonly activeConnections: number;
  /** How often the circuit breaker went from closed to open. */
  readonly circuitBreakerTrips: number;
  /** Attempts to connect that failed, connections that were lost and deadlines that
   * expired since the server last answered a command. */
  readonly consecutiveFailures: number;
  /** The last error, in words; `null` if there was none. */
  readonly lastError: string | null;
  /** When a command last succeeded, as an ISO 8601 date; `null` if none has. */
  readonly lastSuccessTime: string | null;
}

/** What a manager says of one of its databases; a frozen snapshot. */
export interface DatabaseListing {
  /** Its name. */
  readonly name: string;
  /** Its number. */
  readonly db: number;
  /** Where it is, such as `127.0.0.1:6379`. */
  readonly endpoint: string;
  /** What it holds, in words. */
  readonly description: string | undefined;
  /** How well it serves. */
  readonly state: ConnectionState;
}
