import type { Clock } from "../core/clock.ts";
import { ManagerClosedError } from "../core/errors/mod.ts";
import type { ConnectionBudget } from "./connection_budget.ts";
import type { LaneHandle, Lease } from "./lease.ts";
import { LeaseScheduler } from "./lease_scheduler.ts";
import {
  type EvictionReason,
  type OpenConnection,
  PoolCounters,
  type PoolDriver,
  type Pooled,
  type PoolGauges,
  type PoolHooks,
  type PoolOptions,
  type PoolParts,
} from "./types.ts";

/**
 * The connections of one database under one limit: lanes, which are shared, and leases, which
 * one caller has alone. It knows no network: a driver opens, checks, resets and ends the
 * connections.
 *
 * - Callers are served first come, first served; the connection used last is leased first, so
 *   that those that are not needed stay idle and are closed.
 * - Leases never take the last place while no lane has it, and lanes never take it at all. In
 *   a pool of one connection lane and leases take turns: the lane is notified when its place
 *   is wanted ({@linkcode LaneHandle.onWanted}), and gets it back after one lease.
 * - A connection that cannot be opened fails one caller, and the next one is tried.
 *
 * ```
 * Pool ──► LeaseScheduler ──► ConnectionSet ──► PoolDriver
 *          who waits, who     the state of
 *          is served          each connection
 * ```
 *
 * @example Usage
 * ```ts ignore
 * const pool = new Pool(options, driver, systemClock);
 * const lease = await pool.acquire({ timeoutMs: 3000, signal });
 * lease.connection.send("WATCH", "key");
 * lease.release();
 * ```
 */
export class Pool<C extends Pooled> {
  readonly #parts: PoolParts<C>;
  readonly #scheduler: LeaseScheduler<C>;
  readonly #emptied = Promise.withResolvers<void>();
  #closing: Promise<number> | undefined;

  /**
   * Makes a pool; opens nothing.
   *
   * @param options The settings.
   * @param driver Opens, checks, resets and ends connections.
   * @param clock Time.
   * @param hooks Observes events.
   * @param budget The limit that the pool shares with others. Default: none.
   */
  constructor(
    options: PoolOptions,
    driver: PoolDriver<C>,
    clock: Clock,
    hooks: PoolHooks<C> = {},
    budget?: ConnectionBudget,
  ) {
    this.#parts = { options, driver, clock, hooks, counters: new PoolCounters() };
    this.#scheduler = new LeaseScheduler(this.#parts, budget, this.#emptied.resolve);
  }

  /**
   * Leases a connection; waits for one if it has to.
   *
   * @param options `timeoutMs`: longest wait, 0 or more, `Infinity` for no limit; with 0, only
   * an idle connection that needs no validation is leased. `signal`: ends the wait.
   * @returns The lease; release it.
   * @throws {AcquireTimeoutError} If none came free in time.
   * @throws {OverloadedError} If too many callers wait already.
   * @throws {ManagerClosedError} If the pool is closed.
   * @throws {RangeError} If `timeoutMs` is negative or not a number.
   */
  acquire(options: { timeoutMs?: number; signal?: AbortSignal } = {}): Promise<Lease<C>> {
    const { signal, timeoutMs = this.#parts.options.acquireTimeoutMs } = options;
    const error = durationError("timeoutMs", timeoutMs) ?? this.#closedError();
    if (error !== undefined) return Promise.reject(error);
    if (signal?.aborted) return Promise.reject(signal.reason);
    return this.#scheduler.lease(timeoutMs, signal, this.acquire);
  }

  /**
   * Opens a shared connection under the same limit, before any lease that waits.
   *
   * @param signal Ends the wait and the opening.
   * @returns The lane's place; release it.
   * @throws {ManagerClosedError} If the pool is closed.
   */
  openLane(signal: AbortSignal): Promise<LaneHandle<C>> {
    const error = this.#closedError();
    if (error !== undefined) return Promise.reject(error);
    if (signal.aborted) return Promise.reject(signal.reason);
    return this.#scheduler.lane(signal);
  }

  /** The pool at this instant. */
  numbers(): PoolGauges {
    return this.#scheduler.gauges;
  }

  /** The open connections, in a new list. */
  connections(): OpenConnection<C>[] {
    return this.#entries.all().flatMap(({ state }) =>
      state.name === "connecting" || state.name === "closed" ? [] : [{
        purpose: state.name === "lane" ? "lane" : "lease",
        connection: state.connection,
      }]
    );
  }

