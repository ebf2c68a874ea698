/** Options for {@linkcode delay}. */
export interface DelayOptions {
  /** Ends the delay early, with the signal's reason. */
  signal?: AbortSignal;
  /**
   * Whether the timer keeps the process alive.
   *
   * @default {true}
   */
  persistent?: boolean;
}

/** The longest time that one runtime timer can wait: 2^31 - 1 ms, close to 25 days. */
const LONGEST_TIMER = 2 ** 31 - 1;

/** A timer of any length, made of as many runtime timers as it takes. */
class LongTimer {
  #id = 0;
  readonly #due: number;
  readonly #done: () => void;

  constructor(ms: number, done: () => void) {
    const whole = Math.trunc(Math.max(ms, 0)) || 0;
    this.#due = Date.now() + whole;
    this.#done = done;
    this.#arm(whole);
  }

  #arm(left: number): void {
    const last = left <= LONGEST_TIMER;
    const next = last ? this.#done : () => this.#arm(this.#due - Date.now());
    this.#id = Number(setTimeout(next, last ? left : LONGEST_TIMER));
  }

  clear(): void {
    clearTimeout(this.#id);
  }

  unref(): void {
    Deno.unrefTimer(this.#id);
  }
}

function letProcessEnd(timer: LongTimer): void {
  try {
    timer.unref();
  } catch (error) {
    // Elsewhere than in Deno the name does not exist: the delay still works.
    if (error instanceof ReferenceError) {
      console.error("`persistent` option is only available in Deno");
      return;
    }
    timer.clear();
    throw error;
  }
}

/**
 * Resolves after a given time.
 *
 * @param ms How long to wait, in milliseconds, of any length.
 * @param options Additional options.
 * @returns A promise that resolves when the time is over, or rejects with the signal's
 * reason.
 *
 * @example Usage
 * ```ts
 * import { delay } from "@std/async/delay";
 *
 * await delay(1);
 * ```
 */
export function delay(ms: number, options: DelayOptions = {}): Promise<void> {
  const { signal, persistent = true } = options;
  if (signal?.aborted) return Promise.reject(signal.reason);
  return new Promise((resolve, reject) => {
    const onAbort = () => {
      timer.clear();
      reject(signal?.reason);
    };
    const timer = new LongTimer(ms, () => {
      signal?.removeEventListener("abort", onAbort);
      resolve();
    });
    signal?.addEventListener("abort", onAbort, { once: true });
    if (!persistent) letProcessEnd(timer);
  });
}
