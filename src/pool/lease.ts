import { LeaseReleasedError } from "../core/errors/mod.ts";
import type { Leased } from "./slot.ts";
import type { Pooled } from "./types.ts";

/** What a lease needs of its pool. */
export interface LeaseOwner<C extends Pooled> {
  /** Name of the database. */
  readonly database: string;
  /** Takes a connection back; `reusable` is whether the next caller may have it. */
  takeBack(lease: Lease<C>, grant: Leased<C>, reusable: boolean): void;
}

/**
 * A connection that one caller has alone, until it is released.
 *
 * Keep the lease for as long as the connection is used: a lease that is collected is
 * reported as a leak, and its connection is destroyed.
 *
 * @example Usage
 * ```ts ignore
 * await using lease = await pool.acquire({ timeoutMs: 3000 });
 * lease.connection.send("WATCH", "key");
 * ```
 */
export class Lease<C extends Pooled> implements Disposable, AsyncDisposable {
  readonly #owner: LeaseOwner<C>;
  /** What was granted, until it is given back. */
  #grant: Leased<C> | undefined;

  /**
   * Made by the pool.
   *
   * @param owner The pool.
   * @param grant What is granted.
   */
  constructor(owner: LeaseOwner<C>, grant: Leased<C>) {
    this.#owner = owner;
    this.#grant = grant;
  }

  /**
   * The connection. It may have ended: its own calls then say so.
   *
   * @throws {LeaseReleasedError} If the lease has been released.
   */
  get connection(): C {
    if (this.#grant === undefined) {
      throw new LeaseReleasedError(this.#owner.database, "use");
    }
    return this.#grant.connection;
  }

  /** Whether it has been released. */
  get released(): boolean {
    return this.#grant === undefined;
  }

  /**
   * Gives the connection back: the next caller gets it, clean.
   *
   * @throws {LeaseReleasedError} If the lease has been released.
   */
  release(): void {
    this.#end("release", true);
  }

  /**
   * Gives the connection back as one that nobody is to have any more.
   *
   * @throws {LeaseReleasedError} If the lease has been released.
   */
  destroy(): void {
    this.#end("destroy", false);
  }

  /** Gives the connection back, unless that was done before. */
  [Symbol.dispose](): void {
    if (this.#grant !== undefined) this.release();
  }

  /** Gives the connection back, unless that was done before; does not wait for anything. */
  [Symbol.asyncDispose](): Promise<void> {
    this[Symbol.dispose]();
    return Promise.resolve();
  }

  #end(verb: string, reusable: boolean): void {
    const grant = this.#grant;
    if (grant === undefined) throw new LeaseReleasedError(this.#owner.database, verb);
    this.#grant = undefined;
    this.#owner.takeBack(this, grant, reusable);
  }
}
