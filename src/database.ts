import type { Clock, Timer } from "./core/clock.ts";
import {
  CircuitOpenError,
  CommandRefusedError,
  ConnectError,
} from "./core/errors/mod.ts";
import type { Emit } from "./core/events.ts";
import type { RedisConfig } from "./config/mod.ts";
import { BlockingCommands } from "./commands/blocking.ts";
import { type CommandRoute, ManagedClient } from "./commands/client.ts";
import { Dispatcher } from "./commands/dispatcher.ts";
import { observeRoute } from "./commands/observed_route.ts";
import {
  type PipelineFill,
  type PipelineOptions,
  type PipelineParts,
  runPipeline,
} from "./commands/pipeline.ts";
import type { Subscription } from "./commands/subscription.ts";
import { SubscriptionHub } from "./commands/subscription_hub.ts";
import type {
  MessageHandler,
  SubscribeOptions,
  SubscriptionTargets,
} from "./commands/subscription_types.ts";
import { RetryJudge, type RetryPolicy } from "./commands/retry_judge.ts";
import {
  runTransaction,
  type TransactionFill,
  type TransactionOptions,
  type TransactionParts,
} from "./commands/transaction.ts";
import type { CloseReason, Connection } from "./connection/connection.ts";
import type { CredentialRenewal } from "./connection/credential_renewal.ts";
import { Command } from "./connection/driver.ts";
import type { Opener } from "./connection/opener.ts";
import type { CommandOwner } from "./connection/tracked.ts";
import { makeCredentialRenewal } from "./database_credentials.ts";
import { HealthRecord } from "./database_health.ts";
import { type DatabaseLocation, locate } from "./database_location.ts";
import { DatabaseNumbers } from "./database_numbers.ts";
import { makePool, type PooledConnection } from "./database_pool.ts";
import { classifier, makeBreaker, makeBudget, makeOpener } from "./database_parts.ts";
import { type AcquireOptions, ConnectionLease } from "./lease.ts";
import { Loan, sessionOf } from "./loan.ts";
import { DatabaseStatistics } from "./observability/database_statistics.ts";
import type { MetricsSource } from "./observability/prometheus.ts";
import type { DatabaseTelemetry } from "./observability/telemetry/database_telemetry.ts";
import type { Telemetry } from "./observability/telemetry/telemetry.ts";
import type {
  ConnectionMetrics,
  DatabaseHealth,
  PoolStatistics,
  RedisStats,
} from "./observability/types.ts";
import type { ConnectionBudget } from "./pool/budget.ts";
import { type Lane, LaneSet } from "./pool/lanes.ts";
import type { Lease } from "./pool/lease.ts";
import type { Pool } from "./pool/pool.ts";
import type { BreakerChange, CircuitBreaker } from "./resilience/circuit_breaker.ts";
import { blockingTimeoutMs } from "./resilience/command_class.ts";
import type { RetryBudget } from "./resilience/retry_budget.ts";

/** What a database needs of its manager. */
export interface DatabaseServices {
  /** Time. */
  readonly clock: Clock;
  /** Reports events. */
  readonly emit: Emit;
  /** A connection has been opened. */
  readonly opened: (database: RedisConfig, connection: Connection) => void;
  /** The common limit of all databases, if there is one. */
  readonly budget?: ConnectionBudget;
  /** What is reported through OpenTelemetry, if anything is. */
  readonly telemetry?: Telemetry;
}

/** A blocking command may take this much longer than it asked for, in milliseconds. */
const BLOCKING_GRACE_MS = 1000;
/** What is in flight to a server that is not the primary any more may take so long, in
 * milliseconds. */
const FAILOVER_GRACE_MS = 250;

/**
 * One database: wires its pool, lanes, dispatcher, breaker and statistics from its
 * configuration. It has no policy of its own.
 */
