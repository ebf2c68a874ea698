import type { Spread } from "./report_types.ts";

/** Between which of the values the true median lies, whatever their distribution is. */
interface MedianInterval {
  /** Lower end. */
  readonly low: number;
  /** Upper end. */
  readonly high: number;
  /** How probable it is that the true median lies in it, 0 to 1. */
  readonly coverage: number;
}

/** The median is known well enough when, with this probability, … */
const COVERAGE = 0.9;
/** … it is known to within this share of itself. At least five rounds are needed for that, as
 * the interval of four has 87.5 % only. */
const WITHIN = 0.05;

/** A difference that is smaller than this share is not worth a change. */
export const MIN_GAIN = 0.05;

/**
 * The middle of some values; of an even number, the mean of the two in the middle.
 *
 * @param values The values, in any order.
 * @returns The median; `NaN` if there are none.
 */
export function median(values: readonly number[]): number {
  const sorted = Float64Array.from(values).sort();
  const middle = sorted.length / 2;
  return sorted.length % 2 === 1
    ? sorted[Math.floor(middle)]!
    : (sorted[middle - 1]! + sorted[middle]!) / 2;
}

/**
 * Median, smallest and largest.
 *
 * @param values At least one value.
 * @returns The three.
 */
export function spreadOf(values: readonly number[]): Spread {
  return {
    median: median(values),
    low: Math.min(...values),
    high: Math.max(...values),
  };
}

/**
 * The interval between two order statistics that holds the median: of `n` independent
 * values, the number below the median is binomial with 1/2, so the k-th smallest and the
 * k-th largest have it between them with 1 - 2 P(B < k). No distribution is assumed
 * (David and Nagaraja, Order Statistics, 3rd edition, 7.1).
 *
 * @param values The values, in any order.
 * @param coverage The least probability, 0 to 1.
 * @returns The narrowest such interval; `undefined` if there are too few values.
 */
export function medianInterval(
  values: readonly number[],
  coverage: number,
): MedianInterval | undefined {
  const n = values.length;
  const sorted = Float64Array.from(values).sort();
  let found: MedianInterval | undefined;
  let below = 0;
  let exactly = 2 ** -n;
  for (let k = 1; k <= n / 2; k++) {
    below += exactly;
    exactly *= (n - k + 1) / k;
    const reached = 1 - 2 * below;
    if (reached < coverage) break;
    found = { low: sorted[k - 1]!, high: sorted[n - k]!, coverage: reached };
  }
  return found;
}

/** Whether the median of a figure of each round is known well enough. */
export function isSettled(values: readonly number[]): boolean {
  const interval = medianInterval(values, COVERAGE);
  if (interval === undefined) return false;
  return (interval.high - interval.low) / 2 <= WITHIN * median(values);
}

/** The point with the highest throughput; `undefined` if there is none. */
export function fastest<T extends { readonly perSecond: Spread }>(
  points: readonly T[],
): T | undefined {
  return points.toSorted((a, b) => b.perSecond.median - a.perSecond.median)[0];
}

/** Half of the range of the rounds. */
export function noiseOf({ low, high }: Spread): number {
  return (high - low) / 2;
}

/**
 * Whether one figure is larger than another by more than the noise: by more than 5 %, and
 * by more than both ranges together, as independent errors add up.
 *
 * @param one The figure that may be larger.
 * @param other The other one.
 * @returns `true` if it is.
 */
export function isLarger(one: Spread, other: Spread): boolean {
  const noise = Math.hypot(noiseOf(one), noiseOf(other));
  return one.median - other.median > Math.max(MIN_GAIN * other.median, noise);
}

/**
 * Whether one figure is certainly not smaller than another by more than 10 %: what it may
 * be smaller by, the noise of both added, stays below that. Where the noise is large,
 * nothing is as good as anything.
 *
 * @param one The figure that may be smaller.
 * @param other The other one.
 * @returns `true` if it is not.
 */
export function isAsGood(one: Spread, other: Spread): boolean {
  const noise = Math.hypot(noiseOf(one), noiseOf(other));
  return other.median - one.median + noise <= 2 * MIN_GAIN * other.median;
}

/** A point of a curve of throughput. */
interface CurvePoint {
  /** How many: callers, connections. */
  readonly at: number;
  /** Commands a second. */
  readonly perSecond: number;
}

/** A curve that is this close to a straight line has no knee. */
const STRAIGHT = 0.1;

/**
 * The point from which on more brings little: Kneedle (Satopää, Albrecht, Irwin and
 * Raghavan, "Finding a 'Kneedle' in a Haystack", ICDCS Workshops 2011), in its form for a
 * whole curve. Both axes are scaled to 0..1; the knee is where the curve is highest above
 * the diagonal. A fall behind the peak counts as level, as it says nothing of the knee.
 *
 * @param curve The curve, in ascending order of `at`.
 * @returns The knee; the last point of a curve that is (almost) straight, the first of one
 * that only falls; `undefined` if there is no point.
 */
export function findKnee<T extends CurvePoint>(curve: readonly T[]): T | undefined {
  const first = curve[0];
  const last = curve.at(-1);
  if (first === undefined || last === undefined) return undefined;
  const peak = Math.max(...curve.map(({ perSecond }) => perSecond));
  const rise = peak - first.perSecond;
  if (rise <= 0) return first;
  let knee = last;
  let highest = STRAIGHT;
  let level = 0;
  for (const point of curve) {
    level = Math.max(level, point.perSecond);
    const above = (level - first.perSecond) / rise -
      (point.at - first.at) / (last.at - first.at);
    if (above <= highest) continue;
    highest = above;
    knee = point;
  }
  return knee;
}
