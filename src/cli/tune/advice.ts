import { adviseAcquireTimeout, adviseSocketTimeout } from "./advice_timeouts.ts";
import { fewestEnough } from "./plan.ts";
import type { Advice, Point, TuneReport } from "./report_types.ts";
import { fastest, findKnee, isAsGood, isLarger, MIN_GAIN } from "./statistics.ts";
import { CONSUMERS } from "./work.ts";

/** The settings as they are now; times in seconds. */
export interface CurrentSettings {
  /** `max_lanes`. */
  readonly maxLanes: number;
  /** `max_connections`. */
  readonly maxConnections: number;
  /** `acquire_timeout`. */
  readonly acquireTimeout: number;
  /** `socket_timeout`. */
  readonly socketTimeout: number;
}

/** What advice is based on, beside the measurements. */
export interface AdviceBasis {
  /** The settings as they are now. */
  readonly current: CurrentSettings;
  /** The default timeouts; none lower is recommended. */
  readonly shipped: Pick<CurrentSettings, "acquireTimeout" | "socketTimeout">;
  /** The server's `maxclients`; 0 if it is not known. */
  readonly maxClients: number;
  /** How thorough the run was: a quick one lowers nothing. */
  readonly effort: TuneReport["effort"];
}

/** A current size that brings no more is kept, unless it is so many times what is enough. */
const OVERSIZED = 3;
/** Most of a server's `maxclients` that is recommended to one process, as a share. */
const CLIENT_SHARE = 0.25;

const thousands = (value: number) => Math.round(value).toLocaleString("en");
const percent = (share: number) => `${Math.round(share * 100)} %`;
const sized = (size: number, noun: string) => `${size} ${noun}${size === 1 ? "" : "s"}`;

function pointsOf(points: readonly Point[], wanted: "lanes" | "leases"): Point[] {
  return points.filter(({ subject, sweep }) => subject === "mooring" && sweep === wanted);
}

/**
 * The knee of each number of lanes.
 *
 * @param points Everything measured.
 * @returns Callers and throughput at the knee, in ascending order of lanes.
 */
export function kneesOf(points: readonly Point[]): TuneReport["knees"] {
  const byLanes = Map.groupBy(pointsOf(points, "lanes"), ({ lanes }) => lanes);
  return [...byLanes].sort(([a], [b]) => a - b).map(([lanes, measured]) => {
    const curve = measured
      .map((point) => ({ at: point.concurrency, perSecond: point.perSecond.median }))
      .sort((a, b) => a.at - b.at);
    const knee = findKnee(curve)!;
    return { lanes, concurrency: knee.at, perSecond: knee.perSecond };
  });
}

/** A size to recommend, and why. */
interface Choice {
  readonly size: number;
  readonly reason: string;
}

/**
 * The fewest that are enough, where they carry more than the current size by more than the
 * noise; else the current size stays, unless it is far too large, fewer are as good, and
 * the run was thorough.
 *
 * @param curve A point for each size, in ascending order.
 * @param of The size of a point.
 * @param least The fewest that may be recommended in place of more.
 */
function choose(
  curve: readonly Point[],
  of: "lanes" | "leases",
  current: number,
  least: number,
  mayLower: boolean,
): Choice | undefined {
  const enough = fewestEnough(curve);
  if (enough === undefined) return undefined;
  const noun = of.slice(0, -1);
  const present = `the present ${sized(current, noun)}`;
  const rate = (point: Point) =>
    `${thousands(point.perSecond.median)} commands/s at ${point.concurrency} callers`;
  const carried = `${sized(enough[of], noun)} carried ${rate(enough)}`;
  const now = curve.find((point) => point[of] === current);
  if (now === undefined) return { size: current, reason: `${present} were not measured` };
  if (isLarger(enough.perSecond, now.perSecond)) {
    const gain = percent(enough.perSecond.median / now.perSecond.median - 1);
    const reason = `${carried}, ${gain} more than the ` +
      `${thousands(now.perSecond.median)} of ${present}`;
    return { size: enough[of], reason };
  }
  const fewer = Math.max(least, enough[of]);
  const isOversized = current > OVERSIZED * fewer;
  if (isOversized && mayLower && isAsGood(enough.perSecond, now.perSecond)) {
    const reason = `${carried}, as many as ${present}: ` +
      `${current - fewer} of them are not needed`;
    return { size: fewer, reason };
  }
  const reason = `${present} carried ${rate(now)}; ${whyNoMore(curve, now)}`;
  return { size: current, reason };
}

