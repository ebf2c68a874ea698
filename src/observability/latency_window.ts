import { LatencyHistogram } from "./histogram.ts";
import type { LatencyStats } from "./types.ts";

/** All durations since the start, as cumulative buckets. */
export interface LatencyTotals {
  /** Upper bounds of the buckets, in milliseconds, ascending. */
  readonly boundsMs: readonly number[];
  /** How many durations did not exceed each bound; each includes the ones before it. */
  readonly counts: readonly number[];
  /** How many durations there were. */
  readonly count: number;
  /** Their sum, in milliseconds. */
  readonly sumMs: number;
}

/**
 * Durations of a window that can be begun anew, and beside it those of all time, which
 * never get fewer.
 */
export class LatencyWindow {
  readonly #window = new LatencyHistogram();
  /** Those before the window; made when there are any. */
  #past: LatencyHistogram | undefined;

  /**
   * Counts a duration.
   *
   * @param ms The duration, in milliseconds.
   * @param count How many times it occurred.
   */
  record(ms: number, count: number): void {
    this.#window.record(ms, count);
  }

  /** The window's numbers; a frozen snapshot. */
  stats(): LatencyStats {
    const { p50Ms, p95Ms, p99Ms, maxMs } = this.#window.snapshot();
    return Object.freeze({ p50Ms, p95Ms, p99Ms, maxMs });
  }

  /** Begins a new window. */
  reset(): void {
    this.#past ??= new LatencyHistogram();
    this.#past.merge(this.#window);
    this.#window.clear();
  }

  /**
   * All durations since the start.
   *
   * @param boundsMs Upper bounds of the buckets, in milliseconds, ascending.
   * @returns Cumulative counts; none of them gets smaller from one call to the next.
   */
  totals(boundsMs: readonly number[]): LatencyTotals {
    const all = new LatencyHistogram();
    if (this.#past !== undefined) all.merge(this.#past);
    all.merge(this.#window);
    const { count, sumMs } = all;
    // A histogram moves the middles of its buckets to what it has seen: without ends that
    // stay, a duration could leave the bound that it has been counted under.
    all.record(0);
    all.record(Number.MAX_VALUE);
    const counts = all.cumulative(boundsMs).map((each) => each - 1);
    return { boundsMs, counts, count, sumMs };
  }
}
