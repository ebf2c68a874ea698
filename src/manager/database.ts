import { Cluster } from "../cluster/cluster.ts";
import { KeyedSink } from "../cluster/keyed_sink.ts";
import { keySlot, prefixedSlot } from "../cluster/slots.ts";
import { ClusterSubscriptions } from "../cluster/subscriptions.ts";
import type { BlockingCommands } from "../commands/blocking.ts";
import { type CommandRoute, ManagedClient } from "../commands/client.ts";
import { Dispatcher, type DispatcherOptions } from "../commands/dispatcher.ts";
import type { CreateClientOptions, OwnedClient } from "../commands/owned/client.ts";
import {
  type PipelineFill,
  type PipelineOptions,
  type PipelineParts,
  runPipeline,
} from "../commands/pipeline.ts";
import { type Lock, type LockOptions, takeLock } from "../commands/lock.ts";
import { SubscriptionHub } from "../commands/pubsub/hub.ts";
import type { Subscription } from "../commands/pubsub/subscription.ts";
import type {
  MessageHandler,
  SubscribeOptions,
  SubscriptionTargets,
} from "../commands/pubsub/types.ts";
import type { ReplicaWaits } from "../commands/replica_waits.ts";
import { RetryPolicy } from "../commands/retry.ts";
import {
  runTransaction,
  type TransactionFill,
  type TransactionOptions,
} from "../commands/transaction.ts";
import type { RedisConfig } from "../config/mod.ts";
import { classifier } from "../connection/command_arguments.ts";
import type { Command } from "../connection/ioredis.ts";
import { ManagedCommand } from "../connection/managed_command.ts";
import { formatAddress } from "../core/address.ts";
import type { Clock } from "../core/clock.ts";
import { CommandRefusedError } from "../core/errors/mod.ts";
import type { Emit, ManagerEventMap } from "../core/events.ts";
import { NearCache } from "../near_cache/near_cache.ts";
import { OwnWrites } from "../near_cache/own_writes.ts";
import { DatabaseStatistics } from "../observability/statistics.ts";
import type { DatabaseTelemetry } from "../observability/telemetry/database_telemetry.ts";
import type { Telemetry } from "../observability/telemetry/telemetry.ts";
import type { ConnectionBudget } from "../pool/connection_budget.ts";
import { blockingTimeoutMs } from "../resilience/command_class.ts";
import { RetryBudget } from "../resilience/retry.ts";
import { type AcquireOptions, ConnectionLease } from "../server/lease.ts";
import { standaloneEndpoint } from "../server/location.ts";
import { isReplicaRead, ReplicaReads } from "../server/replica_reads.ts";
import { Server } from "../server/server.ts";
import type {
  LeaseTarget,
  ReplicaSource,
  ServerContext,
  Topology,
} from "../server/topology.ts";
import type { OpenChannel } from "../transport/channel.ts";
import type { Codec } from "../values/codec.ts";
import { DatabaseValues, type Values, type ValuesParts } from "../values/values.ts";
import { DatabaseStats } from "./database_stats.ts";
import {
  leaseForTransaction,
  makeBlocking,
  makeOnce,
  makeReplicaWaits,
  placeInCluster,
  type SharedParts,
} from "./leased_commands.ts";
import { OwnedClients } from "./owned_clients.ts";

/** What a database needs of its manager. */
export interface DatabaseServices {
  /** Time. */
  readonly clock: Clock;
  /** Reports events. */
  readonly emit: Emit;
  /** Called with each connection that was opened. */
  readonly opened: (
    database: RedisConfig,
    ...made: Parameters<ServerContext["opened"]>
  ) => void;
  /** The common limit of all databases, if there is one. */
  readonly budget?: ConnectionBudget | undefined;
  /** The near caches of its server. */
  readonly nearCaches: Set<NearCache>;
  /** OpenTelemetry, if anything is reported through it. */
  readonly telemetry?: Telemetry | undefined;
  /** Opens byte channels in place of the configured transport: a modelled server. */
  readonly openChannel?: OpenChannel;
}

type CommandTarget = Pick<Dispatcher, "dispatch" | "dispatchBatch">;

/** A blocking command may take this much longer than it asked for, in milliseconds. */
const BLOCKING_GRACE_MS = 1000;

/**
 * One database: wires its servers, dispatcher, client and statistics from its
 * configuration. It has no policy of its own.
 */
