import type { Purpose } from "./types.ts";

/** What the next step of a pool is decided by: nothing but numbers. */
export interface Situation {
  /** The limit. */
  readonly max: number;
  /** Places that lanes have, those being opened included. */
  readonly forLanes: number;
  /** Places that leases have: idle, held, being opened, checked or cleaned. */
  readonly forLeases: number;
  /** Connections that wait for a lease. */
  readonly idle: number;
  /** Whether the idle connection that comes next has to be validated first. */
  readonly stale: boolean;
  /** Connections for leases being opened. */
  readonly connecting: number;
  /** Most of those at the same time. */
  readonly maxConnecting: number;
  /** Connections that will be idle soon, if all goes well: being opened, checked, cleaned. */
  readonly coming: number;
  /** Lanes that are asked for and not being opened. */
  readonly lanesWaiting: number;
  /** Callers that wait for a lease. */
  readonly leasesWaiting: number;
  /** Who had the last turn, in vain or not. */
  readonly lastTurn: Purpose;
  /** For what the budget that pools share has no place now. */
  readonly refused: ReadonlySet<Purpose>;
}

/**
 * What a pool does next.
 *
 * - `open_lane`: open a connection for the first lane that waits
 * - `make_room`: evict an idle connection, for a lane
 * - `grant`: lease the idle connection that comes next to the first caller
 * - `validate`: ask the idle connection that comes next whether it works
 * - `open_lease`: open a connection for leases
 * - `ask_lane`: tell the only lane that its place is wanted
 * - `rest`: nothing can be done before something happens
 */
export type Step =
  | "open_lane"
  | "make_room"
  | "grant"
  | "validate"
  | "open_lease"
  | "ask_lane"
  | "rest";

/**
 * Decides what a pool does next. Lanes come first, and leases never take the last place
 * while no lane has it, so that ordinary commands do not wait for leases. Nor do lanes
 * ever take the last place: however many are wanted, one lease can be had.
 *
 * A pool of one connection cannot keep a place for each: there, lane and leases take
 * turns, and the lane is asked to make way.
 *
 * @param now What the pool is at.
 * @returns The step.
 */
export function nextStep(now: Situation): Step {
  if (mayOpenLane(now)) {
    if (now.forLanes + now.forLeases < now.max) return "open_lane";
    if (now.idle > 0) return "make_room";
  }
  if (now.leasesWaiting === 0) return "rest";
  if (now.idle > 0 && !now.stale) return "grant";
  if (now.leasesWaiting <= now.coming) return "rest";
  if (now.idle > 0) return "validate";
  if (mayOpenLease(now)) return "open_lease";
  return now.max === 1 && now.forLanes > 0 ? "ask_lane" : "rest";
}

/**
 * How many more places leases may take.
 *
 * @param now What the pool is at.
 * @returns 0 or more.
 */
export function roomForLeases(
  now: Pick<Situation, "max" | "forLanes" | "forLeases" | "lanesWaiting">,
): number {
  const { max, forLanes, forLeases, lanesWaiting } = now;
  const wanted = Math.min(forLanes + lanesWaiting, mostLanes(max));
  const kept = max === 1 ? forLanes : Math.max(wanted, 1);
  return Math.max(0, max - kept - forLeases);
}

/** How many lanes there may be: all places but one, which is for leases. */
function mostLanes(max: number): number {
  return Math.max(1, max - 1);
}

function mayOpenLane(now: Situation): boolean {
  const isLanesTurn = now.max > 1 || now.leasesWaiting === 0 || now.lastTurn === "lease";
  return now.lanesWaiting > 0 && now.forLanes < mostLanes(now.max) && isLanesTurn &&
    !now.refused.has("lane");
}

function mayOpenLease(now: Situation): boolean {
  return roomForLeases(now) > 0 && now.connecting < now.maxConnecting &&
    !now.refused.has("lease");
}
