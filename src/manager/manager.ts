import type { RedisClient } from "../commands/client.ts";
import type { CreateClientOptions } from "../commands/owned/client.ts";
import type { ScanMethods } from "../commands/scan.ts";
import type { Lock, LockOptions } from "../commands/lock.ts";
import type {
  PipelineFill,
  PipelineOptions,
  PipelineReplies,
} from "../commands/pipeline.ts";
import type { Subscription } from "../commands/pubsub/subscription.ts";
import type {
  MessageHandler,
  SubscribeOptions,
  SubscriptionTargets,
} from "../commands/pubsub/types.ts";
import type { TransactionFill, TransactionOptions } from "../commands/transaction.ts";
import {
  isManagerConfig,
  type ManagerConfig,
  type ManagerOptions,
  type RedisConfig,
  RedisConfigLoader,
  type RedisConfigOptions,
} from "../config/mod.ts";
import type { IORedis } from "../connection/ioredis.ts";
import { type Clock, systemClock, type Timer } from "../core/clock.ts";
import {
  type BatchResult,
  ConfigError,
  InitializationError,
  ManagerClosedError,
} from "../core/errors/mod.ts";
import type { ManagerEventMap } from "../core/events.ts";
import { EventLog, type Logger } from "../observability/logging.ts";
import type { ManagerStats } from "../observability/metrics.ts";
import { renderPrometheus } from "../observability/prometheus.ts";
import {
  makeTelemetry,
  type Telemetry,
  type TelemetryOptions,
} from "../observability/telemetry/telemetry.ts";
import type {
  ConnectionMetrics,
  DatabaseListing,
  HealthStatus,
  PoolStatistics,
} from "../observability/types.ts";
import { ConnectionBudget } from "../pool/connection_budget.ts";
import type { AcquireOptions, ConnectionLease } from "../server/lease.ts";
import type { Codec } from "../values/codec.ts";
import type { Values } from "../values/values.ts";
import { CompatMethods, type DatabaseName } from "./compat.ts";
import { Database } from "./database.ts";
import { CapacityCheck, Databases, NearCaches } from "./databases.ts";
import { HealthEndpoint } from "./health_endpoint.ts";

/** What a manager works with besides its configuration. */
export interface ManagerExtras {
  /** Where it logs to, such as `console`. Default: nothing is logged. */
  logger?: Logger;
  /**
   * What it reports through OpenTelemetry; `false` for nothing. Default: spans and metrics,
   * if a provider was registered when the program began, as Deno does under `OTEL_DENO=true`.
   */
  telemetry?: boolean | TelemetryOptions;
}

/** Options of {@linkcode RedisConnectionManager.closeAll}. */
export interface CloseOptions {
  /** How long commands in flight may take to finish, in milliseconds, 0 or more. Default
   * 5,000. */
  drainMs?: number;
}

/** The outcome of {@linkcode RedisConnectionManager.closeAll}. */
export interface CloseReport {
  /** Commands that failed because they were still in flight or waiting after `drainMs`. */
  readonly cutCommands: number;
}

type State =
  | { readonly name: "open" }
  | { readonly name: "closed"; readonly closing: Promise<CloseReport> };

/** How long commands in flight may take to finish when a manager closes. */
const DRAIN_MS = 5000;

let sharedManager: RedisConnectionManager | undefined;

