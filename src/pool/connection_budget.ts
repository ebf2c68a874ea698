import type { Purpose } from "./types.ts";

/** A pool that uses a {@linkcode ConnectionBudget}. */
export interface BudgetMember {
  /** Number of its idle connections, which can be evicted. */
  readonly idle: number;
  /** When its longest idle connection became idle; infinite if it has none. */
  readonly idleSince: number;
  /**
   * Places to keep for its first lane, 0 or 1: as if it had taken a place for `taking`, and as
   * if its idle connections were `evicted`.
   */
  reserve(taking?: Purpose, evicted?: boolean): number;
  /** Evicts its longest idle connection, which gives a place back. */
  evictIdle(): void;
  /** Called when there may be a place, after it was refused one. */
  retry(): void;
}

/**
 * One limit over the connections of several pools, which take a place before each connection
 * is opened and give it back when the connection is gone.
 *
 * Where no place is free, the connection of any pool that has been idle for longest is
 * evicted. Where none is idle, the pools that were refused try again in turn, those that need
 * a lane before those that need a lease. One place per pool is kept for its first lane, as far
 * as the limit allows: leases of one database never stop another from serving. The limit
 * should be larger than the number of pools, or lanes may leave no place for leases.
 *
 * @example Usage
 * ```ts ignore
 * const budget = new ConnectionBudget(100);
 * const cache = new Pool(cacheOptions, driver, clock, {}, budget);
 * const jobs = new Pool(jobOptions, driver, clock, {}, budget);
 * ```
 */
export class ConnectionBudget {
  /** Most connections of all members together. */
  readonly max: number;
  readonly #members = new Set<BudgetMember>();
  /** Members that were refused, the first one first; a member is in one set at most. */
  readonly #refused: Record<Purpose, Set<BudgetMember>> = {
    lane: new Set(),
    lease: new Set(),
  };
  #used = 0;
  /** Whether `#settle` is already running. */
  #settling = false;

  /** Limits all members together to `max` connections, a whole number of 1 or more. */
  constructor(max: number) {
    this.max = max;
  }

  /** Connections of all members, those being opened included. */
  get used(): number {
    return this.#used;
  }

  /** Whether a member waits for a place. */
  get starving(): boolean {
    return this.#refused.lane.size + this.#refused.lease.size > 0;
  }

  /** Adds a pool. */
  join(member: BudgetMember): void {
    this.#members.add(member);
  }

  /** Removes a pool, which has given all its places back. */
  leave(member: BudgetMember): void {
    this.#members.delete(member);
    this.#refused.lane.delete(member);
    this.#refused.lease.delete(member);
    // The place that was kept for its lane is free for the others.
    this.#settle();
  }

  /**
   * Takes a place, which `give` gives back, and evicts an idle connection for it if it has to.
   * Gives `false` if there is none; the member's `retry` is called when there may be one.
   */
  take(member: BudgetMember, purpose: Purpose): boolean {
    if (this.#makeRoom(member, purpose)) {
      this.#used++;
      return true;
    }
    this.#refused[purpose].add(member);
    return false;
  }

  /** Takes a place if one is free and no member waits for it: to open connections ahead. */
  takeSpare(member: BudgetMember): boolean {
    if (this.starving || this.#missing(member, "lease") > 0) return false;
    this.#used++;
    return true;
  }

  /** Gives a place back: a connection is gone. */
  give(): void {
    this.#used--;
    this.#settle();
  }

  /** A connection became idle that other members may need. */
  offer(): void {
    if (this.starving) this.#settle();
  }

  /**
   * How many places too few are free: a first lane may have any, a lease leaves enough
   * for the first lanes of all members, and a further lane leaves one more, for leases.
   *
   * @param evicted Whether to count as if everything idle had made way.
   */
  #missing(member: BudgetMember, purpose: Purpose, evicted: boolean = false): number {
    let free = this.max - this.#used;
    let kept = 0;
    for (const each of this.#members) {
      if (evicted) free += each.idle;
      kept += each.reserve(each === member ? purpose : undefined, evicted);
    }
    if (purpose === "lane" && member.reserve() > 0) return 1 - free;
    // However many pools there are, what is kept for their lanes leaves one for leases.
    const left = Math.min(kept, this.max - 1) + (purpose === "lane" ? 1 : 0);
    return left + 1 - free;
  }

  /** Evicts idle connections, the longest idle first, if that makes enough room. */
  #makeRoom(member: BudgetMember, purpose: Purpose): boolean {
    if (this.#missing(member, purpose, true) > 0) return false;
    let victim = this.#longestIdle();
    while (victim !== undefined && this.#missing(member, purpose) > 0) {
      victim.evictIdle();
      victim = this.#longestIdle();
    }
    // An evicted member, or one that waits for longer, may have taken the place.
    return this.#missing(member, purpose) <= 0;
  }

  #longestIdle(): BudgetMember | undefined {
    let longest: BudgetMember | undefined;
    for (const member of this.#members) {
      if (member.idleSince < (longest?.idleSince ?? Infinity)) longest = member;
    }
    return longest;
  }

  /** Members that were refused and would not be refused now try again, in turn. */
  #settle(): void {
    if (this.#settling) return;
    this.#settling = true;
    try {
      for (const purpose of ["lane", "lease"] as const) this.#retry(purpose);
    } finally {
      this.#settling = false;
    }
  }

  #retry(purpose: Purpose): void {
    const refused = this.#refused[purpose];
    // A member that is refused again goes to the end, and does not try again this time.
    for (const member of [...refused]) {
      if (this.#missing(member, purpose, true) > 0) continue;
      refused.delete(member);
      member.retry();
    }
  }
}
