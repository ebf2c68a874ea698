import type { Clock } from "../core/clock.ts";
import { ConnectionLostError, ManagerClosedError } from "../core/errors/mod.ts";
import type { BudgetShare } from "./budget_share.ts";
import { lifetimeMs } from "./evictions.ts";
import { LaneSlot } from "./shared_slot.ts";
import {
  type Board,
  type Connecting,
  type Idle,
  type Leased,
  type Order,
  type Recycling,
  Slot,
  type Validating,
} from "./slot.ts";
import type { Tally } from "./tally.ts";
import type {
  EvictionReason,
  PoolDriver,
  Pooled,
  PoolHooks,
  PoolOptions,
} from "./types.ts";
import type { Waiter } from "./waiter.ts";

/** What a stock is made of. */
export interface StockParts<C extends Pooled> {
  /** Where the connections appear. */
  readonly board: Board<C>;
  /** The pool's settings. */
  readonly options: PoolOptions;
  /** What opens, checks, cleans and ends connections. */
  readonly driver: PoolDriver<C>;
  /** Time. */
  readonly clock: Clock;
  /** Who is told. */
  readonly hooks: PoolHooks<C>;
  /** Who counts. */
  readonly tally: Tally;
  /** The pool's part in the common budget. */
  readonly share: BudgetShare<C>;
  /** Who gives the connections out. */
  readonly keeper: StockKeeper<C>;
}

/** Who gives the connections of a stock out. Called when the stock is in order. */
export interface StockKeeper<C extends Pooled> {
  /** A connection is idle now. */
  becameIdle(now: number): void;
  /** A lane is open. */
  laneOpened(handle: LaneSlot<C>, waiter: Waiter<LaneSlot<C>>): void;
  /** A connection was opened, and is idle or in a lane by now: more can be. */
  opened(): void;
  /** A connection could not be opened; its place comes free next. */
  openFailed(state: Connecting<C>, error: unknown): void;
  /** A connection is gone, and its place is free. */
  placeFreed(): void;
}

/**
 * The connections of a pool, from being opened to being gone. It knows what each is at,
 * and nothing of who waits for it.
 */
export class Stock<C extends Pooled> {
  /** What each connection is at. */
  readonly board: Board<C>;
  readonly #options: PoolOptions;
  readonly #driver: PoolDriver<C>;
  readonly #clock: Clock;
  readonly #hooks: PoolHooks<C>;
  readonly #tally: Tally;
  readonly #share: BudgetShare<C>;
  readonly #keeper: StockKeeper<C>;
  readonly #random: () => number;

  /**
   * Makes an empty stock.
   *
   * @param parts What it is made of.
   */
  constructor(parts: StockParts<C>) {
    this.board = parts.board;
    this.#options = parts.options;
    this.#driver = parts.driver;
    this.#clock = parts.clock;
    this.#hooks = parts.hooks;
    this.#tally = parts.tally;
    this.#share = parts.share;
    this.#keeper = parts.keeper;
    this.#random = parts.options.random ?? Math.random;
  }

  /**
   * Begins to open a connection. Its place is taken at once.
   *
   * @param order Who asked for it, and what for.
   */
  open(order: Order<C>): void {
    const abort = new AbortController();
    const since = this.#clock.now();
    const state: Connecting<C> = { name: "connecting", since, abort, ...order };
    const slot = new Slot(this.board, state);
    if (order.waiter !== undefined) order.waiter.opening = abort;
    this.#tally.created++;
    settled(() => this.#driver.create(abort.signal, order.purpose)).then(
      (connection) => this.#opened(slot, state, connection),
      (error) => this.#openFailed(slot, state, error),
    );
  }

  /**
   * Asks an idle connection whether it works; it is idle again if it does.
   *
   * @param idle The connection.
   */
  validate(idle: Idle<C>): void {
    const { slot, connection } = idle;
    const abort = new AbortController();
    const state: Validating<C> = { name: "validating", connection, abort };
    slot.transition(state);
    settled(() => this.#driver.validate(connection, abort.signal)).then(
      (works) => this.#checked(slot, state, works, "invalid"),
      () => this.#checked(slot, state, false, "invalid"),
    );
  }

  /**
   * Makes what was leased idle again, or ends it.
   *
   * @param grant What was leased; its holder has let go of it.
   * @param now The time, on the monotonic clock.
   */
  recycle(grant: Leased<C>, now: number): void {
    const { slot, connection } = grant;
    const clean = this.#recycled(connection);
    // Cleaning may have found the connection dead, and ended it.
    if (slot.state !== grant) return;
    if (typeof clean === "boolean") {
      this.#settle(slot, connection, clean, "unclean", now);
      return;
    }
    const state: Recycling<C> = { name: "recycling", connection };
    slot.transition(state);
    clean.then(
      (works) => this.#checked(slot, state, works, "unclean"),
      () => this.#checked(slot, state, false, "unclean"),
    );
  }

