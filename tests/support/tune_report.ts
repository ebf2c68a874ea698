/**
 * A report of a tuning run as a real one looks, without a run: a model of a server with one
 * thread, of clients, and of noise that repeats itself from the same seed.
 *
 * @module
 */

import type {
  Mix,
  Percentiles,
  Point,
  Spread,
  Subject,
  TuneReport,
} from "../../src/cli/tune/report_types.ts";
import { type Random, seededRandom } from "../unit/pool/random.ts";

/** Commands a second that one connection of each client is good for. */
const PEAK: Readonly<Record<Subject, number>> = {
  mooring: 236_000,
  ioredis: 81_000,
  "node-redis": 118_000,
  "near cache": 300_000,
};

/** What a mix does to the peak. */
const WEIGHT: Readonly<Record<Mix, number>> = {
  "get-heavy": 1,
  "write-heavy": 0.83,
  pipeline: 2.4,
  blocking: 0.31,
  lease: 0.22,
};

/** A round trip on this machine, in milliseconds. */
const ROUND_TRIP_MS = 0.058;

const POWERS = Array.from({ length: 11 }, (_, index) => 2 ** index);

type Settings = Pick<Point, "sweep" | "subject" | "mix"> & Partial<Point>;

/**
 * Makes a report of a full run.
 *
 * @param seed Any whole number; the same one gives the same report.
 * @returns The report.
 */
export function sampleReport(seed = 1): TuneReport {
  const random = seededRandom(seed);
  const points = sweeps().map((settings) => measure(settings, random));
  const lanes = points.filter(({ sweep, subject }) =>
    sweep === "lanes" && subject === "mooring"
  );
  return {
    version: 2,
    startedAt: "2026-03-14T09:26:53.589Z",
    seconds: 612.4,
    effort: "full",
    machine: {
      runtime: "Deno 2.9.6",
      v8: "14.2.231.9",
      os: "linux 6.8.0",
      arch: "x86_64",
      cores: 8,
    },
    server: {
      endpoint: "127.0.0.1:6379",
      version: "7.0.15",
      ioThreads: 1,
      maxClients: 10_000,
      isThrowAway: true,
    },
    clients: { mooring: "0.1.0", ioredis: "6.0.0", "node-redis": "5.8.2" },
    points,
    knees: [1, 2, 4, 8].map((count) => kneeOf(lanes, count)),
    advice: advice(),
  };
}

function sweeps(): Settings[] {
  const getHeavy = { mix: "get-heavy" } as const;
  return [
    ...[1, 2, 4, 8].flatMap((lanes) =>
      POWERS.map((concurrency): Settings => ({
        ...getHeavy,
        sweep: "lanes",
        subject: "mooring",
        lanes,
        concurrency,
      }))
    ),
    ...(["ioredis", "node-redis"] as const).flatMap((subject) =>
      POWERS.map((concurrency): Settings => ({
        ...getHeavy,
        sweep: "lanes",
        subject,
        concurrency,
      }))
    ),
    ...[1, 2, 4, 8, 16, 32, 64].map((leases): Settings => ({
      sweep: "leases",
      subject: "mooring",
      mix: "lease",
      leases,
      concurrency: 32,
    })),
    ...(["mooring", "ioredis", "node-redis"] as const).flatMap((subject) =>
      [16, 64, 256, 1024, 4096, 16_384, 65_536].map((valueBytes): Settings => ({
        ...getHeavy,
        sweep: "values",
        subject,
        valueBytes,
        concurrency: 64,
      }))
    ),
    ...(["mooring", "ioredis", "node-redis"] as const).flatMap((subject) =>
      (["get-heavy", "write-heavy", "pipeline", "blocking", "lease"] as const)
        .filter((mix) => subject === "mooring" || mix !== "lease")
        .map((mix): Settings => ({ sweep: "mixes", subject, mix, concurrency: 64 }))
    ),
    ...(["mooring", "ioredis", "node-redis"] as const).flatMap((subject) =>
      [20, 40, 60, 100, 150, 200, 250]
        .filter((thousands) => thousands * 1000 < PEAK[subject])
        .map((thousands): Settings => ({
          ...getHeavy,
          sweep: "rate",
          subject,
          lanes: subject === "mooring" ? 2 : 1,
          rate: thousands * 1000,
          concurrency: 512,
        }))
    ),
  ];
}

