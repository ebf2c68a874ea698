import type { LoadClock } from "./clock.ts";
import { Histogram } from "./histogram.ts";

/** What a load is made of. */
export interface Load {
  /** What a caller does; `n` counts the calls. */
  readonly call: (n: number) => Promise<unknown>;
  /** How long it runs, in milliseconds. */
  readonly durationMs: number;
  /** Time. */
  readonly clock: LoadClock;
  /** Ends it early. */
  readonly signal?: AbortSignal;
}

/** What a load came to. */
export interface LoadResult {
  /** Calls that succeeded. */
  readonly calls: number;
  /** How long it took, in seconds. */
  readonly seconds: number;
  /** Latency of the calls that were timed. */
  readonly latency: Histogram;
  /** Calls that failed. */
  readonly errors: number;
  /** What the first failure said. */
  readonly firstError?: string;
  /** The most calls that were under way. */
  readonly mostUnderWay: number;
}

/** After a failure a caller waits so long, in milliseconds: one that fails at once would
 * leave the event loop no turn. */
const AFTER_FAILURE_MS = 1;
/** From so many callers on one call in four is timed: reading the clock costs as much as
 * a good part of a command. */
const SAMPLE_FROM = 16;
/** Most calls that an open loop has under way; those beyond are late, and counted so. */
const MAX_UNDER_WAY = 50_000;

/** Counts what happens to the calls. */
class Tally {
  readonly latency = new Histogram();
  calls = 0;
  errors = 0;
  underWay = 0;
  mostUnderWay = 0;
  #firstError: string | undefined;

  fail(error: unknown): void {
    this.errors++;
    this.#firstError ??= error instanceof Error ? error.message : String(error);
  }

  result(seconds: number): LoadResult {
    const { latency, calls, errors, mostUnderWay } = this;
    const firstError = this.#firstError;
    return {
      ...{ calls, seconds, latency, errors, mostUnderWay },
      ...(firstError === undefined ? {} : { firstError }),
    };
  }
}

/**
 * A closed loop: callers that each wait for their reply before they go on. Its latency
 * leaves out what a stalled server kept from being sent: that is what the open loop is for.
 *
 * @param load The load.
 * @param callers How many callers.
 * @returns What it came to.
 */
export async function runClosedLoop(load: Load, callers: number): Promise<LoadResult> {
  const { call, clock, durationMs, signal } = load;
  const tally = new Tally();
  const sample = callers >= SAMPLE_FROM ? 4 : 1;
  const startedAt = clock.now();
  let isOver = signal?.aborted ?? false;
  const end = () => isOver = true;
  signal?.addEventListener("abort", end, { once: true });
  const timer = clock.pause(durationMs).then(end);
  const caller = async (first: number) => {
    for (let n = first; !isOver; n++) {
      try {
        if (n % sample === 0) {
          const at = clock.now();
          await call(n);
          tally.latency.record(clock.now() - at);
        } else await call(n);
        tally.calls++;
      } catch (error) {
        tally.fail(error);
        await clock.pause(AFTER_FAILURE_MS);
      }
    }
  };
  await Promise.all(Array.from({ length: callers }, (_, i) => caller(i)));
  const seconds = (clock.now() - startedAt) / 1000;
  signal?.removeEventListener("abort", end);
  if (!signal?.aborted) await timer;
  tally.mostUnderWay = callers;
  return tally.result(seconds);
}

/**
 * An open loop: calls are due at even distances, whether or not earlier ones have been
 * answered, and the latency of each counts from the moment that it was due. So a stall
 * counts for all that were due in it, which a closed loop never sends (Tene's "coordinated
 * omission").
 *
 * @param load The load.
 * @param rate Calls a second.
 * @returns What it came to; it ends when all that were due are answered.
 */
export async function runOpenLoop(load: Load, rate: number): Promise<LoadResult> {
  const { call, clock, durationMs, signal } = load;
  const tally = new Tally();
  const total = Math.max(1, Math.floor(rate * durationMs / 1000));
  const startedAt = clock.now();
  let settled = () => {};
  const launch = async (n: number, dueAt: number) => {
    tally.mostUnderWay = Math.max(tally.mostUnderWay, ++tally.underWay);
    try {
      await call(n);
      tally.calls++;
      tally.latency.record(clock.now() - dueAt);
    } catch (error) {
      tally.fail(error);
    }
    tally.underWay--;
    settled();
  };
  for (let n = 0; n < total && !signal?.aborted;) {
    const dueAt = startedAt + n * 1000 / rate;
    const early = dueAt - clock.now();
    if (early <= 0 && tally.underWay < MAX_UNDER_WAY) void launch(n++, dueAt);
    else await clock.pause(early > 2 ? 1 : 0);
  }
  while (tally.underWay > 0) {
    await new Promise<void>((resolve) => settled = resolve);
  }
  return tally.result((clock.now() - startedAt) / 1000);
}
