import { delay } from "@std/async/delay";
import { SENDS_NULLISH } from "../../connection/command_methods.ts";
import type { IORedis, Redis, RedisOptions } from "../../connection/ioredis.ts";
import { ManagerClosedError } from "../../core/errors/mod.ts";
import { ASK_AGAIN, backoffMs } from "../../resilience/backoff.ts";
import { type ClientConfig, type CommandRoute, ManagedClient } from "../client.ts";
import { closedError, type OwnedCommands, type OwnListener } from "./commands.ts";

/** Options of a client that a library owns: those of ioredis that have a meaning where the
 * manager owns the connections, and a few more. All others are accepted and not used. In a
 * cluster `connectionName` is one of these, and `db` must be the database's. */
export interface CreateClientOptions extends Omit<IORedis["options"], "replyMapping"> {
  /** Whether a command that may have run when its connection was lost is sent again, as
   * ioredis does by default: some libraries rely on it. It may then run twice. Only for
   * patient clients. Default `false`: it fails with a `ConnectionLostError`. */
  autoResendUnfulfilledCommands?: boolean;
  /** Whether commands wait as long as the server is away, as those of ioredis do. With
   * `false` they have a deadline, and the database's circuit breaker refuses them, as those
   * of `getClient()`. Default `true`; `false` with `enableOfflineQueue: false`. */
  patient?: boolean;
  /** Deadline of each command, in milliseconds, more than 0; `Infinity` for none. Default:
   * ioredis' `commandTimeout`, else none; with `patient: false` that of the database. Without
   * one, a connection that owes replies is closed when the server sent none for 30 s. */
  timeoutMs?: number;
}

/** What an owned client needs. */
export interface OwnedClientParts {
  /** The database, with what differs for this client. */
  readonly config: Omit<ClientConfig, "decodeResponses">;
  /** What readers of `options` find. */
  readonly shown: CreateClientOptions;
  /** Where its commands go, as seen by telemetry. */
  readonly route: (commands: OwnedCommands) => CommandRoute;
  /** Makes what delivers its commands. */
  readonly makeCommands: (listener: OwnListener) => OwnedCommands;
  /** Resolves when the database serves; rejects if it could not be reached. */
  readonly whenReady: (signal: AbortSignal) => Promise<void>;
  /** Where the database is. */
  readonly address: () => Pick<RedisOptions, "host" | "path" | "port">;
  /** Makes another client: with its options, and those that are given. */
  readonly duplicate: (options: CreateClientOptions) => Redis;
  /** The client begins to live, or has ended. */
  readonly lives: (client: OwnedClient, isAlive: boolean) => void;
}

/** Where a client keeps its life: no private field, as clients of `with()` are objects whose
 * prototype is the client. */
const LIFE = Symbol("life");

/** A status of ioredis' clients. */
type Status =
  | "wait"
  | "connecting"
  | "connect"
  | "ready"
  | "close"
  | "reconnecting"
  | "end";

/** Node-style callback of `connect()` and `quit()`. */
type Callback<T> = (error: Error | null, value?: T) => void;

/**
 * A client that a library owns: it may subscribe, WATCH, SELECT, quit, reconnect and
 * duplicate it like a client of ioredis that it has made itself. It has no socket of its own
 * as long as it does not need one.
 */
export class OwnedClient extends ManagedClient {
  readonly [LIFE]: Life;

  constructor(parts: OwnedClientParts) {
    const life = new Life(parts);
    const { config, shown: { lazyConnect = false } } = parts;
    const shown = { ...parts.shown, lazyConnect };
    super({ ...config, decodeResponses: true }, life.route, shown);
    Object.assign(this.options, { [SENDS_NULLISH]: true });
    this[LIFE] = life;
    life.client = this;
    if (!lazyConnect) life.connect().catch(() => {});
  }

  /** Resolves when it is ready: at once if it is. Begins a new life where it has ended. */
  override connect(callback?: Callback<void>): Promise<void> {
    // The constructor of ioredis connects, too.
    const connecting = this[LIFE]?.connect() ?? Promise.resolve();
    return callBack(connecting, callback);
  }

