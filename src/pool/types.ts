import type { ConnectError } from "../core/errors/mod.ts";
import type { PoolNumbers } from "../core/errors/pool.ts";
import type { LatencySnapshot } from "../observability/histogram.ts";
import type { ConnectionBudget } from "./budget.ts";

/** Why a connection ended. */
export interface EndReason {
  /** In words. */
  readonly text: string;
}

/** What the pool needs to know of a connection. */
export interface Pooled {
  /** Unique in the process. */
  readonly id: number;
  /**
   * Calls back once when the connection has ended, by itself or because it was
   * destroyed; at once if it has.
   *
   * @param fn Called with the reason.
   */
  onEnd(fn: (reason: EndReason) => void): void;
}

/** What a connection is opened for: lanes are shared, leases have one holder. */
export type Purpose = "lane" | "lease";

/** A connection that is open, and what it is for. */
export interface OpenConnection<C> {
  /** What it is for; idle ones are for leases. */
  readonly purpose: Purpose;
  /** The connection. */
  readonly connection: C;
}

/**
 * Why a connection left the pool. The first five are the pool's own policy, the others
 * are trouble or the holder's wish.
 *
 * - `idle_timeout`: nobody wanted it for `idleTimeoutMs`
 * - `max_lifetime`: it was older than `maxLifetimeMs`
 * - `made_room`: it was idle, and a lane of the same pool needed its place
 * - `budget`: it was idle, and another pool needed its place in the common budget
 * - `closed`: the pool was closed
 * - `ended`: it ended by itself: the server, the network, a watchdog
 * - `invalid`: it did not answer when it was validated
 * - `unclean`: it could not be made clean for the next holder
 * - `discarded`: its holder did not want anybody to have it any more
 * - `leaked`: its lease was collected without having been released
 * - `lane_released`: the owner of the lane had enough of it
 * - `unwanted`: it was opened for a lane whose owner had gone meanwhile
 * - `connect_failed`: it never opened
 * - `moved`: it led to a server that does not serve the database any more
 */
export type EvictionReason = typeof EVICTION_REASONS[number];

/** Every {@linkcode EvictionReason}. */
export const EVICTION_REASONS = [
  "idle_timeout",
  "max_lifetime",
  "made_room",
  "budget",
  "closed",
  "ended",
  "invalid",
  "unclean",
  "discarded",
  "leaked",
  "lane_released",
  "unwanted",
  "connect_failed",
  "moved",
] as const;

/** What the pool does with connections; all that it knows of networks. */
export interface PoolDriver<C extends Pooled> {
  /**
   * Opens a connection. Retries, their pace and deadlines are the driver's business; the
   * pool calls again only when somebody waits for another one.
   *
   * @param signal Aborted when nobody wants it any more: it then rejects soon.
   * @param purpose What it is for.
   */
  create(signal: AbortSignal, purpose: Purpose): Promise<C>;
  /**
   * Makes a connection clean for the next holder. Answers without a promise where
   * nothing has to be sent, which is the usual case and the fast one.
   *
   * @param connection The connection, as its holder left it.
   * @returns Whether it is clean; if not it is destroyed. Settles within a deadline of
   * the driver's own.
   */
  recycle(connection: C): boolean | Promise<boolean>;
  /**
   * Asks whether a connection that has not been used for a while still works.
   *
   * @param connection The connection.
   * @param signal Aborted when the answer is not wanted any more.
   * @returns Whether it does; if not it is destroyed. Settles within a deadline of the
   * driver's own.
   */
  validate(connection: C, signal: AbortSignal): Promise<boolean>;
  /**
   * Ends a connection that the pool has given up; never called for one that ended by
   * itself. Must not throw.
   *
   * @param connection The connection.
   * @param reason Why.
   * @param words Why, in words, where somebody has said so.
   */
  destroy(connection: C, reason: EvictionReason, words?: string): void;
  /** Why no connection can be opened at the moment, as far as is known: told to who waited
   * in vain. Default: nothing is known. */
  unreachable?(): ConnectError | undefined;
}

