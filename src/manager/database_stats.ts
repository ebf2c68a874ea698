import type { RedisConfig } from "../config/mod.ts";
import type { Clock } from "../core/clock.ts";
import {
  LATENCY_BOUNDS_MS,
  type MetricsSource,
  type NearCacheSize,
  type RedisStats,
} from "../observability/metrics.ts";
import type { DatabaseStatistics } from "../observability/statistics.ts";
import type {
  ConnectionDetails,
  ConnectionMetrics,
  PoolStatistics,
} from "../observability/types.ts";
import type { Topology } from "../server/topology.ts";

/** The numbers of one database, in the shapes that users see; each is a frozen snapshot. */
export class DatabaseStats {
  readonly #config: RedisConfig;
  readonly #statistics: DatabaseStatistics;
  readonly #servers: Topology;
  readonly #clock: Clock;
  readonly #sizeOfCache: () => NearCacheSize | undefined;

  constructor(
    config: RedisConfig,
    statistics: DatabaseStatistics,
    servers: Topology,
    clock: Clock,
    sizeOfCache: () => NearCacheSize | undefined,
  ) {
    this.#config = config;
    this.#statistics = statistics;
    this.#servers = servers;
    this.#clock = clock;
    this.#sizeOfCache = sizeOfCache;
  }

  /** Commands in the window, and connections since the start. */
  commands(): RedisStats {
    return this.#statistics.snapshot(this.#servers.connections(), this.#sizeOfCache());
  }

  /** Begins a new window. */
  reset(): void {
    this.#statistics.resetWindow();
  }

  /** What text metrics are made of: all of it since the start, whatever was reset. */
  metricsSource(): MetricsSource {
    return {
      health: this.#servers.health(),
      pool: this.pool(),
      connections: this.#servers.connections(),
      minConnections: this.#config.minConnections,
      nearCache: this.#sizeOfCache(),
      totals: this.#statistics.totals,
      latency: this.#statistics.latencyTotals(LATENCY_BOUNDS_MS),
    };
  }

  /** What the pool holds. */
  pool(): PoolStatistics {
    const { counters, gauges, ...commands } = this.#servers.stats();
    const { total, lanes, inUse, idle, connecting, waiting, max } = gauges;
    const { created, acquireTimeouts, evictions, lastCleanup } = counters;
    return Object.freeze({
      databaseName: this.#config.name,
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
      connections: Object.freeze(this.#connections()),
    });
  }

  /** The shape of `get_metrics()` of the Python original. */
  metrics(): ConnectionMetrics {
    const statistics = this.#statistics;
    const { totals } = statistics;
    return Object.freeze({
      databaseName: this.#config.name,
      state: this.#servers.health().state,
      totalRequests: totals.successfulOperations + totals.failedOperations,
      successfulRequests: totals.successfulOperations,
      failedRequests: totals.failedOperations,
      averageResponseTimeMs: statistics.averageResponseMs,
      activeConnections: this.#servers.connections().open,
      circuitBreakerTrips: totals.circuitBreakerTrips,
      consecutiveFailures: statistics.failuresInRow,
      lastError: statistics.lastError,
      lastSuccessTime: statistics.lastSuccessTime,
    });
  }

  /** What the open connections noted of their sockets when they were opened. */
  #connections(): ConnectionDetails[] {
    const now = this.#clock.now();
    const open = this.#servers.openConnections();
    const { replicas = [] } = this.#servers.health();
    const replicaEndpoints = new Set(replicas.map(({ endpoint }) => endpoint));
    return open.map(({ purpose, connection: { id, connection } }) => {
      const { endpoint, createdAt, inFlight, stream: { channel } } = connection;
      const { keepalive, kernelKeepalive, localPort, tls } = channel;
      return Object.freeze({
        id,
        purpose,
        endpoint,
        role: replicaEndpoints.has(endpoint) ? "replica" : "primary",
        localPort,
        ageSeconds: (now - createdAt) / 1000,
        inFlight,
        keepalive,
        kernelKeepalive,
        tls,
      });
    }).sort((a, b) => a.id - b.id);
  }
}