  /** Takes no more commands, waits for those it has, and lets go of its connection. */
  override quit(callback?: Callback<"OK">): Promise<"OK"> {
    return callBack(this[LIFE].quit(), callback);
  }

  /** Fails its commands, and lets go of its connection; `end` is emitted later. */
  override disconnect(reconnect: boolean = false): void {
    this[LIFE].disconnect(reconnect);
  }

  /** The same as {@linkcode disconnect}. */
  override end(): void {
    this.disconnect();
  }

  /** Makes another client of the same database, with other options. */
  override duplicate(override: Partial<RedisOptions> = {}): never {
    return this[LIFE].duplicate({ ...this.options, ...override }) as never;
  }

  /** Gives another client, which emits `monitor` for each command that the server runs. */
  override monitor(callback?: Callback<never>): Promise<never> {
    const monitor = this.duplicate({ monitor: true, lazyConnect: true }) as OwnedClient;
    // The server may refuse MONITOR on a connection that is open.
    const refused = Promise.withResolvers<never>();
    monitor.once("error", refused.reject);
    const monitoring = Promise.race([refused.promise, monitor.connect()]).then(
      () => monitor as never,
      (error) => {
        monitor.disconnect();
        throw error;
      },
    ).finally(() => monitor.off("error", refused.reject));
    return callBack(monitoring, callback);
  }

  /** Called by the database when its last lane was lost. */
  lanesLost(): void {
    this[LIFE].lost();
  }

  /** Called by the database when another server has become the primary. */
  primaryMoved(): void {
    this[LIFE].primaryMoved();
  }

  /** Called by the database when it is closed: lets commands finish within `drainMs`. */
  closeWithin(drainMs: number): Promise<void> {
    return this[LIFE].close(drainMs);
  }
}

// Libraries look at `client.constructor.name`.
Object.defineProperty(OwnedClient, "name", { value: "Redis" });

/**
 * The life of a client, as ioredis' clients live:
 *
 * ```
 * wait ── connect(), a command ──► connecting ──► connect, ready ── lost ──► close,
 *   │                                  ▲                                  reconnecting
 *   │                                  └─────────────────────────────────────┘
 *   └── quit(), disconnect(), the manager closes: from any ──► close, end ── connect() ──► …
 * ```
 *
 * The connection whose status is told is the lanes', and the one that the client has alone.
 */
class Life implements OwnListener {
  client!: OwnedClient;
  readonly route: CommandRoute;
  readonly #parts: OwnedClientParts;
  readonly #commands: OwnedCommands;
  /** Ends the present attempt to be ready. */
  #stop = new AbortController();
  #ready: PromiseWithResolvers<void> | undefined;
  #ending: Promise<void> | undefined;
  /** Events that are emitted before the next one. */
  #emitting = Promise.resolve();

