import type { BlockingLease } from "../commands/blocking.ts";
import type { SubscriberLease } from "../commands/pubsub/hub.ts";
import type { TransactionLease } from "../commands/transaction.ts";
import {
  passWaitBarrier,
  WAIT_BARRIER_ADVICE,
  waitsForWrites,
} from "../commands/wait_barrier.ts";
import type { Connection } from "../connection/connection.ts";
import { makeReleasedClient } from "../connection/driver.ts";
import {
  type Command,
  type IORedis,
  isReplyError,
  type Redis,
  type RedisOptions,
} from "../connection/ioredis.ts";
import {
  type CommandOwner,
  makeAsking,
  type PendingCommand,
} from "../connection/pending_command.ts";
import type { Session, SessionTerms } from "../connection/session.ts";
import {
  CommandRefusedError,
  CommandTimeoutError,
  LeaseReleasedError,
} from "../core/errors/mod.ts";
import type { LaneSet } from "../pool/lanes.ts";
import type { Lease } from "../pool/lease.ts";
import type { EndReason, Pooled } from "../pool/types.ts";
import { classifyReplyError } from "../resilience/reply_errors.ts";

/** How long an acquire may wait. */
export interface AcquireOptions {
  /** Longest wait, in milliseconds: 0 or more, `Infinity` for no limit. With 0, only a
   * connection that is idle and was used a moment ago is leased. Default: the database's
   * `acquireTimeoutMs`. */
  timeoutMs?: number;
  /** Ends the wait; the call rejects with its reason. */
  signal?: AbortSignal;
  /** In a cluster: a key, without the prefix, whose node is connected to. Default: any. */
  key?: string | Uint8Array;
  /** In a cluster: the node that is connected to, such as `10.0.0.7:7000`. Default: that
   * of the key, or any. */
  node?: string;
}

/**
 * A connection that one caller has alone, until it is released.
 *
 * @example Usage
 * ```ts
 * import { RedisConnectionManager } from "@mooring/redis";
 *
 * await using manager = new RedisConnectionManager({
 *   url: Deno.env.get("REDIS_URL") ?? "redis://localhost:6379",
 *   databases: { main: { db: 0 } },
 * });
 * await using lease = await manager.acquire("main", { timeoutMs: 3000 });
 * await lease.client.watch("mooring:example");
 * await lease.client.multi().set("mooring:example", 1, "EX", 1).exec();
 * ```
 */
export class ConnectionLease implements AsyncDisposable, Disposable {
  /** Name of the database. */
  readonly database: string;
  readonly #redis: IORedis;
  readonly #lease: Lease<PooledConnection>;
  #client: IORedis | undefined;

  /**
   * Made by the manager; use {@linkcode RedisConnectionManager.acquire}.
   *
   * @param lease The pool's lease of the connection.
   */
  constructor(lease: Lease<PooledConnection>) {
    const session = sessionOf(lease);
    this.database = session.database;
    this.#redis = session.lend();
    this.#lease = lease;
  }

  /** Whether it has been released. */
  get released(): boolean {
    return this.#lease.released;
  }

  /**
   * The client of the connection, a real one of ioredis: libraries take it. What it is
   * left with, listeners, scripts, options, a WATCH or another database, is taken off when
   * the lease is released. A reference that was kept stays harmless: its commands reject
   * with a {@linkcode LeaseReleasedError}, it has no listeners, and taking them off does
   * nothing. `monitor()` listens on this connection, `disconnect()` and `quit()` end it,
   * and `duplicate()` is refused: acquire another lease.
   *
   * @throws {LeaseReleasedError} If the lease has been released.
   */
  get client(): IORedis {
    if (this.released) throw new LeaseReleasedError(this.database, "use");
    return this.#client ??= this.#guard(this.#redis);
  }

  /**
   * Gives the connection back to the pool.
   *
   * @throws {LeaseReleasedError} If it has been released before.
   */
  release(): void {
    this.#lease.release();
  }

  /**
   * Gives the connection back to be closed: no other caller gets it.
   *
   * @throws {LeaseReleasedError} If it has been released before.
   */
  destroy(): void {
    this.#lease.destroy();
  }

  /** Gives the connection back to the pool, unless that was done before. */
  [Symbol.dispose](): void {
    if (!this.released) this.release();
  }

  /** Gives the connection back to the pool, unless that was done before. */
  [Symbol.asyncDispose](): Promise<void> {
    this[Symbol.dispose]();
    return Promise.resolve();
  }

  /** The client as long as the lease lasts, and afterwards one that rejects commands:
   * another caller may have the connection by then. */
  #guard(redis: IORedis): IORedis {
    let released: IORedis | undefined;
    const options = redis.options as RedisOptions;
    const refusal = () => new LeaseReleasedError(this.database, "use");
    // Each trap refers to this lease: it is not collected as long as the client is in use.
    const now = () =>
      this.released
        ? released ??= makeReleasedClient(this.database, options, refusal)
        : redis;
    return new Proxy(redis, {
      get: (_, key, receiver) => Reflect.get(now(), key, receiver),
      set: (_, key, value) => Reflect.set(now(), key, value),
      has: (_, key) => Reflect.has(now(), key),
      ownKeys: () => Reflect.ownKeys(now()),
      getOwnPropertyDescriptor: (_, key) => Reflect.getOwnPropertyDescriptor(now(), key),
      defineProperty: (_, key, own) => Reflect.defineProperty(now(), key, own),
      deleteProperty: (_, key) => Reflect.deleteProperty(now(), key),
    });
  }
}