/**
 * Manages a service's Redis databases: named databases from a configuration, a connection
 * pool for each, commands over shared connections, health and statistics.
 *
 * Creating one opens nothing: no socket, no timer, no file. The first command of a database
 * connects it.
 *
 * Names of databases that options in code give are checked when a program is compiled:
 * `getClient("cahce")` is an error. A loaded configuration, and `<string>` behind the class'
 * name, allow every name, for databases that are added at run time.
 *
 * For callers of the Python original it also has `getSyncClient()`, which is `getClient()`,
 * and a method for each of its databases: `main()`, `knowledge()`, `prompts()`, `agents()`,
 * `metrics()`, `sessions()`, `workflows()`, `vectors()`, `models()`, `memory()` and
 * `analytics()`; `manager.main()` is `manager.getAsyncClient("main")`.
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
export class RedisConnectionManager<Names extends string = string>
  extends CompatMethods<Names>
  implements AsyncDisposable {
  readonly #events = new EventTarget();
  readonly #config: ManagerConfig;
  readonly #clock: Clock;
  readonly #databases: Databases;
  readonly #budget: ConnectionBudget | undefined;
  readonly #capacity: CapacityCheck;
  readonly #nearCaches = new NearCaches();
  readonly #warnings: string[];
  readonly #log: EventLog | undefined;
  readonly #telemetry: Telemetry | undefined;
  readonly #endpoint: HealthEndpoint;
  readonly #startedAt: number;
  #windowAt: number;
  #state: State = { name: "open" };
  #cleanupTimer: Timer | undefined;

  /**
   * Creates a manager; opens nothing.
   *
   * @param config A loaded configuration, or plain options, which may include a `logger` and
   * `telemetry`. Default: what {@linkcode RedisConfigLoader.loadSync} finds in files and
   * environment.
   * @param extras Logger and telemetry; they override those in `config`.
   * @param clock Time, for tests. Default: the host's.
   * @throws {ConfigError} If the configuration cannot be used.
   * @throws {TypeError} If `telemetry.api` is not OpenTelemetry's API.
   */
  constructor(
    config?: ManagerConfig | (ManagerOptions<Names> & ManagerExtras),
    extras: ManagerExtras = {},
    clock: Clock = systemClock,
  ) {
    super();
    const resolved = resolveOptions(config, extras);
    const { logger, telemetry } = resolved.extras;
    const { databases, maxTotalConnections, unknownDatabase, warnings } = this.#config =
      resolved.config;
    this.#databases = new Databases(unknownDatabase === "main");
    this.#clock = clock;
    this.#startedAt = this.#windowAt = clock.now();
    this.#warnings = [...warnings];
    if (logger !== undefined) {
      this.#log = new EventLog(logger, clock);
      for (const message of warnings) this.#log.warn(message);
      this.#log.listen(this);
    }
    this.#endpoint = new HealthEndpoint({
      isClosed: () => this.isClosed,
      uptimeSeconds: () => this.#uptimeSeconds,
      databases: () => this.#databases.all,
      metrics: () => this.toPrometheus(),
    }, clock);
    this.#telemetry = makeTelemetry(telemetry, (message) => {
      this.#warnings.push(message);
      this.#log?.warn(message);
    });
    this.#capacity = new CapacityCheck(
      this.#config,
      (database, message) => this.#warn(database, message),
      clock,
    );
    if (maxTotalConnections !== undefined) {
      this.#budget = new ConnectionBudget(maxTotalConnections);
    }
    for (const database of Object.values(databases)) this.#add(database);
  }

  /**
   * The process-wide manager: the same object every time, until it is closed.
   *
   * @param config Its configuration or options; used only by the call that creates it.
   * @param extras Its logger and telemetry; used only by that call too.
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
   * @returns How many commands were cut.
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
   * Warnings, in words: settings that are allowed but probably not meant, and limits of the
   * servers that are too low for them, which each is asked for a second after it was reached.
   */
  get warnings(): readonly string[] {
    return [...this.#warnings];
  }

  /**
   * The client of a database, at once: the first command connects. It is the same
   * object every time. With the setting `replyMapping: "resp3"` ask for
   * `getClient<"resp3">(…)`: its replies are typed as they are given then.
   *
   * @param database Name or number of the database. Default `main`.
   * @returns The client.
   * @throws {UnknownDatabaseError} If the configuration has no such database.
   * @throws {ManagerClosedError} If the manager has been closed.
   */
  getClient<Mapping extends "legacy" | "resp3" = "legacy">(
    database?: DatabaseName<Names>,
  ): RedisClient<Mapping> {
    return this.#find(database).client as unknown as RedisClient<Mapping>;
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
  override async getAsyncClient<Mapping extends "legacy" | "resp3" = "legacy">(
    database?: DatabaseName<Names>,
    options: { signal?: AbortSignal } = {},
  ): Promise<RedisClient<Mapping>> {
    const found = this.#find(database);
    await found.servers.whenReady(options.signal);
    return found.client as unknown as RedisClient<Mapping>;
  }

  /**
   * Makes a client for a library to own, a new one each time: BullMQ, adapters of socket.io,
   * GraphQL subscriptions, session stores and whatever else wants a client of ioredis. It
   * may subscribe, WATCH, SELECT, block, `duplicate()`, `quit()` and `disconnect()` it.
   *
   * It has no socket of its own. Ordinary commands go over the connections that all clients
   * of the database share, blocking ones on a leased connection each. SUBSCRIBE, SELECT,
   * WATCH, MULTI, MONITOR, CLIENT SETNAME and such lease a connection that the client has
   * alone, until its transaction or its last subscription is over, or for good; after a loss
   * it is opened again as it was. All of them count for `maxConnections`.
   *
   * While the server is away, commands wait, at most `maxWaiting` of them. A write that may
   * have run when its connection was lost fails with a `ConnectionLostError`, which is
   * ambiguous; with `autoResendUnfulfilledCommands` it is sent again, as ioredis does and
   * some libraries expect.
   *
   * @param database Name or number of the database. Default `main`.
   * @param options Those of ioredis that libraries use, such as `keyPrefix`, `db`,
   * `connectionName` and `lazyConnect`; `patient: false` and `timeoutMs` for deadlines.
   * @returns The client, which connects at once, unless `lazyConnect` is set; with
   * {@linkcode RedisClient.with} and the iterators of scans beside what ioredis has.
   * @throws {UnknownDatabaseError} If the configuration has no such database.
   * @throws {RangeError} If `timeoutMs` or `db` is out of range.
   * @throws {ManagerClosedError} If the manager has been closed.
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
   * const subscriber = manager.createClient("main", { keyPrefix: "" });
   * const publisher = subscriber.duplicate();
   * const heard = new Promise((resolve) => {
   *   subscriber.on("message", (channel, message) => resolve([channel, message]));
   * });
   * await subscriber.subscribe("mooring:news");
   * await publisher.publish("mooring:news", "ahoy");
   * assertEquals(await heard, ["mooring:news", "ahoy"]);
   * await subscriber.quit();
   * ```
   */
  createClient<Mapping extends "legacy" | "resp3" = "legacy">(
    database?: DatabaseName<Names>,
    options: CreateClientOptions = {},
  ): IORedis<Mapping> & Pick<RedisClient<Mapping>, "with"> & ScanMethods {
    return this.#find(database).createClient(options) as never;
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
      const key = `databases.${name}`;
      throw new ConfigError([{ origin: "addDatabase", key, message }]);
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
    return this.#databases.list();
  }

  /**
   * Lends a connection to one caller alone: for WATCH, MONITOR and blocking commands. A
   * library that wants a client of ioredis gets one of
   * {@linkcode RedisConnectionManager.createClient}, which connects again after a loss.
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
    database?: DatabaseName<Names>,
    options: AcquireOptions = {},
  ): Promise<ConnectionLease> {
    return await this.#find(database).acquire(options);
  }

  /**
   * Sends commands together, and gives the outcome of each.
   *
   * @param database Name or number of the database.
   * @param fill Called with the pipeline; what it adds is sent when it returns, and
   * nothing is sent if it throws.
   * @param options `settle: true`.
   * @returns The outcome of each command, in order.
   * @throws {CommandRefusedError} If a command may not run in a pipeline; nothing is sent.
   */
  pipeline(
    database: DatabaseName<Names>,
    fill: PipelineFill<unknown>,
    options: PipelineOptions & { settle: true },
  ): Promise<BatchResult[]>;
  /**
   * Sends commands together, and gives their replies. They run in order; commands of other
   * callers may run in between. Any number of commands is sent, in chunks of 1,000 commands or
   * 1 MiB, of which two are in flight at most.
   *
   * @param database Name or number of the database.
   * @param fill Called with the pipeline; what it adds is sent when it returns, and
   * nothing is sent if it throws. Its second argument has the same commands, typed: a
   * callback that returns an array of what they give gets a tuple of those replies.
   * @param options `settle: true` gives the outcome of each instead of throwing.
   * @returns The replies, in order.
   * @throws {PipelineError} If a command failed; it carries every reply and error.
   * @throws {CommandRefusedError} If a command may not run in a pipeline; nothing is sent.
   */
  pipeline<const R>(
    database: DatabaseName<Names>,
    fill: PipelineFill<R>,
    options?: PipelineOptions,
  ): Promise<PipelineReplies<R>>;
  async pipeline(
    database: DatabaseName<Names>,
    fill: PipelineFill<unknown>,
    options: PipelineOptions = {},
  ): Promise<unknown[]> {
    return await this.#find(database).pipeline(fill, options);
  }

  /**
   * Runs commands in one transaction (MULTI, EXEC) on a connection of its own; again, after a
   * random wait of up to 200 ms, while a watched key changes in between. A transaction that
   * the server refuses for now (READONLY, TRYAGAIN, LOADING …), so that nothing was applied, is
   * retried as a whole until `commandTimeoutMs` after the call.
   *
   * @param database Name or number of the database.
   * @param fill Reads what it needs from its second argument and adds commands to its
   * first; with watched keys called again for each attempt. Nothing is sent if it throws. Its
   * third argument has the same commands as the first, typed: a callback that returns an array
   * of what they give gets a tuple of those replies.
   * @param options Keys to watch, attempts, signal.
   * @returns The replies, in order.
   * @throws {TransactionConflictError} If a watched key changed in every attempt.
   * @throws {TransactionError} If the server refused a command; it carries every reply
   * and error, and says whether the others were run.
   * @throws {AcquireTimeoutError} If no connection came free in time.
   */
  async transaction<const R>(
    database: DatabaseName<Names>,
    fill: TransactionFill<R>,
    options: TransactionOptions = {},
  ): Promise<PipelineReplies<R>> {
    const replies = await this.#find(database).transaction(fill, options);
    return replies as PipelineReplies<R>;
  }

  /**
   * Values of one type in a database: read, written, and loaded where there are none.
   *
   * @param database Name or number of the database.
   * @param codec How they are written, such as `json()`.
   * @returns What reads and writes them; each call gives a new one.
   * @throws {UnknownDatabaseError} If the configuration has no such database.
   * @throws {ManagerClosedError} If the manager has been closed.
   *
   * @example Usage
   * ```ts
   * import { json, RedisConnectionManager } from "@mooring/redis";
   * import { assertEquals } from "@std/assert";
   *
   * await using manager = new RedisConnectionManager({
   *   url: Deno.env.get("REDIS_URL") ?? "redis://localhost:6379",
   *   databases: { cache: { db: 5, nearCache: { maxEntries: 1000 } } },
   * });
   * const users = manager.values("cache", json<{ name: string }>());
   * const load = () => Promise.resolve({ name: "Ada" });
   * const user = await users.getOrSet("mooring:user:7", load, { ttl: 60_000 });
   * assertEquals(user, { name: "Ada" });
   * ```
   */
  values<T>(database: DatabaseName<Names>, codec: Codec<T>): Values<T> {
    return this.#find(database).values(codec);
  }

  /**
   * Takes a lock, which one holder at a time has, waits for it while another has it, and
   * renews it by itself until it is released. It is advisory: see
   * [ONCE.md](https://jsr.io/@mooring/redis/0.1.0/src/commands/ONCE.md#locks) for what it
   * promises and what only a check of its fencing token does.
   *
   * @param database Name or number of the database.
   * @param name Name of the lock; it is kept under `mooring:lock:NAME`.
   * @param options How long it is held without being renewed, how long to wait, a signal.
   * @returns The lock. `await using` releases it.
   * @throws {LockError} If it was not taken within `waitMs`.
   * @throws {RangeError} If a number is not allowed.
   *
   * @example Usage
   * ```ts
   * import { RedisConnectionManager } from "@mooring/redis";
   * import { assert } from "@std/assert";
   *
   * await using manager = new RedisConnectionManager({
   *   url: Deno.env.get("REDIS_URL") ?? "redis://localhost:6379",
   *   databases: { main: { db: 0 } },
   * });
   * await using lock = await manager.lock("main", "report", { ttlMs: 10_000 });
   * assert(lock.held && lock.fencingToken > 0);
   * ```
   */
  async lock(
    database: DatabaseName<Names>,
    name: string,
    options: LockOptions = {},
  ): Promise<Lock> {
    return await this.#find(database).lock(name, options);
  }

  /**
   * Subscribes, and calls a handler with each message. All subscriptions of a database share
   * one connection, a lease of its pool, which closes when the last one has ended. After a lost
   * connection everything is subscribed to again; a gap says that messages may be missing: an
   * item of the iterator, a call of `onGap`, a `gap` event.
   *
   * The key prefix is put before shard channels only: channels and patterns are the server's.
   *
   * @param database Name or number of the database.
   * @param targets Channels, or `{ channels, patterns, shards }`.
   * @param handler Called with each message, one at a time; what it throws is reported as a
   * `handlererror` event.
   * @param options How much may wait for a slow consumer, and what happens to more.
   * @returns The subscription, once the server has confirmed it.
   * @throws {AcquireTimeoutError} If no connection came free in time.
   * @throws {CommandTimeoutError} If the server has not confirmed it in time.
   * @throws {CommandRefusedError} If the pool has a single connection.
   * @throws {TypeError} If there is nothing to subscribe to, a name is no string, or `handler`
   * is given and is no function.
   */
  subscribe(
    database: DatabaseName<Names>,
    targets: SubscriptionTargets,
    handler: MessageHandler<string>,
    options?: SubscribeOptions & { binary?: false },
  ): Promise<Subscription<string>>;
  /**
   * Subscribes, and calls a handler with each message as bytes.
   *
   * @param database Name or number of the database.
   * @param targets Channels, or `{ channels, patterns, shards }`.
   * @param handler Called with each message; `undefined` to iterate the subscription.
   * @param options `binary: true`, and the rest.
   * @returns The subscription, once the server has confirmed it.
   */
  subscribe(
    database: DatabaseName<Names>,
    targets: SubscriptionTargets,
    handler: MessageHandler<Uint8Array> | undefined,
    options: SubscribeOptions & { binary: true },
  ): Promise<Subscription<Uint8Array>>;
  /**
   * Subscribes without a handler: iterate the subscription.
   *
   * @param database Name or number of the database.
   * @param targets Channels, or `{ channels, patterns, shards }`.
   * @param rest Nothing; or `undefined` in place of the handler, and options.
   * @returns The subscription, once the server has confirmed it.
   */
  subscribe(
    database: DatabaseName<Names>,
    targets: SubscriptionTargets,
    ...rest: [] | [handler: undefined, options: SubscribeOptions & { binary?: false }]
  ): Promise<Subscription<string>>;
  async subscribe(
    database: DatabaseName<Names>,
    targets: SubscriptionTargets,
    ...rest: [handler?: MessageHandler<never>, options?: SubscribeOptions]
  ): Promise<Subscription<string> | Subscription<Uint8Array>> {
    const [handler, options = {}] = rest;
    // A handler that is missing by mistake must not make messages wait for an iterator.
    if (rest.length === 1 || handler !== undefined) assertHandler(handler);
    const found = this.#find(database);
    if (options.binary === true) {
      const taker = handler as MessageHandler<Uint8Array> | undefined;
      return await found.subscribe(targets, taker, options, (bytes) => bytes);
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
    database: DatabaseName<Names>,
    command: string,
    ...args: (string | Uint8Array | number | bigint | boolean)[]
  ): Promise<unknown> {
    return await this.#find(database).execute(command, args);
  }

  /**
   * Connects every database, and waits for all of them, even if one has failed.
   *
   * @param options `signal` ends the wait; `settle: true` gives the outcome of each database
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
          await database.servers.whenReady(signal).then(() => undefined, (e: Error) => e),
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
   * The numbers of all databases: commands in the window, which is since the start or since
   * the last reset; connections since the start.
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
    const now = this.#clock.now();
    const statistics = this.#databases.statistics({
      uptimeSeconds: (now - this.#startedAt) / 1000,
      windowSeconds: (now - this.#windowAt) / 1000,
    });
    if (options.reset === true) {
      this.#windowAt = now;
      for (const { stats } of this.#databases.all) stats.reset();
    }
    return statistics;
  }

  /**
   * All numbers as metrics for Prometheus, in the text exposition format 0.0.4:
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
    const sources = this.#databases.all.map(({ stats }) => stats.metricsSource());
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
  getPoolStatistics(database?: DatabaseName<Names>): PoolStatistics {
    return this.#databases.find(database).stats.pool();
  }

  /**
   * The health of all databases, as far as is known without asking a server.
   *
   * @returns A frozen snapshot.
   */
  getHealthStatus(): HealthStatus {
    return this.#databases.health();
  }

  /**
   * Checks every database now.
   *
   * @param options `signal` ends the wait: the call rejects with its reason.
   * @returns Their health.
   * @throws {ManagerClosedError} If the manager has been closed.
   */
  async healthCheck(options: { signal?: AbortSignal } = {}): Promise<HealthStatus> {
    this.#assertOpen();
    const { signal } = options;
    await Promise.all(this.#databases.all.map(({ servers }) => servers.check(signal)));
    return this.getHealthStatus();
  }

  /**
   * The numbers of one database in the shape of the Python original's `get_metrics()`; for new
   * code `getStatistics()` has more.
   *
   * @param database Name or number of the database.
   * @returns A frozen snapshot.
   * @throws {UnknownDatabaseError} If the configuration has no such database.
   */
  getMetrics(database?: DatabaseName<Names>): ConnectionMetrics {
    return this.#databases.find(database).stats.metrics();
  }

  /**
   * Closes a database's circuit breaker by hand: its failures are forgotten, and the next
   * command is sent.
   *
   * @param database Name or number of the database. Default `main`.
   * @throws {UnknownDatabaseError} If the configuration has no such database.
   * @throws {ManagerClosedError} If the manager has been closed.
   */
  resetCircuitBreaker(database?: DatabaseName<Names>): void {
    this.#find(database).servers.resetBreakers();
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
   * @returns How many commands were cut.
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
   * Adds a listener to one kind of event; see {@linkcode ManagerEventMap}.
   *
   * @param type Name of the event.
   * @param listener Called with the event; its `detail` says what happened.
   * @param options As for every `EventTarget`.
   */
  addEventListener<K extends keyof ManagerEventMap>(
    type: K,
    listener: (event: CustomEvent<ManagerEventMap[K]>) => void,
    options?: boolean | AddEventListenerOptions,
  ): void {
    this.#events.addEventListener(type, listener as EventListener, options);
  }

  /**
   * Removes a listener.
   *
   * @param type Name of the event.
   * @param listener The listener.
   * @param options As for every `EventTarget`.
   */
  removeEventListener<K extends keyof ManagerEventMap>(
    type: K,
    listener: (event: CustomEvent<ManagerEventMap[K]>) => void,
    options?: boolean | EventListenerOptions,
  ): void {
    this.#events.removeEventListener(type, listener as EventListener, options);
  }

  /** What `console.log` shows: names and states, no secrets. */
  [Symbol.for("Deno.customInspect")](): string {
    const names = this.#databases.all.map(({ name }) => name).join(", ");
    return `RedisConnectionManager { ${this.#state.name}, databases: ${names} }`;
  }

  #emit<K extends keyof ManagerEventMap>(type: K, detail: ManagerEventMap[K]): void {
    this.#events.dispatchEvent(new CustomEvent(type, { detail }));
  }

  get #uptimeSeconds(): number {
    return (this.#clock.now() - this.#startedAt) / 1000;
  }

  #warn(database: string, message: string): void {
    this.#warnings.push(message);
    this.#emit("warning", { database, message });
  }

  async #close(drainMs: number): Promise<CloseReport> {
    this.#cleanupTimer?.cancel();
    const cut = await Promise.all(
      this.#databases.all.map((database) => database.close(drainMs)),
    );
    this.#capacity.close();
    this.#log?.flush();
    const cutCommands = cut.reduce((sum, count) => sum + count, 0);
    // Their callers learn it first: a process may end as soon as this has resolved.
    if (cutCommands > 0) {
      await new Promise<void>((resolve) => this.#clock.afterPoll(resolve));
    }
    return { cutCommands };
  }

  #add(config: RedisConfig): Database {
    const database = new Database(config, {
      clock: this.#clock,
      emit: (type, detail) => this.#emit(type, detail),
      opened: (...made) => {
        this.#scheduleCleanup();
        this.#capacity.opened(...made);
      },
      budget: this.#budget,
      nearCaches: this.#nearCaches.of(config),
      telemetry: this.#telemetry,
    });
    this.#databases.add(database);
    return database;
  }

  /** Finds a database for use; its numbers outlive the closing. */
  #find(database?: DatabaseName): Database {
    this.#assertOpen();
    return this.#databases.find(database);
  }

  #assertOpen(): void {
    if (this.#state.name === "closed") throw new ManagerClosedError();
  }

  #cleanUp(): number {
    return this.#databases.all.reduce((sum, { servers }) => sum + servers.reap(), 0);
  }

  /** One timer for all databases, from the first connection on. */
  #scheduleCleanup(): void {
    const { cleanupIntervalMs } = this.#config;
    if (this.#cleanupTimer !== undefined || cleanupIntervalMs === 0 || this.isClosed) {
      return;
    }
    this.#cleanupTimer = this.#clock.setTimer(() => {
      this.#cleanupTimer = undefined;
      this.#cleanUp();
      this.#scheduleCleanup();
    }, cleanupIntervalMs);
  }
}

