import type { RedisConfig } from "../config/mod.ts";
import type { Clock } from "../core/clock.ts";
import type { ConnectError, PoolNumbers } from "../core/errors/mod.ts";

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
   * Calls back once when the connection has ended, by itself or because it was destroyed; at
   * once if it has ended already.
   */
  onEnd(fn: (reason: EndReason) => void): void;
}

/** What a connection is opened for: lanes are shared, leases have one holder. */
export type Purpose = "lane" | "lease";

/** An open connection and what it is for. */
export interface OpenConnection<C> {
  /** What it is for; idle ones are for leases. */
  readonly purpose: Purpose;
  /** The connection. */
  readonly connection: C;
}

/**
 * Why a connection left the pool. The first five follow from the pool's settings, the others
 * from failures or from its holder.
 *
 * - `idle_timeout`: idle longer than `idleTimeoutMs`
 * - `max_lifetime`: older than `maxLifetimeMs`
 * - `made_room`: idle, and a lane of the same pool needed its place
 * - `budget`: idle, and another pool needed its place in the common budget
 * - `closed`: the pool was closed
 * - `ended`: it ended by itself: the server, the network, a watchdog
 * - `invalid`: it did not answer when it was validated
 * - `unclean`: it could not be reset for the next holder
 * - `discarded`: discarded by its holder
 * - `leaked`: its lease was garbage collected without a release
 * - `lane_released`: released by the owner of the lane
 * - `unwanted`: opened for a lane that is no longer wanted
 * - `connect_failed`: it never opened
 * - `moved`: it leads to a server that no longer serves the database
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
   * Opens a connection. The driver retries, and limits time and pace; the pool calls again
   * only when somebody waits for another connection. Once `signal` has aborted, the promise
   * rejects soon.
   */
  create(signal: AbortSignal, purpose: Purpose): Promise<C>;
  /**
   * Resets a connection for the next holder, within a deadline of the driver's own. Answers
   * without a promise where nothing has to be sent, which is the usual case and the fast one.
   * A connection for which it gives `false` is destroyed.
   */
  recycle(connection: C): boolean | Promise<boolean>;
  /**
   * Checks whether a connection that was idle for a while still works, within a deadline of
   * the driver's own. A connection for which it gives `false` is destroyed.
   */
  validate(connection: C): Promise<boolean>;
  /**
   * Ends a connection that the pool gives up; never called for one that ended by itself. Must
   * not throw. `words` says why, where the reason alone does not.
   */
  destroy(connection: C, reason: EvictionReason, words?: string): void;
  /** Why no connection can be opened at the moment, if that is known: the cause of the errors
   * of callers who waited in vain. */
  unreachable?(): ConnectError | undefined;
}

/** The settings of a pool, resolved and validated. */
export interface PoolOptions extends
  Pick<
    RedisConfig,
    | "acquireTimeoutMs"
    | "idleTimeoutMs"
    | "leakDetectionThresholdMs"
    | "maxConnections"
    | "maxLifetimeMs"
    | "maxWaiting"
    | "minConnections"
  > {
  /** Name of the database, for messages. */
  readonly database: string;
  /** Most connections being opened for leases at the same time; at least 1. */
  readonly maxConnecting: number;
  /** Idle for longer than this, in milliseconds, a connection is validated before it is
   * leased; `Infinity` = never. */
  readonly validateAfterMs: number;
  /** A number from 0 up to 1, for the jitter of lifetimes. Default `Math.random`. */
  readonly random?: () => number;
}

/** A lease that was not released in time, or at all. */
export interface LeakReport {
  /** Whether the lease was garbage collected, so that its connection was reclaimed. If not, it
   * is still held. */
  readonly collected: boolean;
  /** How long it has been held, in milliseconds. */
  readonly heldMs: number;
  /** Id of its connection. */
  readonly connectionId: number;
  /** Where it was acquired, if leak detection is on. */
  readonly stack: string | undefined;
}

/** Observes pool events; must not throw. */
export interface PoolHooks<C extends Pooled> {
  /** A connection was opened. */
  opened?(connection: C, purpose: Purpose, tookMs: number): void;
  /** A lease was granted. */
  acquired?(waitedMs: number): void;
  /** A lease was released. */
  released?(usedMs: number): void;
  /** A lease is held for too long, or was lost. */
  leak?(report: LeakReport): void;
}

/** A pool at one instant. `total` = `lanes` + `inUse` + `idle` + `connecting`. */
export interface PoolGauges extends PoolNumbers {
  /** Connections that a caller holds: part of `inUse`. */
  leased: number;
  /** Released connections that are being reset: part of `inUse`. */
  recycling: number;
  /** Idle connections that are being validated: part of `connecting`. */
  validating: number;
  /** Lanes that were requested and are not open. */
  lanesWaiting: number;
}

/** What a pool has done so far. */
export class PoolCounters {
  /** Connections that were begun: the sum of `evictions`, and those that the pool has. */
  created = 0;
  /** What became of the connections that are gone. */
  readonly evictions: Record<EvictionReason, number> = Object.fromEntries(
    EVICTION_REASONS.map((reason) => [reason, 0]),
  ) as Record<EvictionReason, number>;
  /** Acquires that timed out. */
  acquireTimeouts = 0;
  /** When idle connections were last checked, in milliseconds since the Unix epoch. */
  lastCleanup: number | null = null;
}

/** What the parts of a pool share. */
export interface PoolParts<C extends Pooled> {
  /** The settings. */
  readonly options: PoolOptions;
  /** Opens, checks, resets and ends connections. */
  readonly driver: PoolDriver<C>;
  /** Time. */
  readonly clock: Clock;
  /** Observes events. */
  readonly hooks: PoolHooks<C>;
  /** Counts events. */
  readonly counters: PoolCounters;
}
