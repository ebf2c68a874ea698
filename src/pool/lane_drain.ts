import type { Clock, Timer } from "../core/clock.ts";

/** What a drain waits for. */
export interface LaneDrainOptions {
  /** Whether anybody still waits for a command. */
  readonly isAwaited: () => boolean;
  /** Time between two looks at what comes without a word, in milliseconds. */
  readonly pollMs: number;
  /** Time. */
  readonly clock: Clock;
}

/**
 * Waits until what was under way is over: it is told of what has finished, and looks by
 * itself for what callers give up, which nobody is told of.
 *
 * @example Usage
 * ```ts ignore
 * const drain = new LaneDrain({ isAwaited: () => awaited > 0, pollMs: 10, clock });
 * await drain.wait(5000);
 * ```
 */
export class LaneDrain {
  readonly #options: LaneDrainOptions;
  readonly #over = Promise.withResolvers<void>();
  #timer: Timer | undefined;

  /**
   * Waits for nothing yet.
   *
   * @param options What it waits for.
   */
  constructor(options: LaneDrainOptions) {
    this.#options = options;
  }

  /**
   * Waits.
   *
   * @param drainMs How long at most, in milliseconds.
   */
  async wait(drainMs: number): Promise<void> {
    const limit = this.#options.clock.setTimer(this.#over.resolve, drainMs);
    this.#poll();
    await this.#over.promise;
    limit.cancel();
    this.#timer?.cancel();
  }

  /** It is over: nothing is under way any more. */
  end(): void {
    this.#over.resolve();
  }

  #poll(): void {
    const { clock, isAwaited, pollMs } = this.#options;
    if (!isAwaited()) return this.end();
    this.#timer = clock.setTimer(() => this.#poll(), pollMs);
  }
}
