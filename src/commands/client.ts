import { defineCommandMethods } from "../connection/command_methods.ts";
import {
  type IORedis,
  type IORedisCommand,
  Redis,
  type RedisOptions,
} from "../connection/ioredis.ts";
import { CommandRefusedError } from "../core/errors/mod.ts";
import { type CallOptions, scopeRoute } from "./with.ts";

/** What a client passes its commands to. */
export interface CommandRoute {
  /** Delivers one command. */
  dispatch(command: IORedisCommand): void;
  /** Delivers commands one after the other with nothing in between. */
  dispatchBatch(commands: readonly IORedisCommand[]): void;
  /** Resolves when a connection is ready. */
  whenReady(): Promise<void>;
}

/** What a client is made of. */
export interface ClientOptions {
  /** Name of the database. */
  readonly database: string;
  /** Database number. */
  readonly db: number;
  /** What is put before each key. */
  readonly keyPrefix: string;
  /** Whether replies are strings; `false` gives Buffers. */
  readonly decodeResponses: boolean;
  /** Where commands go. */
  readonly route: CommandRoute;
}

/** The library wants a way to connect; a client has none, its manager has. */
class NoConnector {
  connect(): Promise<never> {
    return Promise.reject(new Error("a managed client opens no connection of its own"));
  }
  check(): boolean {
    return true;
  }
  disconnect(): void {}
}

/** Commands of one pipeline, collected while the library hands them over. */
interface Batch {
  /** What the library hands over with each command of the pipeline. */
  readonly pipeline: unknown;
  readonly commands: IORedisCommand[];
  /** Where they go: with the settings of the client that made the pipeline. */
  readonly route: CommandRoute;
}

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
export interface RedisClient extends IORedis {
  /** Name of the database. */
  readonly databaseName: string;
  /**
   * The same client with other settings for its calls: a signal, a deadline, whether
   * writes may be sent again.
   *
   * @param call What differs.
   * @returns A client for such calls; it has no connection of its own.
   * @throws {RangeError} If the deadline is not more than 0.
   */
  with(call: CallOptions): RedisClient;
}

/** What a {@linkcode RedisClient} is made of; the manager makes it. */
export class ManagedClient extends Redis implements RedisClient {
  readonly [PARTS]: ClientOptions;
  readonly [ROOT]: ManagedClient;
  [BATCH]: Batch | undefined = undefined;

  /**
   * Made by the manager; use {@linkcode RedisConnectionManager.getClient}.
   *
   * @param client What it is made of.
   */
  constructor(client: ClientOptions) {
    super({
      lazyConnect: true,
      keyPrefix: client.keyPrefix,
      db: client.db,
      Connector: NoConnector as unknown as RedisOptions["Connector"],
    });
    this[PARTS] = client;
    this[ROOT] = this;
    // Everybody has the same object: many listeners are no leak.
    this.setMaxListeners(0);
  }

  /** Name of the database. */
  get databaseName(): string {
    return this[PARTS].database;
  }

  /**
   * The same client with other settings for its calls: its scripts, its listeners and its
   * status are the same ones.
   *
   * @param call What differs.
   * @returns A client for such calls; it has no connection of its own.
   * @throws {RangeError} If the deadline is not more than 0.
   */
  with(call: CallOptions): RedisClient {
    const { route, ...rest } = this[PARTS];
    const root = this[ROOT];
    const scoped = Object.create(this);
    scoped[PARTS] = { ...rest, route: scopeRoute(route, call) };
    for (const key of LISTENERS) {
      Object.defineProperty(scoped, key, {
        get: () => Reflect.get(root, key),
        set: (value) => Reflect.set(root, key, value),
      });
    }
    return scoped;
  }

  /**
   * Adds a script as a method, to this client and to all that {@linkcode with} gives.
   *
   * @param name Name of the method.
   * @param definition The script.
   */
  override defineCommand(
    name: string,
    definition: Parameters<Redis["defineCommand"]>[1],
  ): void {
    super.defineCommand.call(this[ROOT], name, definition);
  }

  /**
   * Says whether there is a connection. Called by the database.
   *
   * @param status The status.
   */
  tellStatus(status: ClientStatus): void {
    const root = this[ROOT];
    const before = root.status;
    if (before === status || before === "end") return;
    if (before === "ready") announce(root, "close");
    if (status === "ready") announce(root, "connect");
    announce(root, status);
  }

  /**
   * Hands a command to the manager; every command method ends here.
   *
   * @param command The command.
   * @param stream Set by the library when the command is part of a pipeline.
   * @returns The command's promise.
   */
  override sendCommand(command: IORedisCommand, stream?: unknown): unknown {
    const { decodeResponses, route } = this[PARTS];
    const root = this[ROOT];
    if (!decodeResponses) {
      (command as unknown as { replyEncoding: null }).replyEncoding = null;
    }
    if (stream !== undefined) collect(root, command, { pipeline: stream, route });
    else {
      // The pipeline was sent first, so it goes out first.
      if (root[BATCH] !== undefined) dispatchBatch(root);
      route.dispatch(command);
    }
    return command.promise;
  }

  /**
   * Resolves when a connection of the database is ready. Calling it is not needed:
   * the first command connects.
   *
   * @returns A promise that resolves when connected.
   */
  override connect(): Promise<void> {
    return this[PARTS].route.whenReady();
  }

  /**
   * Refused: the manager owns the connections.
   *
   * @throws {CommandRefusedError} Always.
   */
  override disconnect(): void {
    throw refusal(this, "disconnect", "use manager.closeAll() to close its connections");
  }

  /**
   * Refused: the manager owns the connections.
   *
   * @throws {CommandRefusedError} Always.
   */
  override end(): void {
    throw refusal(this, "end", "use manager.closeAll() to close its connections");
  }

  /**
   * Refused: the manager owns the connections.
   *
   * @throws {CommandRefusedError} Always.
   */
  override duplicate(): never {
    throw refusal(
      this,
      "duplicate",
      "use manager.acquire() for a connection of your own",
    );
  }

  /**
   * Refused: MONITOR needs a connection of its own.
   *
   * @returns A promise that rejects with a {@linkcode CommandRefusedError}.
   */
  override monitor(): Promise<never> {
    return Promise.reject(
      refusal(this, "monitor", "use manager.acquire() and lease.client.monitor()"),
    );
  }

  /**
   * What `console.log` shows.
   *
   * @returns Name and number of the database.
   */
  [Symbol.for("Deno.customInspect")](): string {
    return `RedisClient { database: "${this[PARTS].database}", db: ${this[PARTS].db} }`;
  }

  /**
   * What `util.inspect` shows.
   *
   * @returns Name and number of the database.
   */
  [Symbol.for("nodejs.util.inspect.custom")](): string {
    return `RedisClient { database: "${this[PARTS].database}", db: ${this[PARTS].db} }`;
  }
}

defineCommandMethods(ManagedClient.prototype);

/** A pipeline hands its commands over one by one in one go: they go out together. */
function collect(
  root: ManagedClient,
  command: IORedisCommand,
  { pipeline, route }: Pick<Batch, "pipeline" | "route">,
): void {
  const current = root[BATCH];
  if (current !== undefined && current.pipeline === pipeline) {
    current.commands.push(command);
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
  const { commands, route } = root[BATCH]!;
  root[BATCH] = undefined;
  route.dispatchBatch(commands);
}

function refusal(
  client: ManagedClient,
  command: string,
  instead: string,
): CommandRefusedError {
  return new CommandRefusedError(client.databaseName, command, instead);
}

/** Sets a status and tells its listeners; what one throws is not the connection's. */
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
