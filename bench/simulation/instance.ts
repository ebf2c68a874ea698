import { Dispatcher } from "../../src/commands/dispatcher.ts";
import type { RedisConfig } from "../../src/config/mod.ts";
import type { Connection } from "../../src/connection/connection.ts";
import { Command } from "../../src/connection/driver.ts";
import { Opener } from "../../src/connection/opener.ts";
import { CircuitOpenError } from "../../src/core/errors/mod.ts";
import { classifier, makeBreaker, makeBudget } from "../../src/servers/parts.ts";
import { HealthPatrol } from "../../src/health/patrol.ts";
import type { DatabaseStatistics } from "../../src/observability/database_statistics.ts";
import { type Lane, LaneSet } from "../../src/pool/lanes.ts";
import { Pool } from "../../src/pool/pool.ts";
import type { Pooled } from "../../src/pool/types.ts";
import type { CircuitBreaker } from "../../src/resilience/circuit_breaker.ts";
import type { RetryBudget } from "../../src/resilience/retry_budget.ts";
import type { ModelServer } from "./model_server.ts";
import type { SimClock } from "./sim_clock.ts";

/** Times of the pool that are no settings; `servers/pool.ts` has the same. */
const VALIDATE_AFTER_MS = 1000;
const VALIDATE_TIMEOUT_MS = 1000;
const MAX_CONNECTING = 4;

/** What an instance counts. */
export interface InstanceCounts {
  /** Commands that were asked for. */
  asked: number;
  /** Those that were answered. */
  answered: number;
  /** Those that failed; at the end all others are answered. */
  failed: number;
  /** Attempts to connect that followed a failed one, and no command's retry. */
  reconnects: number;
}

/** A connection of the pool. */
class SimConnection implements Pooled {
  readonly id: number;
  readonly connection: Connection;

  constructor(connection: Connection) {
    this.id = connection.id;
    this.connection = connection;
  }

  onEnd(fn: (reason: string) => void): void {
    this.connection.onEnd(({ text }) => fn(text));
  }
}

/**
 * One process that uses one database: the real dispatcher, breaker, retry budget, lanes,
 * pool, opener, handshake and client library, wired as `database.ts` does, over a modelled
 * server in place of a socket.
 */
export class Instance {
  readonly #config: RedisConfig;
  readonly #clock: SimClock;
  readonly #breaker: CircuitBreaker;
  readonly #budget: RetryBudget;
  readonly #opener: Opener;
  readonly #pool: Pool<SimConnection>;
  readonly #lanes: LaneSet;
  readonly #dispatcher: Dispatcher;
  readonly #counts: InstanceCounts;
  readonly #statistics: DatabaseStatistics;

