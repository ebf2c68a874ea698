import type { Clock, Timer } from "../core/clock.ts";

/** How {@linkcode firstOf} asks. */
export interface FirstOfOptions {
  /** How long one has before the next is asked as well, in milliseconds. */
  readonly gapMs: number;
  /** Ends the asking, of all that were asked too. */
  readonly signal: AbortSignal;
  /** Time. */
  readonly clock: Clock;
}

/**
 * Asks one after the other, the next one when the last has failed or takes long, until one
 * has answered; the others are given up then.
 *
 * @param askers What asks, in order; each is given a signal to give up on.
 * @param options How they are asked.
 * @returns The first answer.
 * @throws {Error} The last one's error, if all have failed; the signal's reason.
 *
 * @example Usage
 * ```ts
 * import { systemClock } from "../core/clock.ts";
 * import { firstOf } from "./first_of.ts";
 * import { assertEquals } from "@std/assert";
 *
 * const { signal } = new AbortController();
 * const askers = [() => Promise.reject(new Error("down")), () => Promise.resolve("up")];
 * assertEquals(await firstOf(askers, { gapMs: 100, signal, clock: systemClock }), "up");
 * ```
 */
export function firstOf<T>(
  askers: readonly ((signal: AbortSignal) => Promise<T>)[],
  { clock, gapMs, signal }: FirstOfOptions,
): Promise<T> {
  return new Promise((resolve, reject) => {
    const stop = new AbortController();
    let timer: Timer | undefined;
    let [asked, failed] = [0, 0];
    const done = (settle: () => void) => {
      asked = askers.length;
      timer?.cancel();
      signal.removeEventListener("abort", abort);
      settle();
      stop.abort(new DOMException("another has answered", "AbortError"));
    };
    const abort = () => done(() => reject(signal.reason));
    const askNext = () => {
      timer?.cancel();
      const asker = askers[asked];
      if (asker === undefined) return;
      asked++;
      timer = clock.setTimer(askNext, gapMs);
      asker(stop.signal).then((answer) => done(() => resolve(answer)), (error) => {
        failed++;
        if (failed === askers.length) done(() => reject(error));
        // All that were asked have failed, so nobody is worth waiting for.
        else if (failed === asked) askNext();
      });
    };
    signal.addEventListener("abort", abort, { once: true });
    if (signal.aborted) abort();
    else if (askers.length === 0) done(() => reject(new Error("there is nobody to ask")));
    else askNext();
  });
}
