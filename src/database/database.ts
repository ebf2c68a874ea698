import type { BlockingCommands } from "../commands/blocking.ts";
import { type CommandRoute, ManagedClient } from "../commands/client.ts";
import { Dispatcher } from "../commands/dispatcher.ts";
import { observeRoute } from "../commands/observed_route.ts";
import {
  type PipelineFill,
  type PipelineOptions,
  type PipelineParts,
  runPipeline,
} from "../commands/pipeline.ts";
import { RetryJudge, type RetryPolicy } from "../commands/retry_judge.ts";
import { runSlotTransaction } from "../commands/slot_transaction.ts";
import type { Subscription } from "../commands/subscription.ts";
import { SubscriptionHub } from "../commands/subscription_hub.ts";
import type {
  MessageHandler,
  SubscribeOptions,
  SubscriptionTargets,
} from "../commands/subscription_types.ts";
import {
  runTransaction,
  type TransactionFill,
  type TransactionOptions,
  type TransactionParts,
} from "../commands/transaction.ts";
import type { RedisConfig } from "../config/mod.ts";
import type { Connection } from "../connection/connection.ts";
import type { Command } from "../connection/driver.ts";
import { ManagedCommand } from "../connection/managed_command.ts";
import type { CommandOwner } from "../connection/tracked.ts";
import { formatAddress } from "../core/address.ts";
import type { Clock } from "../core/clock.ts";
import { CommandRefusedError } from "../core/errors/mod.ts";
import type { ConnectionDetail, Emit } from "../core/events.ts";
import type { MetricsSource, RedisStats } from "../observability/metrics.ts";
import { DatabaseStatistics } from "../observability/statistics.ts";
import type { DatabaseTelemetry } from "../observability/telemetry/database_telemetry.ts";
import type { Telemetry } from "../observability/telemetry/telemetry.ts";
import type {
  ConnectionMetrics,
  DatabaseHealth,
  PoolStatistics,
} from "../observability/types.ts";
import type { ConnectionBudget } from "../pool/budget.ts";
import { blockingTimeoutMs } from "../resilience/command_class.ts";
import type { RetryBudget } from "../resilience/retry.ts";
import { ClusterServers } from "../servers/cluster_servers.ts";
import { type AcquireOptions, ConnectionLease } from "../servers/lease.ts";
import { type Loan, sessionOf } from "../servers/loan.ts";
import { locate } from "../servers/location.ts";
import { classifier, makeBudget } from "../servers/parts.ts";
import { ServerConnections, type ServerContext } from "../servers/server_connections.ts";
import type { LeaseTarget, LeaseWait, Servers } from "../servers/servers.ts";
import { SingleServer } from "../servers/single_server.ts";
import { prefixedSlot } from "../topology/key_slot.ts";
import { standaloneEndpoint } from "../topology/standalone.ts";
import type { OpenChannel } from "../transport/channel.ts";
import { makeBlocking } from "./blocking.ts";
import { type DatabaseKeys, makeKeys } from "./keys.ts";
import { DatabaseNumbers } from "./numbers.ts";
import {
  countAtEnd,
  slotTransactionParts,
  type TransactionPlace,
} from "./slot_transactions.ts";

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
  /** Opens byte channels in place of the transport that is configured: a modelled server. */
  readonly openChannel?: OpenChannel;
}