  /**
   * Ends a connection and frees its place, whatever it is at. What is still being opened
   * is ended when it opens.
   *
   * @param slot Its place.
   * @param reason Why.
   * @param words Why, in words, where somebody has said so.
   */
  end(slot: Slot<C>, reason: EvictionReason, words?: string): void {
    const { state } = slot;
    if (state.name === "closed") return;
    this.#leave(slot, reason);
    if (state.name === "connecting" || state.name === "validating") {
      state.abort.abort(new ManagerClosedError(this.#options.database));
    }
    if (state.name !== "connecting") {
      this.#driver.destroy(state.connection, reason, words);
      this.#hooks.closed?.(state.connection, reason);
    }
    this.#free();
  }

  /** Ends the connection that has been idle for longest. */
  evictIdle(reason: "made_room" | "budget"): void {
    const slot = this.board.idle.head;
    if (slot !== undefined) this.end(slot, reason);
  }

  #opened(slot: Slot<C>, state: Connecting<C>, connection: C): void {
    if (slot.state !== state) {
      this.#driver.destroy(connection, "closed");
      return;
    }
    const now = this.#clock.now();
    slot.expiresAt = now + lifetimeMs(this.#options.maxLifetimeMs, this.#random());
    this.#tally.createTime.record(now - state.since);
    this.#hooks.opened?.(connection, state.purpose, now - state.since);
    connection.onEnd(({ text }) => this.#ended(slot, connection, text));
    // It may have ended already, and said so at once.
    if (slot.state !== state) return;
    if (state.purpose === "lease") {
      slot.transition({ name: "idle", slot, connection, since: now });
      this.#keeper.becameIdle(now);
    } else {
      const end = (reason: EvictionReason, words?: string) =>
        this.end(slot, reason, words);
      const handle = new LaneSlot(connection, slot.expiresAt, end);
      slot.transition({ name: "lane", connection, handle });
      if (state.waiter.settled) handle.release("unwanted");
      else this.#keeper.laneOpened(handle, state.waiter);
    }
    this.#keeper.opened();
  }

  #openFailed(slot: Slot<C>, state: Connecting<C>, error: unknown): void {
    if (slot.state !== state) return;
    this.#leave(slot, "connect_failed");
    this.#hooks.createFailed?.(error, state.purpose);
    this.#keeper.openFailed(state, error);
    this.#free();
  }

  #ended(slot: Slot<C>, connection: C, reason: string): void {
    const { state } = slot;
    if (state.name === "closed") return;
    this.#leave(slot, "ended");
    this.#hooks.closed?.(connection, "ended", reason);
    if (state.name === "validating") state.abort.abort();
    if (state.name === "connecting") {
      const { database } = this.#options;
      const error = new ConnectionLostError(database, "connect", "never-sent", reason);
      this.#keeper.openFailed(state, error);
    }
    this.#free();
  }

  #recycled(connection: C): boolean | Promise<boolean> {
    try {
      return this.#driver.recycle(connection);
    } catch {
      // Whatever went wrong, nobody knows what the connection is at.
      return false;
    }
  }

  /** A question about a connection was answered, if it is still the one asked. */
  #checked(
    slot: Slot<C>,
    state: Validating<C> | Recycling<C>,
    works: boolean,
    reason: "invalid" | "unclean",
  ): void {
    if (slot.state !== state) return;
    if (state.name === "validating") slot.suspect &&= !works;
    this.#settle(slot, state.connection, works, reason, this.#clock.now());
  }

  #settle(
    slot: Slot<C>,
    connection: C,
    works: boolean,
    reason: EvictionReason,
    now: number,
  ): void {
    if (!works) this.end(slot, reason);
    else if (now >= slot.expiresAt) this.end(slot, "max_lifetime");
    else {
      slot.transition({ name: "idle", slot, connection, since: now });
      this.#keeper.becameIdle(now);
    }
  }

  #leave(slot: Slot<C>, reason: EvictionReason): void {
    slot.transition({ name: "closed", reason });
    this.#tally.close(reason);
  }

  #free(): void {
    this.#share.give();
    this.#keeper.placeFreed();
  }
}

/** A call as a promise, whatever way it fails. */
function settled<T>(call: () => Promise<T>): Promise<T> {
  return new Promise((resolve) => resolve(call()));
}
