import type { RedisConfig } from "../config/mod.ts";
import { defineCommandMethods } from "../connection/command_methods.ts";
import {
  type IORedis,
  type IORedisCommand,
  Redis,
  type RedisOptions,
} from "../connection/ioredis.ts";
import { CommandRefusedError } from "../core/errors/mod.ts";
import { type CallOptions, checkCall, type ScopedCommand } from "./call_options.ts";
import { MAX_MEMBERS } from "./once.ts";
import { defineScanMethods, type ScanMethods, type ScanRestart } from "./scan.ts";

/** What a client passes its commands to. */
export interface CommandRoute {
  /** Delivers one command. */
  dispatch(command: IORedisCommand): void;
  /** Delivers commands one after the other with nothing in between. */
  dispatchBatch(commands: readonly IORedisCommand[]): void;
  /** Delivers commands that run once; where they are a batch, all or none. */
  dispatchOnce(
    commands: readonly IORedisCommand[],
    call: CallOptions,
    isBatch: boolean,
  ): void;
  /** Set where single commands are collected, and delivered together. */
  readonly dispatchCollected?: (commands: readonly IORedisCommand[]) => void;
  /** Resolves when a connection is ready. */
  whenReady(): Promise<void>;
  /** Reports that a scan began anew. */
  scanRestarted?(restart: ScanRestart): void;
  /** The route for reads that go to these servers. */
  readFrom(from: RedisConfig["readFrom"]): CommandRoute;
}

/** The settings of a database that its client uses. */
export type ClientConfig = Pick<
  RedisConfig,
  | "clientAz"
  | "commandTimeoutMs"
  | "db"
  | "decodeResponses"
  | "keyPrefix"
  | "mode"
  | "name"
>;

/** Refuses to connect: other clients that are made with this one's options, too. */
class NoConnector {
  connect(): Promise<never> {
    return Promise.reject(new Error("a managed client opens no connection of its own"));
  }
  check(): boolean {
    return true;
  }
  disconnect(): void {}
}

/** Options that readers of a client's `options` find. */
type ShownOptions = Omit<RedisOptions, "replyMapping">;

/** Commands of one pipeline, collected while the library hands them over. */
interface Batch {
  /** What the library hands over with each command of the pipeline; the route itself for
   * single commands that are collected. */
  readonly pipeline: unknown;
  readonly commands: IORedisCommand[];
  /** Where they go: with the settings of the client that made the pipeline. */
  readonly route: CommandRoute;
}

const END_ADVICE = "use manager.closeAll() to close its connections, or " +
  "manager.createClient() for a library, which may disconnect it";

/** Whether a client has a connection, in the library's own words. */
export type ClientStatus = "wait" | "ready" | "end";

/** What a client is made of, and what it collects. No private fields: a client with other
 * settings for its calls is an object whose prototype is the client. */
const PARTS = Symbol("parts");
/** Only the root has one: with() changes settings, not the order of commands. */
const BATCH = Symbol("batch");
/** The client that all such objects come from. */
const ROOT = Symbol("root");

/** Where the library's clients keep their listeners. */
const LISTENERS = ["_events", "_eventsCount", "_maxListeners"] as const;

/**
 * The client of one database: every command of ioredis, typed as ioredis types it,
 * delivered over the manager's connections. It is the same object for every caller,
 * and it is not closed: the manager is.
 *
 * Commands that would change a connection for all who share it (SELECT, WATCH,
 * SUBSCRIBE and such) are refused with a {@linkcode CommandRefusedError} that names the
 * right call.
 *
 * @example Usage
 * ```ts
 * import { type RedisClient, RedisConnectionManager } from "@mooring/redis";
 * import { assertEquals } from "@std/assert";
 *
 * await using manager = new RedisConnectionManager({
 *   url: Deno.env.get("REDIS_URL") ?? "redis://localhost:6379",
 *   databases: { cache: { db: 5 } },
 * });
 * const cache: RedisClient = manager.getClient("cache");
 * await cache.set("mooring:greeting", "ahoy", "EX", 60);
 * assertEquals(await cache.get("mooring:greeting"), "ahoy");
 * ```
 */
