import type { Clock, Timer } from "../core/clock.ts";

/**
 * One timer for many deadlines: it goes off at the earliest time that it was asked for,
 * and then has to be asked again.
 *
 * It may go off with nothing to do, when what it was set for has been settled meanwhile:
 * that is cheaper than taking it back each time.
 */
export class Alarm {
  readonly #clock: Clock;
  readonly #ring: () => void;
  #timer: Timer | undefined;
  #at = Infinity;
  /** Counts what was cancelled, so that a ring that is on its way is dropped. */
  #generation = 0;

  /**
   * Makes an alarm that is not set.
   *
   * @param clock Time.
   * @param ring Called when it goes off.
   */
  constructor(clock: Clock, ring: () => void) {
    this.#clock = clock;
    this.#ring = ring;
  }

  /**
   * Goes off at that time at the latest.
   *
   * @param at The time, on the monotonic clock; infinite for never.
   */
  setBy(at: number): void {
    if (at >= this.#at) return;
    this.#timer?.cancel();
    this.#at = at;
    const generation = this.#generation;
    // Rounded up: a timer that is early by less than a millisecond would find nothing due.
    const delay = Math.ceil(at - this.#clock.now());
    this.#timer = this.#clock.setTimer(() => {
      this.#at = Infinity;
      // The timers of a process that was frozen or busy are due before its sockets have
      // been looked at: what has arrived is read before deadlines are judged.
      this.#clock.afterPoll(() => {
        if (generation === this.#generation) this.#ring();
      });
    }, delay);
  }

  /** Does not go off any more, unless it is set again. */
  cancel(): void {
    this.#timer?.cancel();
    this.#at = Infinity;
    this.#generation++;
  }
}
