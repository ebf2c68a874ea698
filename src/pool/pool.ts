import type { Clock, Timer } from "../core/clock.ts";
import { ManagerClosedError } from "../core/errors/mod.ts";
import { BudgetShare } from "./budget_share.ts";
import { Desk } from "./desk.ts";
import { selectEvictions } from "./evictions.ts";
import { isInUse } from "./gauges.ts";
import type { Lease } from "./lease.ts";
import { checkOptions, durationError } from "./options.ts";
import type { LaneSlot } from "./shared_slot.ts";
import { Board } from "./slot.ts";
import { Stock, type StockKeeper } from "./stock.ts";
import { Tally } from "./tally.ts";
import type {
  AcquireOptions,
  EvictionReason,
  OpenConnection,
  PoolCloseResult,
  PoolCounters,
  PoolDriver,
  Pooled,
  PoolGauges,
  PoolHooks,
  PoolOptions,
} from "./types.ts";

type State =
  /** Made, and never asked for anything: nothing is kept ready yet. */
  | { readonly name: "unused" }
  | { readonly name: "open" }
  | {
    readonly name: "draining";
    readonly done: Promise<PoolCloseResult>;
    readonly finish: (result: PoolCloseResult) => void;
    readonly timer: Timer | undefined;
    /** Connections that were in use when the time was up. */
    readonly cut: number;
  }
  | { readonly name: "closed"; readonly done: Promise<PoolCloseResult> };

/**
 * The connections of one database under one limit: lanes, which are shared, and leases,
 * which one caller has alone. It knows no network: a driver opens, checks, cleans and
 * ends the connections.
 *
 * - Callers are served in the order in which they came; the connection used last is
 *   handed out first, so that those that are not needed stay idle and go.
 * - Leases never take the last place while no lane has it, and lanes never take it at
 *   all. In a pool of one connection lane and leases take turns: the lane is told when its
 *   place is wanted ({@linkcode LaneSlot.onWanted}), and gets it back after one lease.
 * - A connection that cannot be opened fails one caller, and the next one is tried.
 *
 * ```
 * Pool ── acquire, openLane ──► Desk ── who waits, who is served
 *   │                             │
 *   └── reap, fill, close ──► Stock ── what each connection is at ──► PoolDriver
 * ```
 *
 * @example Usage
 * ```ts ignore
 * const pool = new Pool(options, driver, systemClock);
 * await using lease = await pool.acquire({ timeoutMs: 3000, signal });
 * lease.connection.send("WATCH", "key");
 * ```
 */
export class Pool<C extends Pooled> {
  readonly #options: PoolOptions;
  readonly #clock: Clock;
  readonly #tally = new Tally();
  readonly #stock: Stock<C>;
  readonly #share: BudgetShare<C>;
  readonly #desk: Desk<C>;
  #state: State = { name: "unused" };

