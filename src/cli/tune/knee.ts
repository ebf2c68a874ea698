/** A point of a curve of throughput. */
export interface CurvePoint {
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
