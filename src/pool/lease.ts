import type { Clock } from "../core/clock.ts";
import { LeaseReleasedError } from "../core/errors/mod.ts";
import type { EvictionReason, LeakReport, Pooled } from "./types.ts";
import { type CallSite, DeadlineQueue, type Expiring } from "./wait_queue.ts";

/**
 * A connection that one caller has alone, until it is released.
 *
 * Keep the lease for as long as the connection is used: a lease that is garbage collected is
 * reported as a leak, and its connection is destroyed.
 *
 * @example Usage
 * ```ts ignore
 * const lease = await pool.acquire({ timeoutMs: 3000 });
 * lease.connection.send("WATCH", "key");
 * lease.release();
 * ```
 */
export class Lease<C extends Pooled> {
  readonly #database: string;
  readonly #end: (reusable: boolean) => void;
  #connection: C | undefined;

  /** Made by the pool; `end` takes the connection back. */
  constructor(database: string, connection: C, end: (reusable: boolean) => void) {
    this.#database = database;
    this.#connection = connection;
    this.#end = end;
  }

  /**
   * The connection. It may have ended: its own calls then say so.
   *
   * @throws {LeaseReleasedError} If the lease has been released.
   */
  get connection(): C {
    if (this.#connection !== undefined) return this.#connection;
    throw new LeaseReleasedError(this.#database, "use");
  }

  /** Whether it has been released. */
  get released(): boolean {
    return this.#connection === undefined;
  }

  /**
   * Gives the connection back: the next caller gets it, clean.
   *
   * @throws {LeaseReleasedError} If the lease has been released.
   */
  release(): void {
    this.#giveBack("release", true);
  }

  /**
   * Gives the connection back to be closed.
   *
   * @throws {LeaseReleasedError} If the lease has been released.
   */
  destroy(): void {
    this.#giveBack("destroy", false);
  }

  #giveBack(verb: string, reusable: boolean): void {
    if (this.released) throw new LeaseReleasedError(this.#database, verb);
    this.#connection = undefined;
    this.#end(reusable);
  }
}

/**
 * The place of a lane under the pool's limit, until it is released or its connection ends.
 *
 * @example Usage
 * ```ts ignore
 * const lane = await pool.openLane(signal);
 * lane.onWanted(() => drain().then(() => lane.release()));
 * ```
 */
export class LaneHandle<C extends Pooled> {
  readonly #end: (reason: EvictionReason, words?: string) => void;
  #wanted = false;
  #onWanted: (() => void) | undefined;

  /**
   * Made by the pool. The connection should be replaced at `expiresAt`, on the monotonic clock:
   * the pool itself does not end an open lane before the pool is closed. `end` ends the
   * connection, if it has not ended, and frees its place.
   */
  constructor(
    readonly connection: C,
    readonly expiresAt: number,
    end: (reason: EvictionReason, words?: string) => void,
  ) {
    this.#end = end;
  }

  /**
   * Whether a caller waits for a lease that only this lane's place can give: only in a pool
   * of one connection, where lane and leases take turns.
   */
  get wanted(): boolean {
    return this.#wanted;
  }

  /**
   * Calls back once when the place is wanted; at once if it is. The owner finishes what is in
   * flight, releases the lane, and may request the next one right away: it gets it after one
   * lease.
   */
  onWanted(fn: () => void): void {
    if (this.#wanted) fn();
    else this.#onWanted = fn;
  }

  /** Notifies the owner that the place is wanted; called by the pool. */
  requestRelease(): void {
    this.#wanted = true;
    this.#onWanted?.();
  }

  /** Ends the connection and frees its place; does nothing once it has ended. */
  release(reason: EvictionReason = "lane_released", words?: string): void {
    this.#end(reason, words);
  }
}

/** What was granted to a lease. It has no reference to the lease, which must stay collectable. */
export interface Grant extends Expiring {
  /** When it was granted, on the monotonic clock. */
  readonly since: number;
  /** The connection. */
  readonly connection: Pooled;
  /** Where it was acquired, if leak detection is on. */
  readonly site: CallSite | undefined;
}

/** Finds leases that are held for too long, and those that were lost without a release. */
export class LeakDetector<G extends Grant> {
  readonly #thresholdMs: number;
  readonly #registry: FinalizationRegistry<G>;
  readonly #deadlines: DeadlineQueue<G>;

  /**
   * Calls `report` once for each lease that is held longer than `thresholdMs` or was garbage
   * collected, and `reclaim` for the latter. With 0, it looks for the latter only, and takes
   * no stacks.
   */
  constructor(
    clock: Clock,
    thresholdMs: number,
    report: (report: LeakReport) => void,
    reclaim: (grant: G) => void,
  ) {
    this.#thresholdMs = thresholdMs;
    this.#registry = new FinalizationRegistry((grant) => {
      // The connection may have ended before.
      if (grant.settled) return;
      report(describeLeak(grant, clock.now(), true));
      reclaim(grant);
    });
    this.#deadlines = new DeadlineQueue(clock, (grants, now) => {
      for (const grant of grants) report(describeLeak(grant, now, false));
    });
  }

  /** Captures where `caller` was called, if detection is on. */
  siteOf(caller: (...args: never[]) => unknown): CallSite | undefined {
    if (this.#thresholdMs === 0) return undefined;
    const site: CallSite = {};
    Error.captureStackTrace(site, caller);
    return site;
  }

  /** When a lease that is granted now will have been held for too long. */
  deadlineFrom(now: number): number {
    return now + (this.#thresholdMs || Infinity);
  }

  /** Watches a lease. */
  watch(lease: object, grant: G): void {
    this.#registry.register(lease, grant, grant);
    this.#deadlines.push(grant);
  }

  /** Ends the watch of a lease that was released; `leased` others are held. */
  unwatch(grant: G, leased: number): void {
    this.#registry.unregister(grant);
    this.#deadlines.compact(leased);
  }

  /** Stops to look for leases that are held for too long. */
  stop(): void {
    this.#deadlines.clear();
  }
}

function describeLeak(grant: Grant, now: number, collected: boolean): LeakReport {
  const { connection, since } = grant;
  const heldMs = now - since;
  return { collected, heldMs, connectionId: connection.id, stack: stackOf(grant) };
}

/** Who holds a lease, in words; `undefined` if it is unknown where it was acquired. */
export function describeHolder(grant: Grant, now: number): string | undefined {
  const stack = stackOf(grant);
  if (stack === undefined) return undefined;
  const heldMs = Math.round(now - grant.since);
  return `the oldest lease has been held for ${heldMs} ms, acquired\n${stack}`;
}

/** The lines of a stack that say where a call was made. */
function stackOf({ site }: Grant): string | undefined {
  return site?.stack?.split("\n").slice(1).map((line) => line.trim()).join("\n");
}