  /**
   * Makes an instance; opens nothing.
   *
   * @param config Its database.
   * @param server The server.
   * @param clock The time of the simulation.
   * @param counts What is added to; may be shared.
   * @param statistics What counts its commands; may be shared.
   */
  constructor(
    config: RedisConfig,
    server: ModelServer,
    clock: SimClock,
    counts: InstanceCounts,
    statistics: DatabaseStatistics,
  ) {
    this.#config = config;
    this.#clock = clock;
    this.#counts = counts;
    this.#statistics = statistics;
    const patrol = new HealthPatrol({
      intervalMs: config.healthCheckIntervalMs,
      ask: () => this.#check(),
      clock,
    });
    this.#breaker = makeBreaker(config, clock, ({ from, to }) => {
      if (from === "closed" && to === "open") statistics.tripped();
      patrol.notice(to === "closed");
    });
    this.#budget = makeBudget(config, clock);
    this.#opener = this.#makeOpener(server);
    this.#pool = this.#makePool();
    this.#lanes = new LaneSet({
      database: config.name,
      maxLanes: config.maxLanes,
      maxWaiting: config.maxWaiting,
      idleTimeoutMs: config.idleTimeoutMs,
      clock,
      open: (signal) => this.#openLane(signal),
    });
    this.#dispatcher = this.#makeDispatcher();
  }

  /** Lanes that are open. */
  get lanes(): number {
    return this.#lanes.size;
  }

  /** Connections that are open, whatever they are for. */
  get connections(): number {
    const { total, connecting } = this.#pool.numbers();
    return total - connecting;
  }

  /** Sends a GET. */
  ask(): void {
    const counts = this.#counts;
    counts.asked++;
    const command = new Command("get", ["key"], { replyEncoding: "utf8" });
    command.promise.then(() => counts.answered++, () => counts.failed++);
    this.#dispatcher.dispatch(command);
  }

  /**
   * Leases a connection and keeps it.
   *
   * @returns Whether one was had.
   */
  async hold(): Promise<boolean> {
    try {
      await this.#pool.acquire();
      return true;
    } catch {
      return false;
    }
  }

  /** Asks the server, as `check()` of `database.ts` does while the breaker is open. */
  async #check(): Promise<void> {
    const probe = this.#breaker.tryProbe();
    if (probe === undefined) return;
    try {
      await this.#lanes.whenReady();
      const [lane] = this.#lanes.connections;
      if (await lane?.ask(this.#config.commandTimeoutMs, "ping")) probe.succeed();
      else probe.fail("refused");
    } catch {
      probe.fail("refused");
    } finally {
      probe.cancel();
    }
  }

  #makeOpener(server: ModelServer): Opener {
    const config = this.#config;
    return new Opener({
      database: config.name,
      db: config.db,
      keyPrefix: config.keyPrefix,
      connectTimeoutMs: config.connectTimeoutMs,
      loadingTimeoutMs: config.loadingTimeoutMs,
      silenceLimitMs: config.commandTimeoutMs,
      heartbeatMs: config.healthCheckIntervalMs,
      retry: config.connectRetry,
      resolve: () =>
        Promise.resolve({ kind: "tcp", host: config.host, port: config.port }),
      openChannel: server.openChannel,
      clock: this.#clock,
      mayRetry: () => this.#breaker.allows(),
      attemptRepeated: () => {
        this.#counts.reconnects++;
        this.#statistics.retried();
      },
      attemptFailed: (error, _endpoint, kind, source) => {
        this.#statistics.connectFailed(error);
        this.#breaker.recordFailure(kind, source);
      },
      loading: () => {},
      observer: {
        answered: (_sentAt, _now, count) => {
          this.#budget.deposit(count);
          this.#breaker.recordSuccess();
        },
        troubled: (kind) => this.#breaker.recordFailure(kind),
      },
    });
  }

  #makePool(): Pool<SimConnection> {
    const config = this.#config;
    return new Pool<SimConnection>(
      {
        database: config.name,
        maxConnections: config.maxConnections,
        minConnections: config.minConnections,
        maxConnecting: MAX_CONNECTING,
        acquireTimeoutMs: config.acquireTimeoutMs,
        maxWaiting: config.maxWaiting,
        idleTimeoutMs: config.idleTimeoutMs,
        maxLifetimeMs: config.maxLifetimeMs,
        validateAfterMs: VALIDATE_AFTER_MS,
        leakDetectionThresholdMs: config.leakDetectionThresholdMs,
      },
      {
        create: async (signal, purpose) => {
          const connection = await this.#opener.open(purpose, signal);
          connection.onEnd(({ kind }) => {
            if (kind !== "closed") this.#opener.connectionLost();
          });
          return new SimConnection(connection);
        },
        recycle: () => true,
        validate: ({ connection }) => connection.ask(VALIDATE_TIMEOUT_MS, "ping"),
        destroy: ({ connection }, text) => connection.close({ kind: "closed", text }),
      },
      this.#clock,
    );
  }

  async #openLane(signal: AbortSignal): Promise<Lane> {
    const slot = await this.#pool.openLane(signal);
    const { connection } = slot.connection;
    slot.onWanted(() => this.#lanes.replace(connection, "its place is needed"));
    return { connection, expiresAt: slot.expiresAt, release: () => slot.release() };
  }

  #makeDispatcher(): Dispatcher {
    const { maxRetries, retryDelayMs, retryOnTimeout, retryWrites } = this.#config;
    const { name: database, commandTimeoutMs } = this.#config;
    return new Dispatcher({
      database,
      commandTimeoutMs,
      retry: {
        maxRetries,
        retryDelayMs,
        retryOnTimeout,
        retryWrites,
        budget: this.#budget,
      },
      classifier,
      sink: this.#lanes,
      breaker: this.#breaker,
      openError: () =>
        new CircuitOpenError(database, this.#breaker.retryAfterMs, "refused"),
      runBlocking: (command) => this.#lanes.submit(command),
      reresolve: (reason) => this.#lanes.replaceAll(reason),
      notReady: () => {},
      statistics: this.#statistics,
      clock: this.#clock,
    });
  }
}
