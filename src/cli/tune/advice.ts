import { adviseAcquireTimeout, adviseSocketTimeout } from "./advice_timeouts.ts";
import { fewestEnough } from "./plan.ts";
import type { Advice, Point, TuneReport } from "./report_types.ts";
import { findKnee, isAsGood, isLarger, MIN_GAIN } from "./statistics.ts";
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

/** What advice rests on, beside what was measured. */
export interface AdviceBasis {
  /** The settings as they are now. */
  readonly current: CurrentSettings;
  /** The timeouts that the package ships; none lower is recommended. */
  readonly shipped: Pick<CurrentSettings, "acquireTimeout" | "socketTimeout">;
  /** The server's `maxclients`; 0 if it is not known. */
  readonly maxClients: number;
  /** How thorough the run was: a quick one takes nothing away. */
  readonly effort: TuneReport["effort"];
}

/** A current size that brings no more is kept, unless it is so many times what is
 * enough. */
const OVERSIZED = 3;
/** Leases that are not taken away only because the sweep did without them: those who
 * block, as in the mix `blocking`, need one each. */
const LEASES_KEPT = CONSUMERS;
/** Most of a server's `maxclients` that is recommended to one process, as a share. */
const CLIENT_SHARE = 0.25;

const thousands = (value: number) => Math.round(value).toLocaleString("en");
const percent = (share: number) => `${Math.round(share * 100)} %`;

/**
 * The knee of each number of lanes.
 *
 * @param points Everything measured.
 * @returns Callers and throughput at the knee, in ascending order of lanes.
 */
export function kneesOf(points: readonly Point[]): TuneReport["knees"] {
  const measured = points.filter(({ sweep, subject }) =>
    sweep === "lanes" && subject === "mooring"
  );
  const lanes = [...new Set(measured.map(({ lanes }) => lanes))].sort((a, b) => a - b);
  return lanes.map((count) => {
    const curve = measured.filter(({ lanes }) => lanes === count)
      .map((point) => ({ at: point.concurrency, perSecond: point.perSecond.median }))
      .sort((a, b) => a.at - b.at);
    const knee = findKnee(curve)!;
    return { lanes: count, concurrency: knee.at, perSecond: knee.perSecond };
  });
}

/** What is compared for a size: its point, and how many it stands for. */
interface Choice {
  readonly size: number;
  readonly point: Point;
}

/** Which of the sizes, and why. */
interface Verdict {
  readonly size: number;
  readonly reason: string;
}

/** What sizes are called, and how few may be left of those that are not needed. */
interface Kind {
  readonly one: string;
  readonly many: string;
  readonly least: number;
}

const LANES: Kind = { one: "lane", many: "lanes", least: 1 };
const LEASES: Kind = { one: "lease", many: "leases", least: LEASES_KEPT };

/**
 * The fewest that are enough, where they carry more than the current size by more than the
 * noise; else the current size stays, unless it is far too large, fewer are as good, and
 * the run was thorough enough to take some away.
 */
function choose(
  choices: readonly Choice[],
  current: number,
  kind: Kind,
  mayLower: boolean,
): Verdict | undefined {
  const curve = choices.map(({ point, size }) => ({ ...point, size }))
    .sort((a, b) => a.size - b.size);
  const enough = fewestEnough(curve);
  if (enough === undefined) return undefined;
  const name = (size: number) => `${size} ${size === 1 ? kind.one : kind.many}`;
  const rate = (point: Point) =>
    `${thousands(point.perSecond.median)} commands/s at ${point.concurrency} callers`;
  const carried = `${name(enough.size)} carried ${rate(enough)}`;
  const now = curve.find(({ size }) => size === current);
  if (now === undefined) {
    return { size: current, reason: `the present ${name(current)} were not measured` };
  }
  if (isLarger(enough.perSecond, now.perSecond)) {
    const gain = percent(enough.perSecond.median / now.perSecond.median - 1);
    const reason = `${carried}, ${gain} more than the ` +
      `${thousands(now.perSecond.median)} of the present ${name(current)}`;
    return { size: enough.size, reason };
  }
  const fewer = Math.max(kind.least, enough.size);
  const isSurplus = current > OVERSIZED * fewer;
  if (isSurplus && mayLower && isAsGood(enough.perSecond, now.perSecond)) {
    const reason = `${carried}, as many as the present ${name(current)}: ` +
      `${current - fewer} of them are not needed`;
    return { size: fewer, reason };
  }
  return {
    size: current,
    reason: `the present ${name(current)} carried ${rate(now)}; ${whyNoMore(curve, now)}`,
  };
}

