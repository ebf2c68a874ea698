import {
  AcquireTimeoutError,
  ManagerClosedError,
  OverloadedError,
} from "../core/errors/mod.ts";
import type { ConnectionBudget } from "./connection_budget.ts";
import { type ConnectionListener, ConnectionSet } from "./connection_set.ts";
import { describeHolder, type LaneHandle, LeakDetector, Lease } from "./lease.ts";
import { nextAction, type PoolState, roomForLeases } from "./next_action.ts";
import { type Connecting, type Idle, Leased, type Order } from "./pool_entry.ts";
import type { Pooled, PoolGauges, PoolParts, Purpose } from "./types.ts";
import { type CallSite, type Waiter, WaitQueue } from "./wait_queue.ts";

/**
 * Decides who gets the connections of a pool: keeps the callers that wait, and does what
 * {@linkcode nextAction} says.
 */
export class LeaseScheduler<C extends Pooled> implements ConnectionListener<C> {
  /** The connections. */
  readonly connections: ConnectionSet<C>;
  readonly #parts: PoolParts<C>;
  readonly #leases: WaitQueue<Lease<C>>;
  readonly #lanes: WaitQueue<LaneHandle<C>>;
  readonly #leaks: LeakDetector<Leased<C>>;
  readonly #emptied: () => void;
  /** Who had the last turn, in vain or not: in a pool of one, the others come next. */
  #lastTurn: Purpose = "lease";
  #isClosed = false;
  #isWorking = false;

