import type { EvictionReason, Pooled } from "./types.ts";

/**
 * A shared connection's place under the pool's limit, from when it is open until it is
 * released or its connection ends.
 *
 * @example Usage
 * ```ts ignore
 * const lane = await pool.openLane(signal);
 * lane.onWanted(() => drain().then(() => lane.release()));
 * ```
 */
export class LaneSlot<C extends Pooled> {
  /** The connection. */
  readonly connection: C;
  /** When it should be replaced, on the monotonic clock; infinite for never. The pool
   * itself never takes a lane away before it is closed. */
  readonly expiresAt: number;
  readonly #end: (reason: EvictionReason, words?: string) => void;
  #wanted = false;
  #onWanted: (() => void) | undefined;

  /**
   * Made by the pool.
   *
   * @param connection The connection.
   * @param expiresAt When it should be replaced.
   * @param end Ends the connection, if it has not ended, and frees its place.
   */
  constructor(
    connection: C,
    expiresAt: number,
    end: (reason: EvictionReason, words?: string) => void,
  ) {
    this.connection = connection;
    this.expiresAt = expiresAt;
    this.#end = end;
  }

  /**
   * Whether somebody waits for a lease that only this lane's place can give: only in a
   * pool of one connection, where lane and leases take turns.
   */
  get wanted(): boolean {
    return this.#wanted;
  }

  /**
   * Calls back once when the place is wanted; at once if it is. The owner finishes what
   * is in flight, releases the lane, and may ask for the next one right away: it gets it
   * after one lease.
   *
   * @param fn Called without arguments.
   */
  onWanted(fn: () => void): void {
    if (this.#wanted) fn();
    else this.#onWanted = fn;
  }

  /** Tells the owner that the place is wanted; for the pool. */
  ask(): void {
    if (this.#wanted) return;
    this.#wanted = true;
    this.#onWanted?.();
  }

  /**
   * Ends the connection and frees its place; does nothing once it has ended.
   *
   * @param reason What it is counted as. Default `lane_released`.
   * @param words Why, in words. Default: what the reason means.
   */
  release(reason: EvictionReason = "lane_released", words?: string): void {
    this.#end(reason, words);
  }
}