  constructor(parts: OwnedClientParts) {
    this.#parts = parts;
    this.#commands = parts.makeCommands(this);
    this.route = parts.route(this.#commands);
  }

  emit(event: string, ...args: unknown[]): void {
    this.client.emit(event, ...args);
  }

  wake(): void {
    this.#begin();
  }

  /** The connection that it has alone was lost. */
  lost(): void {
    if (this.client.status === "ready") this.#reconnect();
  }

  /** The lanes lead elsewhere now. A connection that it has alone is about to be closed: the
   * client connects anew then, and once. */
  primaryMoved(): void {
    if (!this.#commands.own.isOpen) this.lost();
  }

  /** What it has alone could not be established. */
  troubled(error: Error): void {
    if (this.client.listenerCount("error") > 0) this.client.emit("error", error);
  }

  async connect(): Promise<void> {
    if (this.#ending !== undefined) await this.#ending;
    const { status } = this.client;
    if (status === "ready") return;
    if (status === "wait" || status === "end") this.#begin();
    await this.#ready!.promise;
  }

  duplicate(options: CreateClientOptions): Redis {
    return this.#parts.duplicate(options);
  }

  async quit(): Promise<"OK"> {
    const { status } = this.client;
    if (status === "end" || this.#ending !== undefined) throw closedError("never-sent");
    if (status === "ready" || !this.#commands.isIdle) await this.#commands.finish();
    // What has just failed is on its way to its caller.
    await delay(0);
    // After the reply: ioredis' client ends when the server has closed its connection.
    setTimeout(() => void this.#end(), 0);
    return "OK";
  }

  disconnect(reconnect: boolean): void {
    const { status } = this.client;
    if (status === "end" || this.#ending !== undefined) return;
    if (!reconnect) return void this.#end();
    void this.#commands.cut();
    if (status === "ready") this.#reconnect();
  }

  async close(drainMs: number): Promise<void> {
    if (this.client.status === "end") return;
    this.#commands.close();
    const limit = new AbortController();
    await Promise.race([
      Promise.all([this.#commands.finish(), this.#commands.endBlocking(drainMs)]),
      delay(drainMs, { signal: limit.signal, persistent: false }).catch(() => {}),
    ]);
    limit.abort();
    await this.#end();
  }

  #begin(): void {
    this.#parts.lives(this.client, true);
    this.#commands.begin();
    this.#set("connecting");
    this.#attempt();
  }

  #reconnect(): void {
    this.#set("close");
    this.#set("reconnecting", 0);
    this.#attempt();
  }

  #attempt(): void {
    this.#stop.abort();
    this.#stop = new AbortController();
    this.#renewReady();
    void this.#reach(this.#stop.signal);
  }

  #renewReady(): void {
    this.#ready?.reject(closedError("never-sent"));
    this.#ready = Promise.withResolvers();
    // Not everybody who connects waits.
    this.#ready.promise.catch(() => {});
  }

  /** Becomes ready, however long that takes. */
  async #reach(signal: AbortSignal): Promise<void> {
    for (let attempt = 1; !signal.aborted; attempt++) {
      try {
        if (this.client.status === "reconnecting") this.#set("connecting");
        await this.#parts.whenReady(signal);
        await this.#commands.own.whenReady();
        if (signal.aborted) return;
        Object.assign(this.client.options, this.#parts.address());
        this.#set("connect");
        // Listeners of `connect` find that status.
        await this.#emitting;
        if (signal.aborted) return;
        this.#set("ready");
        this.#ready!.resolve();
        return;
      } catch (error) {
        if (signal.aborted) return;
        this.#ready!.reject(error);
        if (error instanceof ManagerClosedError) return void this.#end();
        this.troubled(error as Error);
        this.#renewReady();
        this.#set("close");
        const pauseMs = backoffMs(attempt, ASK_AGAIN, Math.random());
        this.#set("reconnecting", Math.round(pauseMs));
        await delay(pauseMs, { signal }).catch(() => {});
      }
    }
  }

  #end(): Promise<void> {
    return this.#ending ??= this.#endOnce();
  }

  async #endOnce(): Promise<void> {
    this.#stop.abort();
    await this.#commands.end();
    this.#ready?.reject(closedError("never-sent"));
    this.#ready = undefined;
    this.#parts.lives(this.client, false);
    this.#set("close");
    this.#set("end");
    this.#ending = undefined;
  }

  /** Sets a status at once, and emits it later, as ioredis does. */
  #set(status: Status, ...args: unknown[]): void {
    (this.client as { status: string }).status = status;
    this.#emitting = this.#emitting.then(() => {
      try {
        this.client.emit(status, ...args);
      } catch (error) {
        // What a listener throws is an uncaught exception; the life goes on.
        queueMicrotask(() => {
          throw error;
        });
      }
    });
  }
}

function callBack<T>(
  promise: Promise<T>,
  callback: Callback<T> | undefined,
): Promise<T> {
  if (typeof callback === "function") {
    promise.then((value) => callback(null, value), (error) => callback(error));
  }
  return promise;
}