export interface RedisClient<Mapping extends "legacy" | "resp3" = "legacy">
  extends IORedis<Mapping>, ScanMethods {
  /** Name of the database. */
  readonly databaseName: string;
  /**
   * The same client with other settings for its calls: a signal, a deadline, whether
   * writes may be sent again, which servers are read from.
   *
   * @param call What differs.
   * @returns A client for such calls; it has no connection of its own.
   * @throws {RangeError} If a number is not allowed: the deadline is not more than 0,
   * `onceTtlMs` less than it …; or if `readFrom` is none of its words, `az_affinity` without
   * the setting `client_az`, or `replica` in mode `standalone`.
   */
  with(call: CallOptions): RedisClient<Mapping>;
  /** Refused, as all callers share the client.
   *
   * @deprecated Use `manager.subscribe()`, or
   * {@linkcode RedisConnectionManager.createClient}. */
  subscribe: IORedis<Mapping>["subscribe"];
  /** Refused, as all callers share the client.
   *
   * @deprecated Use `manager.subscribe()` with `patterns`, or
   * {@linkcode RedisConnectionManager.createClient}. */
  psubscribe: IORedis<Mapping>["psubscribe"];
  /** Refused, as all callers share the client.
   *
   * @deprecated Use `manager.subscribe()` with `shards`, or
   * {@linkcode RedisConnectionManager.createClient}. */
  ssubscribe: IORedis<Mapping>["ssubscribe"];
  /** Refused, as all callers share the client.
   *
   * @deprecated Use what `manager.subscribe()` gave, or
   * {@linkcode RedisConnectionManager.createClient}. */
  unsubscribe: IORedis<Mapping>["unsubscribe"];
  /** Refused, as all callers share the client.
   *
   * @deprecated Use what `manager.subscribe()` gave, or
   * {@linkcode RedisConnectionManager.createClient}. */
  punsubscribe: IORedis<Mapping>["punsubscribe"];
  /** Refused, as all callers share the client.
   *
   * @deprecated Use what `manager.subscribe()` gave, or
   * {@linkcode RedisConnectionManager.createClient}. */
  sunsubscribe: IORedis<Mapping>["sunsubscribe"];
  /** Refused, as all callers share the client.
   *
   * @deprecated Use `manager.transaction()` with `watch`, or
   * {@linkcode RedisConnectionManager.createClient}. */
  watch: IORedis<Mapping>["watch"];
  /** Refused, as all callers share the client.
   *
   * @deprecated Use `manager.transaction()` with `watch`, or
   * {@linkcode RedisConnectionManager.createClient}. */
  unwatch: IORedis<Mapping>["unwatch"];
  /** Refused, as all callers share the client.
   *
   * @deprecated Use `manager.transaction()` or the chain of `multi()`, or
   * {@linkcode RedisConnectionManager.createClient}. */
  exec: IORedis<Mapping>["exec"];
  /** Refused, as all callers share the client.
   *
   * @deprecated Use `manager.transaction()`, or
   * {@linkcode RedisConnectionManager.createClient}. */
  discard: IORedis<Mapping>["discard"];
  /** Refused, as all callers share the client.
   *
   * @deprecated Give the other database a name of its own, or use
   * {@linkcode RedisConnectionManager.createClient}. */
  select: IORedis<Mapping>["select"];
  /** Refused, as all callers share the client.
   *
   * @deprecated Use `manager.acquire()`, or
   * {@linkcode RedisConnectionManager.createClient}. */
  monitor: IORedis<Mapping>["monitor"];
  /** Refused, as all callers share the client.
   *
   * @deprecated Use
   * {@linkcode RedisConnectionManager.createClient}. */
  duplicate: IORedis<Mapping>["duplicate"];
  /** Refused, as all callers share the client.
   *
   * @deprecated `manager.closeAll()` closes the connections; else use
   * {@linkcode RedisConnectionManager.createClient}. */
  quit: IORedis<Mapping>["quit"];
  /** Refused, as all callers share the client.
   *
   * @deprecated `manager.closeAll()` closes the connections; else use
   * {@linkcode RedisConnectionManager.createClient}. */
  disconnect: IORedis<Mapping>["disconnect"];
  /** Refused, as all callers share the client.
   *
   * @deprecated `manager.closeAll()` closes the connections; else use
   * {@linkcode RedisConnectionManager.createClient}. */
  end: IORedis<Mapping>["end"];
}