/** Separates plain options into the configuration and the extras among them, which the
 * given extras override. */
function resolveOptions(
  config: ManagerConfig | (ManagerOptions & ManagerExtras) | undefined,
  extras: ManagerExtras,
): { config: ManagerConfig; extras: ManagerExtras } {
  if (config === undefined) return { config: RedisConfigLoader.loadSync({}), extras };
  if (isManagerConfig(config)) return { config, extras };
  if (typeof config !== "object" || config === null || Array.isArray(config)) {
    // A URL alone, say: the loader's error says what to give in its place.
    return { config: RedisConfigLoader.fromOptions(config), extras };
  }
  const { logger, telemetry, ...settings } = config;
  return {
    config: RedisConfigLoader.fromOptions(settings),
    extras: {
      logger: extras.logger ?? logger,
      telemetry: extras.telemetry ?? telemetry,
    },
  };
}

const decoder = new TextDecoder("utf-8", { ignoreBOM: true });

function asText(message: Uint8Array): string {
  return decoder.decode(message);
}

function assertHandler(handler: unknown): void {
  if (typeof handler === "function") return;
  const found = handler === null ? "null" : typeof handler;
  throw new TypeError(
    `Cannot subscribe with a handler that is ${found}: give a function, or leave it out to ` +
      "iterate the subscription",
  );
}
