import type { Purpose } from "./types.ts";

/** A pool, as the budget sees it. */
export interface BudgetMember {
  /** Idle connections, which it could do without. */
  readonly idle: number;
  /** When its longest idle connection became idle; infinite if it has none. */
  readonly idleSince: number;
  /**
   * Places that are to be kept for its first lane, 0 or 1.
   *
   * @param taking What it would have taken a place for before.
   * @param evicted Whether its idle connections would have gone before.
   */
  reserve(taking?: Purpose, evicted?: boolean): number;
  /** Evicts its longest idle connection, which gives a place back. */
  evictIdle(): void;
  /** A place came free since it was refused one: it tries again. */
  retry(): void;
}

/**
 * One limit over the connections of several pools: asked before each is opened, told
 * when each is gone.
 *
 * Where none is free, the connection of any pool that has been idle for longest has to
 * go. Where none is idle, the pools that were refused try again in turn, those that need
 * a lane before those that need a lease. One place a pool is kept for its first lane, as
 * far as the limit allows: leases of one database never stop another from serving. The
 * limit should be larger than the number of pools, or lanes may leave no lease a place.
 *
 * @example Usage
 * ```ts ignore
 * const budget = new ConnectionBudget(100);
 * const cache = new Pool({ ...options, budget }, driver, clock);
 * const jobs = new Pool({ ...options, budget }, driver, clock);
 * ```
 */
export class ConnectionBudget {
  /** Most connections of all members together. */
  readonly max: number;
  readonly #members = new Set<BudgetMember>();
  /** Who was refused, the first one first. A member is in one of them at most once. */
  readonly #refused: Record<Purpose, Set<BudgetMember>> = {
    lane: new Set(),
    lease: new Set(),
  };
  #used = 0;
  /** Whether places that come free are looked after already. */
  #settling = false;

  /**
   * Makes a budget that nobody uses yet.
   *
   * @param max Most connections of all members together; at least 1.
   * @throws {RangeError} If `max` is not a whole number of 1 or more.
   */
  constructor(max: number) {
    if (!Number.isSafeInteger(max) || max < 1) {
      throw new RangeError(
        `Cannot make a budget as max must be a whole number of 1 or more: current value is ${max}`,
      );
    }
    this.max = max;
  }

  /** Connections that its members have, those being opened included. */
  get used(): number {
    return this.#used;
  }

  /** Whether a member waits for a place. */
  get starving(): boolean {
    return this.#refused.lane.size + this.#refused.lease.size > 0;
  }

  /**
   * Lets a pool use it.
   *
   * @param member The pool.
   */
  join(member: BudgetMember): void {
    this.#members.add(member);
  }

  /**
   * The pool does not use it any more; it has given all its places back.
   *
   * @param member The pool.
   */
  leave(member: BudgetMember): void {
    this.#members.delete(member);
    this.#refused.lane.delete(member);
    this.#refused.lease.delete(member);
    // What was kept for its lane can be used by the others.
    this.#settle();
  }

  /**
   * Takes a place, which `give` gives back, and evicts an idle connection for it if it
   * has to. Who is refused is told when it is worth trying again.
   *
   * @param member Who.
   * @param purpose What for.
   * @returns Whether there is one.
   */
  take(member: BudgetMember, purpose: Purpose): boolean {
    if (this.#makeRoom(member, purpose)) {
      this.#used++;
      return true;
    }
    this.#refused[purpose].add(member);
    return false;
  }

  /**
   * Takes a place only if one is free and nobody else wants it: for connections that
   * are opened ahead.
   *
   * @param member Who.
   * @returns Whether there is one.
   */
  takeSpare(member: BudgetMember): boolean {
    if (this.starving || this.#missing(member, "lease") > 0) return false;
    this.#used++;
    return true;
  }

  /** A connection is gone. */
  give(): void {
    this.#used--;
    this.#settle();
  }

  /** Something became idle that others may want more. */
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
    // Who made way, or waits for longer, may have had a use for the place.
    return this.#missing(member, purpose) <= 0;
  }

  #longestIdle(): BudgetMember | undefined {
    let longest: BudgetMember | undefined;
    for (const member of this.#members) {
      if (member.idleSince < (longest?.idleSince ?? Infinity)) longest = member;
    }
    return longest;
  }

  /** Lets those try again who were refused and would not be now, in turn. */
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
    // Who is refused again comes last, and is not asked again this time.
    for (const member of [...refused]) {
      if (this.#missing(member, purpose, true) > 0) continue;
      refused.delete(member);
      member.retry();
    }
  }
}