  /** What the pool has done so far; a snapshot. */
  statistics(): PoolCounters {
    const { counters } = this.#parts;
    return { ...counters, evictions: { ...counters.evictions } };
  }

  /**
   * Ends connections that are too old or idle for too long, and opens those that are to be
   * kept ready, once the pool has been used. The pool has no timer for it: call it every
   * minute or so.
   *
   * @returns How many were ended.
   */
  reap(): number {
    const { clock, counters } = this.#parts;
    if (this.#scheduler.isClosed) return 0;
    counters.lastCleanup = clock.wallNow();
    const ended = this.#scheduler.connections.reap(clock.now());
    // Nothing is kept ready before the first use.
    if (counters.created > 0) this.fill();
    return ended;
  }

  /**
   * Begins to open the connections that are missing from `minConnections`, as far as the
   * limits allow. The pool does so by itself after each connection that opens; those that
   * fail are tried again then, or when this is called again.
   *
   * @returns How many are being opened.
   */
  fill(): number {
    return this.#scheduler.fill();
  }

  /**
   * Ends connections that are no longer to be used, such as those to a server that does not
   * serve the database any more.
   *
   * @param isDue Selects them.
   * @param inUseToo Whether lanes and leases are ended as well, or only idle connections.
   * @param reason What it is counted as.
   * @returns How many were ended.
   */
  evict(
    isDue: (connection: C) => boolean,
    inUseToo: boolean,
    reason: EvictionReason = "moved",
  ): number {
    let evicted = 0;
    for (const entry of this.#entries.all()) {
      const { state } = entry;
      if (state.name === "connecting" || state.name === "closed") continue;
      const isFree = state.name === "idle" || state.name === "validating";
      if (!(isFree || inUseToo) || !isDue(state.connection)) continue;
      this.#scheduler.connections.end(entry, reason);
      evicted++;
    }
    return evicted;
  }

  /**
   * Refuses new callers, fails those that wait, ends what is idle and what is being opened,
   * and waits for what is in use.
   *
   * @param drainMs How long leases and lanes may still be used, in milliseconds.
   * @returns How many connections had to be cut; the same promise when called again.
   * @throws {RangeError} If `drainMs` is negative or not a number.
   */
  close(drainMs: number = 0): Promise<number> {
    const error = durationError("drainMs", drainMs);
    if (error !== undefined) return Promise.reject(error);
    return this.#closing ??= this.#drain(drainMs);
  }

  async #drain(drainMs: number): Promise<number> {
    const { connections } = this.#scheduler;
    this.#scheduler.close();
    for (const entry of this.#entries.all()) {
      const { name } = entry.state;
      if (name !== "leased" && name !== "lane") connections.end(entry, "closed");
    }
    if (drainMs > 0 && this.#entries.total > 0) {
      const { promise, resolve } = this.#emptied;
      const timer = drainMs < Infinity
        ? this.#parts.clock.setTimer(resolve, drainMs)
        : undefined;
      await promise;
      timer?.cancel();
    }
    const inUse = this.#entries.all();
    for (const entry of inUse) connections.end(entry, "closed");
    connections.leaveBudget();
    return inUse.length;
  }

  get #entries() {
    return this.#scheduler.connections.entries;
  }

  #closedError(): ManagerClosedError | undefined {
    if (!this.#scheduler.isClosed) return undefined;
    return new ManagerClosedError(this.#parts.options.database);
  }
}

function durationError(name: string, ms: number): RangeError | undefined {
  return ms >= 0 ? undefined : new RangeError(
    `Cannot use the pool as ${name} must be 0 or more: current value is ${ms}`,
  );
}
