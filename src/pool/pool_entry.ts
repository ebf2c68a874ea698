import type { Grant, LaneHandle, Lease } from "./lease.ts";
import type { Pooled } from "./types.ts";
import { type CallSite, type Linked, LinkedList, type Waiter } from "./wait_queue.ts";

/** Who requested a connection, and what for. */
export type Order<C extends Pooled> =
  | { readonly purpose: "lane"; readonly waiter: Waiter<LaneHandle<C>> }
  /** Without a waiter it is opened ahead. */
  | { readonly purpose: "lease"; readonly waiter: Waiter<Lease<C>> | undefined };

/** Is being opened; its caller may have left since. */
export type Connecting<C extends Pooled> = Order<C> & {
  readonly name: "connecting";
  readonly since: number;
  readonly abort: AbortController;
};

/** Can be leased. */
export interface Idle<C extends Pooled> {
  readonly name: "idle";
  readonly entry: PoolEntry<C>;
  readonly connection: C;
  readonly since: number;
}

/** Held by one caller, until `deadline` at the latest, or it is reported. */
export class Leased<C extends Pooled> implements Grant {
  readonly name = "leased";

  constructor(
    readonly entry: PoolEntry<C>,
    readonly connection: C,
    readonly since: number,
    readonly deadline: number,
    readonly site: CallSite | undefined,
  ) {}

  /** Whether it was released, or its connection has ended. */
  get settled(): boolean {
    return this.entry.state !== this;
  }
}

/** States of a connection. */
export type EntryState<C extends Pooled> =
  | Connecting<C>
  | Idle<C>
  | Leased<C>
  /** Was idle for long; is being checked. */
  | { readonly name: "validating"; readonly connection: C }
  /** Was released; is being reset. */
  | { readonly name: "recycling"; readonly connection: C }
  /** Shared. */
  | { readonly name: "lane"; readonly connection: C; readonly handle: LaneHandle<C> }
  /** Gone. */
  | { readonly name: "closed" };

/**
 * One connection's place under the limit, from before it is opened until it is gone.
 *
 * ```
 * connecting ─┬─► lane
 *             └─► idle ◄──► validating
 *                 ▲  │
 *    recycling ───┤  ▼
 *         ▲───── leased
 * ```
 *
 * A lease whose connection needs no reset goes back to idle without recycling. From every
 * state a connection may be closed, for good.
 */
export class PoolEntry<C extends Pooled> implements Linked<PoolEntry<C>> {
  previous: PoolEntry<C> | undefined;
  next: PoolEntry<C> | undefined;
  /** When it is too old to be leased, on the monotonic clock. */
  expiresAt = Infinity;
  readonly #lists: EntryLists<C>;
  #state: EntryState<C>;

  /** Takes a place under the limit. */
  constructor(lists: EntryLists<C>, state: Connecting<C>) {
    this.#lists = lists;
    this.#state = state;
    lists.of(state)?.push(this);
  }

  /** Its state; compare by identity to see whether it has changed. */
  get state(): EntryState<C> {
    return this.#state;
  }

  /** Changes the state, and with it the list that the entry is in. */
  transition(state: EntryState<C>): void {
    this.#lists.of(this.#state)?.remove(this);
    this.#state = state;
    this.#lists.of(state)?.push(this);
  }
}

/** All entries of a pool: one list for each state, so that lengths are counts. */
export class EntryLists<C extends Pooled> {
  /** Lanes being opened. */
  readonly connectingLanes: LinkedList<PoolEntry<C>> = new LinkedList();
  /** Connections for leases being opened. */
  readonly connecting: LinkedList<PoolEntry<C>> = new LinkedList();
  /** The longest idle at the head. */
  readonly idle: LinkedList<PoolEntry<C>> = new LinkedList();
  readonly validating: LinkedList<PoolEntry<C>> = new LinkedList();
  readonly recycling: LinkedList<PoolEntry<C>> = new LinkedList();
  /** The longest held at the head. */
  readonly leased: LinkedList<PoolEntry<C>> = new LinkedList();
  /** Open lanes. */
  readonly lane: LinkedList<PoolEntry<C>> = new LinkedList();

  /** The list of a state; none for closed entries. */
  of(state: EntryState<C>): LinkedList<PoolEntry<C>> | undefined {
    if (state.name === "closed") return undefined;
    if (state.name === "connecting" && state.purpose === "lane") {
      return this.connectingLanes;
    }
    return this[state.name];
  }

  /** Places that lanes have. */
  get forLanes(): number {
    return this.lane.length + this.connectingLanes.length;
  }

  /** Places that leases have, idle connections included. */
  get forLeases(): number {
    return this.coming + this.idle.length + this.leased.length;
  }

  /** Places taken. */
  get total(): number {
    return this.forLanes + this.forLeases;
  }

  /** Connections that become idle soon unless they fail. */
  get coming(): number {
    return this.connecting.length + this.validating.length + this.recycling.length;
  }

  /** Every entry, in a new list. */
  all(): PoolEntry<C>[] {
    return [
      ...this.connectingLanes,
      ...this.connecting,
      ...this.idle,
      ...this.validating,
      ...this.recycling,
      ...this.leased,
      ...this.lane,
    ];
  }
}