  /**
   * Makes a pool; opens nothing.
   *
   * @param options The settings.
   * @param driver What opens, checks, cleans and ends connections.
   * @param clock Time.
   * @param hooks Who is told of what happens. Default: nobody.
   * @throws {RangeError} If a setting is out of its range.
   */
  constructor(
    options: PoolOptions,
    driver: PoolDriver<C>,
    clock: Clock,
    hooks: PoolHooks<C> = {},
  ) {
    checkOptions(options);
    this.#options = options;
    this.#clock = clock;
    const board = new Board<C>();
    const tally = this.#tally;
    const share = this.#share = new BudgetShare({
      budget: options.budget,
      max: options.maxConnections,
      board,
      evictIdle: () => this.#stock.evictIdle("budget"),
      retry: () => this.#desk.retry(),
    });
    const keeper: StockKeeper<C> = {
      becameIdle: (now) => this.#desk.becameIdle(now),
      laneOpened: (handle, waiter) => this.#desk.laneOpened(handle, waiter),
      opened: () => void (this.#isClosed || this.fill()),
      openFailed: (state, error) => this.#desk.openFailed(state, error),
      placeFreed: () => this.#placeFreed(),
    };
    const parts = { options, clock, hooks, tally, share };
    const stock = this.#stock = new Stock({ ...parts, board, driver, keeper });
    const unreachable = () => driver.unreachable?.();
    this.#desk = new Desk({ ...parts, stock, unreachable });
  }

  /**
   * Leases a connection; waits for one if it has to.
   *
   * @param options How long to wait, and what ends the wait.
   * @returns The lease; release it.
   * @throws {AcquireTimeoutError} If none came free in time.
   * @throws {OverloadedError} If too many wait already.
   * @throws {ManagerClosedError} If the pool is closed.
   * @throws {RangeError} If `timeoutMs` is negative or not a number.
   */
  acquire(options: AcquireOptions = {}): Promise<Lease<C>> {
    const { signal, timeoutMs = this.#options.acquireTimeoutMs } = options;
    const error = durationError("timeoutMs", timeoutMs) ?? this.#closedError();
    if (error !== undefined) return Promise.reject(error);
    if (signal?.aborted) return Promise.reject(signal.reason);
    if (this.#state.name === "unused") this.#state = { name: "open" };
    return this.#desk.lease(timeoutMs, signal, this.acquire);
  }

  /**
   * Opens a shared connection under the same limit, before any lease that waits.
   *
   * @param signal Ends the wait and the opening.
   * @returns The lane's place; release it.
   * @throws {ManagerClosedError} If the pool is closed.
   */
  openLane(signal: AbortSignal): Promise<LaneSlot<C>> {
    const error = this.#closedError();
    if (error !== undefined) return Promise.reject(error);
    if (signal.aborted) return Promise.reject(signal.reason);
    if (this.#state.name === "unused") this.#state = { name: "open" };
    return this.#desk.lane(signal);
  }

  /** What the pool is at, exact at this instant. */
  numbers(): PoolGauges {
    return this.#desk.gauges;
  }

  /** The connections that are open, in a list of its own. */
  connections(): OpenConnection<C>[] {
    return this.#stock.board.open();
  }

  /** What the pool has done so far. */
  statistics(): PoolCounters {
    return this.#tally.snapshot();
  }

  /**
   * Evicts idle connections that are too old or that nobody wants, and opens as many as
   * are to be kept ready, once the pool has been used. The pool has no timer for it: call
   * it every minute or so.
   *
   * @returns How many were evicted.
   */
  reap(): number {
    if (this.#isClosed) return 0;
    const now = this.#clock.now();
    this.#tally.lastCleanup = this.#clock.wallNow();
    const { board } = this.#stock;
    const { idleTimeoutMs, minConnections } = this.#options;
    const idle = board.idleStates().map(({ slot, since }) => (
      { slot, since, expiresAt: slot.expiresAt }
    ));
    const spare = board.forLeases - minConnections;
    const evictions = selectEvictions(idle, now, { idleTimeoutMs, spare });
    for (const { candidate, reason } of evictions) {
      this.#stock.end(candidate.slot, reason);
    }
    if (this.#state.name === "open") this.fill();
    return evictions.length;
  }

  /**
   * Begins to open as many connections as are missing from those to be kept ready, where
   * the limits leave room. It does so by itself behind each connection that opens; those
   * that fail are tried again then, or when it is called again.
   *
   * @returns How many are being opened.
   */
  fill(): number {
    if (this.#isClosed) return 0;
    this.#state = { name: "open" };
    const { minConnections, maxConnecting } = this.#options;
    const { board } = this.#stock;
    const wanted = Math.min(
      minConnections - board.forLeases,
      maxConnecting - board.connectingLeases.length,
      this.#desk.roomForLeases,
    );
    let opened = 0;
    while (opened < wanted && this.#share.takeSpare()) {
      this.#stock.open({ purpose: "lease", waiter: undefined });
      opened++;
    }
    return opened;
  }

  /**
   * Something may have happened to the connections, such as a frozen process: each that
   * is not in a lane is validated before it is handed out again.
   */
  suspectAll(): void {
    for (const slot of this.#stock.board.all()) slot.suspect = true;
  }

  /**
   * Ends connections that are not to be used any more, such as those that lead to a server
   * which does not serve the database.
   *
   * @param isDue Says which.
   * @param inUseToo Whether lanes and leases are ended as well, or only what is idle.
   * @param reason What it is counted as. Default: `moved`.
   * @returns How many were ended.
   */
  evict(
    isDue: (connection: C) => boolean,
    inUseToo: boolean,
    reason: EvictionReason = "moved",
  ): number {
    let evicted = 0;
    for (const slot of this.#stock.board.all()) {
      const { state } = slot;
      if (state.name === "connecting" || state.name === "closed") continue;
      const isFree = state.name === "idle" || state.name === "validating";
      if (!(isFree || inUseToo) || !isDue(state.connection)) continue;
      this.#stock.end(slot, reason);
      evicted++;
    }
    return evicted;
  }

  /**
   * Takes no more callers, fails those that wait, ends what is idle and what is being
   * opened, and waits for what is in use.
   *
   * @param options `drainMs`: how long leases and lanes may still be used, in
   * milliseconds. Default 0.
   * @returns How many had to be cut; the same promise when called again.
   * @throws {RangeError} If `drainMs` is negative or not a number.
   */
  close(options: { drainMs?: number } = {}): Promise<PoolCloseResult> {
    const { drainMs = 0 } = options;
    const error = durationError("drainMs", drainMs);
    if (error !== undefined) return Promise.reject(error);
    if (this.#state.name === "draining" || this.#state.name === "closed") {
      return this.#state.done;
    }
    const { promise: done, resolve: finish } = Promise.withResolvers<PoolCloseResult>();
    const timer = drainMs > 0 && drainMs < Infinity
      ? this.#clock.setTimer(() => this.#cut(), drainMs)
      : undefined;
    this.#state = { name: "draining", done, finish, timer, cut: 0 };
    this.#desk.close();
    for (const slot of this.#stock.board.all()) {
      if (!isInUse(slot)) this.#stock.end(slot, "closed");
    }
    if (drainMs === 0) this.#cut();
    this.#finishIfDrained();
    return done;
  }

  get #isClosed(): boolean {
    return this.#state.name === "draining" || this.#state.name === "closed";
  }

  #closedError(): ManagerClosedError | undefined {
    return this.#isClosed ? new ManagerClosedError(this.#options.database) : undefined;
  }

  #placeFreed(): void {
    this.#desk.retry();
    this.#finishIfDrained();
  }

  /** The drain's time is up. */
  #cut(): void {
    if (this.#state.name !== "draining") return;
    const inUse = this.#stock.board.all();
    this.#state = { ...this.#state, cut: inUse.length };
    for (const slot of inUse) this.#stock.end(slot, "closed");
  }

  #finishIfDrained(): void {
    if (this.#state.name !== "draining" || this.#stock.board.total > 0) return;
    const { done, finish, timer, cut } = this.#state;
    timer?.cancel();
    this.#state = { name: "closed", done };
    this.#share.leave();
    finish({ cut });
  }
}