  /** `emptied` is called when the last connection is gone after `close`. */
  constructor(
    parts: PoolParts<C>,
    budget: ConnectionBudget | undefined,
    emptied: () => void,
  ) {
    const { clock, hooks, options } = this.#parts = parts;
    this.#emptied = emptied;
    this.connections = new ConnectionSet(parts, budget, this);
    this.#leases = new WaitQueue({
      clock,
      timeoutError: (timeoutMs, now) => this.#timeoutError(timeoutMs, now),
    });
    this.#lanes = new WaitQueue({
      clock,
      aborted: (waiter) => {
        waiter.opening?.abort(waiter.options.signal?.reason);
        this.#retry();
      },
    });
    this.#leaks = new LeakDetector(
      clock,
      options.leakDetectionThresholdMs,
      (report) => hooks.leak?.(report),
      ({ entry }) => this.connections.end(entry, "leaked"),
    );
  }

  /** Whether `close` was called. */
  get isClosed(): boolean {
    return this.#isClosed;
  }

  /** The pool at this instant. */
  get gauges(): PoolGauges {
    const { entries } = this.connections;
    const validating = entries.validating.length;
    const leased = entries.leased.length;
    const recycling = entries.recycling.length;
    return {
      total: entries.total,
      lanes: entries.lane.length,
      inUse: leased + recycling,
      idle: entries.idle.length,
      connecting: entries.connectingLanes.length + entries.connecting.length + validating,
      waiting: this.#leases.length,
      max: this.#parts.options.maxConnections,
      leased,
      recycling,
      validating,
      lanesWaiting: this.#lanes.length,
    };
  }

  /** Leases a connection, now if one is idle. Stacks begin after the function `caller`. */
  lease(
    timeoutMs: number,
    signal: AbortSignal | undefined,
    caller: (...args: never[]) => unknown,
  ): Promise<Lease<C>> {
    const now = this.#parts.clock.now();
    const site = this.#leaks.siteOf(caller);
    const waiting = this.#leases.length;
    const idle = waiting === 0 ? this.#nextIdle(now) : undefined;
    if (idle !== undefined && !this.#isStale(idle, now)) {
      return Promise.resolve(this.#grant(idle, now, now, site));
    }
    const { driver, options: { database, maxWaiting } } = this.#parts;
    if (waiting >= maxWaiting) {
      const what = "callers that wait for a lease";
      const cause = driver.unreachable?.();
      return Promise.reject(
        new OverloadedError(database, what, waiting, maxWaiting, cause),
      );
    }
    const promise = this.#leases.add({ startedAt: now, timeoutMs, signal, site });
    this.#work(now);
    return promise;
  }

  /** Opens a lane. */
  lane(signal: AbortSignal): Promise<LaneHandle<C>> {
    const now = this.#parts.clock.now();
    const promise = this.#lanes.add({ startedAt: now, signal });
    this.#work(now);
    return promise;
  }

  /** Opens connections ahead of callers until there are `minConnections`, within the limits. */
  fill(): number {
    if (this.#isClosed) return 0;
    const { maxConnections: max, maxConnecting, minConnections } = this.#parts.options;
    const { entries: { connecting, forLanes, forLeases } } = this.connections;
    const room = roomForLeases({
      max,
      forLanes,
      forLeases,
      lanesWaiting: this.#unopened,
    });
    const missing = minConnections - forLeases;
    const wanted = Math.min(missing, maxConnecting - connecting.length, room);
    const order = { purpose: "lease", waiter: undefined } as const;
    let opened = 0;
    while (opened < wanted && this.connections.open(order, true)) opened++;
    return opened;
  }

  /** Fails all callers that wait, and serves none from now on. */
  close(): void {
    this.#isClosed = true;
    const makeError = () => new ManagerClosedError(this.#parts.options.database);
    this.#leases.failAll(makeError);
    this.#lanes.failAll(makeError);
    this.#leaks.stop();
  }

  /** Called by the connections. */
  changed(now: number): void {
    this.#work(now);
    if (this.#isClosed && this.connections.entries.total === 0) this.#emptied();
  }

  /** Called by the connections. */
  laneOpened(handle: LaneHandle<C>, waiter: Waiter<LaneHandle<C>>): void {
    this.#lastTurn = "lane";
    this.#lanes.serve(waiter, handle);
    this.#retry();
  }

  /**
   * Called by the connections. Fails the caller that the connection was opened for, or the one
   * that came first if that one has been served, unless enough connections for all are coming.
   */
  openFailed({ waiter, purpose }: Connecting<C>, error: unknown): void {
    this.#lastTurn = purpose;
    if (waiter !== undefined) waiter.opening = undefined;
    if (purpose === "lane") {
      if (!waiter.settled) this.#lanes.fail(waiter, error);
      return;
    }
    const victim = waiter === undefined || waiter.settled ? this.#leases.head : waiter;
    const { coming } = this.connections.entries;
    if (victim === undefined || this.#leases.length <= coming) return;
    this.#leases.fail(victim, error);
  }

  #retry(): void {
    this.#work(this.#parts.clock.now());
  }

  /** Does all that can be done now. */
  #work(now: number): void {
    // What an action causes is handled by the loop that the action belongs to.
    if (this.#isWorking || this.#isClosed || !this.#isAwaited) return;
    this.#isWorking = true;
    const refused = new Set<Purpose>();
    try {
      while (this.#isAwaited && this.#act(now, refused));
    } finally {
      this.#isWorking = false;
    }
  }

  get #isAwaited(): boolean {
    return this.#leases.length + this.#lanes.length > 0;
  }

  /** Does one thing; `false` if there is none to do. */
  #act(now: number, refused: Set<Purpose>): boolean {
    const idle = this.#nextIdle(now);
    switch (nextAction(this.#poolState(now, idle, refused))) {
      case "open_lane":
        this.#open({ purpose: "lane", waiter: firstUnopened(this.#lanes)! }, refused);
        return true;
      case "open_lease":
        this.#open({ purpose: "lease", waiter: firstUnopened(this.#leases) }, refused);
        return true;
      case "make_room":
        this.connections.evictIdle("made_room");
        return true;
      case "validate":
        this.connections.validate(idle!);
        return true;
      case "grant": {
        const waiter = this.#leases.head!;
        const { startedAt, site } = waiter.options;
        const lease = this.#grant(idle!, now, startedAt, site);
        this.#leases.serve(waiter, lease);
        return true;
      }
      case "request_lane":
        return this.#requestLane();
      case "rest":
        return false;
    }
  }

  #open(order: Order<C>, refused: Set<Purpose>): void {
    if (!this.connections.open(order)) refused.add(order.purpose);
  }

  #poolState(
    now: number,
    idle: Idle<C> | undefined,
    refused: ReadonlySet<Purpose>,
  ): PoolState {
    const { maxConnections, maxConnecting } = this.#parts.options;
    const { entries } = this.connections;
    return {
      max: maxConnections,
      forLanes: entries.forLanes,
      forLeases: entries.forLeases,
      idle: entries.idle.length,
      stale: idle !== undefined && this.#isStale(idle, now),
      connecting: entries.connecting.length,
      maxConnecting,
      coming: entries.coming,
      lanesWaiting: this.#unopened,
      leasesWaiting: this.#leases.length,
      lastTurn: this.#lastTurn,
      refused,
    };
  }

  /** Lanes that were requested and are not being opened. */
  get #unopened(): number {
    let unopened = 0;
    if (this.#lanes.length === 0) return unopened;
    for (const waiter of this.#lanes) if (waiter.opening === undefined) unopened++;
    return unopened;
  }

  /** The idle connection that was used last, after those that are too old were ended. */
  #nextIdle(now: number): Idle<C> | undefined {
    for (;;) {
      const state = this.connections.entries.idle.tail?.state;
      if (state?.name !== "idle") return undefined;
      if (now < state.entry.expiresAt) return state;
      this.connections.end(state.entry, "max_lifetime");
    }
  }

  #isStale({ since }: Idle<C>, now: number): boolean {
    return now - since > this.#parts.options.validateAfterMs;
  }

  #grant(
    idle: Idle<C>,
    now: number,
    requestedAt: number,
    site: CallSite | undefined,
  ): Lease<C> {
    const { hooks, options } = this.#parts;
    const { entry, connection } = idle;
    const deadline = this.#leaks.deadlineFrom(now);
    const grant = new Leased(entry, connection, now, deadline, site);
    entry.transition(grant);
    this.#lastTurn = "lease";
    const end = (reusable: boolean) => this.#takeBack(grant, reusable);
    const lease = new Lease(options.database, connection, end);
    this.#leaks.watch(lease, grant);
    hooks.acquired?.(now - requestedAt);
    return lease;
  }

  #takeBack(grant: Leased<C>, reusable: boolean): void {
    const { clock, hooks } = this.#parts;
    const now = clock.now();
    this.#leaks.unwatch(grant, this.connections.entries.leased.length);
    hooks.released?.(now - grant.since);
    // The connection may have ended while it was held.
    if (grant.settled) return;
    if (this.#isClosed) this.connections.end(grant.entry, "closed");
    else if (!reusable) this.connections.end(grant.entry, "discarded");
    else this.connections.recycle(grant, now);
  }

  /** Requests the place of the only lane, unless that was done before. */
  #requestLane(): boolean {
    const state = this.connections.entries.lane.head?.state;
    if (state?.name !== "lane" || state.handle.wanted) return false;
    state.handle.requestRelease();
    return true;
  }

  #timeoutError(timeoutMs: number, now: number): AcquireTimeoutError {
    const { counters, driver, options: { database } } = this.#parts;
    counters.acquireTimeouts++;
    const oldest = this.connections.entries.leased.head?.state;
    const hint = oldest?.name === "leased" ? describeHolder(oldest, now) : undefined;
    const { gauges } = this;
    // Where all connections are in use, none is being opened.
    const cause = gauges.connecting > 0 ? driver.unreachable?.() : undefined;
    return new AcquireTimeoutError(database, timeoutMs, gauges, hint, cause);
  }
}

/** The first caller for whom no connection is being opened. */
function firstUnopened<T>(queue: WaitQueue<T>): Waiter<T> | undefined {
  for (const waiter of queue) if (waiter.opening === undefined) return waiter;
  return undefined;
}
