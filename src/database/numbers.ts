import type { RedisConfig } from "../config/mod.ts";
import type { Clock } from "../core/clock.ts";
import {
  LATENCY_BOUNDS_MS,
  type MetricsSource,
  type RedisStats,
} from "../observability/metrics.ts";
import type { DatabaseStatistics } from "../observability/statistics.ts";
import type {
  ConnectionDetails,
  ConnectionMetrics,
  DatabaseHealth,
  PoolStatistics,
} from "../observability/types.ts";
import type { OpenConnection } from "../pool/types.ts";
import type { PooledConnection } from "../servers/pool.ts";
import type { Servers } from "../servers/servers.ts";

/** Where the numbers of a database come from. */
export interface NumberSources {
  /** The database. */
  readonly config: RedisConfig;
  /** What its commands did. */
  readonly statistics: DatabaseStatistics;
  /** How well it serves. */
  readonly health: () => DatabaseHealth;
  /** Its servers; asked for late, as they report to this one. */
  readonly servers: () => Servers;
  /** Time. */
  readonly clock: Clock;
}

/** The numbers of one database, in the shapes that users see. Each is a snapshot. */
export class DatabaseNumbers {
  readonly #sources: NumberSources;

  /**
   * Begins with no connection.
   *
   * @param sources Where the numbers come from.
   */
  constructor(sources: NumberSources) {
    this.#sources = sources;
  }

  /**
   * What commands did in the window, and connections so far.
   *
   * @returns A frozen snapshot.
   */
  statistics(): RedisStats {
    return this.#sources.statistics.snapshot(this.#sources.servers().connections());
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
      connections: this.#sources.servers().connections(),
      minConnections: this.#sources.config.minConnections,
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
    const servers = this.#sources.servers();
    const { counters, gauges, ...commands } = servers.numbers();
    const { total, lanes, inUse, idle, connecting, waiting, max } = gauges;
    const { created, acquireTimeouts, evictions, lastCleanup } = counters;
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
      waiting: waiting + commands.waiting,
      inFlight: commands.inFlight,
      acquireTimeouts,
      evictions: Object.freeze(evictions),
      connections: Object.freeze(this.#details(servers.openConnections())),
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
      activeConnections: this.#sources.servers().connections().open,
      circuitBreakerTrips: trips,
      consecutiveFailures: statistics.failuresInRow,
      lastError: statistics.lastError,
      lastSuccessTime: statistics.lastSuccessTime,
    });
  }
}
