import type { Advice, Percentiles, Point, Tail, TuneReport } from "./report_types.ts";

/** Seconds that a timeout is rounded up to. */
const STEPS = [0.5, 1, 2, 3, 5, 10, 15, 20, 30, 45, 60] as const;
/** A timeout is so many times what 999 of 1,000 took, and … */
const OF_P999 = 10;
/** … so many times the longest, both of the median round: a garbage collection or a fork
 * of the server is no failure, and one bad round decides nothing. */
const OF_LONGEST = 4;
/** A timeout that is lower than this share of the present one is worth a change. */
const WORTH = 0.5;

/** A deadline as it is, and what it may become. */
interface Deadline {
  /** Seconds, as they are now. */
  readonly current: number;
  /** The least that is recommended, in seconds: the default. A sweep sees neither a failover
   * nor a fork nor a slow command of another client. */
  readonly least: number;
  /** Whether a lower one may be recommended at all. */
  readonly mayLower: boolean;
}

/** What the median round took, in milliseconds. */
type Observation = Pick<Percentiles, "p999" | "max">;

function observe(tail: Tail | undefined, all: Percentiles): Observation {
  return tail === undefined ? all : { p999: tail.p999.median, max: tail.max.median };
}

const ms = (value: number) => `${value < 10 ? value.toFixed(2) : value.toFixed(0)} ms`;

function adviceOf(
  key: "acquire_timeout" | "socket_timeout",
  what: string,
  { p999, max }: Observation,
  { current, least, mayLower }: Deadline,
): Advice {
  const needed = Math.max(OF_P999 * p999, OF_LONGEST * max) / 1000;
  const wanted = STEPS.find((step) => step >= needed) ?? Math.ceil(needed / 60) * 60;
  const seen = `${what} ${ms(p999)} at p99.9 and ${ms(max)} at the longest, in the ` +
    "median round";
  const advice = (value: number, reason: string) => ({
    key,
    value,
    current,
    reason: `${seen}: ${reason}`,
  });
  const margin = `${OF_P999} times the one and ${OF_LONGEST} times the other`;
  const cuts = "would cut healthy ones when the server pauses";
  if (needed > current) {
    return advice(wanted, `${margin} is more than ${current} s, which ${cuts}`);
  }
  if (STEPS[0] > current) return advice(wanted, `less than ${STEPS[0]} s ${cuts}`);
  const lower = Math.max(wanted, least);
  if (lower > current * WORTH) {
    const why = wanted > current * WORTH
      ? `${wanted} s would be no better`
      : "leaves room for what no sweep meets: a failover, a fork, a slow command of " +
        "another client";
    return advice(current, `${current} s is enough, and ${why}`);
  }
  if (!mayLower) {
    return advice(
      current,
      `${current} s is enough; a quick run is too little to lower it`,
    );
  }
  const floor = lower === wanted
    ? `${lower} s is ${margin} or more`
    : `${lower} s, which is the default, is more than ${margin}`;
  const sooner = Number((current - lower).toFixed(3));
  return advice(lower, `${floor}, and reports a failure ${sooner} s sooner`);
}

/**
 * The deadline of the wait for a connection: by the waits of a pool of that size.
 *
 * @param points Everything measured.
 * @param leases Size of the pool.
 * @param deadline The deadline, as it is now.
 * @returns The advice; nothing if no wait was measured.
 */
export function adviseAcquireTimeout(
  points: readonly Point[],
  leases: number,
  deadline: Deadline,
): Advice[] {
  // The pool of that size, else the largest one below it.
  const [point] = points.filter((point) =>
    point.sweep === "leases" && point.waitMs !== undefined && point.leases <= leases
  ).toSorted((a, b) => b.leases - a.leases);
  if (point?.waitMs === undefined) return [];
  const what = `${point.concurrency} callers waited for one of ${point.leases} leases`;
  const found = observe(point.waitTailMs, point.waitMs);
  return [adviceOf("acquire_timeout", what, found, deadline)];
}

/**
 * The deadline of a command: by the latencies up to the knee, of all mixes and sizes.
 *
 * @param points Everything measured.
 * @param lanes Lanes that are recommended.
 * @param knees The knees.
 * @param deadline The deadline, as it is now.
 * @returns The advice; nothing if nothing was measured.
 */
export function adviseSocketTimeout(
  points: readonly Point[],
  lanes: number,
  knees: TuneReport["knees"],
  deadline: Deadline,
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
  const found = usual.map(({ latencyMs, tailMs }) => observe(tailMs, latencyMs));
  const slowest = {
    p999: Math.max(...found.map(({ p999 }) => p999)),
    max: Math.max(...found.map(({ max }) => max)),
  };
  return [adviceOf("socket_timeout", what, slowest, deadline)];
}
