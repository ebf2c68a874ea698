import { setImmediate } from "node:timers";
import { LatencyHistogram } from "../../observability/histogram.ts";

/** Time of a load; a test gives one of its own. */
export interface LoadClock {
  /** Milliseconds of monotonic time. */
  now(): number;
  /** Waits; 0 lets sockets be read and continues. */
  pause(ms: number): Promise<void>;
}

/** The clock of the host. */
export const hostClock: LoadClock = {
  now: () => performance.now(),
  pause: (ms) =>
    new Promise((resolve) => {
      if (ms === 0) setImmediate(resolve);
      else setTimeout(resolve, ms);
    }),
};

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

/** After a failure a caller waits so long, in milliseconds: one that fails at once would
 * leave the event loop no turn. */
const AFTER_FAILURE_MS = 1;
/** From so many callers on one call in four is timed: reading the clock costs as much as
 * a good part of a command. */
const SAMPLE_FROM = 16;
/** Most calls that an open loop has pending; those beyond are late, and counted so. */
const MAX_PENDING = 50_000;

/** The result of a load. */
export class LoadResult {
  /** Latency of the calls that were timed. */
  readonly latency = new LatencyHistogram();
  /** Calls that succeeded. */
  calls = 0;
  /** How long it took, in seconds. */
  seconds = 0;
  /** Calls that failed. */
  errors = 0;
  /** Message of the first failure. */
  firstError?: string;
  /** The most calls that were pending at once. */
  mostPending = 0;

  /** Counts a call that failed. */
  fail(error: unknown): void {
    this.errors++;
    this.firstError ??= error instanceof Error ? error.message : String(error);
  }
}

/**
 * A closed loop: callers that each wait for a reply before they send the next call. Its
 * latency leaves out the calls that a stalled server delayed: the open loop counts them.
 *
 * @param load The load.
 * @param callers How many callers.
 * @returns The result.
 */
export async function runClosedLoop(load: Load, callers: number): Promise<LoadResult> {
  const { call, clock, durationMs, signal } = load;
  const result = new LoadResult();
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
          result.latency.record(clock.now() - at);
        } else await call(n);
        result.calls++;
      } catch (error) {
        result.fail(error);
        await clock.pause(AFTER_FAILURE_MS);
      }
    }
  };
  await Promise.all(Array.from({ length: callers }, (_, i) => caller(i)));
  result.seconds = (clock.now() - startedAt) / 1000;
  signal?.removeEventListener("abort", end);
  if (!signal?.aborted) await timer;
  result.mostPending = callers;
  return result;
}

/**
 * An open loop: calls are due at even distances, whether or not earlier ones have been
 * answered, and the latency of each counts from the moment that it was due. So a stall
 * counts for all that were due in it, which a closed loop never sends (Tene's "coordinated
 * omission").
 *
 * @param load The load.
 * @param rate Calls a second.
 * @returns The result, when all calls that were due are answered.
 */
export async function runOpenLoop(load: Load, rate: number): Promise<LoadResult> {
  const { call, clock, durationMs, signal } = load;
  const result = new LoadResult();
  const total = Math.max(1, Math.floor(rate * durationMs / 1000));
  const startedAt = clock.now();
  let pending = 0;
  let settled = () => {};
  const launch = async (n: number, dueAt: number) => {
    result.mostPending = Math.max(result.mostPending, ++pending);
    try {
      await call(n);
      result.calls++;
      result.latency.record(clock.now() - dueAt);
    } catch (error) {
      result.fail(error);
    }
    pending--;
    settled();
  };
  for (let n = 0; n < total && !signal?.aborted;) {
    const dueAt = startedAt + n * 1000 / rate;
    const early = dueAt - clock.now();
    if (early <= 0 && pending < MAX_PENDING) void launch(n++, dueAt);
    else await clock.pause(early > 2 ? 1 : 0);
  }
  while (pending > 0) {
    await new Promise<void>((resolve) => settled = resolve);
  }
  result.seconds = (clock.now() - startedAt) / 1000;
  return result;
}