/** A blocking command may take this much longer than it asked for, in milliseconds. */
const BLOCKING_GRACE_MS = 1000;

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
  readonly #budget: RetryBudget;
  readonly #telemetry: DatabaseTelemetry | undefined;
  readonly #servers: Servers;
  /** Only where keys have to be known: with a key prefix, and in a cluster. */
  readonly #keys: DatabaseKeys | undefined;
  readonly #dispatcher: Dispatcher;
  readonly #route: CommandRoute;
  readonly #blocking: BlockingCommands;
  readonly #hub: SubscriptionHub;
  /** Connections that are open. */
  #open = 0;
  #closed = false;
  /** Judges the commands of leases; late bound, as the dispatcher needs the lanes. */
  readonly #leaseOwner: CommandOwner = {
    replied: (command, reply) => this.#dispatcher.replied(command, reply),
    failed: (command, error) => {
      this.#servers.learn?.(command, error);
      this.#dispatcher.leaseFailed(command, error);
    },
  };

  constructor(config: RedisConfig, services: DatabaseServices) {
    const { clock } = services;
    this.config = config;
    this.#services = services;
    this.#statistics = new DatabaseStatistics(config.name, clock);
    this.#budget = makeBudget(config, clock);
    this.#numbers = new DatabaseNumbers({
      config,
      statistics: this.#statistics,
      health: () => this.health(),
      servers: () => this.#servers,
      clock,
    });
    this.#telemetry = this.#makeTelemetry();
    this.#servers = this.#makeServers();
    this.#keys = makeKeys({
      config,
      classifier,
      sink: this.#servers.sink,
      clock,
    });
    const retry = this.#retryPolicy();
    this.#dispatcher = this.#makeDispatcher(retry);
    this.#blocking = makeBlocking({
      config,
      servers: this.#servers,
      dispatcher: this.#dispatcher,
      statistics: this.#statistics,
      retry,
      timeoutOf: (command) => this.#timeoutOf(command),
      clock,
    });
    this.#hub = this.#makeHub();
    this.#route = this.#makeRoute();
    this.client = this.#makeClient();
  }

  get name(): string {
    return this.config.name;
  }

  whenReady(signal?: AbortSignal): Promise<void> {
    return this.#servers.whenReady(signal);
  }

  async acquire(options: AcquireOptions): Promise<ConnectionLease> {
    const { key, node, ...wait } = options;
    const target: LeaseTarget = {
      ...(node === undefined ? {} : { node }),
      ...(key === undefined ? {} : { slot: prefixedSlot(this.config.keyPrefix, key) }),
    };
    const lease = await this.#servers.lease(
      target,
      wait,
      (server, wait) => server.acquire(wait),
    );
    return new ConnectionLease(this.name, sessionOf(lease).lend(), lease);
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
    if (this.config.mode === "cluster" && "shards" in targets && targets.shards?.length) {
      throw new CommandRefusedError(
        this.name,
        "ssubscribe",
        "shard channels belong to nodes: use manager.acquire(database, { key: channel })",
        "the one connection for subscriptions",
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
    const parts = this.#transactionParts();
    if (this.config.mode !== "cluster") return runTransaction(parts, fill, options);
    const slotParts = slotTransactionParts(parts, this.#transactionPlace());
    return runSlotTransaction(slotParts, fill, options);
  }

  execute(
    command: string,
    args: readonly (string | Uint8Array | number)[],
  ): Promise<unknown> {
    const { keyPrefix } = this.config;
    // Arguments are not lists here: one that is would be flattened.
    const single = args.map((arg) => Array.isArray(arg) ? [arg] : arg);
    const built = new ManagedCommand(command, single, {
      keyPrefix,
      replyEncoding: this.config.decodeResponses ? "utf8" : null,
    }) as unknown as Command;
    this.#route.dispatch(built);
    return built.promise;
  }

  /**
   * Asks the server now; in a cluster every node that serves slots.
   *
   * @param signal Ends the wait.
   * @returns Whether the server, or a node of the cluster, serves.
   */
  check(signal?: AbortSignal): Promise<boolean> {
    return this.#servers.check(signal);
  }

  /**
   * Closes connections that have been idle, or have lived, for too long.
   *
   * @returns How many.
   */
  reap(): number {
    return this.#servers.reap();
  }

  /**
   * Takes no more commands, lets those it has finish, and closes every connection.
   *
   * @param drainMs How long they may take, in milliseconds.
   * @returns How many commands were cut.
   */
  async close(drainMs: number): Promise<number> {
    this.#closed = true;
    this.#dispatcher.close();
    this.#servers.stopReporting();
    const { clock } = this.#services;
    const deadline = clock.now() + drainMs;
    this.#hub.close();
    // Over a lane the server is told to end what waits for ever.
    await this.#blocking.close(Math.min(drainMs, this.config.commandTimeoutMs));
    const cut = await this.#servers.close(Math.max(0, deadline - clock.now()));
    this.#telemetry?.close();
    this.client.tellStatus("end");
    return cut;
  }

  /** Closes the circuit breaker by hand, and forgets its failures. */
  resetCircuitBreaker(): void {
    this.#servers.resetBreakers();
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
    return this.#servers.health();
  }

  /** The seed's legacy shape. */
  metrics(): ConnectionMetrics {
    return this.#numbers.metrics();
  }

  #makeServers(): Servers {
    const { budget, clock, openChannel, opened } = this.#services;
    const emit: Emit = (type, detail) => {
      if (type === "connection") this.#noteConnection(detail as ConnectionDetail);
      this.#services.emit(type, detail);
    };
    const { config } = this;
    const context: ServerContext = {
      config,
      statistics: this.#statistics,
      budget: this.#budget,
      limit: budget,
      leaseOwner: this.#leaseOwner,
      timeoutOf: (command) => this.#timeoutOf(command),
      ...(config.keyPrefix === "" ? {} : {
        placeKeys: (command) => this.#keys!.placeNow(command, "a lease"),
      }),
      opened: (connection) => opened(config, connection),
      telemetry: this.#telemetry,
      emit,
      ...(openChannel === undefined ? {} : { openChannel }),
      clock,
    };
    if (config.mode === "cluster") return new ClusterServers(context);
    return new SingleServer(
      new ServerConnections(context, { locate: (moved) => locate(config, clock, moved) }),
    );
  }

  /** The client says "ready" as long as a connection is open. */
  #noteConnection({ action }: ConnectionDetail): void {
    if (action === "opened") this.#open++;
    else if (action === "closed") this.#open--;
    if (!this.#closed) this.client.tellStatus(this.#open > 0 ? "ready" : "wait");
  }

  #makeTelemetry(): DatabaseTelemetry | undefined {
    const { config } = this;
    const { clock, telemetry } = this.#services;
    return telemetry?.forDatabase({
      name: config.name,
      db: config.db,
      endpoint: config.mode === "standalone"
        ? formatAddress(standaloneEndpoint(config))
        : undefined,
      isBlocking: ({ name, args }) => blockingTimeoutMs(name, args) !== undefined,
      readMetrics: () => this.#numbers.metricsSource(),
      clock,
    });
  }

  #timeoutOf(command: Command): number {
    const blocking = blockingTimeoutMs(command.name, command.args);
    return blocking === undefined
      ? this.config.commandTimeoutMs
      : blocking + BLOCKING_GRACE_MS;
  }

  #retryPolicy(): RetryPolicy {
    const { maxRetries, retryDelayMs, retryOnTimeout, retryWrites } = this.config;
    const budget = this.#budget;
    const refused = () => this.#statistics.counts.refusedRetries++;
    return { maxRetries, retryDelayMs, retryOnTimeout, retryWrites, budget, refused };
  }

  #makeDispatcher(retry: RetryPolicy): Dispatcher {
    const { config } = this;
    const servers = this.#servers;
    return new Dispatcher({
      database: config.name,
      commandTimeoutMs: config.commandTimeoutMs,
      retry,
      classifier,
      sink: this.#keys?.sink ?? servers.sink,
      breaker: servers.gate,
      openError: () => servers.openError(),
      runBlocking: (command) => this.#blocking.run(command),
      abortBlocking: (command, reason) => this.#blocking.abort(command, reason),
      ...(servers.redirect === undefined ? {} : {
        redirect: (command, error) => servers.redirect!(command, error),
      }),
      reresolve: (reason) => servers.reresolve(reason),
      notReady: (connection) => servers.notReady(connection),
      transactionRefused: (connection) => servers.transactionRefused(connection),
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
    const { name: database, keyPrefix, healthCheckIntervalMs } = this.config;
    const { acquireTimeoutMs, commandTimeoutMs } = this.config;
    const { clock, emit } = this.#services;
    return new SubscriptionHub({
      database,
      keyPrefix,
      acquire: (signal) => this.#lend({}, { signal }),
      confirmTimeoutMs: acquireTimeoutMs + commandTimeoutMs,
      heartbeat: { intervalMs: healthCheckIntervalMs, timeoutMs: commandTimeoutMs },
      emit,
      clock,
    });
  }

  #transactionParts(): TransactionParts {
    const { clock } = this.#services;
    const { acquireTimeoutMs, commandTimeoutMs } = this.config;
    const keys = this.#keys;
    return {
      ...this.#batchParts(),
      acquire: async (wait) =>
        countAtEnd(await this.#lend({}, wait), this.#transactionPlace()),
      retry: {
        judge: new RetryJudge(this.#retryPolicy(), clock),
        commandTimeoutMs,
        acquireTimeoutMs,
        retried: () => this.#statistics.counts.retries++,
      },
      clock,
      ...(keys === undefined ? {} : {
        placeKeys: (command) => keys.placeNow(command, "a transaction"),
      }),
    };
  }

  #transactionPlace(): TransactionPlace {
    return {
      config: this.config,
      servers: this.#servers,
      statistics: this.#statistics,
      dispatcher: this.#dispatcher,
      clock: this.#services.clock,
    };
  }

  #batchParts(): PipelineParts {
    return {
      database: this.name,
      client: this.client,
      decodeResponses: this.config.decodeResponses,
      classify: ({ name, args }) => classifier.resolve(name, args),
      send: (commands) => this.#dispatcher.dispatchBatch(commands),
      observer: this.#telemetry,
    };
  }

  #lend(target: LeaseTarget, wait: LeaseWait): Promise<Loan> {
    return this.#servers.lease(target, wait, (server, wait) => server.lend(wait));
  }
}
