import type { RedisClient } from "../commands/client.ts";
import type {
  PipelineFill,
  PipelineOptions,
  PipelineReplies,
} from "../commands/pipeline.ts";
import type { Subscription } from "../commands/subscription.ts";
import type {
  MessageHandler,
  SubscribeOptions,
  SubscriptionTargets,
} from "../commands/subscription_types.ts";
import type { TransactionFill, TransactionOptions } from "../commands/transaction.ts";
import type {
  ManagerConfig,
  ManagerOptions,
  RedisConfig,
  RedisConfigOptions,
} from "../config/mod.ts";
import { type Clock, systemClock, type Timer } from "../core/clock.ts";
import {
  type BatchResult,
  ConfigError,
  InitializationError,
  ManagerClosedError,
} from "../core/errors/mod.ts";
import type { ManagerEventMap } from "../core/events.ts";
import { Database } from "../database/database.ts";
import type { Logger } from "../observability/log_entries.ts";
import { EventLog } from "../observability/logging.ts";
import type { ManagerStats } from "../observability/metrics.ts";
import { renderPrometheus } from "../observability/prometheus.ts";
import { makeTelemetry, type Telemetry } from "../observability/telemetry/telemetry.ts";
import type {
  ConnectionMetrics,
  DatabaseListing,
  HealthStatus,
  PoolStatistics,
} from "../observability/types.ts";
import { ConnectionBudget } from "../pool/budget.ts";
import type { AcquireOptions, ConnectionLease } from "../servers/lease.ts";
import { CapacityCheck } from "./capacity.ts";
import { DatabaseDirectory } from "./directory.ts";
import { HealthEndpoint } from "./http_response.ts";
import { type DatabaseName, NamedDatabases } from "./named_databases.ts";
import {
  type CloseOptions,
  type CloseReport,
  type ManagerExtras,
  resolveOptions,
} from "./options.ts";
import { describeDatabase, summarizeHealth, summarizeStatistics } from "./summaries.ts";

/** Listens to one kind of event. */
export type ManagerEventListener<K extends keyof ManagerEventMap> = (
  event: CustomEvent<ManagerEventMap[K]>,
) => void;

type State =
  | { readonly name: "open" }
  | { readonly name: "closed"; readonly closing: Promise<CloseReport> };

/** How long commands in flight may take to finish when a manager closes. */
const DRAIN_MS = 5000;

let sharedManager: RedisConnectionManager | undefined;

/**
 * Keeps a service tied to its Redis databases: named databases from a configuration,
 * a pool for each, commands over shared connections, and numbers that say how it goes.
 *
 * Making one opens nothing: no socket, no timer, no file. The first command of a
 * database connects it.
 *
 * @example Usage
 * ```ts
 * import { RedisConnectionManager } from "@mooring/redis";
 * import { assertEquals } from "@std/assert";
 *
 * await using manager = new RedisConnectionManager({
 *   url: Deno.env.get("REDIS_URL") ?? "redis://localhost:6379",
 *   databases: { main: { db: 0 }, cache: { db: 5, maxConnections: 8 } },
 * });
 * await manager.getClient("cache").set("mooring:greeting", "ahoy", "EX", 1);
 * assertEquals(manager.getStatistics().totalOperations, 1);
 * ```
 */
export class RedisConnectionManager extends NamedDatabases implements AsyncDisposable {
  readonly #events = new EventTarget();
  readonly #config: ManagerConfig;
  readonly #clock: Clock;
  readonly #databases: DatabaseDirectory;
  readonly #budget: ConnectionBudget | undefined;
  readonly #capacity: CapacityCheck;
  readonly #warnings: string[];
  readonly #log: EventLog | undefined;
  readonly #telemetry: Telemetry | undefined;
  readonly #endpoint: HealthEndpoint;
  readonly #startedAt: number;
  #windowAt: number;
  #state: State = { name: "open" };
  #tick: Timer | undefined;

