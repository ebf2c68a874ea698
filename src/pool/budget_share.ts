import type { BudgetMember, ConnectionBudget } from "./budget.ts";
import type { Board } from "./slot.ts";
import type { Pooled, Purpose } from "./types.ts";

/** What a share is made of. */
export interface BudgetShareParts<C extends Pooled> {
  /** The budget, if there is one: without, there is always a place. */
  readonly budget: ConnectionBudget | undefined;
  /** The pool's own limit. */
  readonly max: number;
  /** The pool's connections. */
  readonly board: Board<C>;
  /** Evicts the connection that has been idle for longest. */
  readonly evictIdle: () => void;
  /** Tries again what had no place. */
  readonly retry: () => void;
}

/** One pool's part in the budget that pools share, if they do. */
export class BudgetShare<C extends Pooled> implements BudgetMember {
  readonly #parts: BudgetShareParts<C>;

  /**
   * Joins the budget.
   *
   * @param parts What it is made of.
   */
  constructor(parts: BudgetShareParts<C>) {
    this.#parts = parts;
    parts.budget?.join(this);
  }

  get idle(): number {
    return this.#parts.board.idle.length;
  }

  get idleSince(): number {
    const state = this.#parts.board.idle.head?.state;
    return state?.name === "idle" ? state.since : Infinity;
  }

  reserve(taking?: Purpose, evicted: boolean = false): number {
    const { board, max } = this.#parts;
    if (max > 1) return board.forLanes === 0 && taking !== "lane" ? 1 : 0;
    // In a pool of one connection a lane follows a lease in the same place.
    const left = board.total - (evicted ? board.idle.length : 0);
    return left === 0 && taking === undefined ? 1 : 0;
  }

  evictIdle(): void {
    this.#parts.evictIdle();
  }

  retry(): void {
    this.#parts.retry();
  }

  /**
   * Takes a place; it is tried again when there may be one.
   *
   * @param purpose What for.
   * @returns Whether there is one.
   */
  take(purpose: Purpose): boolean {
    return this.#parts.budget?.take(this, purpose) ?? true;
  }

  /**
   * Takes a place that nobody else wants.
   *
   * @returns Whether there is one.
   */
  takeSpare(): boolean {
    return this.#parts.budget?.takeSpare(this) ?? true;
  }

  /** A connection is gone. */
  give(): void {
    this.#parts.budget?.give();
  }

  /** A connection is idle that this pool has no use for now. */
  offer(): void {
    this.#parts.budget?.offer();
  }

  /** The pool has no connections any more, and never will have. */
  leave(): void {
    this.#parts.budget?.leave(this);
  }
}