/** The settings of a pool: resolved and validated before, so none has a default here. */
export interface PoolOptions {
  /** Name of the database, for messages. */
  readonly database: string;
  /** Most connections, whatever they are for; at least 1. */
  readonly maxConnections: number;
  /** Connections kept ready from the first one that opens on, idle and leased together. */
  readonly minConnections: number;
  /** Most connections being opened for leases at the same time; at least 1. */
  readonly maxConnecting: number;
  /** How long an acquire waits, in milliseconds; may be `Infinity`. */
  readonly acquireTimeoutMs: number;
  /** Most callers that wait for a lease. */
  readonly maxWaiting: number;
  /** Idle connections are closed after this, in milliseconds; 0 = never. */
  readonly idleTimeoutMs: number;
  /** Connections are replaced at this age, in milliseconds; 0 = never. */
  readonly maxLifetimeMs: number;
  /** Idle for longer than this, in milliseconds, a connection is validated before it is
   * handed out; `Infinity` = never. */
  readonly validateAfterMs: number;
  /** Leases held for longer than this, in milliseconds, are reported; 0 = off. */
  readonly leakDetectionThresholdMs: number;
  /** What this pool shares with others, if its manager has a limit. */
  readonly budget?: ConnectionBudget;
  /** A number from 0 up to 1, for the jitter of lifetimes. Default `Math.random`. */
  readonly random?: () => number;
}

/** A lease that was not released in time, or at all. */
export interface LeakReport {
  /** Whether nobody can release it any more: it was collected, and is reclaimed. If not,
   * it is still held. */
  readonly collected: boolean;
  /** How long it has been held, in milliseconds. */
  readonly heldMs: number;
  /** Id of its connection. */
  readonly connectionId: number;
  /** Where it was acquired, if leak detection is on. */
  readonly stack?: string;
}

/** Told of what happens; changes nothing, and must not throw. */
export interface PoolHooks<C extends Pooled> {
  /** A connection was opened, after so many milliseconds. */
  opened?(connection: C, purpose: Purpose, tookMs: number): void;
  /** No connection could be opened. */
  createFailed?(error: unknown, purpose: Purpose): void;
  /** A connection left the pool; `detail` says more where there is more. */
  closed?(connection: C, reason: EvictionReason, detail?: string): void;
  /** A lease was handed out, after its caller had waited so many milliseconds. */
  acquired?(waitedMs: number): void;
  /** A lease came back, after so many milliseconds. */
  released?(usedMs: number): void;
  /** A lease is held for too long, or was lost. */
  leak?(report: LeakReport): void;
}

/** How long an acquire may wait. */
export interface AcquireOptions {
  /** Longest wait, in milliseconds: 0 or more, `Infinity` for no limit. With 0, only an
   * idle connection that needs no validation is had. Default: the pool's
   * `acquireTimeoutMs`. */
  timeoutMs?: number;
  /** Ends the wait; the call rejects with its reason. */
  signal?: AbortSignal;
}

/**
 * A pool at one instant. `total` = `lanes` + `inUse` + `idle` + `connecting`.
 */
export interface PoolGauges extends PoolNumbers {
  /** Connections that a caller holds: part of `inUse`. */
  leased: number;
  /** Connections given back and being made clean: part of `inUse`. */
  recycling: number;
  /** Idle connections that are being validated: part of `connecting`. */
  validating: number;
  /** Lanes that are asked for and not open. */
  lanesWaiting: number;
}

/** What a pool has done so far; a snapshot. */
export interface PoolCounters {
  /** Connections that were begun: `closed` and those that `numbers()` counts. */
  readonly created: number;
  /** Connections that are gone, those that never opened included. */
  readonly closed: number;
  /** What became of them; the sum is `closed`. */
  readonly evictions: Readonly<Record<EvictionReason, number>>;
  /** Leases handed out. */
  readonly acquires: number;
  /** Those among them that had to wait. */
  readonly waited: number;
  /** Waits that ended because they took too long. */
  readonly acquireTimeouts: number;
  /** Waits that ended because the caller's signal said so. */
  readonly cancelled: number;
  /** Acquires refused at once because too many were waiting. */
  readonly refused: number;
  /** Waits that ended because no connection could be opened. */
  readonly acquireFailures: number;
  /** How long callers waited for their leases; no wait counts as 0. */
  readonly waitTime: LatencySnapshot;
  /** How long leases were held. */
  readonly useTime: LatencySnapshot;
  /** How long the opening of connections took, where it succeeded. */
  readonly createTime: LatencySnapshot;
  /** When idle connections were last looked at, in milliseconds since the Unix epoch;
   * `null` if never. */
  readonly lastCleanup: number | null;
}

/** What closing a pool did. */
export interface PoolCloseResult {
  /** Connections that were in use when the drain's time was up. */
  readonly cut: number;
}
