import type { Clock } from "./core/clock.ts";
import { CircuitOpenError } from "./core/errors/mod.ts";
import type { Emit } from "./core/events.ts";
import type { RedisConfig } from "./config/mod.ts";
import { ManagedClient } from "./commands/client.ts";
import { Dispatcher } from "./commands/dispatcher.ts";
import type { CloseReason, Connection } from "./connection/connection.ts";
import { Command } from "./connection/driver.ts";
import type { Opener } from "./connection/opener.ts";
import { Session } from "./connection/session.ts";
import type { TrackedCommand } from "./connection/tracked.ts";
import { classifier, makeBreaker, makeBudget, makeOpener } from "./database_parts.ts";
import { judgeHealth } from "./health/health.ts";
import { RecentTroubles } from "./health/recent_troubles.ts";
import { type AcquireOptions, ConnectionLease } from "./lease.ts";
import {
  DatabaseStatistics,
  type RedisStats,
} from "./observability/database_statistics.ts";
import type {
  ConnectionMetrics,
  DatabaseHealth,
  PoolStatistics,
} from "./observability/types.ts";
import { InterimPool } from "./pool/interim.ts";
import { LaneSet } from "./pool/lanes.ts";
import type { BreakerChange, CircuitBreaker } from "./resilience/circuit_breaker.ts";
import { blockingTimeoutMs } from "./resilience/command_class.ts";
import type { RetryBudget } from "./resilience/retry_budget.ts";
import { describeEndpoint } from "./transport/channel.ts";
import { standaloneEndpoint } from "./topology/standalone.ts";

/** What a database needs of its manager. */
export interface DatabaseServices {
  /** Time. */
  readonly clock: Clock;
  /** Reports events. */
  readonly emit: Emit;
  /** The first connection has been opened. */
  readonly opened: () => void;
}

/** A blocking command may take this much longer than it asked for, in milliseconds. */
const BLOCKING_GRACE_MS = 1000;

/** One connection of the pool, with what its holder does on it if it is leased. */
class PooledConnection {
  readonly id: number;
  constructor(readonly connection: Connection, readonly session: Session | undefined) {
    this.id = connection.id;
  }
  onEnd(fn: (reason: string) => void): void {
    this.connection.onEnd((reason) => fn(reason.text));
  }
}

/**
 * One database: wires its pool, lanes, dispatcher, breaker and statistics from its
 * configuration. It has no policy of its own.
 */
export class Database {
  readonly config: RedisConfig;
  readonly client: ManagedClient;
  readonly #services: DatabaseServices;
  readonly #statistics: DatabaseStatistics;
  readonly #troubles: RecentTroubles;
  readonly #breaker: CircuitBreaker;
  readonly #budget: RetryBudget;
  readonly #opener: Opener;
  readonly #pool: InterimPool<PooledConnection>;
  readonly #lanes: LaneSet;
  readonly #dispatcher: Dispatcher;
  #connectError: string | undefined;
  #loading = false;
  #pingMs: number | null = null;
  #lastTripReason = "";