/** The implementation of {@linkcode RedisClient}. */
export class ManagedClient extends Redis implements RedisClient {
  readonly [PARTS]: {
    readonly config: ClientConfig;
    /** Where commands go. */
    readonly route: CommandRoute;
    /** The same without what is set for single calls. */
    readonly base: CommandRoute;
    /** What is set for single calls. */
    readonly call?: CallOptions;
  };
  readonly [ROOT]: ManagedClient;
  [BATCH]: Batch | undefined = undefined;
  declare readonly scanIterator: ScanMethods["scanIterator"];
  declare readonly hscanIterator: ScanMethods["hscanIterator"];
  declare readonly sscanIterator: ScanMethods["sscanIterator"];
  declare readonly zscanIterator: ScanMethods["zscanIterator"];

  /**
   * @param config The database.
   * @param route Where commands go.
   * @param shown Options that readers of `options` find besides.
   */
  constructor(config: ClientConfig, route: CommandRoute, shown: ShownOptions = {}) {
    super({
      lazyConnect: true,
      ...shown,
      keyPrefix: config.keyPrefix,
      db: config.db,
      Connector: NoConnector as unknown as RedisOptions["Connector"],
    });
    this[PARTS] = { config, route, base: route };
    this[ROOT] = this;
    // Everybody has the same object: many listeners are no leak.
    this.setMaxListeners(0);
  }

  /** Name of the database. */
  get databaseName(): string {
    return this[PARTS].config.name;
  }

  /** The same client with other settings for its calls: its scripts, its listeners and its
   * status are the same ones. */
  with(call: CallOptions): RedisClient {
    const { base, call: before, config } = this[PARTS];
    const merged = { ...before, ...call };
    checkCall(merged, config);
    const root = this[ROOT];
    const scoped = Object.create(this);
    scoped[PARTS] = { config, base, call: merged, route: scopeRoute(base, merged) };
    for (const key of LISTENERS) {
      Object.defineProperty(scoped, key, {
        get: () => Reflect.get(root, key),
        set: (value) => Reflect.set(root, key, value),
      });
    }
    return scoped;
  }

  /** Adds a script as a method, to this client and to all that {@linkcode with} gives. */
  override defineCommand(
    name: string,
    definition: Parameters<Redis["defineCommand"]>[1],
  ): void {
    // The constructor of ioredis defines those of its options.
    super.defineCommand.call(this[ROOT] ?? this, name, definition);
  }

  /** Sets whether there is a connection. Called by the database. */
  announceStatus(status: ClientStatus): void {
    const root = this[ROOT];
    const before = root.status;
    if (before === status || before === "end") return;
    if (before === "ready") announce(root, "close");
    if (status === "ready") announce(root, "connect");
    announce(root, status);
  }

  /** Hands a command to the manager; every command method ends here. The library sets
   * `stream` when the command is part of a pipeline. */
  override sendCommand(command: IORedisCommand, stream?: unknown): unknown {
    const { config, route } = this[PARTS];
    const root = this[ROOT];
    if (!config.decodeResponses) {
      (command as unknown as { replyEncoding: null }).replyEncoding = null;
    }
    if (stream !== undefined) collect(root, command, { pipeline: stream, route });
    else if (route.dispatchCollected !== undefined) {
      collect(root, command, { pipeline: route, route });
    } else {
      // The pipeline was sent first, so it goes out first.
      if (root[BATCH] !== undefined) dispatchBatch(root);
      route.dispatch(command);
    }
    return command.promise;
  }

