import type { Board, Slot } from "./slot.ts";
import type { Pooled, PoolGauges } from "./types.ts";

/**
 * A pool at this instant, in numbers.
 *
 * @param board Its connections.
 * @param max Most connections.
 * @param waiting Callers that wait for a lease.
 * @param lanesWaiting Lanes that are asked for and not open.
 * @returns The numbers.
 */
export function gaugesOf<C extends Pooled>(
  board: Board<C>,
  max: number,
  waiting: number,
  lanesWaiting: number,
): PoolGauges {
  const validating = board.validating.length;
  const leased = board.leased.length;
  const recycling = board.recycling.length;
  return {
    total: board.total,
    lanes: board.lanes.length,
    inUse: leased + recycling,
    idle: board.idle.length,
    connecting: board.connectingLanes.length + board.connectingLeases.length + validating,
    waiting,
    max,
    leased,
    recycling,
    validating,
    lanesWaiting,
  };
}

/**
 * Whether somebody works with a connection: a caller, or a lane.
 *
 * @param slot Its place.
 * @returns `true` if closing it cuts somebody.
 */
export function isInUse<C extends Pooled>({ state }: Slot<C>): boolean {
  return state.name === "leased" || state.name === "lane";
}