export class Database {
  readonly config: RedisConfig;
  readonly client: ManagedClient;
  /** Its servers: health, connections, breakers. */
  readonly servers: Topology;
  /** Its numbers, as users see them. */
  readonly stats: DatabaseStats;
  readonly #services: DatabaseServices;
  readonly #statistics: DatabaseStatistics;
  readonly #budget: RetryBudget;
  readonly #telemetry: DatabaseTelemetry | undefined;
  /** Only where keys have to be known: with a key prefix, and in a cluster. */
  readonly #keys: KeyedSink | undefined;
  /** Only with a near cache. */
  readonly #nearCache: NearCache | undefined;
  readonly #ownWrites: OwnWrites;
  readonly #dispatcher: Dispatcher;
  /** Only where reads go to replicas, from the first one on. */
  #reads: { readonly sink: ReplicaReads; readonly dispatcher: Dispatcher } | undefined;
  readonly #route: CommandRoute;
  readonly #parts: SharedParts;
  readonly #blocking: BlockingCommands;
  readonly #hub: SubscriptionHub | ClusterSubscriptions;
  readonly #owned: OwnedClients;
  /** Values that are being loaded. */
  readonly #loads: Pick<ValuesParts, "loading" | "refreshing"> = {
    loading: new Map(),
    refreshing: new Set(),
  };
  #replicaWaits: ReplicaWaits | undefined;
  readonly #makeReplicaWaits = () => this.#replicaWaits ??= makeReplicaWaits(this.#parts);
  /** Connections that are open. */
  #open = 0;
  #closed = false;

  constructor(config: RedisConfig, services: DatabaseServices) {
    const { clock } = services;
    this.config = config;
    this.#services = services;
    const statistics = this.#statistics = new DatabaseStatistics(config.name, clock);
    this.#budget = new RetryBudget({ clock, ...config.retryBudget });
    this.#telemetry = this.#makeTelemetry();
    this.#nearCache = this.#makeNearCache();
    this.#ownWrites = new OwnWrites(services.nearCaches, config.keyPrefix);
    const servers = this.servers = this.#makeServers();
    const sizeOfCache = () => this.#nearCache?.size;
    this.stats = new DatabaseStats(config, statistics, servers, clock, sizeOfCache);
    const budget = this.#budget;
    const retryPolicy = new RetryPolicy({ config, budget, statistics, clock });
    const keys = this.#keys = KeyedSink.for(config, servers.sink, clock);
    const dispatcher = this.#dispatcher = this.#makeDispatcher(retryPolicy, {
      sink: keys ?? servers.sink,
      servers,
    });
    this.#parts = { config, servers, dispatcher, statistics, retryPolicy, clock };
    this.#blocking = makeBlocking(this.#parts, (command) => this.#timeoutOf(command));
    const { shards } = servers;
    const acquire = (target: LeaseTarget, signal: AbortSignal) =>
      servers.lease(target, { signal }, (server, wait) => server.lend(wait));
    const common = { config, emit: services.emit, clock };
    this.#hub = shards === undefined
      ? new SubscriptionHub({ ...common, acquire: (signal) => acquire({}, signal) })
      : new ClusterSubscriptions({ ...common, acquire, shards });
    this.#route = this.#makeRoute(config.readFrom);
    this.client = new ManagedClient(config, this.#route);
    this.#owned = new OwnedClients({
      ...this.#parts,
      observe: (route) => this.#ownWrites.inFrontOf(this.#observed(route)),
      timeoutOf: (command) => this.#timeoutOf(command),
      replicaWaits: this.#makeReplicaWaits,
      emit: services.emit,
      reads: () => {
        const { reads } = servers;
        return reads && (this.#reads ??= this.#makeReads(reads)).sink;
      },
    });
  }

  get name(): string {
    return this.config.name;
  }

  async acquire(options: AcquireOptions): Promise<ConnectionLease> {
    const { key, node, ...wait } = options;
    const slot = key === undefined ? undefined : prefixedSlot(this.config.keyPrefix, key);
    const lease = await this.servers.lease(
      { node, slot },
      wait,
      (server, wait) => server.acquire(wait),
    );
    return new ConnectionLease(lease);
  }

  /** Makes a client that a library owns. */
  createClient(options: CreateClientOptions): OwnedClient {
    return this.#owned.create(options);
  }

  pipeline(fill: PipelineFill<unknown>, options: PipelineOptions): Promise<unknown[]> {
    return runPipeline(this.#batchParts(), fill, options);
  }

  /** Subscribes on the connection that all subscriptions of the database share; in a cluster
   * on one to each node that is needed. */
  async subscribe<M>(
    targets: SubscriptionTargets,
    handler: MessageHandler<M> | undefined,
    options: SubscribeOptions,
    decode: (message: Uint8Array) => M,
  ): Promise<Subscription<M>> {
    const { maxConnections } = this.config;
    if (maxConnections < 2) {
      throw new CommandRefusedError(
        this.name,
        "subscribe",
        "it would take the only connection for good: set max_connections to 2 or more",
        "the pool",
      );
    }
    return await this.#hub.subscribe(targets, handler, options, decode);
  }

  transaction(
    fill: TransactionFill<unknown>,
    options: TransactionOptions,
  ): Promise<unknown[]> {
    const parts = this.#parts;
    const keys = this.#keys;
    return runTransaction(
      {
        ...this.#batchParts(),
        ...parts,
        acquire: (target, wait) => leaseForTransaction(parts, target, wait),
        cluster: this.config.mode === "cluster" ? placeInCluster(parts) : undefined,
        placeKeys: keys && ((command) => keys.placeNow(command, "a transaction")),
      },
      fill,
      options,
    );
  }

  /** Values of one type, in this database. */
  values<T>(codec: Codec<T>): Values<T> {
    return new DatabaseValues({
      client: this.client,
      lock: (name, options) => this.lock(name, options),
      warn: (message) => this.#services.emit("warning", { database: this.name, message }),
      ...this.#loads,
      clock: this.#services.clock,
    }, codec);
  }

  lock(name: string, options: LockOptions): Promise<Lock> {
    const { client, config: { commandTimeoutMs } } = this;
    const { clock } = this.#services;
    return takeLock({ client, clock, commandTimeoutMs }, name, options);
  }

  execute(
    command: string,
    args: readonly (string | Uint8Array | number | bigint | boolean)[],
  ): Promise<unknown> {
    const { decodeResponses, keyPrefix } = this.config;
    // Arguments are not lists here: one that is would be flattened.
    const single = args.map((arg) => Array.isArray(arg) ? [arg] : arg);
    const built = new ManagedCommand(command, single as (string | number)[], {
      keyPrefix,
      replyEncoding: decodeResponses ? "utf8" : null,
    }) as unknown as Command;
    this.#route.dispatch(built);
    return built.promise;
  }

  /** Takes no more commands, lets those it has finish within `drainMs` milliseconds, and
   * closes every connection; gives how many commands were cut. */
  async close(drainMs: number): Promise<number> {
    this.#closed = true;
    this.#nearCache?.close();
    this.#dispatcher.close();
    this.#reads?.dispatcher.close();
    this.#reads?.sink.close();
    this.servers.stopReporting();
    const { clock } = this.#services;
    const deadline = clock.now() + drainMs;
    this.#hub.close();
    await this.#owned.close(drainMs);
    // Over a lane the server is asked to end what waits for ever.
    await this.#blocking.close(Math.min(drainMs, this.config.commandTimeoutMs));
    const cut = await this.servers.close(Math.max(0, deadline - clock.now()));
    this.#telemetry?.close();
    this.client.announceStatus("end");
    return cut;
  }

  #makeServers(): Topology {
    const { config } = this;
    const { budget, clock, openChannel, opened } = this.#services;
    const emit: Emit = (type, detail) => {
      if (type === "connection") {
        this.#noteConnection(detail as ManagerEventMap["connection"]);
      } else if (type === "failover") this.#owned.primaryMoved();
      this.#services.emit(type, detail);
    };
    const context: ServerContext = {
      config,
      statistics: this.#statistics,
      budget: this.#budget,
      limit: budget,
      leaseOwner: {
        replied: (command, reply) => this.#dispatcher.replied(command, reply),
        failed: (command, error) => {
          this.servers.learn(command, error);
          this.#dispatcher.leaseFailed(command, error);
        },
      },
      timeoutOf: (command) => this.#timeoutOf(command),
      ...(config.keyPrefix === "" ? {} : {
        placeKeys: (command) => this.#keys!.placeNow(command, "a lease"),
      }),
      opened: (...made) => opened(config, ...made),
      telemetry: this.#telemetry,
      nearCache: this.#nearCache,
      ownWrites: this.#ownWrites,
      emit,
      ...(openChannel === undefined ? {} : { openChannel }),
      clock,
    };
    return config.mode === "cluster" ? new Cluster(context) : new Server(context);
  }

  /** The client's status is "ready" as long as a connection is open. */
  #noteConnection({ action, end }: ManagerEventMap["connection"]): void {
    if (action === "opened") this.#open++;
    else if (action === "closed") this.#open--;
    if (action === "closed" && end !== "closed") this.#owned.connectionLost();
    if (!this.#closed) this.client.announceStatus(this.#open > 0 ? "ready" : "wait");
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
      readMetrics: () => this.stats.metricsSource(),
      clock,
    });
  }

  #timeoutOf({ args, name }: Command): number {
    const blockingMs = blockingTimeoutMs(name, args);
    return blockingMs === undefined
      ? this.config.commandTimeoutMs
      : blockingMs + BLOCKING_GRACE_MS;
  }

  #makeNearCache(): NearCache | undefined {
    const { config } = this;
    const { clock, emit, nearCaches } = this.#services;
    if (config.nearCache.maxEntries === 0) return undefined;
    const cache = new NearCache({
      config,
      statistics: this.#statistics,
      ...(config.mode === "cluster" ? { slotOf: keySlot } : {}),
      warn: (message) => emit("warning", { database: config.name, message }),
      clock,
    });
    nearCaches.add(cache);
    return cache;
  }

  #makeDispatcher(
    retryPolicy: RetryPolicy,
    where: Pick<DispatcherOptions, "servers" | "sink">,
  ): Dispatcher {
    return new Dispatcher({
      config: this.config,
      retryPolicy,
      classifier,
      blocking: () => this.#blocking,
      once: (dispatcher) =>
        makeOnce(this.#parts, dispatcher, this.#keys, this.#makeReplicaWaits),
      replicaWaits: this.#makeReplicaWaits,
      statistics: this.#statistics,
      clock: this.#services.clock,
      ...where,
    });
  }

  /** Where commands go if reads go to these servers. A batch goes to replicas if all of it
   * reads; everything else to the primary. */
  #targetOf(from: RedisConfig["readFrom"]): CommandTarget {
    const primary = this.#dispatcher;
    const source = from === "primary" ? undefined : this.servers.reads;
    if (source === undefined) return primary;
    const { dispatcher: reads } = this.#reads ??= this.#makeReads(source);
    const isRead = ({ args, name }: Command) =>
      isReplicaRead(classifier.resolve(name, args));
    return {
      dispatch: (command) => (isRead(command) ? reads : primary).dispatch(command),
      dispatchBatch: (commands) =>
        (commands.every(isRead) ? reads : primary).dispatchBatch(commands),
    };
  }

  #makeReads(source: ReplicaSource) {
    const { config, servers } = this;
    const { clock, retryPolicy, statistics } = this.#parts;
    const sink = new ReplicaReads({ config, servers, source, statistics, clock });
    const keyed = KeyedSink.for(config, sink, clock) ?? sink;
    return {
      sink,
      dispatcher: this.#makeDispatcher(retryPolicy, { servers: sink, sink: keyed }),
    };
  }

  /** Where the client's commands go. What is off is not on their way. */
  #makeRoute(from: RedisConfig["readFrom"]): CommandRoute {
    const target = this.#targetOf(from);
    const route = this.#observed({
      dispatch: (command) => target.dispatch(command),
      dispatchBatch: (commands) => target.dispatchBatch(commands),
      dispatchOnce: (...batch) => this.#dispatcher.dispatchOnce(...batch),
      whenReady: () => this.servers.whenReady(),
      readFrom: (from) => this.#makeRoute(from),
      scanRestarted: (restart) =>
        this.#services.emit("scanrestart", { database: this.name, ...restart }),
    });
    const noted = this.#ownWrites.inFrontOf(route);
    // Who asks the primary does not want what replicas have said, nor is it to be told to
    // those who do.
    const isKept = (from === "primary") === (this.config.readFrom === "primary");
    return isKept ? this.#nearCache?.inFrontOf(noted, route) ?? noted : noted;
  }

  /** The route, observed by telemetry. Without telemetry commands pass no check for it. */
  #observed(route: CommandRoute): CommandRoute {
    const telemetry = this.#telemetry;
    if (telemetry === undefined) return route;
    return {
      ...route,
      dispatch: (command) => {
        telemetry.command(command);
        route.dispatch(command);
      },
      dispatchBatch: (commands) => {
        telemetry.commands(commands);
        route.dispatchBatch(commands);
      },
      dispatchOnce: (commands, ...rest) => {
        for (const command of commands) telemetry.command(command);
        route.dispatchOnce(commands, ...rest);
      },
    };
  }

  #batchParts(): PipelineParts {
    return {
      config: this.config,
      client: this.client,
      classify: ({ name, args }) => classifier.resolve(name, args),
      send: (commands) => {
        this.#ownWrites.sendsBatch(commands);
        this.#targetOf(this.config.readFrom).dispatchBatch(commands);
      },
      observer: this.#telemetry,
    };
  }
}
