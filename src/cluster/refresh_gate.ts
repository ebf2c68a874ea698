import type { Clock, Timer } from "../core/clock.ts";

/** What a refresh gate needs. */
export interface RefreshGateOptions {
  /** Asks the cluster anew; what it throws is its own business. */
  readonly refresh: (signal: AbortSignal) => Promise<unknown>;
  /** Least time from the start of one refresh to the start of the next, in milliseconds. */
  readonly minGapMs: number;
  /** Time. */
  readonly clock: Clock;
}

type State =
  | { readonly name: "idle" }
  | { readonly name: "pausing"; readonly timer: Timer }
  | { readonly name: "running"; readonly stop: AbortController; wantsAnother: boolean }
  | { readonly name: "closed" };

/**
 * Lets a cluster be asked who serves what, however many ask for it: once at a time, and
 * not more often than the least gap allows. What is asked for while a refresh is under
 * way, whose answer may be from before, is done once more after it.
 *
 * ```
 * idle ── request() ──► running ── done ──► idle, or pausing if more was asked for
 *   └── too soon ──► pausing ── gap over ──► running
 * ```
 */
export class RefreshGate {
  readonly #options: RefreshGateOptions;
  #state: State = { name: "idle" };
  #startedAt = -Infinity;

  /**
   * Makes a gate; asks nobody.
   *
   * @param options What it needs.
   */
  constructor(options: RefreshGateOptions) {
    this.#options = options;
  }

  /** Something shows that what is known is out of date. */
  request(): void {
    if (this.#state.name === "running") this.#state.wantsAnother = true;
    else if (this.#state.name === "idle") this.#startWhenDue();
  }

  /** Asks no more, and ends what is under way. */
  close(): void {
    const state = this.#state;
    this.#state = { name: "closed" };
    if (state.name === "running") state.stop.abort();
    else if (state.name === "pausing") state.timer.cancel();
  }

  #startWhenDue(): void {
    const { clock, minGapMs } = this.#options;
    const leftMs = this.#startedAt + minGapMs - clock.now();
    if (leftMs <= 0) return void this.#run();
    const timer = clock.setTimer(() => void this.#run(), leftMs);
    this.#state = { name: "pausing", timer };
  }

  async #run(): Promise<void> {
    const stop = new AbortController();
    const state: State = { name: "running", stop, wantsAnother: false };
    this.#state = state;
    this.#startedAt = this.#options.clock.now();
    try {
      await this.#options.refresh(stop.signal);
    } catch {
      // Who refreshes tells of it; the next request is another attempt.
    }
    if (this.#state !== state) return;
    this.#state = { name: "idle" };
    if (state.wantsAnother) this.#startWhenDue();
  }
}
