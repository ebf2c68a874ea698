import { type Linked, LinkedQueue } from "./linked_queue.ts";
import type { EvictionReason, OpenConnection, Pooled } from "./types.ts";
import type { CallSite, Waiter } from "./waiter.ts";
import type { Lease } from "./lease.ts";
import type { LaneSlot } from "./shared_slot.ts";

/** Who asked for a connection, and what for. */
export type Order<C extends Pooled> =
  | { readonly purpose: "lane"; readonly waiter: Waiter<LaneSlot<C>> }
  /** Without a waiter it is opened ahead. */
  | { readonly purpose: "lease"; readonly waiter: Waiter<Lease<C>> | undefined };

/** Being opened; who asked for it may have gone since. */
export type Connecting<C extends Pooled> = Order<C> & {
  readonly name: "connecting";
  readonly since: number;
  readonly abort: AbortController;
};

/** Waits to be leased. */
export interface Idle<C extends Pooled> {
  readonly name: "idle";
  readonly slot: Slot<C>;
  readonly connection: C;
  readonly since: number;
}

/** Was idle for long; is being asked whether it still works. */
export interface Validating<C> {
  readonly name: "validating";
  readonly connection: C;
  readonly abort: AbortController;
}

/** Held by one caller. Leases know it and it does not know them: it keeps none alive. */
export interface Leased<C extends Pooled> {
  readonly name: "leased";
  readonly slot: Slot<C>;
  readonly connection: C;
  readonly since: number;
  /** Where it was acquired, if leak detection is on. */
  readonly site: CallSite | undefined;
  /** Whether it has been reported as held for too long. */
  reported: boolean;
}

/** Given back; is being made clean. */
export interface Recycling<C> {
  readonly name: "recycling";
  readonly connection: C;
}

/** Shared. */
export interface InLane<C extends Pooled> {
  readonly name: "lane";
  readonly connection: C;
  readonly handle: LaneSlot<C>;
}

/** Gone. */
export interface Closed {
  readonly name: "closed";
  readonly reason: EvictionReason;
}

/** What a connection may be at. */
export type SlotState<C extends Pooled> =
  | Connecting<C>
  | Idle<C>
  | Validating<C>
  | Leased<C>
  | Recycling<C>
  | InLane<C>
  | Closed;

/**
 * One connection's place under the limit, from before it is opened until it is gone. Its
 * state is the queue of the {@linkcode Board} that it sits in.
 *
 * ```
 * connecting ─┬─► lane
 *             └─► idle ◄──► validating
 *                 ▲  │
 *    recycling ───┤  ▼
 *         ▲───── leased
 * ```
 *
 * A lease whose connection needs no cleaning goes back to idle without recycling. From
 * every state a connection may be closed, for good.
 */
export class Slot<C extends Pooled> implements Linked<Slot<C>> {
  previous: Slot<C> | undefined;
  next: Slot<C> | undefined;
  /** When it is too old to be handed out, on the monotonic clock. */
  expiresAt = Infinity;
  /** Whether something happened since it was last known to work. */
  suspect = false;
  readonly #board: Board<C>;
  #state: SlotState<C>;

  /**
   * Takes a place under the limit.
   *
   * @param board The board that it appears on.
   * @param state What it begins as.
   */
  constructor(board: Board<C>, state: Connecting<C>) {
    this.#board = board;
    this.#state = state;
    board.queueOf(state)?.push(this);
  }

  /** What it is at; compare by identity to see whether it still is. */
  get state(): SlotState<C> {
    return this.#state;
  }

  /**
   * Goes over to another state, and to its queue.
   *
   * @param state The new state.
   */
  transition(state: SlotState<C>): void {
    this.#board.queueOf(this.#state)?.remove(this);
    this.#state = state;
    this.#board.queueOf(state)?.push(this);
  }
}

/** All connections of a pool: one queue for each state, so that lengths are the counts. */
export class Board<C extends Pooled> {
  /** Lanes being opened. */
  readonly connectingLanes: LinkedQueue<Slot<C>> = new LinkedQueue();
  /** Connections for leases being opened. */
  readonly connectingLeases: LinkedQueue<Slot<C>> = new LinkedQueue();
  /** The longest idle at the head. */
  readonly idle: LinkedQueue<Slot<C>> = new LinkedQueue();
  readonly validating: LinkedQueue<Slot<C>> = new LinkedQueue();
  /** The longest held at the head. */
  readonly leased: LinkedQueue<Slot<C>> = new LinkedQueue();
  readonly recycling: LinkedQueue<Slot<C>> = new LinkedQueue();
  readonly lanes: LinkedQueue<Slot<C>> = new LinkedQueue();

  /**
   * The queue that a state stands for.
   *
   * @param state The state.
   * @returns The queue; none for what is closed.
   */
  queueOf(state: SlotState<C>): LinkedQueue<Slot<C>> | undefined {
    switch (state.name) {
      case "idle":
        return this.idle;
      case "leased":
        return this.leased;
      case "connecting":
        return state.purpose === "lane" ? this.connectingLanes : this.connectingLeases;
      case "validating":
        return this.validating;
      case "recycling":
        return this.recycling;
      case "lane":
        return this.lanes;
      case "closed":
        return undefined;
    }
  }

  /** Places that lanes have. */
  get forLanes(): number {
    return this.lanes.length + this.connectingLanes.length;
  }

  /** Places that leases have, idle connections included. */
  get forLeases(): number {
    return this.connectingLeases.length + this.idle.length + this.validating.length +
      this.leased.length + this.recycling.length;
  }

  /** Places taken. */
  get total(): number {
    return this.forLanes + this.forLeases;
  }

  /** Connections that will be idle soon, if all goes well. */
  get coming(): number {
    return this.connectingLeases.length + this.validating.length + this.recycling.length;
  }

  /** What is idle, the longest idle first, in a list of its own. */
  idleStates(): Idle<C>[] {
    return [...this.idle].flatMap(({ state }) => state.name === "idle" ? [state] : []);
  }

  /** What is open, and what for, in a list of its own. */
  open(): OpenConnection<C>[] {
    return this.all().flatMap(({ state }) =>
      state.name === "connecting" || state.name === "closed" ? [] : [{
        purpose: state.name === "lane" ? "lane" : "lease",
        connection: state.connection,
      }]
    );
  }

  /** Every slot, in a list of its own. */
  all(): Slot<C>[] {
    return [
      ...this.connectingLanes,
      ...this.connectingLeases,
      ...this.idle,
      ...this.validating,
      ...this.recycling,
      ...this.leased,
      ...this.lanes,
    ];
  }
}
