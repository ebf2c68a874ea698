import { SATURATED_IN_FLIGHT } from "./lane_choice.ts";

/**
 * Load per lane, if there were one less, from which on none is superfluous: half of what
 * opens another, so that a set that has just shrunk does not grow again at once.
 */
const BUSY_LOAD = SATURATED_IN_FLIGHT / 2;

/**
 * Whether one lane less would be busy with the same commands.
 *
 * @param lanes How many lanes there are.
 * @param leastLoad Load of the least loaded one.
 * @returns `true` if all of them are needed.
 */
export function areAllNeeded(lanes: number, leastLoad: number): boolean {
  return leastLoad * lanes >= BUSY_LOAD * (lanes - 1);
}

/** What the surplus of lanes is decided by. */
export interface LaneUse {
  /** How many lanes there are. */
  readonly lanes: number;
  /** When all of them were needed last, on the monotonic clock. */
  readonly neededAt: number;
  /** How long they may be more than needed, in milliseconds; 0 = for ever. */
  readonly idleTimeoutMs: number;
}

/**
 * Whether a lane should go: one has not been needed for all of the idle timeout, and it
 * is not the last. One at a time: the others have to prove superfluous once more.
 *
 * @param use What they were needed for.
 * @param now The time, on the monotonic clock.
 * @returns `true` if one should.
 */
export function hasSurplus(use: LaneUse, now: number): boolean {
  const { lanes, neededAt, idleTimeoutMs } = use;
  return lanes > 1 && idleTimeoutMs > 0 && now - neededAt >= idleTimeoutMs;
}
