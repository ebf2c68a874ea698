import type { Purpose } from "./types.ts";

/** What the next action of a pool depends on. */
export interface PoolState {
  /** The limit. */
  readonly max: number;
  /** Places that lanes have, those being opened included. */
  readonly forLanes: number;
  /** Places that leases have: idle, held, being opened, checked or reset. */
  readonly forLeases: number;
  /** Connections that can be leased. */
  readonly idle: number;
  /** Whether the next idle connection has to be validated first. */
  readonly stale: boolean;
  /** Connections for leases being opened. */
  readonly connecting: number;
  /** Most of those at the same time. */
  readonly maxConnecting: number;
  /** Connections that become idle soon unless they fail: being opened, checked, reset. */
  readonly coming: number;
  /** Lanes that were requested and are not being opened. */
  readonly lanesWaiting: number;
  /** Callers that wait for a lease. */
  readonly leasesWaiting: number;
  /** Who had the last turn, in vain or not. */
  readonly lastTurn: Purpose;
  /** Purposes for which the budget that pools share has no place now. */
  readonly refused: ReadonlySet<Purpose>;
}

/**
 * What a pool does next.
 *
 * - `open_lane`: open a connection for the first lane that waits
 * - `make_room`: evict an idle connection, for a lane
 * - `grant`: lease the next idle connection to the first caller
 * - `validate`: check whether the next idle connection works
 * - `open_lease`: open a connection for leases
 * - `request_lane`: notify the only lane that its place is wanted
 * - `rest`: nothing can be done before something happens
 */
export type Action =
  | "open_lane"
  | "make_room"
  | "grant"
  | "validate"
  | "open_lease"
  | "request_lane"
  | "rest";

/**
 * Decides what a pool does next. Lanes come first, and leases never take the last place while
 * no lane has it, so that ordinary commands do not wait for leases. Lanes never take the last
 * place either: however many are wanted, one lease is possible.
 *
 * A pool of one connection cannot keep a place for each: there, lane and leases take turns,
 * and the lane is notified to release its place.
 */
export function nextAction(now: PoolState): Action {
  if (mayOpenLane(now)) {
    if (now.forLanes + now.forLeases < now.max) return "open_lane";
    if (now.idle > 0) return "make_room";
  }
  if (now.leasesWaiting === 0) return "rest";
  if (now.idle > 0 && !now.stale) return "grant";
  if (now.leasesWaiting <= now.coming) return "rest";
  if (now.idle > 0) return "validate";
  if (mayOpenLease(now)) return "open_lease";
  return now.max === 1 && now.forLanes > 0 ? "request_lane" : "rest";
}

/** How many more places leases may take. */
export function roomForLeases(
  now: Pick<PoolState, "max" | "forLanes" | "forLeases" | "lanesWaiting">,
): number {
  const { max, forLanes, forLeases, lanesWaiting } = now;
  const wanted = Math.min(forLanes + lanesWaiting, mostLanes(max));
  const kept = max === 1 ? forLanes : Math.max(wanted, 1);
  return Math.max(0, max - kept - forLeases);
}

/** Most lanes: all places but one, which is for leases. */
function mostLanes(max: number): number {
  return Math.max(1, max - 1);
}

function mayOpenLane(now: PoolState): boolean {
  const isLanesTurn = now.max > 1 || now.leasesWaiting === 0 || now.lastTurn === "lease";
  return now.lanesWaiting > 0 && now.forLanes < mostLanes(now.max) && isLanesTurn &&
    !now.refused.has("lane");
}

function mayOpenLease(now: PoolState): boolean {
  return roomForLeases(now) > 0 && now.connecting < now.maxConnecting &&
    !now.refused.has("lease");
}