/** One measurement, as the model has it. */
function measure(settings: Settings, random: Random): Point {
  const { subject, mix, lanes = 1, leases = 0, concurrency = 64, valueBytes = 64 } =
    settings;
  const noise = () => 1 + (random.next() - 0.5) * 0.05;
  const carried = leases === 0 ? 1 : Math.min(1, (leases / 12) ** 0.8);
  const peak = PEAK[subject] * WEIGHT[mix] * carried * (1 + 0.34 * Math.log2(lanes)) /
    (1 + valueBytes / 6000);
  const free = concurrency / (ROUND_TRIP_MS / 1000);
  const reached = Math.min(settings.rate ?? Infinity, 1 / (1 / free + 1 / peak)) *
    noise();
  const load = Math.min(0.98, reached / peak);
  const serviceMs = settings.rate === undefined
    ? concurrency / reached * 1000
    : ROUND_TRIP_MS / (1 - load);
  const { in: received, out } = { in: reached * 42, out: reached * (valueBytes + 8) };
  const latencyMs = percentiles(serviceMs, load, random);
  return {
    ...settings,
    lanes,
    leases,
    concurrency,
    valueBytes,
    rounds: 7,
    perSecond: spread(reached, random),
    latencyMs,
    ...(leases > 0 && { waitMs: waits(leases, concurrency, serviceMs, random) }),
    clientCpu: 0.08 + 0.94 * load * noise(),
    serverCpu: (0.05 + 0.9 * Math.min(1, reached / 420_000)) * noise(),
    connections: Math.max(lanes, leases) + 1,
    bytesPerSecond: { in: received, out },
    errors: 0,
  };
}

function spread(median: number, random: Random): Spread {
  return {
    median,
    low: median * (0.985 - 0.05 * random.next()),
    high: median * (1.015 + 0.04 * random.next()),
  };
}

function percentiles(typical: number, load: number, random: Random): Percentiles {
  const p50 = typical * (0.93 + 0.05 * random.next());
  const p99 = p50 * (1.5 + load + 0.4 * random.next());
  const p999 = p99 * (1.4 + load + 0.8 * random.next());
  return {
    p50: spread(p50, random),
    p99: spread(p99, random),
    p999: spread(p999, random),
    max: spread(p999 * (1.2 + random.next()), random),
  };
}

/** Nobody waits where there are as many leases as callers. */
function waits(
  leases: number,
  callers: number,
  serviceMs: number,
  random: Random,
): Percentiles {
  const queue = Math.max(0, callers / leases - 1) / (callers / leases);
  const typical = serviceMs * queue;
  if (typical === 0) {
    return {
      p50: spread(0, random),
      p99: spread(0.012, random),
      p999: spread(0.05, random),
      max: spread(0.31, random),
    };
  }
  return percentiles(typical, queue, random);
}

function kneeOf(points: readonly Point[], lanes: number): TuneReport["knees"][number] {
  const curve = points.filter((point) => point.lanes === lanes);
  const top = Math.max(...curve.map(({ perSecond }) => perSecond.median));
  const knee = curve.find(({ perSecond }) => perSecond.median > top * 0.8);
  return {
    lanes,
    concurrency: knee?.concurrency ?? 1,
    perSecond: knee?.perSecond.median ?? 0,
  };
}

function advice(): TuneReport["advice"] {
  return [
    {
      key: "max_lanes",
      value: 4,
      current: 1,
      reason:
        "4 lanes carried 382,000 commands a second at 256 callers; 8 lanes brought " +
        "17 % more throughput for twice the connections, and the same p99.",
    },
    {
      key: "max_connections",
      value: 20,
      current: 20,
      reason:
        "With 16 leases 32 callers waited 1.4 ms at the median; beside 4 lanes that " +
        "makes 20, and 500 instances fit under the server's maxclients of 10,000.",
    },
    {
      key: "acquire_timeout",
      value: 0.5,
      current: 3,
      reason: "The longest wait for a lease was 42 ms; ten times that is where waiting " +
        "longer no longer helps.",
    },
    {
      key: "socket_timeout",
      value: 2,
      current: 5,
      reason:
        "999 of 1,000 replies came within 18 ms at the knee; a hundred times that, " +
        "rounded up.",
    },
  ];
}
