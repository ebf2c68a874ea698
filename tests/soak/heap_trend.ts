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
  /** Minutes from the first look that counts to the last. */
  readonly minutes: number;
  /** Growth in KiB a minute. */
  readonly kibPerMinute: number;
  /** In use at the first look that counts, and at the last, in MiB. */
  readonly fromMib: number;
  readonly toMib: number;
}

/** Most growth, in KiB a minute, of a soak that never ends: half of what 2.4 KiB for each
 * fault comes to. */
const LEAST_BOUND_KIB = 12;
/** What is added by code that runs for the first time late (what it has seen of the shapes
 * of objects, how often it ran), and by odd looks, in KiB: it does not grow with the time. */
const ONCE_KIB = 250;
/** Looks that are needed for a verdict. */
export const LEAST_SAMPLES = 24;
/** Share of the looks that is left out at the start: code runs for the first time, and
 * connections, pages and timers become as many as they ever are. */
const WARM_UP = 0.4;

const KIB = 1024;

/**
 * Most growth, in KiB a minute: the longer the looks go on, the less it may be.
 *
 * @param minutes How long they went on.
 */
export function heapBoundKib(minutes: number): number {
  return LEAST_BOUND_KIB + ONCE_KIB / minutes;
}

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
    minutes: (counted.at(-1)?.minute ?? 0) - (counted[0]?.minute ?? 0),
    kibPerMinute: (slopes[Math.floor(slopes.length / 2)] ?? 0) / KIB,
    fromMib: (counted[0]?.bytes ?? 0) / KIB ** 2,
    toMib: (counted.at(-1)?.bytes ?? 0) / KIB ** 2,
  };
}
