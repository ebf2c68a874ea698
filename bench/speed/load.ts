import type { Speaker } from "./rivals.ts";

/** One command of a load; `n` counts the caller's commands. */
export type Work = (speaker: Speaker, n: number) => Promise<unknown>;

/** A load: callers that each wait for their reply before they go on. */
export interface Load {
  /** How many callers. */
  readonly concurrency: number;
  /** How long it runs, in milliseconds. */
  readonly durationMs: number;
  /** What each caller does. */
  readonly work: Work;
  /** Whether the time of a caller's n-th command is taken. */
  readonly isTimed: (n: number) => boolean;
}

/** What a load came to. */
export interface LoadResult {
  /** Commands a second, over all callers. */
  readonly perSecond: number;
  /** 99 % of the timed commands took no longer, in milliseconds. */
  readonly p99Ms: number;
}

/**
 * Runs a load to its end. Only some of the commands are timed, as reading the clock
 * costs as much as a good part of a command.
 *
 * @param speaker The client.
 * @param load The load.
 * @returns Throughput and p99.
 */
export async function runLoad(speaker: Speaker, load: Load): Promise<LoadResult> {
  const { concurrency, durationMs, isTimed, work } = load;
  const timings: number[] = [];
  let isOver = false;
  let done = 0;
  const call = async (first: number) => {
    for (let n = first; !isOver; n++) {
      if (isTimed(n)) {
        const startedAt = performance.now();
        await work(speaker, n);
        timings.push(performance.now() - startedAt);
      } else await work(speaker, n);
      done++;
    }
  };
  const startedAt = performance.now();
  setTimeout(() => isOver = true, durationMs);
  await Promise.all(Array.from({ length: concurrency }, (_, i) => call(i)));
  const seconds = (performance.now() - startedAt) / 1000;
  return { perSecond: done / seconds, p99Ms: quantile(timings, 0.99) };
}

/**
 * A quantile by the nearest rank.
 *
 * @param values The values, in any order.
 * @param share From 0 to 1.
 * @returns The value; `NaN` if there are none.
 */
export function quantile(values: readonly number[], share: number): number {
  const sorted = Float64Array.from(values).sort();
  return sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)] ?? NaN;
}

/**
 * The middle of some values.
 *
 * @param values The values, in any order.
 * @returns The median.
 */
export function median(values: readonly number[]): number {
  return quantile(values, 0.5);
}
