import { ConnectionLostError, ManagerClosedError } from "../core/errors/mod.ts";
import type { BudgetMember, ConnectionBudget } from "./connection_budget.ts";
import { LaneHandle } from "./lease.ts";
import {
  type Connecting,
  EntryLists,
  type Idle,
  type Leased,
  type Order,
  PoolEntry,
} from "./pool_entry.ts";
import type { EvictionReason, Pooled, PoolParts, Purpose } from "./types.ts";
import type { Waiter } from "./wait_queue.ts";

/** Uses the connections of a set; called when the set is in a consistent state. */
export interface ConnectionListener<C extends Pooled> {
  /** A connection is idle now, or one is gone and its place is free. */
  changed(now: number): void;
  /** A lane is open. */
  laneOpened(handle: LaneHandle<C>, waiter: Waiter<LaneHandle<C>>): void;
  /** A connection was opened, and is idle or in a lane by now: more can be opened. */
  fill(): void;
  /** A connection could not be opened; its place comes free next. */
  openFailed(state: Connecting<C>, error: unknown): void;
}

/**
 * Share of the maximum lifetime that is random, so that connections opened together do not
 * end together: HikariCP's 2.5 %.
 */
export const LIFETIME_VARIANCE = 0.025;

/**
 * The connections of a pool, from being opened to being gone. It knows the state of each, and
 * nothing of the callers that wait.
 */
export class ConnectionSet<C extends Pooled> implements BudgetMember {
  /** The connections, by state. */
  readonly entries: EntryLists<C> = new EntryLists();
  readonly #parts: PoolParts<C>;
  readonly #budget: ConnectionBudget | undefined;
  readonly #listener: ConnectionListener<C>;

  /** Makes an empty set, which shares the budget with other pools. */
  constructor(
    parts: PoolParts<C>,
    budget: ConnectionBudget | undefined,
    listener: ConnectionListener<C>,
  ) {
    this.#parts = parts;
    this.#budget = budget;
    this.#listener = listener;
    budget?.join(this);
  }

  /** Idle connections, for the budget. */
  get idle(): number {
    return this.entries.idle.length;
  }

  /** When the longest idle connection became idle, for the budget. */
  get idleSince(): number {
    const state = this.entries.idle.head?.state;
    return state?.name === "idle" ? state.since : Infinity;
  }

  /** Places to keep for the first lane, for the budget. */
  reserve(taking?: Purpose, evicted: boolean = false): number {
    const { entries, idle } = this;
    if (this.#parts.options.maxConnections > 1) {
      return entries.forLanes === 0 && taking !== "lane" ? 1 : 0;
    }
    // In a pool of one connection a lane follows a lease in the same place.
    const left = entries.total - (evicted ? idle : 0);
    return left === 0 && taking === undefined ? 1 : 0;
  }

  /** Tries again what the budget refused; called by the budget. */
  retry(): void {
    this.#listener.changed(this.#parts.clock.now());
  }

  /** Leaves the budget: there are no connections any more, and never will be. */
  leaveBudget(): void {
    this.#budget?.leave(this);
  }

  /**
   * Begins to open a connection, whose place is taken at once. Gives `false` if the budget has
   * no place for it; if it is `ahead` of callers, also if another pool waits for the place.
   */
  open(order: Order<C>, ahead: boolean = false): boolean {
    const { clock, counters, driver } = this.#parts;
    const { purpose } = order;
    const hasPlace = ahead
      ? this.#budget?.takeSpare(this)
      : this.#budget?.take(this, purpose);
    if (hasPlace === false) return false;
    const abort = new AbortController();
    const since = clock.now();
    const state: Connecting<C> = { name: "connecting", since, abort, ...order };
    const entry = new PoolEntry(this.entries, state);
    if (order.waiter !== undefined) order.waiter.opening = abort;
    counters.created++;
    Promise.try(() => driver.create(abort.signal, purpose)).then(
      (connection) => this.#opened(entry, state, connection),
      (error) => this.#openFailed(entry, state, error),
    );
    return true;
  }