/** Why what the best size brought is no reason to change. */
function whyNoMore(curve: readonly Point[], now: Point): string {
  const best = fastest(curve)!;
  const gain = best.perSecond.median / now.perSecond.median - 1;
  const of = `the best of ${curve.length} sizes`;
  if (gain === 0) return `none of ${curve.length} sizes carried more`;
  if (gain < MIN_GAIN) return `${of} brought ${percent(gain)} more: not worth a change`;
  const noise = ({ perSecond: { high, low, median } }: Point) =>
    `±${percent((high - low) / 2 / median)}`;
  return `${of} brought ${percent(gain)} more, which is within the noise: its rounds ` +
    `differ by ${noise(best)}, those of the present size by ${noise(now)}`;
}

/**
 * What to write into the configuration. A change is recommended only where it is worth more
 * than the noise; where it is not, the value stays and the reason says so. There is no
 * advice on what was not measured.
 *
 * @param points Everything measured.
 * @param basis What else it is based on.
 * @returns The settings with their reasons.
 */
export function advise(points: readonly Point[], basis: AdviceBasis): Advice[] {
  const { current, effort, shipped } = basis;
  const { maxConnections, maxLanes } = current;
  const mayLower = effort === "full";
  // For each number of lanes, the point with the highest throughput.
  const byLanes = Map.groupBy(pointsOf(points, "lanes"), ({ lanes }) => lanes);
  const laneCurve = [...byLanes.values()].map((group) => fastest(group)!)
    .sort((a, b) => a.lanes - b.lanes);
  const lanes = choose(laneCurve, "lanes", maxLanes, 1, mayLower);
  const laneCount = lanes?.size ?? maxLanes;
  const leaseCurve = pointsOf(points, "leases").sort((a, b) => a.leases - b.leases);
  const held = Math.max(1, maxConnections - maxLanes);
  // Callers that block, as in the mix `blocking`, need a connection each.
  const leases = choose(leaseCurve, "leases", held, CONSUMERS, mayLower);
  const deadline = (name: "acquireTimeout" | "socketTimeout") => ({
    current: current[name],
    least: shipped[name],
    mayLower,
  });
  return [
    ...(lanes === undefined ? [] : [{
      ...{ key: "max_lanes", current: maxLanes, value: lanes.size } as const,
      reason: lanes.reason,
    }]),
    ...adviseConnections(laneCount, leases, held, basis),
    ...adviseAcquireTimeout(points, leases?.size ?? held, deadline("acquireTimeout")),
    ...adviseSocketTimeout(
      points,
      laneCount,
      kneesOf(points),
      deadline("socketTimeout"),
    ),
  ];
}

function adviseConnections(
  lanes: number,
  leases: Choice | undefined,
  held: number,
  { current: { maxConnections: current, maxLanes }, maxClients }: AdviceBasis,
): Advice[] {
  const key = "max_connections";
  if (leases === undefined) {
    const reason = `${sized(lanes, "lane")} and the present ${held} for leases`;
    return lanes < current ? [] : [{ key, value: lanes + held, current, reason }];
  }
  const isUnchanged = lanes === maxLanes && leases.size === held;
  const wanted = isUnchanged ? current : leases.size + lanes;
  const most = maxClients === 0
    ? Infinity
    : Math.max(lanes + 1, Math.floor(maxClients * CLIENT_SHARE));
  const sum = `${leases.reason}; with ${sized(lanes, "lane")} that is ${wanted}`;
  const reason = wanted <= most
    ? sum
    : `${sum}, but the server accepts ${maxClients} clients, of which one process should ` +
      `have ${percent(CLIENT_SHARE)} at most`;
  return [{ key, value: Math.min(wanted, most), current, reason }];
}
