import { KeyedSink } from "../cluster/keyed_sink.ts";
import { ClusterSubscriptions } from "../cluster/subscriptions.ts";
import {
  type CallOptions,
  isDeadline,
  onceTtlMs,
  type ScopedCommand,
} from "../commands/call_options.ts";
import type { CommandRoute } from "../commands/client.ts";
import type { Dispatcher, DispatcherOptions } from "../commands/dispatcher.ts";
import { type CreateClientOptions, OwnedClient } from "../commands/owned/client.ts";
import {
  OwnedCommands,
  type OwnedCommandsOptions,
  type OwnListener,
} from "../commands/owned/commands.ts";
import {
  OwnConnection,
  type OwnConnectionOwner,
} from "../commands/owned/own_connection.ts";
import { ClusterSubscriber } from "../commands/owned/cluster_subscriber.ts";
import { patiently, patientPolicy } from "../commands/owned/patience.ts";
import type { MixedServers, ReplicaReads } from "../server/replica_reads.ts";
import type { RedisConfig } from "../config/mod.ts";
import { classifier } from "../connection/command_arguments.ts";
import type { Command, Redis } from "../connection/ioredis.ts";
import type { PendingCommand } from "../connection/pending_command.ts";
import { CommandRefusedError } from "../core/errors/mod.ts";
import type { Emit } from "../core/events.ts";
import type { LeaseTarget } from "../server/topology.ts";
import { makeBlocking, makeOnce, type SharedParts } from "./leased_commands.ts";

/** What the owned clients of a database need of it. */
export interface OwnedClientsParts extends SharedParts {
  /** Where commands go that telemetry observes; `undefined` without telemetry. */
  readonly observe: (route: CommandRoute) => CommandRoute;
  /** Deadline of a command of an ordinary client, in milliseconds. */
  readonly timeoutOf: (command: Command) => number;
  readonly replicaWaits: DispatcherOptions["replicaWaits"];
  readonly emit: Emit;
  /** Reads from replicas; `undefined` where none are known of. */
  readonly reads: () => ReplicaReads | undefined;
}

/** The options of one owned client, in the form in which they are used. */
interface Terms {
  readonly config: RedisConfig;
  readonly patient: boolean;
  /** Whether what may have run is sent again. */
  readonly resends: boolean;
  /** Deadline of a command, in milliseconds; unset for none, or for the database's where the
   * client is not patient. */
  readonly timeoutMs: number | undefined;
  /** What is established on its own connection, for good. */
  readonly lasting: readonly (readonly [name: string, ...args: unknown[]])[];
  readonly shown: CreateClientOptions;
}

/** Makes the clients of one database that libraries own, and ends them with it. */
export class OwnedClients {
  readonly #parts: OwnedClientsParts;
  readonly #alive = new Set<OwnedClient>();

  constructor(parts: OwnedClientsParts) {
    this.#parts = parts;
  }