  /** Checks whether an idle connection works; if it does, it becomes idle again. */
  validate({ entry, connection }: Idle<C>): void {
    entry.transition({ name: "validating", connection });
    const check = Promise.try(() => this.#parts.driver.validate(connection));
    this.#settle(entry, connection, "invalid", check);
  }

  /** Makes a released connection idle again, or ends it. */
  recycle(grant: Leased<C>, now: number): void {
    const { entry, connection } = grant;
    const clean = this.#reset(connection);
    // The reset may have found that the connection is dead, and ended it.
    if (grant.settled) return;
    if (typeof clean === "boolean") {
      return this.#reuse(entry, connection, clean, "unclean", now);
    }
    entry.transition({ name: "recycling", connection });
    this.#settle(entry, connection, "unclean", clean);
  }

  /**
   * Ends a connection, in whatever state, and frees its place. One that is still being opened
   * is ended when it opens.
   */
  end(entry: PoolEntry<C>, reason: EvictionReason, words?: string): void {
    const { state } = entry;
    if (state.name === "closed") return;
    this.#close(entry, reason);
    if (state.name === "connecting") {
      state.abort.abort(new ManagerClosedError(this.#parts.options.database));
    } else this.#parts.driver.destroy(state.connection, reason, words);
    this.#freePlace();
  }

  /** Ends the connection that has been idle for longest. */
  evictIdle(reason: "made_room" | "budget" = "budget"): void {
    const entry = this.entries.idle.head;
    if (entry !== undefined) this.end(entry, reason);
  }

  /**
   * Ends idle connections: those that are too old, and those that have been idle for too long,
   * the longest idle first, as far as `minConnections` are left.
   */
  reap(now: number): number {
    const { idleTimeoutMs, minConnections } = this.#parts.options;
    const idle = [...this.entries.idle];
    const isTooOld = ({ expiresAt }: PoolEntry<C>) => now >= expiresAt;
    const isIdleForLong = ({ state }: PoolEntry<C>) =>
      state.name === "idle" && idleTimeoutMs > 0 && now - state.since >= idleTimeoutMs;
    const old = idle.filter(isTooOld);
    const spare = Math.max(0, this.entries.forLeases - minConnections - old.length);
    const unused = idle.filter((entry) => !isTooOld(entry) && isIdleForLong(entry));
    const due = new Set([...old, ...unused.slice(0, spare)]);
    for (const entry of idle) {
      if (due.has(entry)) {
        this.end(entry, isTooOld(entry) ? "max_lifetime" : "idle_timeout");
      }
    }
    return due.size;
  }

  #opened(entry: PoolEntry<C>, state: Connecting<C>, connection: C): void {
    const { clock, driver, hooks } = this.#parts;
    if (entry.state !== state) return driver.destroy(connection, "closed");
    const now = clock.now();
    entry.expiresAt = now + this.#lifetimeMs();
    hooks.opened?.(connection, state.purpose, now - state.since);
    connection.onEnd(({ text }) => this.#ended(entry, text));
    // It may have ended already, and said so at once.
    if (entry.state !== state) return;
    if (state.purpose === "lease") this.#becomeIdle(entry, connection, now);
    else {
      const handle = new LaneHandle(
        connection,
        entry.expiresAt,
        (reason, words) => this.end(entry, reason, words),
      );
      entry.transition({ name: "lane", connection, handle });
      if (state.waiter.settled) handle.release("unwanted");
      else this.#listener.laneOpened(handle, state.waiter);
    }
    this.#listener.fill();
  }

  #lifetimeMs(): number {
    const { maxLifetimeMs, random = Math.random } = this.#parts.options;
    if (maxLifetimeMs === 0) return Infinity;
    return maxLifetimeMs * (1 - LIFETIME_VARIANCE * random());
  }

  #openFailed(entry: PoolEntry<C>, state: Connecting<C>, error: unknown): void {
    if (entry.state !== state) return;
    this.#close(entry, "connect_failed");
    this.#listener.openFailed(state, error);
    this.#freePlace();
  }

  #ended(entry: PoolEntry<C>, reason: string): void {
    const { state } = entry;
    if (state.name === "closed") return;
    this.#close(entry, "ended");
    if (state.name === "connecting") {
      const { database } = this.#parts.options;
      const error = new ConnectionLostError(database, "connect", "never-sent", reason);
      this.#listener.openFailed(state, error);
    }
    this.#freePlace();
  }

  #reset(connection: C): boolean | Promise<boolean> {
    try {
      return this.#parts.driver.recycle(connection);
    } catch {
      // The state of the connection is unknown.
      return false;
    }
  }

  /** Awaits a check or a reset, whose outcome is ignored if the connection ends before. */
  #settle(
    entry: PoolEntry<C>,
    connection: C,
    reason: "invalid" | "unclean",
    answer: Promise<boolean>,
  ): void {
    const { state } = entry;
    const done = (works: boolean) => {
      if (entry.state !== state) return;
      this.#reuse(entry, connection, works, reason, this.#parts.clock.now());
    };
    answer.then(done, () => done(false));
  }

  #reuse(
    entry: PoolEntry<C>,
    connection: C,
    works: boolean,
    reason: EvictionReason,
    now: number,
  ): void {
    if (!works) this.end(entry, reason);
    else if (now >= entry.expiresAt) this.end(entry, "max_lifetime");
    else this.#becomeIdle(entry, connection, now);
  }

  #becomeIdle(entry: PoolEntry<C>, connection: C, now: number): void {
    entry.transition({ name: "idle", entry, connection, since: now });
    this.#listener.changed(now);
    if (this.idle > 0) this.#budget?.offer();
  }

  #close(entry: PoolEntry<C>, reason: EvictionReason): void {
    entry.transition({ name: "closed" });
    this.#parts.counters.evictions[reason]++;
  }

  #freePlace(): void {
    this.#budget?.give();
    this.retry();
  }
}
