import type { Advice, Point, TuneReport } from "./report_types.ts";

/** Seconds that a timeout is rounded up to. */
const STEPS = [0.5, 1, 2, 3, 5, 10, 15, 20, 30, 45, 60] as const;
/** A timeout is so many times what 999 of 1,000 took, and … */
const OF_P999 = 20;
/** … so many times the longest: a garbage collection or a fork of the server is no
 * failure. */
const OF_LONGEST = 4;
/** A timeout that is lower than this share of the present one is worth a change. */
const WORTH = 0.5;
/** Least seconds of a deadline of commands: a server that saves its data may pause. */
const LEAST_SOCKET = 1;

interface Observation {
  readonly p999: number;
  readonly max: number;
}

function worst(found: readonly Observation[]): Observation {
  return {
    p999: Math.max(...found.map(({ p999 }) => p999)),
    max: Math.max(...found.map(({ max }) => max)),
  };
}

function wantedSeconds({ p999, max }: Observation, least: number): number {
  const seconds = Math.max(least, OF_P999 * p999 / 1000, OF_LONGEST * max / 1000);
  return STEPS.find((step) => step >= seconds) ?? Math.ceil(seconds / 60) * 60;
}

const ms = (value: number) => `${value < 10 ? value.toFixed(2) : value.toFixed(0)} ms`;

function adviceOf(
  key: "acquire_timeout" | "socket_timeout",
  what: string,
  observation: Observation,
  least: number,
  current: number,
): Advice {
  const wanted = wantedSeconds(observation, least);
  const seen = `${what} ${ms(observation.p999)} at p99.9 and ${ms(observation.max)} at ` +
    "the longest";
  if (wanted > current) {
    const reason = `${seen}: ${current} s would cut healthy ones when the server pauses`;
    return { key, value: wanted, current, reason };
  }
  if (wanted <= current * WORTH) {
    const reason = `${seen}: ${wanted} s leaves room for any pause that was seen, and ` +
      `tells of a failure ${Number((current - wanted).toFixed(3))} s sooner`;
    return { key, value: wanted, current, reason };
  }
  const reason = `${seen}: ${current} s is enough, and ${wanted} s would be no better`;
  return { key, value: current, current, reason };
}

/**
 * The deadline of the wait for a connection: by the waits of a pool of that size.
 *
 * @param points Everything measured.
 * @param leases Size of the pool.
 * @param current Seconds, as they are now.
 * @returns The advice; nothing if no wait was measured.
 */
export function adviseAcquireTimeout(
  points: readonly Point[],
  leases: number,
  current: number,
): Advice[] {
  const waits = points.filter(({ sweep, waitMs }) =>
    sweep === "leases" && waitMs !== undefined
  );
  const fits = waits.filter((point) => point.leases === leases);
  const nearest = fits.length > 0
    ? fits
    : waits.filter((point) => point.leases <= leases).toSorted((a, b) =>
      b.leases - a.leases
    ).slice(0, 1);
  const [point] = nearest;
  if (point?.waitMs === undefined) return [];
  const what = `${point.concurrency} callers waited for one of ${point.leases} leases`;
  return [adviceOf("acquire_timeout", what, point.waitMs, STEPS[0], current)];
}

/**
 * The deadline of a command: by the latencies up to the knee, of all mixes and sizes.
 *
 * @param points Everything measured.
 * @param lanes Lanes that are recommended.
 * @param knees The knees.
 * @param current Seconds, as they are now.
 * @returns The advice; nothing if nothing was measured.
 */
export function adviseSocketTimeout(
  points: readonly Point[],
  lanes: number,
  knees: TuneReport["knees"],
  current: number,
): Advice[] {
  const knee = knees.find((each) => each.lanes === lanes)?.concurrency ?? Infinity;
  // With leases the wait for one is part of the latency: that has a deadline of its own.
  const usual = points.filter((point) =>
    point.subject === "mooring" && point.mix !== "lease" && point.sweep !== "rate" &&
    (point.sweep !== "lanes" || (point.lanes === lanes && point.concurrency <= knee))
  );
  if (usual.length === 0) return [];
  const most = Math.max(...usual.map(({ concurrency }) => concurrency));
  const what =
    `replies to commands like those of the sweep, of up to ${most} callers, took`;
  const found = worst(usual.map(({ latencyMs }) => latencyMs));
  return [adviceOf("socket_timeout", what, found, LEAST_SOCKET, current)];
}