  /**
   * Makes a manager; opens nothing.
   *
   * @param config A loaded configuration, or plain options, which may have a `logger` and
   * `telemetry` among them; without it, what {@linkcode RedisConfigLoader.loadSync} finds
   * in files and environment.
   * @param extras Where it logs to, and what it reports through OpenTelemetry.
   * @param clock Time; only tests give another than the host's.
   * @throws {ConfigError} If the configuration cannot be used.
   * @throws {TypeError} If `telemetry.api` is not OpenTelemetry's API.
   */
  constructor(
    config?: ManagerConfig | (ManagerOptions & ManagerExtras),
    extras: ManagerExtras = {},
    clock: Clock = systemClock,
  ) {
    super();
    const resolved = resolveOptions(config, extras);
    this.#config = resolved.config;
    this.#databases = new DatabaseDirectory(this.#config.unknownDatabase === "main");
    this.#clock = clock;
    this.#startedAt = this.#windowAt = clock.now();
    this.#log = this.#makeLog(resolved.extras.logger);
    this.#endpoint = this.#makeEndpoint();
    this.#warnings = [...this.#config.warnings];
    this.#telemetry = makeTelemetry(resolved.extras.telemetry, (message) => {
      this.#warnings.push(message);
      this.#log?.warn(message);
    });
    this.#capacity = new CapacityCheck(
      this.#config,
      (database, message) => this.#warn(database, message),
    );
    const { maxTotalConnections } = this.#config;
    if (maxTotalConnections !== undefined) {
      this.#budget = new ConnectionBudget(maxTotalConnections);
    }
    for (const database of Object.values(this.#config.databases)) this.#add(database);
  }

  /**
   * The process-wide manager: the same object every time, until it is closed.
   *
   * @param config What it is made with; counts only for the call that makes it.
   * @param extras Where it logs to; counts only for that call too.
   * @returns The manager.
   * @throws {ConfigError} If the configuration cannot be used.
   */
  static shared(
    config?: ManagerConfig | (ManagerOptions & ManagerExtras),
    extras: ManagerExtras = {},
  ): RedisConnectionManager {
    if (sharedManager === undefined || sharedManager.isClosed) {
      sharedManager = new RedisConnectionManager(config, extras);
    }
    return sharedManager;
  }

  /**
   * Closes the process-wide manager, if there is one.
   *
   * @param options How long commands may take to finish.
   * @returns What was cut.
   */
  static closeShared(options: CloseOptions = {}): Promise<CloseReport> {
    return sharedManager?.closeAll(options) ?? Promise.resolve({ cutCommands: 0 });
  }

  /** Whether it has been closed, or is being closed. */
  get isClosed(): boolean {
    return this.#state.name === "closed";
  }

  /** The configuration it works with. */
  get config(): ManagerConfig {
    return this.#config;
  }

  /**
   * What is allowed but probably not meant, in words: of the configuration, and of what
   * the servers say once they are connected.
   */
  get warnings(): readonly string[] {
    return [...this.#warnings];
  }

  /**
   * The client of a database, at once: the first command connects. It is the same
   * object every time.
   *
   * @param database Name or number of the database. Default `main`.
   * @returns The client.
   * @throws {UnknownDatabaseError} If the configuration has no such database.
   * @throws {ManagerClosedError} If the manager has been closed.
   */
  getClient(database: DatabaseName = "main"): RedisClient {
    return this.#find(database).client;
  }

  /**
   * The seed's name for {@linkcode getClient}: the same object.
   *
   * @param database Name or number of the database. Default `main`.
   * @returns The client.
   * @throws {UnknownDatabaseError} If the configuration has no such database.
   * @throws {ManagerClosedError} If the manager has been closed.
   */
  getSyncClient(database: DatabaseName = "main"): RedisClient {
    return this.getClient(database);
  }

  /**
   * The client of a database when it is connected, authenticated, and the server has
   * loaded its data.
   *
   * @param database Name or number of the database. Default `main`.
   * @param options `signal` ends the wait.
   * @returns The client.
   * @throws {UnknownDatabaseError} If the configuration has no such database.
   * @throws {ConnectError} If no connection could be opened; an `AuthError` if the server
   * refused the credentials.
   * @throws {NotReadyError} If the server did not serve within `loadingTimeoutMs`.
   * @throws {CircuitOpenError} If the database failed too often, and is left alone for now.
   * @throws {ManagerClosedError} If the manager has been closed.
   */
  override async getAsyncClient(
    database: DatabaseName = "main",
    options: { signal?: AbortSignal } = {},
  ): Promise<RedisClient> {
    const found = this.#find(database);
    await found.whenReady(options.signal);
    return found.client;
  }

  /**
   * Adds a database at run time.
   *
   * @param name Its name.
   * @param options Its settings; what is left out is as the configuration's root says.
   * @returns Its client.
   * @throws {ConfigError} If the settings cannot be used or the name is taken.
   */
  addDatabase(name: string, options: RedisConfigOptions): RedisClient {
    this.#assertOpen();
    if (this.#databases.has(name)) {
      const message = "there is a database of that name already";
      throw new ConfigError([{
        origin: "addDatabase",
        key: `databases.${name}`,
        message,
      }]);
    }
    const config = this.#config.resolveDatabase(name, options, (message) => {
      this.#warn(name, message);
    });
    return this.#add(config).client;
  }

  /**
   * The databases that the manager knows, without asking any server.
   *
   * @returns Name, number, endpoint, description and state of each.
   */
  listDatabases(): DatabaseListing[] {
    return this.#databases.all.map((database) => describeDatabase(database));
  }

  /**
   * Lends a connection to one caller alone: for WATCH, MONITOR, blocking commands and
   * libraries that want an ioredis client.
   *
   * @param database Name or number of the database.
   * @param options Longest wait and signal.
   * @returns The lease; release it with `await using`.
   * @throws {AcquireTimeoutError} If no connection came free in time.
   * @throws {OverloadedError} If `maxWaiting` callers wait already.
   * @throws {ConnectError} If no connection could be opened.
   * @throws {RangeError} If `timeoutMs` is negative or not a number, or `node` is none of
   * the cluster's.
   * @throws {UnknownDatabaseError} If the configuration has no such database.
   * @throws {ManagerClosedError} If the manager has been closed.
   */
  async acquire(
    database: DatabaseName = "main",
    options: AcquireOptions = {},
  ): Promise<ConnectionLease> {
    return await this.#find(database).acquire(options);
  }

  /**
   * Sends commands together and tells what became of each.
   *
   * @param database Name or number of the database.
   * @param fill Called with the pipeline; what it adds is sent when it returns, and
   * nothing is sent if it throws.
   * @param options `settle: true`.
   * @returns What became of each command, in order.
   * @throws {CommandRefusedError} If a command may not run in a pipeline; nothing is sent.
   */
  pipeline(
    database: DatabaseName,
    fill: PipelineFill<unknown>,
    options: PipelineOptions & { settle: true },
  ): Promise<BatchResult[]>;
  /**
   * Sends commands together and gives their replies. They run in order; commands of
   * other callers may come in between. Any number will do: they go out in chunks of
   * 1,000 commands or 1 MiB, two of which are under way at most.
   *
   * @param database Name or number of the database.
   * @param fill Called with the pipeline; what it adds is sent when it returns, and
   * nothing is sent if it throws. Its second argument has the same commands, typed: a
   * callback that returns an array of what they give gets a tuple of those replies.
   * @param options `settle: true` gives what became of each instead of throwing.
   * @returns The replies, in order.
   * @throws {PipelineError} If a command failed; it carries every reply and error.
   * @throws {CommandRefusedError} If a command may not run in a pipeline; nothing is sent.
   */
  pipeline<const R>(
    database: DatabaseName,
    fill: PipelineFill<R>,
    options?: PipelineOptions,
  ): Promise<PipelineReplies<R>>;
  async pipeline(
    database: DatabaseName,
    fill: PipelineFill<unknown>,
    options: PipelineOptions = {},
  ): Promise<unknown[]> {
    return await this.#find(database).pipeline(fill, options);
  }

  /**
   * Runs commands at once and all together (MULTI, EXEC) on a connection of their own;
   * again, after a short random wait, while a watched key changes in between. Where the
   * server says "not now" (READONLY, TRYAGAIN, LOADING …) and has applied nothing, it is
   * tried again as a whole until `commandTimeoutMs` after the call.
   *
   * @param database Name or number of the database.
   * @param fill Reads what it needs from its second argument and adds commands to its
   * first; with watched keys called again for each attempt. Nothing is sent if it throws.
   * @param options Keys to watch, attempts, signal.
   * @returns The replies, in order.
   * @throws {TransactionConflictError} If a watched key changed in every attempt.
   * @throws {TransactionError} If the server refused a command; it carries every reply
   * and error, and says whether the others were run.
   * @throws {AcquireTimeoutError} If no connection came free in time.
   */
  async transaction(
    database: DatabaseName,
    fill: TransactionFill,
    options: TransactionOptions = {},
  ): Promise<unknown[]> {
    return await this.#find(database).transaction(fill, options);
  }

  /**
   * Subscribes to channels, patterns or shard channels. All subscriptions of a database
   * share one connection, a lease of its pool, which closes when the last one is given
   * up. After a lost connection everything is subscribed to again; that messages may be
   * missing is said by a gap: an item of the iterator, a call of `onGap`, a `gap` event.
   *
   * Channels and patterns are the server's own: the key prefix is not put before them.
   *
   * @param database Name or number of the database.
   * @param targets Channels, or `{ channels, patterns, shards }`.
   * @param handler Takes each message, one at a time; what it throws is reported as a
   * `handlererror` event. Without it, iterate the subscription.
   * @param options How much may wait for a slow consumer, and what happens to more.
   * @returns The subscription, once the server has confirmed it.
   * @throws {AcquireTimeoutError} If no connection came free in time.
   * @throws {CommandTimeoutError} If the server has not confirmed it in time.
   * @throws {CommandRefusedError} If the pool has a single connection.
   * @throws {TypeError} If there is nothing to subscribe to, or a name is no string.
   */
  subscribe(
    database: DatabaseName,
    targets: SubscriptionTargets,
    handler?: MessageHandler<string>,
    options?: SubscribeOptions & { binary?: false },
  ): Promise<Subscription<string>>;
  /**
   * Subscribes, and gives messages as bytes.
   *
   * @param database Name or number of the database.
   * @param targets Channels, or `{ channels, patterns, shards }`.
   * @param handler Takes each message; without it, iterate the subscription.
   * @param options `binary: true`, and the rest.
   * @returns The subscription, once the server has confirmed it.
   */
  subscribe(
    database: DatabaseName,
    targets: SubscriptionTargets,
    handler: MessageHandler<Uint8Array> | undefined,
    options: SubscribeOptions & { binary: true },
  ): Promise<Subscription<Uint8Array>>;
  async subscribe(
    database: DatabaseName,
    targets: SubscriptionTargets,
    handler?: MessageHandler<string> | MessageHandler<Uint8Array>,
    options: SubscribeOptions = {},
  ): Promise<Subscription<string> | Subscription<Uint8Array>> {
    const found = this.#find(database);
    if (options.binary === true) {
      const taker = handler as MessageHandler<Uint8Array> | undefined;
      return await found.subscribe(targets, taker, options, asBytes);
    }
    const taker = handler as MessageHandler<string> | undefined;
    return await found.subscribe(targets, taker, options, asText);
  }

  /**
   * Runs one command by name.
   *
   * @param database Name or number of the database.
   * @param command Name of the command.
   * @param args Its arguments.
   * @returns The reply.
   * @throws {CommandRefusedError} If it may not run on a shared connection.
   * @throws {RedisManagerError} If it failed otherwise, as every command may; an error of
   * the server's as ioredis' `ReplyError`.
   */
  async execute(
    database: DatabaseName,
    command: string,
    ...args: (string | Uint8Array | number)[]
  ): Promise<unknown> {
    return await this.#find(database).execute(command, args);
  }

  /**
   * Connects every database, and waits for all of them, also where one has failed.
   *
   * @param options `signal` ends the wait; `settle: true` gives what became of each database
   * instead of throwing.
   * @returns For each database `undefined`; with `settle: true` the error that kept it from
   * connecting, where there was one.
   * @throws {InitializationError} If a database could not be connected; it names each one
   * and why. Not with `settle: true`.
   * @throws {ManagerClosedError} If the manager has been closed.
   *
   * @example Usage
   * ```ts
   * import { InitializationError, RedisConnectionManager } from "@mooring/redis";
   * import { assertEquals, assertRejects } from "@std/assert";
   *
   * await using manager = new RedisConnectionManager({
   *   connectRetry: { attempts: 1 },
   *   databases: { main: { host: "127.0.0.1", port: 1 } },
   * });
   * const error = await assertRejects(() => manager.initializeAll(), InitializationError);
   * assertEquals(Object.keys(error.failures), ["main"]);
   * const { main } = await manager.initializeAll({ settle: true });
   * assertEquals(main instanceof Error, true);
   * ```
   */
  async initializeAll(
    options: { signal?: AbortSignal; settle?: boolean } = {},
  ): Promise<Record<string, Error | undefined>> {
    this.#assertOpen();
    const { settle = false, signal } = options;
    const entries = await Promise.all(
      this.#databases.all.map(async (database) =>
        [
          database.name,
          await database.whenReady(signal).then(() => undefined, (e: Error) => e),
        ] as const
      ),
    );
    const failed = entries.filter(([, error]) => error !== undefined);
    if (settle || failed.length === 0) return Object.fromEntries(entries);
    signal?.throwIfAborted();
    const failures = Object.fromEntries(failed) as Record<string, Error>;
    throw new InitializationError(failures, entries.length);
  }

  /**
   * What commands and connections of all databases did: commands in the window, which is
   * since the start or since the last reset; connections since the start.
   *
   * @param options `reset: true` ends the window with this snapshot and begins a new one;
   * nothing is lost or counted twice in between. Text metrics know no window.
   * @returns A frozen snapshot of one instant.
   *
   * @example Usage
   * ```ts
   * import { RedisConnectionManager } from "@mooring/redis";
   * import { assertEquals } from "@std/assert";
   *
   * await using manager = new RedisConnectionManager({
   *   url: Deno.env.get("REDIS_URL") ?? "redis://localhost:6379",
   *   databases: { main: { db: 0 } },
   * });
   * await manager.getClient("main").ping();
   * assertEquals(manager.getStatistics({ reset: true }).totalOperations, 1);
   * assertEquals(manager.getStatistics().totalOperations, 0);
   * ```
   */
  getStatistics(options: { reset?: boolean } = {}): ManagerStats {
    const databases = this.#databases.all;
    const now = this.#clock.now();
    const stats = summarizeStatistics(databases, {
      uptimeSeconds: (now - this.#startedAt) / 1000,
      windowSeconds: (now - this.#windowAt) / 1000,
    });
    if (options.reset === true) {
      this.#windowAt = now;
      for (const database of databases) database.resetStatistics();
    }
    return stats;
  }

  /**
   * All numbers as text metrics for Prometheus, in the text exposition format 0.0.4:
   * every name begins with `mooring_redis_`, every line has the labels `database` and `db`.
   * Counters are since the start.
   *
   * @returns The text; its Content-Type is {@linkcode PROMETHEUS_CONTENT_TYPE}.
   *
   * @example Usage
   * ```ts
   * import { RedisConnectionManager } from "@mooring/redis";
   * import { assertStringIncludes } from "@std/assert";
   *
   * await using manager = new RedisConnectionManager({
   *   url: Deno.env.get("REDIS_URL") ?? "redis://localhost:6379",
   *   databases: { main: { db: 0 } },
   * });
   * await manager.getClient("main").ping();
   * assertStringIncludes(
   *   manager.toPrometheus(),
   *   'mooring_redis_commands_succeeded_total{database="main",db="0"} 1\n',
   * );
   * ```
   */
  toPrometheus(): string {
    const sources = this.#databases.all.map((each) => each.metricsSource());
    return renderPrometheus(sources, this.#uptimeSeconds);
  }

  /**
   * Answers the requests of orchestrators, load balancers and metrics collectors:
   *
   * - `/healthz`: 200 as long as the manager has not been closed, without asking a server
   * - `/readyz`: asks every database; 200 if each one serves, 503 if one does not, or has
   *   not answered within 800 ms, with state, reason and since when; `?database=name` asks
   *   that one alone
   * - `/metrics`: what {@linkcode RedisConnectionManager.toPrometheus} gives
   *
   * Other paths get 404, methods other than GET and HEAD 405. The answers hold no secrets,
   * but hosts and error texts: they are for the inside of your network.
   *
   * @param request The request.
   * @returns The response; never an exception.
   *
   * @example Usage
   * ```ts
   * import { RedisConnectionManager } from "@mooring/redis";
   * import { assertEquals } from "@std/assert";
   *
   * await using manager = new RedisConnectionManager({
   *   url: Deno.env.get("REDIS_URL") ?? "redis://localhost:6379",
   *   databases: { main: { db: 0 } },
   * });
   * await using server = Deno.serve(
   *   { port: 0, onListen: () => {} },
   *   (request) => manager.healthResponse(request),
   * );
   * const response = await fetch(`http://localhost:${server.addr.port}/readyz`);
   * assertEquals(response.status, 200);
   * assertEquals((await response.json()).databases.main.state, "healthy");
   * ```
   */
  healthResponse(request: Request): Promise<Response> {
    return this.#endpoint.respond(request);
  }

  /**
   * What the pool of a database holds.
   *
   * @param database Name or number of the database.
   * @returns A frozen snapshot.
   * @throws {UnknownDatabaseError} If the configuration has no such database.
   */
  getPoolStatistics(database: DatabaseName = "main"): PoolStatistics {
    return this.#lookUp(database).poolStatistics();
  }

  /**
   * How well the databases serve, as far as is known without asking.
   *
   * @returns A frozen snapshot.
   */
  getHealthStatus(): HealthStatus {
    return summarizeHealth(this.#databases.all);
  }

  /**
   * Asks every database now.
   *
   * @param options `signal` ends the wait: the call rejects with its reason.
   * @returns How well they serve.
   * @throws {ManagerClosedError} If the manager has been closed.
   */
  async healthCheck(options: { signal?: AbortSignal } = {}): Promise<HealthStatus> {
    this.#assertOpen();
    const databases = this.#databases.all;
    await Promise.all(databases.map((database) => database.check(options.signal)));
    return this.getHealthStatus();
  }

  /**
   * One database in the seed's legacy shape.
   *
   * @param database Name or number of the database.
   * @returns A frozen snapshot.
   * @throws {UnknownDatabaseError} If the configuration has no such database.
   */
  getMetrics(database: DatabaseName = "main"): ConnectionMetrics {
    return this.#lookUp(database).metrics();
  }

  /**
   * Closes a database's circuit breaker by hand: its failures are forgotten, and the next
   * command is sent.
   *
   * @param database Name or number of the database. Default `main`.
   * @throws {UnknownDatabaseError} If the configuration has no such database.
   * @throws {ManagerClosedError} If the manager has been closed.
   */
  resetCircuitBreaker(database: DatabaseName = "main"): void {
    this.#find(database).resetCircuitBreaker();
  }

  /**
   * Closes connections that have been idle for too long or have lived too long; runs
   * by itself every `cleanupIntervalMs` too.
   *
   * @returns How many were closed.
   * @throws {ManagerClosedError} If the manager has been closed.
   */
  async cleanupIdleConnections(): Promise<number> {
    this.#assertOpen();
    return await Promise.resolve(this.#cleanUp());
  }

  /**
   * Takes no more commands, lets those in flight finish, and closes every connection.
   * Calling it again gives the same report.
   *
   * @param options How long commands may take to finish.
   * @returns What was cut.
   * @throws {RangeError} If `drainMs` is negative or not a number; nothing is closed then.
   */
  closeAll(options: CloseOptions = {}): Promise<CloseReport> {
    if (this.#state.name === "closed") return this.#state.closing;
    const { drainMs = DRAIN_MS } = options;
    if (!(drainMs >= 0)) {
      const text = "Cannot close the manager as drainMs must be 0 or more: " +
        `current value is ${drainMs}`;
      return Promise.reject(new RangeError(text));
    }
    const closing = this.#close(drainMs);
    this.#state = { name: "closed", closing };
    return closing;
  }

  /** Closes the manager, as {@linkcode closeAll} without options does. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.closeAll();
  }

  /**
   * Listens to what happens; nothing depends on anybody listening.
   *
   * @param type Name of the event.
   * @param listener Called with the event; its `detail` tells what happened.
   * @param options As for every `EventTarget`.
   */
  addEventListener<K extends keyof ManagerEventMap>(
    type: K,
    listener: ManagerEventListener<K>,
    options?: boolean | AddEventListenerOptions,
  ): void {
    this.#events.addEventListener(type, listener as EventListener, options);
  }

  /**
   * Stops listening.
   *
   * @param type Name of the event.
   * @param listener The listener.
   * @param options As for every `EventTarget`.
   */
  removeEventListener<K extends keyof ManagerEventMap>(
    type: K,
    listener: ManagerEventListener<K>,
    options?: boolean | EventListenerOptions,
  ): void {
    this.#events.removeEventListener(type, listener as EventListener, options);
  }

  /** What `console.log` shows: names and states, no secrets. */
  [Symbol.for("Deno.customInspect")](): string {
    const names = this.#databases.names.join(", ");
    return `RedisConnectionManager { ${this.#state.name}, databases: ${names} }`;
  }

  #emit<K extends keyof ManagerEventMap>(type: K, detail: ManagerEventMap[K]): void {
    this.#events.dispatchEvent(new CustomEvent(type, { detail }));
  }

  get #uptimeSeconds(): number {
    return (this.#clock.now() - this.#startedAt) / 1000;
  }

  #makeLog(logger: Logger | undefined): EventLog | undefined {
    if (logger === undefined) return undefined;
    const log = new EventLog(logger, this.#clock);
    for (const message of this.#config.warnings) log.warn(message);
    log.listen(this);
    return log;
  }

  #makeEndpoint(): HealthEndpoint {
    return new HealthEndpoint({
      isClosed: () => this.isClosed,
      uptimeSeconds: () => this.#uptimeSeconds,
      databases: () => this.#databases.all,
      metrics: () => this.toPrometheus(),
    }, this.#clock);
  }

  #warn(database: string, message: string): void {
    this.#warnings.push(message);
    this.#emit("warning", { database, message });
  }

  async #close(drainMs: number): Promise<CloseReport> {
    this.#tick?.cancel();
    const cut = await Promise.all(
      this.#databases.all.map((database) => database.close(drainMs)),
    );
    this.#log?.flush();
    const cutCommands = cut.reduce((sum, count) => sum + count, 0);
    // Their callers are told first: a process may end as soon as this has resolved.
    if (cutCommands > 0) {
      await new Promise<void>((resolve) => this.#clock.afterPoll(resolve));
    }
    return { cutCommands };
  }

  #add(config: RedisConfig): Database {
    const database = new Database(config, {
      clock: this.#clock,
      emit: (type, detail) => this.#emit(type, detail),
      opened: (database, connection) => {
        this.#startTicking();
        this.#capacity.opened(database, connection);
      },
      ...(this.#budget === undefined ? {} : { budget: this.#budget }),
      ...(this.#telemetry === undefined ? {} : { telemetry: this.#telemetry }),
    });
    this.#databases.add(database);
    return database;
  }

  /** Looks a database up for use. */
  #find(database: DatabaseName): Database {
    this.#assertOpen();
    return this.#lookUp(database);
  }

  /** Looks a database up for its numbers, which outlive the closing. */
  #lookUp(database: DatabaseName): Database {
    return this.#databases.find(database);
  }

  #assertOpen(): void {
    if (this.#state.name === "closed") throw new ManagerClosedError();
  }

  #cleanUp(): number {
    let closed = 0;
    for (const database of this.#databases.all) closed += database.reap();
    return closed;
  }

  /** One timer for all databases, from the first connection on. */
  #startTicking(): void {
    const { cleanupIntervalMs } = this.#config;
    if (this.#tick !== undefined || cleanupIntervalMs === 0 || this.isClosed) return;
    this.#tick = this.#clock.setTimer(() => {
      this.#tick = undefined;
      this.#cleanUp();
      this.#startTicking();
    }, cleanupIntervalMs);
  }
}

const decoder = new TextDecoder("utf-8", { ignoreBOM: true });

function asText(message: Uint8Array): string {
  return decoder.decode(message);
}

function asBytes(message: Uint8Array): Uint8Array {
  return message;
}
