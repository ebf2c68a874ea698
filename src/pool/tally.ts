import { LatencyHistogram } from "../observability/histogram.ts";
import { EVICTION_REASONS, type EvictionReason, type PoolCounters } from "./types.ts";

/** Counts what a pool does; decides nothing. */
export class Tally {
  created = 0;
  acquires = 0;
  waited = 0;
  acquireTimeouts = 0;
  cancelled = 0;
  refused = 0;
  acquireFailures = 0;
  /** On the wall's clock. */
  lastCleanup: number | null = null;
  readonly waitTime: LatencyHistogram = new LatencyHistogram();
  readonly useTime: LatencyHistogram = new LatencyHistogram();
  readonly createTime: LatencyHistogram = new LatencyHistogram();
  #closed = 0;
  readonly #evictions: Record<EvictionReason, number>;

  constructor() {
    const none = EVICTION_REASONS.map((reason) => [reason, 0]);
    this.#evictions = Object.fromEntries(none) as Record<EvictionReason, number>;
  }

  /**
   * A connection is gone.
   *
   * @param reason Why.
   */
  close(reason: EvictionReason): void {
    this.#closed++;
    this.#evictions[reason]++;
  }

  /**
   * What was counted so far.
   *
   * @returns An object of its own.
   */
  snapshot(): PoolCounters {
    return {
      created: this.created,
      closed: this.#closed,
      evictions: { ...this.#evictions },
      acquires: this.acquires,
      waited: this.waited,
      acquireTimeouts: this.acquireTimeouts,
      cancelled: this.cancelled,
      refused: this.refused,
      acquireFailures: this.acquireFailures,
      waitTime: this.waitTime.snapshot(),
      useTime: this.useTime.snapshot(),
      createTime: this.createTime.snapshot(),
      lastCleanup: this.lastCleanup,
    };
  }
}
