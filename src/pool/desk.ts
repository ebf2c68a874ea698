import type { Clock } from "../core/clock.ts";
import {
  AcquireTimeoutError,
  type ConnectError,
  ManagerClosedError,
  OverloadedError,
} from "../core/errors/mod.ts";
import { Alarm } from "./alarm.ts";
import type { BudgetShare } from "./budget_share.ts";
import { gaugesOf } from "./gauges.ts";
import { describeHolder, LeakWatch, reportLeak } from "./leak_watch.ts";
import { Lease, type LeaseOwner } from "./lease.ts";
import { nextStep, roomForLeases, type Situation } from "./next_step.ts";
import type { LaneSlot } from "./shared_slot.ts";
import type { Connecting, Idle, Leased } from "./slot.ts";
import type { Stock } from "./stock.ts";
import type { Tally } from "./tally.ts";
import type { Pooled, PoolGauges, PoolHooks, PoolOptions, Purpose } from "./types.ts";
import { WaitQueue } from "./wait_queue.ts";
import type { CallSite, Waiter } from "./waiter.ts";

/** What a desk is made of. */
export interface DeskParts<C extends Pooled> {
  /** The pool's settings. */
  readonly options: PoolOptions;
  /** Time. */
  readonly clock: Clock;
  /** Who is told. */
  readonly hooks: PoolHooks<C>;
  /** Who counts. */
  readonly tally: Tally;
  /** The connections. */
  readonly stock: Stock<C>;
  /** The pool's part in the common budget. */
  readonly share: BudgetShare<C>;
  /** Why no connection can be opened at the moment, as far as is known. */
  readonly unreachable: () => ConnectError | undefined;
}

/**
 * Who waits for the connections of a pool, and who gets them: takes what
 * {@linkcode nextStep} decides, and does it.
 */
export class Desk<C extends Pooled> implements LeaseOwner<C> {
  readonly #options: PoolOptions;
  readonly #clock: Clock;
  readonly #hooks: PoolHooks<C>;
  readonly #tally: Tally;
  readonly #stock: Stock<C>;
  readonly #share: BudgetShare<C>;
  readonly #unreachable: () => ConnectError | undefined;
  readonly #leases: WaitQueue<Lease<C>>;
  readonly #lanes: WaitQueue<LaneSlot<C>>;
  readonly #alarm: Alarm;
  readonly #leaks: LeakWatch<C>;
  /** Who had the last turn, in vain or not: in a pool of one, the others come next. */
  #lastTurn: Purpose = "lease";
  /** Open, at work further up in the call stack, or done with. */
  #state: "open" | "working" | "closed" = "open";

