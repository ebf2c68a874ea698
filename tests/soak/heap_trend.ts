/** Whether the heap grows. */

/** One look at the heap. */
export interface HeapSample {
  /** Minutes since the start. */
  readonly minute: number;
  /** Bytes in use after a full collection. */
  readonly bytes: number;
}

/** What the looks say together. */
export interface HeapTrend {
  /** Looks that count. */
  readonly samples: number;
  /** Growth in KiB a minute. */
  readonly kibPerMinute: number;
  /** In use at the first look that counts, and at the last, in MiB. */
  readonly fromMib: number;
  readonly toMib: number;
}

/** Most growth, in KiB a minute. */
export const HEAP_BOUND_KIB = 64;
/** Looks that are needed for a verdict. */
export const LEAST_SAMPLES = 24;
/** Share of the looks that is left out at the start: code that runs for the first time
 * is compiled, and its numbers of times run are kept. */
const WARM_UP = 0.25;

const KIB = 1024;

/**
 * The line through the looks by Theil and Sen: the median of the slopes of all pairs,
 * which a few odd looks cannot bend.
 */
export function heapTrend(samples: readonly HeapSample[]): HeapTrend {
  const counted = samples.slice(Math.floor(samples.length * WARM_UP));
  const slopes = counted.flatMap((one, i) =>
    counted.slice(i + 1).map((other) =>
      (other.bytes - one.bytes) / (other.minute - one.minute)
    )
  ).sort((a, b) => a - b);
  return {
    samples: counted.length,
    kibPerMinute: (slopes[Math.floor(slopes.length / 2)] ?? 0) / KIB,
    fromMib: (counted[0]?.bytes ?? 0) / KIB ** 2,
    toMib: (counted.at(-1)?.bytes ?? 0) / KIB ** 2,
  };
}
