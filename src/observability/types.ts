import type { SocketDetails } from "../core/address.ts";
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

/** One open connection; a frozen snapshot. */
export interface ConnectionDetails extends SocketDetails {
  /** Unique in the process; later ones are greater. */
  readonly id: number;
  /** Shared by the commands of many callers, or for leases, idle ones included. */
  readonly purpose: "lane" | "lease";
  /** Where it goes, such as `127.0.0.1:6379`. */
  readonly endpoint: string;
  /** Whether it is one to a replica, for reads. */
  readonly role: "primary" | "replica";
  /** Port of this end, by which CLIENT LIST and the system know it; 0 for a Unix socket. */
  readonly localPort: number;
  /** Seconds since it was opened. */
  readonly ageSeconds: number;
  /** Commands that were sent on it and are not answered. */
  readonly inFlight: number;
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
  /** Open and free to be leased. */
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
  /** Callers whose wait for a lease timed out, since the start. */
  readonly acquireTimeouts: number;
  /** Connections that left the pool since the start, by reason, such as `idle_timeout`;
   * `connect_failed` counts those that never opened. */
  readonly evictions: Readonly<Record<string, number>>;
  /** Those that are open, the oldest first. */
  readonly connections: readonly ConnectionDetails[];
}

/** One replica that reads may go to; a frozen snapshot. */
export interface ReplicaHealth {
  /** Where it is, such as `10.0.0.7:6379`. */
  readonly endpoint: string;
  /** Where its primary is. */
  readonly primary: string;
  /** What it says that it is: after a failover it may be a primary, and gets no reads here. */
  readonly role: "primary" | "replica";
  /** Whether it gets reads: it is connected to its primary, is not far behind, and answers. */
  readonly state: "in_sync" | "left_out";
  /** Why it is left out; `in sync` if it is not. */
  readonly reason: string;
  /** How long it has been behind its primary at least, in milliseconds, as measured once a
   * second; `null` if it has not answered. */
  readonly lagMs: number | null;
  /** Its availability zone; `null` if it does not report one. */
  readonly zone: string | null;
}

/** How well one database serves; a frozen snapshot. */
export interface DatabaseHealth {
  /** The state. */
  readonly state: ConnectionState;
  /** Why. */
  readonly reason: string;
  /** Since when it has been in this state, as far as was noticed, as an ISO 8601 date. */
  readonly since: string;
  /** Where it is, such as `127.0.0.1:6379`. */
  readonly endpoint: string;
  /** Number of the database. */
  readonly db: number;
  /** State of its circuit breaker. */
  readonly circuitBreaker: "closed" | "open" | "half_open";
  /** The text of the last error since the start; `null` if there was none. */
  readonly lastError: string | null;
  /** What the last health check measured for one PING, in milliseconds; `null` if there
   * was none or it got no answer. */
  readonly pingMs: number | null;
  /** The replicas that reads may go to; absent as long as no read was to go to one. */
  readonly replicas?: readonly ReplicaHealth[];
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
 * One database in the shape of the Python original; a frozen snapshot. All counts are since the
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
  /** The text of the last error; `null` if there was none. */
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
  /** What it holds: the setting `description`. */
  readonly description: string | undefined;
  /** How well it serves. */
  readonly state: ConnectionState;
}
