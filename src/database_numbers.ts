import type { Clock } from "./core/clock.ts";
import type { RedisConfig } from "./config/mod.ts";
import type { PooledConnection } from "./database_pool.ts";
import type {
  ConnectionCounts,
  DatabaseStatistics,
} from "./observability/database_statistics.ts";
import { LATENCY_BOUNDS_MS, type MetricsSource } from "./observability/prometheus.ts";
import type {
  ConnectionDetails,
  ConnectionMetrics,
  DatabaseHealth,
  PoolStatistics,
  RedisStats,
} from "./observability/types.ts";
import type { PoolReading } from "./observability/telemetry/instruments.ts";
import type { LaneSet } from "./pool/lanes.ts";
import type { Pool } from "./pool/pool.ts";
import type { OpenConnection } from "./pool/types.ts";

/** Where the numbers of a database come from. */
export interface NumberSources {
  /** The database. */
  readonly config: RedisConfig;
  /** What its commands did. */
  readonly statistics: DatabaseStatistics;
  /** How well it serves. */
  readonly health: () => DatabaseHealth;
  /** Its pool; asked for late, as it is made after this. */
  readonly pool: () => Pool<PooledConnection>;
  /** Its lanes; asked for late too. */
  readonly lanes: () => LaneSet;
  /** Time. */
  readonly clock: Clock;
}

/** The numbers of one database, in the shapes that users see. Each is a snapshot. */
export class DatabaseNumbers {
  readonly #sources: NumberSources;
  #opened = 0;

  /**
   * Begins with no connection.
   *
   * @param sources Where the numbers come from.
   */
  constructor(sources: NumberSources) {
    this.#sources = sources;
  }

  /** A connection was opened. */
  connectionOpened(): void {
    this.#opened++;
  }

  /**
   * Connections that are being validated are open; those being opened are not.
   *
   * @returns Opened so far, and open now.
   */
  connections(): ConnectionCounts {
    const { connecting, total, validating } = this.#sources.pool().numbers();
    return { opened: this.#opened, open: total - (connecting - validating) };
  }

  /**
   * What commands did in the window, and connections so far.
   *
   * @returns A frozen snapshot.
   */
  statistics(): RedisStats {
    return this.#sources.statistics.snapshot(this.connections());
  }

  /**
   * What text metrics are made of; all of it since the start, whatever was reset.
   *
   * @returns A snapshot.
   */
  metricsSource(): MetricsSource {
    const { health, statistics } = this.#sources;
    return {
      health: health(),
      pool: this.pool(),
      connections: this.connections(),
      failedConnections: statistics.failedConnections,
      totals: statistics.totals,
      latency: statistics.latencyTotals(LATENCY_BOUNDS_MS),
    };
  }

  /**
   * What the pool holds.
   *
   * @returns A frozen snapshot.
   */
  pool(): PoolStatistics {
    const pool = this.#sources.pool();
    const set = this.#sources.lanes();
    const { total, lanes, inUse, idle, connecting, waiting, max } = pool.numbers();
    const { created, acquireTimeouts, evictions, lastCleanup } = pool.statistics();
    return Object.freeze({
      databaseName: this.#sources.config.name,
      createdConnections: created,
      availableConnections: idle + Math.max(0, max - total),
      inUseConnections: lanes + inUse,
      maxConnections: max,
      idleConnections: idle,
      lastCleanup: lastCleanup === null ? null : new Date(lastCleanup).toISOString(),
      lanes,
      leases: inUse,
      connecting,
      waiting: waiting + set.waiting,
      inFlight: set.inFlight,
      acquireTimeouts,
      evictions: Object.freeze(evictions),
      connections: Object.freeze(this.#details(pool.connections())),
    });
  }

  /** Nothing is asked of a socket here: what it got was noted when it was opened. */
  #details(open: readonly OpenConnection<PooledConnection>[]): ConnectionDetails[] {
    const now = this.#sources.clock.now();
    return open.map(({ purpose, connection: { id, connection } }) => {
      const { endpoint, createdAt, inFlight, stream: { channel } } = connection;
      const { keepalive, kernelKeepalive, localPort, tls } = channel;
      return Object.freeze({
        id,
        purpose,
        endpoint,
        localPort,
        ageSeconds: (now - createdAt) / 1000,
        inFlight,
        keepalive,
        kernelKeepalive,
        tls,
      });
    }).sort((a, b) => a.id - b.id);
  }

  /**
   * What metrics are made of that are asked for at each export.
   *
   * @returns A snapshot.
   */
  poolReading(): PoolReading {
    const { idle, inUse, lanes, max, waiting } = this.#sources.pool().numbers();
    return {
      idle,
      used: lanes + inUse,
      pending: waiting + this.#sources.lanes().waiting,
      timeouts: this.#sources.pool().statistics().acquireTimeouts,
      max,
      min: this.#sources.config.minConnections,
    };
  }

  /**
   * The seed's legacy shape.
   *
   * @returns A frozen snapshot.
   */
  metrics(): ConnectionMetrics {
    const { config, health, statistics } = this.#sources;
    const { succeeded, failed, trips } = statistics.totals;
    return Object.freeze({
      databaseName: config.name,
      state: health().state,
      totalRequests: succeeded + failed,
      successfulRequests: succeeded,
      failedRequests: failed,
      averageResponseTimeMs: statistics.averageResponseMs,
      activeConnections: this.connections().open,
      circuitBreakerTrips: trips,
      consecutiveFailures: statistics.failuresInRow,
      lastError: statistics.lastError,
      lastSuccessTime: statistics.lastSuccessTime,
    });
  }
}
