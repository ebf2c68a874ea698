import type { ConnectionState } from "../core/states.ts";
import type { RedisStats } from "./database_statistics.ts";

/** One database's pool; a snapshot. */
export interface PoolStatistics {
  /** Name of the database. */
  readonly databaseName: string;
  /** Connections opened so far. */
  readonly createdConnections: number;
  /** Connections that could be handed out at once: idle ones and free places. */
  readonly availableConnections: number;
  /** Connections in use: lanes and leases. */
  readonly inUseConnections: number;
  /** Most connections there may be. */
  readonly maxConnections: number;
  /** Connections that wait for a lease. */
  readonly idleConnections: number;
  /** When idle connections were last looked at, as an ISO 8601 date; `null` if never. */
  readonly lastCleanup: string | null;
  /** Shared connections. */
  readonly lanes: number;
  /** Connections that are leased. */
  readonly leases: number;
  /** Connections that are being opened. */
  readonly connecting: number;
  /** Callers and commands that wait for a connection. */
  readonly waiting: number;
  /** Commands sent and not answered. */
  readonly inFlight: number;
  /** Waits for a connection that were too long. */
  readonly acquireTimeouts: number;
  /** Connections closed so far, by reason. */
  readonly evictions: Readonly<Record<string, number>>;
}

/** All databases of a manager; a snapshot. */
export interface ManagerStats {
  /** Databases that the manager knows. */
  readonly totalDatabases: number;
  /** Databases in state `healthy`. */
  readonly healthyDatabases: number;
  /** Databases in state `degraded`. */
  readonly degradedDatabases: number;
  /** Databases in state `failed`. */
  readonly failedDatabases: number;
  /** Commands of all databases, succeeded and failed. */
  readonly totalOperations: number;
  /** Reads of single values that found one. */
  readonly cacheHits: number;
  /** Reads of single values that found none. */
  readonly cacheMisses: number;
  /** Seconds since the manager was made. */
  readonly uptimeSeconds: number;
  /** Share of all commands that succeeded, in percent; 100 if there were none. */
  readonly overallSuccessRate: number;
  /** Each database by name. */
  readonly databaseStats: Readonly<Record<string, RedisStats>>;
}

/** How well one database serves; a snapshot. */
export interface DatabaseHealth {
  /** The state. */
  readonly state: ConnectionState;
  /** Why, in words. */
  readonly reason: string;
  /** Where it is, such as `127.0.0.1:6379`. */
  readonly endpoint: string;
  /** Number of the database. */
  readonly db: number;
  /** State of its circuit breaker. */
  readonly circuitBreaker: "closed" | "open" | "half_open";
  /** The last error, in words; `null` if there was none. */
  readonly lastError: string | null;
  /** What the last health check measured for one PING, in milliseconds; `null` if none. */
  readonly pingMs: number | null;
}

/** How well all databases serve; a snapshot. */
export interface HealthStatus {
  /** Whether no database is in state `failed` or `degraded`. */
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

/** One database in the seed's legacy shape; a snapshot. */
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
  /** Average of the last 100 response times, in milliseconds. */
  readonly averageResponseTimeMs: number;
  /** Connections open now. */
  readonly activeConnections: number;
  /** How often the circuit breaker opened. */
  readonly circuitBreakerTrips: number;
  /** Failures in a row that the breaker has counted. */
  readonly consecutiveFailures: number;
  /** The last error, in words; `null` if there was none. */
  readonly lastError: string | null;
  /** When a command last succeeded, as an ISO 8601 date; `null` if none has. */
  readonly lastSuccessTime: string | null;
}

/** What a manager says of one of its databases; a snapshot. */
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
