import { SATURATED_IN_FLIGHT } from "./lane_choice.ts";

/** Ticks in a row with every lane saturated after which another is opened: fewer are a
 * burst, which the lanes that there are serve sooner than one that must be opened. */
const SATURATED_TICKS = 8;

/**
 * When one more lane will help: when the least loaded one has been busy for some ticks. A
 * tick counts if the lanes were saturated at any time in it, as it begins with what has
 * been answered.
 *
 * @example Usage
 * ```ts
 * import { LaneGrowth } from "./lane_growth.ts";
 * import { assertEquals } from "@std/assert";
 *
 * const growth = new LaneGrowth();
 * const ticks = Array.from({ length: 9 }, (_, tick) => growth.wantsLane(tick, 1e6, true));
 * assertEquals(ticks.indexOf(true), 7);
 * ```
 */
export class LaneGrowth {
  #saturatedTicks = 0;
  #tick = -1;
  #isSaturated = false;

  /**
   * Takes note of a command that is about to be sent.
   *
   * @param tick Number of the current tick.
   * @param least Load of the least loaded lane.
   * @param mayOpen Whether another could be opened now.
   * @returns Whether another is to be opened; the count begins anew then.
   */
  wantsLane(tick: number, least: number, mayOpen: boolean): boolean {
    if (tick !== this.#tick) {
      if (!this.#isSaturated) this.#saturatedTicks = 0;
      this.#tick = tick;
      this.#isSaturated = false;
    }
    if (this.#isSaturated || least < SATURATED_IN_FLIGHT) return false;
    this.#isSaturated = true;
    if (++this.#saturatedTicks < SATURATED_TICKS || !mayOpen) return false;
    this.#saturatedTicks = 0;
    return true;
  }
}
