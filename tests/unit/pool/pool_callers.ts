import type { LaneHandle, Lease } from "../../../src/pool/lease.ts";
import type { Pool } from "../../../src/pool/pool.ts";
import type { Pooled } from "../../../src/pool/types.ts";

/** How a call ended: the connection it got, or the name of its error. */
export interface Outcome {
  /** Number of the call. */
  readonly call: number;
  /** Id of the connection, or the name of the error. */
  readonly result: number | string;
}

/** A call that has not ended. */
interface Pending {
  readonly call: number;
  readonly abort: AbortController;
}

/** A connection that a call got. */
export interface Held<T> {
  readonly call: number;
  readonly id: number;
  readonly item: T;
}

/**
 * The callers of a pool, whatever it stands on: they keep what they get, and write down
 * how each call ends, in the order in which it does.
 */
export class PoolCallers<C extends Pooled> {
  readonly leases: Held<Lease<C>>[] = [];
  readonly lanes: Held<LaneHandle<C>>[] = [];
  readonly pending: Map<number, Pending> = new Map();
  /** Ids of the lanes that were asked to make way, in order. */
  readonly asked: number[] = [];
  readonly #pool: Pool<C>;
  #outcomes: Outcome[] = [];
  #calls = 0;

  constructor(pool: Pool<C>) {
    this.#pool = pool;
  }

  /**
   * Asks for a lease.
   *
   * @returns The number of the call.
   */
  acquire(timeoutMs: number): number {
    return this.#call(
      (signal) => this.#pool.acquire({ timeoutMs, signal }),
      (item, call) => {
        const { id } = item.connection;
        this.leases.push({ call, id, item });
        return id;
      },
    );
  }

  /**
   * Asks for a lane.
   *
   * @returns The number of the call.
   */
  openLane(): number {
    return this.#call((signal) => this.#pool.openLane(signal), (item, call) => {
      const { id } = item.connection;
      this.lanes.push({ call, id, item });
      item.onWanted(() => this.asked.push(id));
      return id;
    });
  }

  /** Ends a call that has not ended. */
  abort(call: number): void {
    this.pending.get(call)?.abort.abort(new DOMException(`call ${call}`, "AbortError"));
  }

  /** Lets go of a lease, with `release` or `destroy`. */
  giveBack(held: Held<Lease<C>>, verb: "release" | "destroy"): void {
    this.leases.splice(this.leases.indexOf(held), 1);
    held.item[verb]();
  }

  /** Lets go of a lane. */
  closeLane(held: Held<LaneHandle<C>>): void {
    this.lanes.splice(this.lanes.indexOf(held), 1);
    held.item.release();
  }

  /** How calls have ended since this was asked last. */
  takeOutcomes(): Outcome[] {
    return this.#outcomes.splice(0);
  }

  #call<T>(
    begin: (signal: AbortSignal) => Promise<T>,
    keep: (item: T, call: number) => number,
  ): number {
    const call = ++this.#calls;
    const abort = new AbortController();
    this.pending.set(call, { call, abort });
    const ended = (result: number | string) => {
      if (!this.pending.delete(call)) throw new Error(`call ${call} ended twice`);
      this.#outcomes.push({ call, result });
    };
    begin(abort.signal).then(
      (item) => ended(keep(item, call)),
      (error) => ended(error.name),
    );
    return call;
  }
}
