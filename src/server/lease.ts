import { LeaseReleasedError } from "../core/errors/mod.ts";
import type { RedisOptions } from "../connection/driver.ts";
import type { IORedis } from "../connection/library_types.ts";
import { makeReleasedClient } from "../connection/released_client.ts";

/** How long an acquire may wait. */
export interface AcquireOptions {
  /** Longest wait, in milliseconds: 0 or more, `Infinity` for no limit. With 0, only what
   * is idle and was used a moment ago is had. Default: the database's `acquireTimeoutMs`. */
  timeoutMs?: number;
  /** Ends the wait; the call rejects with its reason. */
  signal?: AbortSignal;
  /** In a cluster: a key, without the prefix, whose node is connected to. Default: any. */
  key?: string | Uint8Array;
  /** In a cluster: the node that is connected to, such as `10.0.0.7:7000`. Default: that
   * of the key, or any. */
  node?: string;
}

/** The pool's side of a lease. */
export interface PoolLease {
  /** Whether it has been released. */
  readonly released: boolean;
  /** Gives the connection back; throws if that was done before. */
  release(): void;
  /** Gives it back as one that nobody is to have any more. */
  destroy(): void;
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
  readonly #lease: PoolLease;
  #client: IORedis | undefined;

  /**
   * Made by the manager; use {@linkcode RedisConnectionManager.acquire}.
   *
   * @param database Name of the database.
   * @param redis The connection's client.
   * @param lease The pool's side.
   */
  constructor(database: string, redis: IORedis, lease: PoolLease) {
    this.database = database;
    this.#redis = redis;
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
   * Gives the connection back as one that nobody is to have any more: it is closed.
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

  /** The same client as long as the lease lasts, and one that refuses to work from then on:
   * the connection is somebody else's. */
  #guard(redis: IORedis): IORedis {
    let released: IORedis | undefined;
    const options = redis.options as RedisOptions;
    const refusal = () => new LeaseReleasedError(this.database, "use");
    // Each trap holds on to this lease: who has the client has not lost the lease.
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