  /**
   * Opens a desk that nobody stands at.
   *
   * @param parts What it is made of.
   */
  constructor(parts: DeskParts<C>) {
    this.#options = parts.options;
    this.#clock = parts.clock;
    this.#hooks = parts.hooks;
    this.#tally = parts.tally;
    this.#stock = parts.stock;
    this.#share = parts.share;
    this.#unreachable = parts.unreachable;
    this.#leases = new WaitQueue(() => void this.#tally.cancelled++);
    this.#lanes = new WaitQueue((waiter) => this.#laneAborted(waiter));
    this.#alarm = new Alarm(parts.clock, () => this.#judgeDeadlines());
    this.#leaks = new LeakWatch(
      parts.options.leakDetectionThresholdMs,
      (grant) => this.#collected(grant),
    );
  }

  /** Name of the database. */
  get database(): string {
    return this.#options.database;
  }

  /** What the pool is at, exact at this instant. */
  get gauges(): PoolGauges {
    const { maxConnections } = this.#options;
    const { board } = this.#stock;
    return gaugesOf(board, maxConnections, this.#leases.length, this.#lanes.length);
  }

  /** How many more connections may be opened for leases. */
  get roomForLeases(): number {
    const { board } = this.#stock;
    return roomForLeases({
      max: this.#options.maxConnections,
      forLanes: board.forLanes,
      forLeases: board.forLeases,
      lanesWaiting: this.#lanesUnopened,
    });
  }

  /**
   * Leases a connection, now if one is at hand.
   *
   * @param timeoutMs How long to wait, in milliseconds.
   * @param signal Ends the wait; it has not aborted yet.
   * @param caller The function that was called, which stacks begin after.
   * @returns The lease.
   */
  lease(
    timeoutMs: number,
    signal: AbortSignal | undefined,
    caller: (...args: never[]) => unknown,
  ): Promise<Lease<C>> {
    const now = this.#clock.now();
    const site = this.#leaks.siteOf(caller);
    const waiting = this.#leases.length;
    const idle = waiting === 0 ? this.#nextIdle(now) : undefined;
    if (idle !== undefined && !this.#isStale(idle, now)) {
      return Promise.resolve(this.#grant(idle, now, now, site));
    }
    const { database, maxWaiting } = this.#options;
    if (waiting >= maxWaiting) {
      this.#tally.refused++;
      const what = "callers that wait for a lease";
      return Promise.reject(
        new OverloadedError(database, what, waiting, maxWaiting, this.#unreachable()),
      );
    }
    const promise = this.#leases.add({ startedAt: now, timeoutMs, signal, site });
    this.#alarm.setBy(now + timeoutMs);
    this.#work(now);
    return promise;
  }

  /**
   * Opens a lane.
   *
   * @param signal Ends the wait; it has not aborted yet.
   * @returns The lane.
   */
  lane(signal: AbortSignal): Promise<LaneSlot<C>> {
    const now = this.#clock.now();
    const promise = this.#lanes.add({ startedAt: now, timeoutMs: Infinity, signal });
    this.#work(now);
    return promise;
  }

  /** Takes a lease back; called by the lease. */
  takeBack(lease: Lease<C>, grant: Leased<C>, reusable: boolean): void {
    this.#leaks.untrack(lease);
    const now = this.#clock.now();
    this.#tally.useTime.record(now - grant.since);
    this.#hooks.released?.(now - grant.since);
    // It may have ended, or been cut, while it was held.
    if (grant.slot.state !== grant) return;
    if (this.#state === "closed") this.#stock.end(grant.slot, "closed");
    else if (!reusable) this.#stock.end(grant.slot, "discarded");
    else this.#stock.recycle(grant, now);
  }

  /** Looks again at what can be done. */
  retry(): void {
    this.#work(this.#clock.now());
  }

  /** Sends everybody away who waits, and serves nobody any more. */
  close(): void {
    this.#state = "closed";
    this.#alarm.cancel();
    const error = () => new ManagerClosedError(this.#options.database);
    for (const waiter of this.#leases) this.#leases.fail(waiter, error());
    for (const waiter of this.#lanes) this.#lanes.fail(waiter, error());
  }

  /** A connection is idle; called by the stock. */
  becameIdle(now: number): void {
    this.#work(now);
    if (this.#stock.board.idle.length > 0) this.#share.offer();
  }

  /** A lane is open; called by the stock. */
  laneOpened(handle: LaneSlot<C>, waiter: Waiter<LaneSlot<C>>): void {
    this.#lastTurn = "lane";
    this.#lanes.serve(waiter, handle);
    this.retry();
  }

  /**
   * A connection could not be opened; called by the stock. Fails who it was for, or who
   * comes first if that one has been served meanwhile, unless what is on the way is
   * enough for all.
   */
  openFailed({ waiter, purpose }: Connecting<C>, error: unknown): void {
    this.#lastTurn = purpose;
    if (waiter !== undefined) waiter.opening = undefined;
    if (purpose === "lane") {
      if (!waiter.settled) this.#lanes.fail(waiter, error);
      return;
    }
    const victim = waiter === undefined || waiter.settled ? this.#leases.head : waiter;
    if (victim === undefined || this.#leases.length <= this.#stock.board.coming) return;
    this.#tally.acquireFailures++;
    this.#leases.fail(victim, error);
  }

  /** A connection is gone; called by the stock. */
  placeFreed(): void {
    this.retry();
  }

  /** Does what can be done. */
  #work(now: number): void {
    // What a step sets off is looked at by the loop that the step belongs to.
    if (this.#state !== "open" || !this.#isWaitedAt) return;
    this.#state = "working";
    const refused = new Set<Purpose>();
    try {
      while (this.#isWaitedAt && this.#step(now, refused));
    } finally {
      if (this.#state === "working") this.#state = "open";
    }
  }

  get #isWaitedAt(): boolean {
    return this.#leases.length + this.#lanes.length > 0;
  }

  /** Does one thing; `false` if there is none to do. */
  #step(now: number, refused: Set<Purpose>): boolean {
    const idle = this.#nextIdle(now);
    switch (nextStep(this.#situation(now, idle, refused))) {
      case "open_lane":
        this.#open("lane", refused);
        return true;
      case "open_lease":
        this.#open("lease", refused);
        return true;
      case "make_room":
        this.#stock.evictIdle("made_room");
        return true;
      case "validate":
        this.#stock.validate(idle!);
        return true;
      case "grant":
        this.#serve(idle!, this.#leases.head!, now);
        return true;
      case "ask_lane":
        return this.#askLane();
      case "rest":
        return false;
    }
  }

  #situation(
    now: number,
    idle: Idle<C> | undefined,
    refused: ReadonlySet<Purpose>,
  ): Situation {
    const { maxConnections, maxConnecting } = this.#options;
    const { board } = this.#stock;
    return {
      max: maxConnections,
      forLanes: board.forLanes,
      forLeases: board.forLeases,
      idle: board.idle.length,
      stale: idle !== undefined && this.#isStale(idle, now),
      connecting: board.connectingLeases.length,
      maxConnecting,
      coming: board.coming,
      lanesWaiting: this.#lanesUnopened,
      leasesWaiting: this.#leases.length,
      lastTurn: this.#lastTurn,
      refused,
    };
  }

  /** Lanes that are asked for and not being opened. */
  get #lanesUnopened(): number {
    let unopened = 0;
    if (this.#lanes.length === 0) return unopened;
    for (const waiter of this.#lanes) if (waiter.opening === undefined) unopened++;
    return unopened;
  }

  /** The idle connection that was used last, after those that are too old have gone. */
  #nextIdle(now: number): Idle<C> | undefined {
    for (;;) {
      const state = this.#stock.board.idle.tail?.state;
      if (state?.name !== "idle") return undefined;
      if (now < state.slot.expiresAt) return state;
      this.#stock.end(state.slot, "max_lifetime");
    }
  }

  #isStale({ slot, since }: Idle<C>, now: number): boolean {
    return slot.suspect || now - since > this.#options.validateAfterMs;
  }

  /** Opens a connection for the first one that has none on the way. */
  #open(purpose: Purpose, refused: Set<Purpose>): void {
    if (!this.#share.take(purpose)) {
      refused.add(purpose);
      return;
    }
    if (purpose === "lease") {
      this.#stock.open({ purpose, waiter: firstUnopened(this.#leases) });
    } else {
      this.#stock.open({ purpose, waiter: firstUnopened(this.#lanes)! });
    }
  }

  #serve(idle: Idle<C>, waiter: Waiter<Lease<C>>, now: number): void {
    this.#tally.waited++;
    this.#leases.serve(waiter, this.#grant(idle, now, waiter.startedAt, waiter.site));
  }

  #grant(
    idle: Idle<C>,
    now: number,
    askedAt: number,
    site: CallSite | undefined,
  ): Lease<C> {
    const { slot, connection } = idle;
    const grant: Leased<C> = {
      name: "leased",
      slot,
      connection,
      since: now,
      site,
      reported: false,
    };
    slot.transition(grant);
    this.#lastTurn = "lease";
    const lease = new Lease(this, grant);
    this.#leaks.track(lease, grant);
    this.#alarm.setBy(this.#leaks.dueAt(grant));
    this.#tally.acquires++;
    this.#tally.waitTime.record(now - askedAt);
    this.#hooks.acquired?.(now - askedAt);
    return lease;
  }

  /** A lease was collected: nobody can release it any more. */
  #collected(grant: Leased<C>): void {
    if (grant.slot.state !== grant) return;
    this.#hooks.leak?.(reportLeak(grant, this.#clock.now(), true));
    this.#stock.end(grant.slot, "leaked");
  }

  #laneAborted(waiter: Waiter<LaneSlot<C>>): void {
    waiter.opening?.abort(waiter.signal?.reason);
    this.retry();
  }

  /** Tells the lane of a pool of one that its place is wanted, if it has not been told. */
  #askLane(): boolean {
    const state = this.#stock.board.lanes.head?.state;
    if (state?.name !== "lane" || state.handle.wanted) return false;
    state.handle.ask();
    return true;
  }

  #judgeDeadlines(): void {
    const now = this.#clock.now();
    const { leased } = this.#stock.board;
    let expired = this.#leases.expired(now);
    while (expired !== undefined) {
      this.#tally.acquireTimeouts++;
      this.#leases.fail(expired, this.#timeoutError(expired, now));
      expired = this.#leases.expired(now);
    }
    for (const report of this.#leaks.takeDue(leased, now)) this.#hooks.leak?.(report);
    this.#alarm.setBy(Math.min(this.#leases.nextDeadline, this.#leaks.nextDue(leased)));
  }

  #timeoutError({ timeoutMs }: Waiter<Lease<C>>, now: number): AcquireTimeoutError {
    const oldest = this.#stock.board.leased.head?.state;
    const hint = oldest?.name === "leased" ? describeHolder(oldest, now) : undefined;
    const { database, gauges } = this;
    return new AcquireTimeoutError(
      database,
      timeoutMs,
      gauges,
      hint,
      // Where all are in use, none is being opened.
      gauges.connecting > 0 ? this.#unreachable() : undefined,
    );
  }
}

/** The first one that waits and has nothing on the way. */
function firstUnopened<T>(queue: WaitQueue<T>): Waiter<T> | undefined {
  for (const waiter of queue) if (waiter.opening === undefined) return waiter;
  return undefined;
}