/** Why what the best size brought is no reason to change. */
function whyNoMore(curve: readonly Point[], now: Point): string {
  const best = curve.reduce((top, point) =>
    top.perSecond.median >= point.perSecond.median ? top : point
  );
  const gain = best.perSecond.median / now.perSecond.median - 1;
  const of = `the best of ${curve.length} sizes`;
  if (gain === 0) return `none of ${curve.length} sizes carried more`;
  if (gain < MIN_GAIN) return `${of} brought ${percent(gain)} more: not worth a change`;
  const noise = ({ perSecond: { high, low, median } }: Point) =>
    `±${percent((high - low) / 2 / median)}`;
  return `${of} brought ${percent(gain)} more, which is within the noise: its rounds ` +
    `differ by ${noise(best)}, those of the present size by ${noise(now)}`;
}

/** For each number of lanes, the point where it carried most. */
function laneChoices(points: readonly Point[]): Choice[] {
  const best = new Map<number, Point>();
  for (const point of points) {
    if (point.sweep !== "lanes" || point.subject !== "mooring") continue;
    const known = best.get(point.lanes);
    if (known === undefined || point.perSecond.median > known.perSecond.median) {
      best.set(point.lanes, point);
    }
  }
  return [...best].map(([size, point]) => ({ size, point }));
}

function leaseChoices(points: readonly Point[]): Choice[] {
  return points.filter(({ sweep, subject }) =>
    sweep === "leases" && subject === "mooring"
  )
    .map((point) => ({ size: point.leases, point }));
}

/**
 * What to write into the configuration. A change is recommended only where it is worth
 * more than the noise; where it is not, the value stays and the reason says so. What was
 * not measured is not judged.
 *
 * @param points Everything measured.
 * @param basis What else it rests on.
 * @returns The settings with their reasons.
 */
export function advise(points: readonly Point[], basis: AdviceBasis): Advice[] {
  const { current, effort, maxClients, shipped } = basis;
  const mayLower = effort === "full";
  const advice: Advice[] = [];
  const lanes = choose(laneChoices(points), current.maxLanes, LANES, mayLower);
  if (lanes !== undefined) {
    const { reason, size: value } = lanes;
    advice.push({ key: "max_lanes", value, current: current.maxLanes, reason });
  }
  const laneCount = lanes?.size ?? current.maxLanes;
  const held = Math.max(1, current.maxConnections - current.maxLanes);
  const leases = choose(leaseChoices(points), held, LEASES, mayLower);
  if (leases !== undefined) {
    advice.push(connectionAdvice(leases, laneCount, maxClients, current));
  } else if (laneCount >= current.maxConnections) {
    advice.push({
      key: "max_connections",
      value: laneCount + held,
      current: current.maxConnections,
      reason: `${laneCount} lanes and the present ${held} for leases`,
    });
  }
  const size = leases?.size ?? held;
  const deadline = (name: "acquireTimeout" | "socketTimeout") => ({
    current: current[name],
    least: shipped[name],
    mayLower,
  });
  return [
    ...advice,
    ...adviseAcquireTimeout(points, size, deadline("acquireTimeout")),
    ...adviseSocketTimeout(
      points,
      laneCount,
      kneesOf(points),
      deadline("socketTimeout"),
    ),
  ];
}

function connectionAdvice(
  leases: Verdict,
  lanes: number,
  maxClients: number,
  current: CurrentSettings,
): Advice {
  const keepsBoth = lanes === current.maxLanes &&
    leases.size === Math.max(1, current.maxConnections - current.maxLanes);
  const wanted = keepsBoth ? current.maxConnections : leases.size + lanes;
  const most = maxClients === 0
    ? Infinity
    : Math.max(lanes + 1, Math.floor(maxClients * CLIENT_SHARE));
  const sum = `${leases.reason}; with ${lanes} ${lanes === 1 ? "lane" : "lanes"} ` +
    `that is ${wanted}`;
  return {
    key: "max_connections",
    value: Math.min(wanted, most),
    current: current.maxConnections,
    reason: wanted <= most
      ? sum
      : `${sum}, but the server takes ${maxClients} clients altogether, of which one ` +
        `process should take ${percent(CLIENT_SHARE)} at most`,
  };
}