  create(options: CreateClientOptions): OwnedClient {
    const { config, servers } = this.#parts;
    const terms = resolveTerms(config, servers.health().endpoint, options);
    return new OwnedClient({
      config: terms.config,
      shown: terms.shown,
      makeCommands: (listener) => this.#makeCommands(terms, listener),
      route: (commands) => {
        const route = this.#parts.observe({
          dispatch: (command) => commands.dispatch(command),
          dispatchBatch: (batch) => commands.dispatchBatch(batch),
          dispatchOnce: (batch, call, isBatch) =>
            commands.dispatchOnce(batch, withinMemory(call, terms), isBatch),
          whenReady: () => this.#parts.servers.whenReady(),
          readFrom: () => route,
        });
        return route;
      },
      whenReady: (signal) => servers.whenReady(signal),
      address: () => addressOf(config, servers.health().endpoint),
      duplicate: (override) => this.create({ ...options, ...override }) as Redis,
      lives: (client, isAlive) => {
        if (isAlive) this.#alive.add(client);
        else this.#alive.delete(client);
      },
    });
  }

  /** A connection was lost. */
  connectionLost(): void {
    // The pool and the lanes are told after this.
    if (this.#alive.size > 0) queueMicrotask(() => this.#reconnect());
  }

  /** If no lane is left, the clients connect anew. */
  #reconnect(): void {
    const open = this.#parts.servers.openConnections();
    if (open.some(({ purpose }) => purpose === "lane")) return;
    for (const client of [...this.#alive]) client.lanesLost();
  }

  /** Another server has become the primary: the clients connect anew. */
  primaryMoved(): void {
    for (const client of [...this.#alive]) client.primaryMoved();
  }

  /** Ends all of them; their commands may finish within `drainMs`. */
  async close(drainMs: number): Promise<void> {
    await Promise.all([...this.#alive].map((client) => client.closeWithin(drainMs)));
  }

  #makeCommands(terms: Terms, listener: OwnListener): OwnedCommands {
    const { clock, replicaWaits, retryPolicy, statistics } = this.#parts;
    const { config, patient, resends, timeoutMs } = terms;
    const { sink, servers } = this.#target();
    const keys = KeyedSink.for(config, sink, clock);
    const timeoutOf = (command: Command) => {
      const { timeoutMs: ownMs = timeoutMs } = (command as ScopedCommand).call ?? {};
      return ownMs ?? (patient ? Infinity : this.#parts.timeoutOf(command));
    };
    const options: OwnedCommandsOptions = {
      config: {
        ...{ db: config.db, name: config.name },
        commandTimeoutMs: timeoutMs ?? (patient ? Infinity : config.commandTimeoutMs),
      },
      patient,
      resends,
      retryPolicy,
      classifier,
      sink: keys ?? sink,
      servers,
      once: (dispatcher) => makeOnce({ clock, config }, dispatcher, keys, replicaWaits),
      replicaWaits,
      statistics,
      clock,
      ...this.#subscriberOf(terms),
      makeBlocking: (owner) => this.#makeBlocking(terms, owner, timeoutOf),
      makeOwn: (owner) => {
        const own = this.#makeOwn(terms, owner, timeoutOf, keys);
        for (const [name, ...args] of terms.lasting) own.keep(name, ...args);
        return own;
      },
    };
    return new OwnedCommands(options, listener);
  }

  /** In a cluster: what subscribes, on nodes of its own choice. */
  #subscriberOf(
    { config, patient }: Terms,
  ): Pick<OwnedCommandsOptions, "makeSubscriber"> {
    const { clock, emit, servers } = this.#parts;
    const { shards } = servers;
    if (shards === undefined) return {};
    const acquire = async (target: LeaseTarget, signal: AbortSignal) => {
      if (config.maxConnections < 2) throw onlyConnection(config.name);
      const lease = () =>
        servers.lease(target, { signal }, (server, wait) => server.lend(wait));
      return await (patient ? patiently(lease, signal) : lease());
    };
    // Names are as ioredis has prefixed them.
    const own = { ...config, keyPrefix: "" };
    const timeoutMs = patient
      ? Infinity
      : config.acquireTimeoutMs + config.commandTimeoutMs;
    return {
      makeSubscriber: (report) =>
        new ClusterSubscriber({
          open: () =>
            new ClusterSubscriptions({ config: own, acquire, emit, shards, clock }),
          emit: report,
          timeoutMs,
        }),
    };
  }

  /** Where commands go: reads to replicas, where that is set for the database or a call. */
  #target(): MixedServers {
    const { reads, servers } = this.#parts;
    const { sink } = servers;
    return reads()?.beside(sink, servers) ?? { sink, servers };
  }

  #makeBlocking(
    { patient, resends }: Terms,
    owner: Pick<Dispatcher, "leaseFailed" | "replied">,
    timeoutOf: (command: PendingCommand) => number,
  ) {
    const wait = patient ? patiently : undefined;
    const { retryPolicy } = this.#parts;
    const parts = {
      ...this.#parts,
      dispatcher: owner,
      retryPolicy: patient ? patientPolicy(retryPolicy, resends) : retryPolicy,
    };
    return makeBlocking(parts, timeoutOf, wait);
  }

  #makeOwn(
    { config, patient, resends, shown }: Terms,
    owner: OwnConnectionOwner,
    timeoutOf: (command: Command) => number,
    keys: KeyedSink | undefined,
  ): OwnConnection {
    const { clock, servers } = this.#parts;
    const lease = (signal: AbortSignal, first: PendingCommand | undefined) => {
      const target = first === undefined ? {} : servers.targetOf(first);
      return servers.lease(target, { signal }, (server, wait) => server.lend(wait));
    };
    return new OwnConnection({
      config,
      acquire: async (signal, first) => {
        if (config.maxConnections < 2) throw onlyConnection(config.name);
        const acquire = () => lease(signal, first);
        return await (patient ? patiently(acquire, signal) : acquire());
      },
      isMonitor: shown.monitor === true,
      resends,
      terms: {
        timeoutOf,
        decodeResponses: true,
        placeKeys: keys && ((command) => keys.placeNow(command, "a connection")),
      },
      clock,
    }, owner);
  }
}

/** What runs once may wait no longer than the server remembers it: later it would run again. */
function withinMemory(
  call: CallOptions,
  { config, patient, timeoutMs }: Terms,
): CallOptions {
  if (!patient) return call;
  const rememberedMs = onceTtlMs(call, config.commandTimeoutMs);
  return {
    ...call,
    timeoutMs: Math.min(call.timeoutMs ?? timeoutMs ?? Infinity, rememberedMs),
  };
}

function onlyConnection(database: string): CommandRefusedError {
  return new CommandRefusedError(
    database,
    "subscribe",
    "it would take the only connection for good: set max_connections to 2 or more",
    "the pool",
  );
}

function resolveTerms(
  config: RedisConfig,
  endpoint: string,
  options: CreateClientOptions,
): Terms {
  const {
    autoResendUnfulfilledCommands = false,
    connectionName,
    enableOfflineQueue,
    patient = enableOfflineQueue !== false,
    timeoutMs = options.commandTimeout,
  } = options;
  const db = Number(options.db ?? config.db);
  const keyPrefix = options.keyPrefix ?? config.keyPrefix;
  const refuse = (what: string, must: string, found: unknown): never => {
    throw new RangeError(
      `Cannot create a client as ${what} must be ${must}: current value is ${found}`,
    );
  };
  if (timeoutMs !== undefined && !isDeadline(timeoutMs)) {
    refuse("timeoutMs", "more than 0", Deno.inspect(timeoutMs));
  }
  if (typeof patient !== "boolean") {
    refuse("patient", "true or false", Deno.inspect(patient));
  }
  if (!(Number.isInteger(db) && db >= 0)) {
    refuse("db", "an integer of 0 or more", options.db);
  }
  const isCluster = config.mode === "cluster";
  if (isCluster && db !== config.db) {
    const must =
      `${config.db}, as in a cluster another number needs a database of its own`;
    refuse("db", must, db);
  }
  if (isCluster && options.monitor === true) {
    const where =
      "false in a cluster: monitor a lease of manager.acquire(database, { node })";
    refuse("monitor", where, true);
  }
  if (typeof keyPrefix !== "string") {
    refuse("keyPrefix", "text", Deno.inspect(keyPrefix));
  }
  if (options.stringNumbers) {
    refuse("stringNumbers", "false, as clients share connections", "true");
  }
  const shownAddress = addressOf(config, endpoint);
  const { host = options.host, port = options.port } = shownAddress;
  const isOther = (options.host ?? host) !== host ||
    Number(options.port ?? port) !== port;
  if (config.mode === "standalone" && isOther) {
    const asked = `${options.host ?? host}:${options.port ?? port}`;
    const advice = "another server needs a database of its own";
    refuse("host and port", `${host}:${port}, as ${advice}`, asked);
  }
  return {
    config: { ...config, db, keyPrefix },
    patient,
    resends: patient && autoResendUnfulfilledCommands,
    timeoutMs,
    lasting: [
      // The connections of a cluster are shared.
      ...(connectionName && !isCluster
        ? [["client", "setname", connectionName] as const]
        : []),
      ...(db === config.db ? [] : [["select", db] as const]),
    ],
    shown: {
      ...options,
      ...shownAddress,
      autoResendUnfulfilledCommands,
      maxRetriesPerRequest: null,
      enableReadyCheck: false,
    },
  };
}

/** Where a database is, in the options of ioredis: the primary, as far as it is known. */
function addressOf(
  { host, mode, nodes, port, unixSocket }: RedisConfig,
  endpoint: string,
): Pick<CreateClientOptions, "host" | "path" | "port"> {
  if (unixSocket !== undefined) return { path: unixSocket };
  if (mode === "standalone") return { host, port };
  const [, known, knownPort] = /^\[?([^\s,]+?)\]?:(\d+)$/.exec(endpoint) ?? [];
  if (known === undefined) return nodes[0] ?? {};
  return { host: known, port: Number(knownPort) };
}
