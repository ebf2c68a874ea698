import { counted, formatNumber, milliseconds, percent } from "../numbers.ts";
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
  const present = `the present ${counted(current, noun)}`;
  const rate = (point: Point) =>
    `${formatNumber(point.perSecond.median)} commands/s at ` +
    counted(point.concurrency, "caller");
  const carried = `${counted(enough[of], noun)} carried ${rate(enough)}`;
  const now = curve.find((point) => point[of] === current);
  if (now === undefined) return { size: current, reason: `${present} were not measured` };
  if (isLarger(enough.perSecond, now.perSecond)) {
    const gain = percent(enough.perSecond.median / now.perSecond.median - 1);
    const reason = `${carried}, ${gain} more than the ` +
      `${formatNumber(now.perSecond.median)} of ${present}`;
    return { size: enough[of], reason };
  }
  const fewer = Math.max(least, enough[of]);
  const isOversized = current > OVERSIZED * fewer;
  if (isOversized && mayLower && isAsGood(enough.perSecond, now.perSecond)) {
    const reason = `${carried}, as many as ${present}: ` +
      `${current - fewer} of them are not needed`;
    return { size: fewer, reason };
  }
  const gain = fastest(curve)!.perSecond.median / now.perSecond.median - 1;
  const isLittle = gain < MIN_GAIN;
  const best = gain === 0
    ? `none of ${curve.length} sizes carried more`
    : `the best of ${curve.length} sizes brought ${percent(gain)} more, which is ` +
      (isLittle ? "not worth a change" : "within the noise of the rounds");
  return { size: current, reason: `${present} carried ${rate(now)}; ${best}` };
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
  const { current, effort } = basis;
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
  return [
    ...(lanes === undefined ? [] : [{
      ...{ key: "max_lanes", current: maxLanes, value: lanes.size } as const,
      reason: lanes.reason,
    }]),
    ...adviseConnections(laneCount, leases, held, basis),
    ...adviseAcquireTimeout(points, leases?.size ?? held, basis),
    ...adviseSocketTimeout(points, laneCount, basis),
  ];
}

/** What takes a connection for long, and is not in a sweep. */
const BESIDE =
  "and one more for each client of createClient() that subscribes, blocks or " +
  "watches, and for subscriptions";

function adviseConnections(
  lanes: number,
  leases: Choice | undefined,
  held: number,
  { current: { maxConnections: current, maxLanes }, maxClients }: AdviceBasis,
): Advice[] {
  const key = "max_connections";
  if (leases === undefined) {
    const reason = `${counted(lanes, "lane")} and the present ${held} for leases`;
    return lanes < current ? [] : [{ key, value: lanes + held, current, reason }];
  }
  const isUnchanged = lanes === maxLanes && leases.size === held;
  const wanted = isUnchanged ? current : leases.size + lanes;
  const most = maxClients === 0
    ? Infinity
    : Math.max(lanes + 1, Math.floor(maxClients * CLIENT_SHARE));
  const beside = wanted < current ? `, ${BESIDE}` : "";
  const sum = `${leases.reason}; with ${
    counted(lanes, "lane")
  } that is ${wanted}${beside}`;
  const reason = wanted <= most
    ? sum
    : `${sum}, but the server accepts ${maxClients} clients, of which one process should ` +
      `have ${percent(CLIENT_SHARE)} at most`;
  return [{ key, value: Math.min(wanted, most), current, reason }];
}

/** Seconds that a timeout is rounded up to. */
const STEPS = [0.5, 1, 2, 3, 5, 10, 15, 20, 30, 45, 60] as const;
/** A timeout is so many times what 999 of 1,000 took, and … */
const OF_P999 = 10;
/** … so many times the longest, both of the median round: a garbage collection or a fork
 * of the server is no failure, and one bad round decides nothing. */
const OF_LONGEST = 4;
/** A timeout that is lower than this share of the present one is worth a change. */
const WORTH = 0.5;

/**
 * The deadline for what took so long. A lower one than the default is never recommended: a
 * sweep sees neither a failover nor a fork nor a slow command of another client.
 */
function adviseTimeout(
  key: "acquire_timeout" | "socket_timeout",
  what: string,
  { max, p999 }: { readonly p999: number; readonly max: number },
  { current: settings, effort, shipped }: AdviceBasis,
): Advice {
  const name = key === "acquire_timeout" ? "acquireTimeout" : "socketTimeout";
  const current = settings[name];
  const needed = Math.max(OF_P999 * p999, OF_LONGEST * max) / 1000;
  const wanted = STEPS.find((step) => step >= needed) ?? Math.ceil(needed / 60) * 60;
  const lower = Math.max(wanted, shipped[name]);
  const margin = `${OF_P999} times the one and ${OF_LONGEST} times the other`;
  const advice = (value: number, reason: string): Advice => {
    const seen =
      `${what} ${milliseconds(p999)} ms at p99.9 and ${milliseconds(max)} ms at most ` +
      "(in the median round)";
    return { key, value, current, reason: `${seen}: ${reason}` };
  };
  if (needed > current || current < STEPS[0]) {
    const least = needed > current ? margin : `${STEPS[0]} s`;
    const why = `${current} s is less than ${least}, and would cut healthy ones when ` +
      "the server pauses";
    return advice(wanted, why);
  }
  if (lower > current * WORTH) {
    const why = "leaves room for what a sweep does not see: a failover, a fork, a slow " +
      "command of another client";
    return advice(current, `${current} s is enough, and ${why}`);
  }
  if (effort === "quick") {
    return advice(
      current,
      `${current} s is enough; a quick run is too little to lower it`,
    );
  }
  const sooner = Number((current - lower).toFixed(3));
  const why = `${lower} s is ${margin} or more, and reports a failure ${sooner} s sooner`;
  return advice(lower, why);
}

/** By the waits of a pool of that size; nothing if no wait was measured. */
function adviseAcquireTimeout(
  points: readonly Point[],
  leases: number,
  basis: AdviceBasis,
): Advice[] {
  // The pool of that size, else the largest one below it.
  const [point] = points.filter((point) =>
    point.sweep === "leases" && point.waitMs !== undefined && point.leases <= leases
  ).toSorted((a, b) => b.leases - a.leases);
  if (point?.waitMs === undefined) return [];
  const what = `${point.concurrency} callers waited for one of ${point.leases} leases`;
  const { max, p999 } = point.waitMs;
  const found = { p999: p999.median, max: max.median };
  return [adviseTimeout("acquire_timeout", what, found, basis)];
}

/** By the latencies up to the knee, of all mixes and sizes; nothing if there are none. */
function adviseSocketTimeout(
  points: readonly Point[],
  lanes: number,
  basis: AdviceBasis,
): Advice[] {
  const knee = kneesOf(points).find((each) => each.lanes === lanes)?.concurrency ??
    Infinity;
  // With leases the wait for one is part of the latency: that has a deadline of its own.
  const usual = points.filter((point) =>
    point.subject === "mooring" && point.mix !== "lease" && point.sweep !== "rate" &&
    (point.sweep !== "lanes" || (point.lanes === lanes && point.concurrency <= knee))
  );
  if (usual.length === 0) return [];
  const most = Math.max(...usual.map(({ concurrency }) => concurrency));
  const what = `with up to ${counted(most, "caller")}, replies took`;
  const longest = (of: "p999" | "max") =>
    Math.max(...usual.map(({ latencyMs }) => latencyMs[of].median));
  const found = { p999: longest("p999"), max: longest("max") };
  return [adviseTimeout("socket_timeout", what, found, basis)];
}