  /** Reports that a scan began anew. */
  scanRestarted(restart: ScanRestart): void {
    this[PARTS].route.scanRestarted?.(restart);
  }

  /** Resolves when a connection of the database is ready. Calling it is not needed: the
   * first command connects. */
  override connect(): Promise<void> {
    return this[PARTS].route.whenReady();
  }

  /** Refused: the manager owns the connections. */
  override disconnect(): void {
    throw refusal(this, "disconnect", END_ADVICE);
  }

  /** Refused: the manager owns the connections. */
  override end(): void {
    throw refusal(this, "end", END_ADVICE);
  }

  /** Refused: the manager owns the connections. */
  override duplicate(): never {
    throw refusal(
      this,
      "duplicate",
      "use manager.createClient() for a client of your own, or manager.acquire() for a " +
        "connection",
    );
  }

  /** Refused: MONITOR needs a connection of its own. */
  override monitor(): Promise<never> {
    return Promise.reject(
      refusal(
        this,
        "monitor",
        "call monitor() of a client of manager.createClient(), or of a lease's client",
      ),
    );
  }

  /** What `console.log` shows. */
  [Symbol.for("Deno.customInspect")](): string {
    const { db, name } = this[PARTS].config;
    return `RedisClient { database: "${name}", db: ${db} }`;
  }

  /** What `util.inspect` shows. */
  [Symbol.for("nodejs.util.inspect.custom")](): string {
    const { db, name } = this[PARTS].config;
    return `RedisClient { database: "${name}", db: ${db} }`;
  }
}

defineCommandMethods(ManagedClient.prototype);
defineScanMethods(ManagedClient.prototype);

/** The same route, for commands that carry what their caller set for them. */
function scopeRoute(base: CommandRoute, call: CallOptions): CommandRoute {
  const route = call.readFrom === undefined ? base : base.readFrom(call.readFrom);
  if (call.once === true) {
    return {
      ...route,
      dispatchBatch: (commands) => route.dispatchOnce(commands, call, true),
      dispatchCollected: (commands) => route.dispatchOnce(commands, call, false),
    };
  }
  const scope = (command: IORedisCommand): IORedisCommand => {
    (command as ScopedCommand).call = call;
    return command;
  };
  return {
    ...route,
    dispatch: (command) => route.dispatch(scope(command)),
    dispatchBatch: (commands) => route.dispatchBatch(commands.map(scope)),
  };
}

/** The library hands the commands of a pipeline over one by one: they go out together. */
function collect(
  root: ManagedClient,
  command: IORedisCommand,
  { pipeline, route }: Pick<Batch, "pipeline" | "route">,
): void {
  const current = root[BATCH];
  if (current !== undefined && current.pipeline === pipeline) {
    current.commands.push(command);
    // The server can begin while the other callers go on.
    const isFull = pipeline === route && current.commands.length === MAX_MEMBERS;
    if (isFull) dispatchBatch(root);
    return;
  }
  if (current !== undefined) dispatchBatch(root);
  const batch: Batch = { pipeline, commands: [command], route };
  root[BATCH] = batch;
  queueMicrotask(() => {
    if (root[BATCH] === batch) dispatchBatch(root);
  });
}

function dispatchBatch(root: ManagedClient): void {
  const { commands, pipeline, route } = root[BATCH]!;
  root[BATCH] = undefined;
  if (pipeline === route) route.dispatchCollected!(commands);
  else route.dispatchBatch(commands);
}

function refusal(
  client: ManagedClient,
  command: string,
  instead: string,
): CommandRefusedError {
  return new CommandRefusedError(client.databaseName, command, instead);
}

/** Sets a status and emits it; what a listener throws must not reach the connection. */
function announce(client: ManagedClient, status: ClientStatus | "close" | "connect") {
  (client as { status: string }).status = status;
  try {
    client.emit(status);
  } catch (error) {
    queueMicrotask(() => {
      throw error;
    });
  }
}