/** A connection of the pool, with a session if it is for leases. */
export class PooledConnection implements Pooled {
  /** Unique in the process. */
  readonly id: number;
  readonly connection: Connection;
  /** Tracks what the holder does; a lane has many users and no session. */
  readonly session: Session | undefined;

  constructor(connection: Connection, session: Session | undefined) {
    this.id = connection.id;
    this.connection = connection;
    this.session = session;
  }

  onEnd(fn: (reason: EndReason) => void): void {
    this.connection.onEnd(fn);
  }
}

const WAIT_IN_CLUSTER =
  "it would speak of one node of the cluster only: write and wait " +
  "on one lease of manager.acquire(database, { key })";

/** A lease that the database holds itself: for a command, a transaction or subscriptions. */
export class InternalLease implements TransactionLease, SubscriberLease {
  readonly #lease: Lease<PooledConnection>;
  readonly #session: Session;
  readonly #internal: Set<number>;
  readonly #timeoutMs: number;
  readonly #lanes: Pick<LaneSet, "flush"> | undefined;

  /**
   * @param lease The lease; only this object releases it.
   * @param internal Ids of the connections that the database leases to itself: holding them
   * for long is no leak.
   * @param timeoutMs How long the writes that a WAIT has to cover may take.
   * @param lanes Where those writes were sent; `undefined` if the server has a part of the
   * data only, so that WAIT is refused.
   */
  constructor(
    lease: Lease<PooledConnection>,
    internal: Set<number>,
    timeoutMs: number,
    lanes: Pick<LaneSet, "flush"> | undefined,
  ) {
    this.#lease = lease;
    this.#session = sessionOf(lease);
    this.#internal = internal;
    this.#timeoutMs = timeoutMs;
    this.#lanes = lanes;
    internal.add(lease.connection.id);
  }

  get connection(): Connection {
    return this.#session.connection;
  }

  get endpoint(): string {
    return this.connection.endpoint;
  }

  get redis(): Redis {
    return this.#session.redis;
  }

  send(command: Command): Promise<unknown> {
    return this.#session.send(command);
  }

  /** Sets who handles the replies and errors on the connection, and what else differs for
   * its commands, until the lease ends. Default: as the database does. */
  judgedBy(owner?: CommandOwner, terms?: Partial<SessionTerms>): void {
    this.#session.judgedBy(owner, terms);
  }

  /** Runs MONITOR on the connection, for good. */
  monitor(): Promise<void> {
    return this.#session.clientMonitors();
  }

  /** Gives the connection back; its state is reset. */
  release(): void {
    this.#end("release");
  }

  /** Gives the connection back to be closed. */
  destroy(): void {
    this.#end("destroy");
  }

  #end(how: "release" | "destroy"): void {
    if (this.#lease.released) return;
    this.#internal.delete(this.#lease.connection.id);
    this.#lease[how]();
  }

  /**
   * The same lease for a blocking command, which has an owner of its own.
   *
   * @param asking Whether to send ASKING before it: its slot is being moved to the server.
   */
  forBlocking(asking: boolean = false): BlockingLease {
    const session = this.#session;
    return {
      get clientId() {
        return session.clientId;
      },
      prepare: (command: PendingCommand) =>
        waitsForWrites(command) ? this.#passWrites(command) : undefined,
      send: (command: PendingCommand) => {
        // The id is known by the time that the command is to be ended.
        session.identify();
        if (asking) session.connection.send(makeAsking(command.tracking.timeoutMs));
        session.connection.send(command);
      },
      release: () => this.release(),
      destroy: () => this.destroy(),
    };
  }

  /** Waits for the writes that were sent before a WAIT, on whatever connections. */
  async #passWrites({ name }: PendingCommand): Promise<void> {
    const { database } = this.connection;
    const [lanes, timeoutMs] = [this.#lanes, this.#timeoutMs];
    if (lanes === undefined) {
      throw new CommandRefusedError(database, name, WAIT_IN_CLUSTER);
    }
    const overdue = () =>
      new CommandTimeoutError(database, name, timeoutMs, "never-sent");
    try {
      if (!await lanes.flush(timeoutMs)) throw overdue();
      const send = (command: PendingCommand) => this.connection.send(command);
      await passWaitBarrier(send, timeoutMs);
    } catch (error) {
      if (error instanceof CommandTimeoutError) throw overdue();
      if (!isReplyError(error)) throw error;
      if (classifyReplyError(error.message).rule.action === "wait") throw error;
      const why = `${error.message}: ${WAIT_BARRIER_ADVICE}`;
      throw new CommandRefusedError(database, name, why, "a connection");
    }
  }
}

/** The session of a leased connection; only lanes have none. */
function sessionOf(lease: Lease<PooledConnection>): Session {
  const { session } = lease.connection;
  if (session === undefined) throw new TypeError("Cannot lend a lane");
  return session;
}