export class Database {
  readonly config: RedisConfig;
  readonly client: ManagedClient;
  readonly #services: DatabaseServices;
  readonly #statistics: DatabaseStatistics;
  readonly #numbers: DatabaseNumbers;
  readonly #health: HealthRecord;
  readonly #breaker: CircuitBreaker;
  readonly #budget: RetryBudget;
  readonly #telemetry: DatabaseTelemetry | undefined;
  readonly #location: DatabaseLocation;
  /** Only where a provider gives the password. */
  readonly #renewal: CredentialRenewal<Connection> | undefined;
  readonly #opener: Opener;
  readonly #pool: Pool<PooledConnection>;
  /** Ids of the leased connections that blocking commands and subscriptions are on. */
  readonly #ours = new Set<number>();
  readonly #lanes: LaneSet;
  readonly #dispatcher: Dispatcher;
  readonly #route: CommandRoute;
  readonly #blocking: BlockingCommands;
  readonly #hub: SubscriptionHub;
  /** Judges the commands of leases; late bound, as the dispatcher needs the lanes. */
  readonly #leaseOwner: CommandOwner = {
    replied: (command, reply) => this.#dispatcher.replied(command, reply),
    failed: (command, error) => this.#dispatcher.leaseFailed(command, error),
  };
  #lastTripReason = "";
  #graceTimer: Timer | undefined;

  constructor(config: RedisConfig, services: DatabaseServices) {
    const { clock } = services;
    this.config = config;
    this.#statistics = new DatabaseStatistics(config.name, clock);
    this.#numbers = this.#makeNumbers(clock);
    this.#health = this.#makeHealth(services);
    // Whatever is reported may have changed how well it serves.
    this.#services = { ...services, emit: this.#health.emit };
    this.#breaker = makeBreaker(config, clock, (change) => this.#breakerChanged(change));
    this.#budget = makeBudget(config, clock);
    this.#location = locate(config, clock, (from, to) => this.#moved(from, to));
    this.#telemetry = this.#makeTelemetry();
    this.#renewal = makeCredentialRenewal({
      config,
      pool: () => this.#pool,
      lanes: () => this.#lanes,
      emit: this.#services.emit,
      clock,
    });
    this.#opener = this.#makeOpener();
    this.#pool = this.#makePool();
    this.#lanes = new LaneSet({
      database: config.name,
      maxLanes: config.maxLanes,
      maxWaiting: config.maxWaiting,
      clock,
      idleTimeoutMs: config.idleTimeoutMs,
      open: (signal) => this.#openLane(signal),
    });
    const retry = this.#retryPolicy();
    this.#dispatcher = this.#makeDispatcher(retry);
    this.#blocking = this.#makeBlocking(retry);
    this.#hub = this.#makeHub();
    this.#route = this.#makeRoute();
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
    const lease = await this.#lease(options);
    return new ConnectionLease(this.name, sessionOf(lease).redis, lease);
  }

  /**
   * Sends commands together.
   *
   * @param fill Adds the commands.
   * @param options How the outcome is told.
   * @returns The replies, or what became of each command.
   */
  pipeline(fill: PipelineFill<unknown>, options: PipelineOptions): Promise<unknown[]> {
    return runPipeline(this.#batchParts(), fill, options);
  }

  /**
   * Subscribes on the connection that all subscriptions of the database share.
   *
   * @param targets To what.
   * @param handler Takes the messages; without it they are iterated.
   * @param options How it goes.
   * @param decode Turns a message into what the consumer wants.
   * @returns The subscription, once the server has confirmed it.
   */
  async subscribe<M>(
    targets: SubscriptionTargets,
    handler: MessageHandler<M> | undefined,
    options: SubscribeOptions,
    decode: (message: Uint8Array) => M,
  ): Promise<Subscription<M>> {
    if (this.config.maxConnections < 2) {
      throw new CommandRefusedError(
        this.name,
        "subscribe",
        "it would take the only connection for good: set max_connections to 2 or more",
        "the pool",
      );
    }
    return await this.#hub.subscribe(targets, handler, options, decode);
  }

  /**
   * Runs commands at once and all together.
   *
   * @param fill Reads and adds the commands.
   * @param options What is watched, and how often it is tried.
   * @returns The replies.
   */
  transaction(fill: TransactionFill, options: TransactionOptions): Promise<unknown[]> {
    return runTransaction(this.#batchParts(), fill, options);
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
    this.#route.dispatch(built);
    return built.promise;
  }

  /**
   * Asks the server now. A connection that turns out to be dead is not its last word:
   * a new one is tried. While the circuit breaker is not closed, it asks only when a
   * probe is due, and is that probe.
   *
   * @param signal Ends the wait.
   * @returns Whether the server serves.
   */
  async check(signal?: AbortSignal): Promise<boolean> {
    if (this.#breaker.allows()) return await this.#ask(signal) === "serves";
    const probe = this.#breaker.tryProbe();
    if (probe === undefined) {
      this.#health.pinged(null);
      return false;
    }
    try {
      const found = await this.#ask(signal);
      if (found === "serves") probe.succeed();
      else if (found === "unreachable") probe.fail("refused");
      return found === "serves";
    } finally {
      // Does nothing to a probe that was settled.
      probe.cancel();
    }
  }

  /** What a look at the server shows; "waits" if it is there and does not serve now. */
  async #ask(
    signal: AbortSignal | undefined,
  ): Promise<"serves" | "waits" | "unreachable"> {
    const { clock } = this.#services;
    for (let attempt = 0; attempt < 2; attempt++) {
      try {
        await this.#lanes.whenReady(signal);
      } catch (error) {
        signal?.throwIfAborted();
        this.#health.pinged(null);
        return error instanceof ConnectError ? "unreachable" : "waits";
      }
      const startedAt = clock.now();
      const [lane] = this.#lanes.connections;
      const answer = await lane?.query(this.config.commandTimeoutMs, "ping");
      this.#health.pinged(answer === undefined ? null : clock.now() - startedAt);
      if (lane !== undefined && answer !== undefined) {
        return this.#health.serves(lane, answer) ? "serves" : "waits";
      }
    }
    return "unreachable";
  }

  /**
   * Closes connections that have been idle, or have lived, for too long.
   *
   * @returns How many.
   */
  reap(): number {
    return this.#lanes.replaceExpired() + this.#lanes.shrink() + this.#pool.reap();
  }

  /**
   * Takes no more commands, lets those it has finish, and closes every connection.
   *
   * @param drainMs How long they may take, in milliseconds.
   * @returns How many commands were cut.
   */
  async close(drainMs: number): Promise<number> {
    this.#dispatcher.close();
    this.#health.stop();
    this.#renewal?.stop();
    const { clock } = this.#services;
    const deadline = clock.now() + drainMs;
    this.#hub.close();
    // Over a lane the server is told to end what waits for ever.
    await this.#blocking.close(Math.min(drainMs, this.config.commandTimeoutMs));
    // Commands that wait for a lane still get one; leases have what is left of the time.
    const cutOnLanes = await this.#lanes.close(Math.max(0, deadline - clock.now()));
    const leftMs = Math.max(0, deadline - clock.now());
    const { cut } = await this.#pool.close({ drainMs: leftMs });
    this.#telemetry?.close();
    // Last: those who still got a connection had to be told where.
    this.#location.close();
    this.#graceTimer?.cancel();
    return cutOnLanes + cut;
  }

  /** Closes the circuit breaker by hand, and forgets its failures. */
  resetCircuitBreaker(): void {
    this.#breaker.reset();
  }

  /** What commands did in the window, and connections so far. */
  statistics(): RedisStats {
    return this.#numbers.statistics();
  }

  /** Begins a new window of the statistics. */
  resetStatistics(): void {
    this.#statistics.resetWindow();
  }

  /** What text metrics are made of. */
  metricsSource(): MetricsSource {
    return this.#numbers.metricsSource();
  }

  /** What the pool holds. */
  poolStatistics(): PoolStatistics {
    return this.#numbers.pool();
  }

  /** How well it serves, as far as is known without asking. */
  health(): DatabaseHealth {
    return this.#health.judge();
  }

  /** The seed's legacy shape. */
  metrics(): ConnectionMetrics {
    return this.#numbers.metrics();
  }

  #makeNumbers(clock: Clock): DatabaseNumbers {
    return new DatabaseNumbers({
      config: this.config,
      statistics: this.#statistics,
      health: () => this.health(),
      pool: () => this.#pool,
      lanes: () => this.#lanes,
      clock,
    });
  }

  #makeHealth({ clock, emit }: DatabaseServices): HealthRecord {
    return new HealthRecord({
      config: this.config,
      endpoint: () => this.#location.current(),
      breaker: () => this.#breaker.state,
      connections: () => this.#numbers.connections(),
      lastError: () => this.#statistics.lastError,
      ask: () => this.check(),
      emit,
      clock,
    });
  }

  #makeTelemetry(): DatabaseTelemetry | undefined {
    const { config } = this;
    const { clock, telemetry } = this.#services;
    return telemetry?.forDatabase({
      name: config.name,
      db: config.db,
      endpoint: config.mode === "standalone" ? this.#location.where : undefined,
      readPool: () => this.#numbers.poolReading(),
      clock,
    });
  }

  #makeOpener(): Opener {
    const { clock, emit } = this.#services;
    const database = this.name;
    const { confirm, resolve, where } = this.#location;
    return makeOpener(this.config, clock, {
      where,
      resolve,
      ...(confirm === undefined ? {} : { confirm }),
      expiring: (connection, expiresAt) => this.#renewal?.add(connection, expiresAt),
      mayRetry: () => this.#breaker.allows(),
      attemptRepeated: () => this.#statistics.retried(),
      attemptFailed: (error, endpoint, kind, source) => {
        this.#health.connectFailed(error);
        this.#statistics.connectFailed(error);
        this.#breaker.recordFailure(kind, source);
        emit("connection", {
          database,
          action: "failed",
          id: 0,
          endpoint,
          reason: error.message,
        });
      },
      loading: (progress, waitedMs) => this.#health.loading(progress, waitedMs),
      observer: {
        answered: (sentAt, now, count) => {
          this.#statistics.answered(sentAt, now, count);
          this.#budget.deposit(count);
          this.#breaker.recordSuccess();
        },
        troubled: (kind) => {
          this.#health.troubled();
          this.#statistics.troubled();
          this.#breaker.recordFailure(kind);
          this.#health.update();
        },
      },
    });
  }

  #makePool(): Pool<PooledConnection> {
    const { commandTimeoutMs, db, decodeResponses } = this.config;
    const { budget, clock, emit } = this.#services;
    return makePool({
      config: this.config,
      opener: this.#opener,
      session: {
        db,
        decodeResponses,
        resetTimeoutMs: commandTimeoutMs,
        owner: this.#leaseOwner,
        timeoutOf: (command) => this.#timeoutOf(command),
        observer: this.#telemetry,
      },
      telemetry: this.#telemetry,
      opened: (connection) => this.#connectionOpened(connection),
      budget,
      ours: this.#ours,
      emit,
      clock,
    });
  }

  /** Leases a connection of the pool. */
  #lease(options: AcquireOptions = {}): Promise<Lease<PooledConnection>> {
    const take = () => this.#pool.acquire(options);
    return this.#telemetry === undefined ? take() : this.#telemetry.acquire(take);
  }

  /** A lane ends when its place is needed for a lease, in a pool of one. */
  async #openLane(signal: AbortSignal): Promise<Lane> {
    const slot = await this.#pool.openLane(signal);
    const { connection } = slot.connection;
    slot.onWanted(() =>
      this.#lanes.replace(connection, "its place is needed for a lease")
    );
    const { expiresAt } = slot;
    return { connection, expiresAt, release: (_, counted) => slot.release(counted) };
  }

  #connectionOpened(connection: Connection): void {
    this.#numbers.connectionOpened();
    this.#statistics.traffic.opened(connection.stream);
    this.#health.connected();
    connection.onEnd((reason) => this.#connectionEnded(connection, reason));
    this.#services.emit("connection", {
      database: this.name,
      action: "opened",
      id: connection.id,
      endpoint: connection.endpoint,
    });
    this.#services.opened(this.config, connection);
  }

  #timeoutOf(command: Command): number {
    const blocking = blockingTimeoutMs(command.name, command.args);
    return blocking === undefined
      ? this.config.commandTimeoutMs
      : blocking + BLOCKING_GRACE_MS;
  }

  #connectionEnded(connection: Connection, reason: CloseReason): void {
    this.#statistics.traffic.ended(connection.stream);
    if (reason.kind !== "closed") this.#opener.connectionLost();
    this.#services.emit("connection", {
      database: this.name,
      action: "closed",
      id: connection.id,
      endpoint: connection.endpoint,
      end: reason.kind,
      reason: reason.text,
    });
  }

  /**
   * The primary is another server now: everything leads to it from here on. What is held
   * or in flight elsewhere gets a moment to finish, as its server, if it lives, drops it
   * too, or keeps what is written only until it follows the new one.
   */
  #moved(from: string, to: string): void {
    this.#opener.redirect();
    // Its failures were those of another server.
    if (this.#breaker.state !== "closed") this.#breaker.reset();
    this.#lanes.replaceAll(`the primary is ${to} now`);
    const leadsAway = ({ connection }: PooledConnection) => connection.endpoint !== to;
    this.#pool.evict(leadsAway, false);
    this.#graceTimer?.cancel();
    this.#graceTimer = this.#services.clock.setTimer(
      () => this.#pool.evict(leadsAway, true),
      FAILOVER_GRACE_MS,
    );
    this.#services.emit("failover", { database: this.name, from, to });
  }

  #retryPolicy(): RetryPolicy {
    const { maxRetries, retryDelayMs, retryOnTimeout, retryWrites } = this.config;
    const budget = this.#budget;
    return { maxRetries, retryDelayMs, retryOnTimeout, retryWrites, budget };
  }

  #makeDispatcher(retry: RetryPolicy): Dispatcher {
    const { config } = this;
    return new Dispatcher({
      database: config.name,
      commandTimeoutMs: config.commandTimeoutMs,
      retry,
      classifier,
      sink: this.#lanes,
      breaker: this.#breaker,
      openError: () => this.#openError(),
      runBlocking: (command) => this.#blocking.run(command),
      reresolve: (reason) => this.#lanes.replaceAll(reason),
      notReady: (connection) => this.#health.notReady(connection),
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
      route: this.#route,
    });
  }

  #makeRoute(): CommandRoute {
    return observeRoute({
      dispatch: (command) => this.#dispatcher.dispatch(command),
      dispatchBatch: (commands) => this.#dispatcher.dispatchBatch(commands),
      whenReady: () => this.whenReady(),
    }, this.#telemetry);
  }

  #makeHub(): SubscriptionHub {
    const { name: database, keyPrefix, healthCheckIntervalMs, commandTimeoutMs } =
      this.config;
    const { clock, emit } = this.#services;
    return new SubscriptionHub({
      database,
      keyPrefix,
      acquire: async (signal) => new Loan(await this.#lease({ signal }), this.#ours),
      heartbeat: { intervalMs: healthCheckIntervalMs, timeoutMs: commandTimeoutMs },
      emit,
      clock,
    });
  }

  #batchParts(): PipelineParts & TransactionParts {
    return {
      database: this.name,
      client: this.client,
      decodeResponses: this.config.decodeResponses,
      classify: ({ name, args }) => classifier.resolve(name, args),
      send: (commands) => this.#dispatcher.dispatchBatch(commands),
      acquire: async (options) => new Loan(await this.#lease(options), this.#ours),
      observer: this.#telemetry,
      clock: this.#services.clock,
    };
  }

  #makeBlocking(retry: RetryPolicy): BlockingCommands {
    const judge = new RetryJudge(retry, this.#services.clock);
    return new BlockingCommands({
      database: this.name,
      timeoutOf: (command) => this.#timeoutOf(command),
      acquire: async () => new Loan(await this.#lease(), this.#ours).forBlocking(),
      unblock: (clientId, withinMs) => this.#unblock(clientId, withinMs),
      judge: (command, error, delivery) => {
        const verdict = judge.judge(command, error, delivery);
        if (verdict.retry) this.#statistics.retried();
        return verdict;
      },
      replied: (command, reply) => this.#dispatcher.replied(command, reply),
      told: (command, error) => this.#dispatcher.leaseFailed(command, error),
      reresolve: (reason) => this.#lanes.replaceAll(reason),
    });
  }

  /** Ends over a lane what another connection waits for. */
  async #unblock(clientId: number, withinMs: number): Promise<boolean> {
    const lane = this.#lanes.connections.find(({ isOpen }) => isOpen);
    return await lane?.ask(withinMs, "client", "unblock", clientId, "ERROR") ?? false;
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