  constructor(config: RedisConfig, services: DatabaseServices) {
    const { clock } = services;
    this.config = config;
    this.#services = services;
    this.#statistics = new DatabaseStatistics(config.name, clock);
    this.#troubles = new RecentTroubles(clock);
    this.#breaker = makeBreaker(config, clock, (change) => this.#breakerChanged(change));
    this.#budget = makeBudget(config, clock);
    this.#opener = this.#makeOpener();
    this.#pool = this.#makePool();
    this.#lanes = new LaneSet({
      database: config.name,
      maxLanes: config.maxLanes,
      maxWaiting: config.maxWaiting,
      clock,
      open: async (signal) => {
        const { connection, release } = await this.#pool.openLane(signal);
        return { connection: connection.connection, release };
      },
    });
    this.#dispatcher = this.#makeDispatcher();
    this.client = this.#makeClient();
  }

  get name(): string {
    return this.config.name;
  }

  async whenReady(signal?: AbortSignal): Promise<void> {
    if (!this.#breaker.allows() && this.#breaker.retryAfterMs > 0) {
      throw this.#openError();
    }
    await this.#lanes.whenReady(signal);
  }

  async acquire(options: AcquireOptions): Promise<ConnectionLease> {
    const { connection, release } = await this.#pool.acquire(options);
    return new ConnectionLease({
      database: this.name,
      redis: connection.connection.redis,
      release,
    });
  }

  execute(
    command: string,
    args: readonly (string | Uint8Array | number)[],
  ): Promise<unknown> {
    const { keyPrefix } = this.config;
    const built = new Command(command, args as (string | number)[], {
      keyPrefix,
      replyEncoding: this.config.decodeResponses ? "utf8" : null,
    });
    this.#dispatcher.dispatch(built);
    return built.promise;
  }

  /**
   * Asks the server now. A connection that turns out to be dead is not its last word:
   * a new one is tried.
   *
   * @param signal Ends the wait.
   */
  async check(signal?: AbortSignal): Promise<void> {
    const { clock } = this.#services;
    for (let attempt = 0; attempt < 2; attempt++) {
      try {
        await this.whenReady(signal);
      } catch {
        signal?.throwIfAborted();
        return;
      }
      const startedAt = clock.now();
      const [lane] = this.#lanes.connections;
      const alive = await lane?.ask(this.config.commandTimeoutMs, "ping") ?? false;
      this.#pingMs = alive ? clock.now() - startedAt : null;
      if (alive) return;
    }
  }

  /**
   * Closes connections that have been idle, or have lived, for too long.
   *
   * @returns How many.
   */
  reap(): number {
    return this.#pool.reap();
  }

  /**
   * Takes no more commands, lets those it has finish, and closes every connection.
   *
   * @param drainMs How long they may take, in milliseconds.
   * @returns How many commands were cut.
   */
  async close(drainMs: number): Promise<number> {
    this.#dispatcher.close();
    const cut = await this.#lanes.close(drainMs);
    this.#pool.close();
    return cut;
  }

  /** What commands and connections did so far. */
  statistics(): RedisStats {
    const { created, open } = this.#pool.counters();
    return this.#statistics.snapshot({ opened: created, open });
  }

  /** What the pool holds. */
  poolStatistics(): PoolStatistics {
    const { total, lanes, inUse, idle, connecting, waiting, max } = this.#pool.numbers();
    const { created, acquireTimeouts, evictions, lastCleanup } = this.#pool.counters();
    return Object.freeze({
      databaseName: this.name,
      createdConnections: created,
      availableConnections: idle + Math.max(0, max - total),
      inUseConnections: lanes + inUse,
      maxConnections: max,
      idleConnections: idle,
      lastCleanup: lastCleanup === null ? null : new Date(lastCleanup).toISOString(),
      lanes,
      leases: inUse,
      connecting,
      waiting: waiting + this.#lanes.waiting,
      inFlight: this.#lanes.inFlight,
      acquireTimeouts,
      evictions: Object.freeze(evictions),
    });
  }

  /** How well it serves, as far as is known without asking. */
  health(): DatabaseHealth {
    const { created, open } = this.#pool.counters();
    const judgement = judgeHealth({
      breaker: this.#breaker.state,
      loading: this.#loading,
      connectError: this.#connectError,
      openConnections: open,
      everConnected: created > 0,
      recentTroubles: this.#troubles.count,
    });
    return Object.freeze({
      ...judgement,
      endpoint: describeEndpoint(standaloneEndpoint(this.config)),
      db: this.config.db,
      circuitBreaker: this.#breaker.state,
      lastError: this.#statistics.lastError,
      pingMs: this.#pingMs,
    });
  }

  /** The seed's legacy shape. */
  metrics(): ConnectionMetrics {
    const stats = this.statistics();
    return Object.freeze({
      databaseName: this.name,
      state: this.health().state,
      totalRequests: stats.successfulOperations + stats.failedOperations,
      successfulRequests: stats.successfulOperations,
      failedRequests: stats.failedOperations,
      averageResponseTimeMs: this.#statistics.averageResponseMs,
      activeConnections: stats.activeConnections,
      circuitBreakerTrips: stats.circuitBreakerTrips,
      consecutiveFailures: this.#breaker.snapshot().failures,
      lastError: stats.lastError,
      lastSuccessTime: stats.lastSuccessTime,
    });
  }

  #makeOpener(): Opener {
    const { clock, emit } = this.#services;
    const database = this.name;
    return makeOpener(this.config, clock, {
      attemptFailed: (error, endpoint, kind) => {
        this.#connectError = error.message;
        this.#statistics.connectFailed(error);
        this.#breaker.recordFailure(kind);
        emit("connection", {
          database,
          action: "failed",
          id: 0,
          endpoint,
          reason: error.message,
        });
      },
      loading: (progress, waitedMs) => {
        this.#loading = true;
        emit("loading", { database, waitedMs, ...progress });
      },
      observer: {
        answered: (sentAt, now, count) => {
          this.#statistics.answered(sentAt, now, count);
          this.#budget.deposit(count);
          this.#breaker.recordSuccess();
        },
        troubled: (kind) => {
          this.#troubles.add();
          this.#breaker.recordFailure(kind);
        },
      },
    });
  }

  #makePool(): InterimPool<PooledConnection> {
    const { maxConnections, maxWaiting, acquireTimeoutMs, idleTimeoutMs, maxLifetimeMs } =
      this.config;
    return new InterimPool<PooledConnection>(
      {
        database: this.name,
        maxConnections,
        maxWaiting,
        acquireTimeoutMs,
        idleTimeoutMs,
        maxLifetimeMs,
      },
      {
        create: (signal, purpose) => this.#open(purpose, signal),
        recycle: ({ session }) => session?.clean() ?? false,
        destroy: ({ connection }, text) => connection.close({ kind: "closed", text }),
      },
      this.#services.clock,
    );
  }

  async #open(purpose: "lane" | "lease", signal: AbortSignal): Promise<PooledConnection> {
    const connection = await this.#opener.open(purpose, signal);
    this.#connectError = undefined;
    this.#loading = false;
    connection.onEnd((reason) => this.#connectionEnded(connection, reason));
    this.#services.emit("connection", {
      database: this.name,
      action: "opened",
      id: connection.id,
      endpoint: connection.endpoint,
    });
    this.#services.opened();
    return new PooledConnection(
      connection,
      purpose === "lane" ? undefined : this.#makeSession(connection),
    );
  }

  #makeSession(connection: Connection): Session {
    const { commandTimeoutMs, db, decodeResponses } = this.config;
    return new Session(connection, {
      db,
      decodeResponses,
      resetTimeoutMs: commandTimeoutMs,
      owner: this.#dispatcher.forLeases(),
      timeoutOf: (command) => this.#timeoutOf(command),
    });
  }

  #timeoutOf(command: Command): number {
    const blocking = blockingTimeoutMs(command.name, command.args);
    return blocking === undefined
      ? this.config.commandTimeoutMs
      : blocking + BLOCKING_GRACE_MS;
  }

  #connectionEnded(connection: Connection, reason: CloseReason): void {
    if (reason.kind !== "closed") this.#opener.connectionLost();
    this.#services.emit("connection", {
      database: this.name,
      action: "closed",
      id: connection.id,
      endpoint: connection.endpoint,
      reason: reason.text,
    });
  }

  #makeDispatcher(): Dispatcher {
    const { config } = this;
    return new Dispatcher({
      database: config.name,
      commandTimeoutMs: config.commandTimeoutMs,
      retry: {
        maxRetries: config.maxRetries,
        retryDelayMs: config.retryDelayMs,
        retryOnTimeout: config.retryOnTimeout,
        retryWrites: config.retryWrites,
        budget: this.#budget,
      },
      classifier,
      sink: this.#lanes,
      breaker: this.#breaker,
      openError: () => this.#openError(),
      runBlocking: (command) => this.#runBlocking(command),
      reresolve: (reason) => this.#lanes.replaceAll(reason),
      statistics: this.#statistics,
      clock: this.#services.clock,
    });
  }

  #makeClient(): ManagedClient {
    const { name: database, db, keyPrefix, decodeResponses } = this.config;
    return new ManagedClient({
      database,
      db,
      keyPrefix,
      decodeResponses,
      route: {
        dispatch: (command) => this.#dispatcher.dispatch(command),
        dispatchBatch: (commands) => this.#dispatcher.dispatchBatch(commands),
        whenReady: () => this.whenReady(),
      },
    });
  }

  /** A blocking command gets a connection of its own, and gives it back. */
  async #runBlocking(command: TrackedCommand): Promise<void> {
    command.tracking.timeoutMs = this.#timeoutOf(command);
    try {
      const { connection, release } = await this.#pool.acquire();
      command.promise.then(release, release);
      connection.connection.send(command);
    } catch (error) {
      this.#dispatcher.failed(command, error as Error, "never-sent");
    }
  }

  #breakerChanged(change: BreakerChange): void {
    const { from, to, cause } = change;
    this.#lastTripReason = cause ?? this.#lastTripReason;
    if (from === "closed" && to === "open") this.#statistics.tripped();
    const reason = to === "closed" ? "a probe succeeded" : `failures: ${cause}`;
    this.#services.emit("breaker", { database: this.name, from, to, reason });
  }

  #openError(): CircuitOpenError {
    const { retryAfterMs } = this.#breaker;
    return new CircuitOpenError(this.name, retryAfterMs, this.#lastTripReason);
  }
}
