const LINE = /^([a-zA-Z_:][\w:]*)(?:\{(.*)\})?\s+(\S+)(?:\s+-?\d+)?$/;
const LABEL = /([a-zA-Z_]\w*)="((?:[^"\\]|\\.)*)"/g;
const ESCAPES: Readonly<Record<string, string>> = { n: "\n", "\\": "\\", '"': '"' };
const PREFIX = "mooring_redis_";
const LAG = "replica_lag_seconds";
const IN_SYNC = "replicas in sync";

/** A line of the text exposition format. */
interface MetricLine {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

function readNumber(text: string): number {
  return text === "+Inf" ? Infinity : text === "-Inf" ? -Infinity : Number(text);
}

/** Reads the text exposition format; other lines are left out. */
export function parseMetrics(text: string): MetricLine[] {
  return text.split("\n").flatMap((line) => {
    const [, name, labels = "", value = ""] = LINE.exec(line) ?? [];
    if (name === undefined) return [];
    const pairs = [...labels.matchAll(LABEL)].map(([, key = "", raw = ""]) =>
      [key, raw.replace(/\\(.)/g, (_, sign) => ESCAPES[sign] ?? sign)] as const
    );
    return [{ name, labels: Object.fromEntries(pairs), value: readNumber(value) }];
  });
}

/** Upper bounds in seconds and cumulative counts, ascending. */
type Buckets = readonly (readonly [bound: number, count: number])[];

/** What the metrics say of one database at one instant. */
export interface Sample {
  readonly database: string;
  readonly db: number;
  readonly state: string;
  /** Value by name of the metric; where there are several, their sum, or the most of lags. */
  readonly totals: Readonly<Record<string, number>>;
  readonly buckets: Buckets;
}

/** Reads the text metrics of a manager; the databases are in the order of the text. */
export function readSamples(text: string): Sample[] {
  const byDatabase = Map.groupBy(
    parseMetrics(text).filter(({ labels, name }) =>
      name.startsWith(PREFIX) && labels.database !== undefined
    ),
    ({ labels }) => labels.database!,
  );
  return [...byDatabase].map(([database, lines]) => {
    const totals: Record<string, number> = {};
    let state = "unknown";
    const buckets: [number, number][] = [];
    for (const { labels, name: full, value } of lines) {
      const name = full.slice(PREFIX.length);
      if (name === "database_state" && value === 1) state = labels.state ?? state;
      if (name === "command_duration_seconds_bucket") {
        buckets.push([readNumber(labels.le ?? ""), value]);
      }
      if (name === "connections" && labels.state === "connecting") continue;
      if (name === "replicas" && labels.state === "in_sync") totals[IN_SYNC] = value;
      const before = totals[name] ?? 0;
      totals[name] = name === LAG ? Math.max(before, value) : before + value;
    }
    buckets.sort(([a], [b]) => a - b);
    return { database, db: Number(lines[0]?.labels.db ?? 0), state, totals, buckets };
  });
}

/** One line of the table; with `--json` one element of `databases`. */
export interface StatsRow {
  /** Name of the database. */
  readonly database: string;
  /** Its number. */
  readonly db: number;
  /** Its health. */
  readonly state: string;
  /** Commands since the start. */
  readonly commands: number;
  /** Commands a second since the last sample; `null` at the first one. */
  readonly perSecond: number | null;
  /** Share of commands that succeeded, in percent; `null` if there were none. */
  readonly successRate: number | null;
  /** Median latency, in milliseconds; `null` without any. */
  readonly p50Ms: number | null;
  /** 99th percentile of the latency, in milliseconds; `null` without any. */
  readonly p99Ms: number | null;
  /** Open connections. */
  readonly connections: number;
  /** The most that there may be. */
  readonly maxConnections: number;
  /** Commands sent on lanes and not answered. */
  readonly inFlight: number;
  /** Callers and commands that wait for a connection. */
  readonly waiting: number;
  /** Share of reads that found a value, in percent; `null` if there were none. */
  readonly hitRate: number | null;
  /** Share of reads that the near cache answered, in percent; `null` if it was asked for
   * none. */
  readonly nearHitRate: number | null;
  /** Replicas that get reads; `null` if no read was to go to one. */
  readonly replicasInSync: number | null;
  /** Replicas that are known; `null` as above. */
  readonly replicas: number | null;
  /** How far the last of them is behind, in milliseconds; `null` if none has answered. */
  readonly replicaLagMs: number | null;
}

/**
 * A quantile out of buckets, interpolated within the bucket that it falls into.
 *
 * @param buckets Upper bounds and cumulative counts, ascending.
 * @param q The quantile, from 0 to 1.
 * @returns The quantile in the unit of the bounds; `null` if nothing was counted.
 */
export function quantile(buckets: Buckets, q: number): number | null {
  const total = buckets.at(-1)?.[1] ?? 0;
  if (total <= 0) return null;
  const rank = q * total;
  let [lower, before] = [0, 0];
  for (const [bound, count] of buckets) {
    if (count >= rank && count > before) {
      // Nothing is known of what is above the last bound.
      if (bound === Infinity) return lower;
      return lower + (bound - lower) * (rank - before) / (count - before);
    }
    [lower, before] = [bound, count];
  }
  return lower;
}

/**
 * Makes the lines of the table: what happened since the last sample, or since the start.
 *
 * @param samples What is known now.
 * @param earlier The last sample.
 * @param elapsedMs Time since then, in milliseconds.
 * @returns A line for each database.
 */
export function makeRows(
  samples: readonly Sample[],
  earlier: readonly Sample[],
  elapsedMs: number,
): StatsRow[] {
  return samples.map(({ buckets, database, db, state, totals }) => {
    const last = earlier.find((sample) => sample.database === database);
    const total = (name: string) => totals[name] ?? 0;
    // The counters of a restarted service begin at zero.
    const counters = ["commands_succeeded_total", "commands_failed_total"];
    const since = last && counters.every((name) => last.totals[name]! <= total(name))
      ? last
      : undefined;
    const recent = (name: string) => total(name) - (since?.totals[name] ?? 0);
    const [succeeded, failed] = counters.map(recent) as [number, number];
    const hits = recent("cache_hits_total");
    const reads = hits + recent("cache_misses_total");
    const nearHits = recent("near_cache_hits_total");
    const nearReads = nearHits + recent("near_cache_misses_total");
    const ms = (q: number) => {
      const counts = buckets.map(([bound, count], i) =>
        [bound, count - (since?.buckets[i]?.[1] ?? 0)] as const
      );
      const seconds = quantile(counts, q);
      return seconds === null ? null : seconds * 1000;
    };
    const done = succeeded + failed;
    return {
      ...{ database, db, state },
      commands: counters.reduce((sum, name) => sum + total(name), 0),
      perSecond: since === undefined ? null : done * 1000 / elapsedMs,
      successRate: done === 0 ? null : 100 * succeeded / done,
      p50Ms: ms(0.5),
      p99Ms: ms(0.99),
      connections: total("connections"),
      maxConnections: total("connections_max"),
      inFlight: total("commands_in_flight"),
      waiting: total("waiters"),
      hitRate: reads === 0 ? null : 100 * hits / reads,
      nearHitRate: nearReads === 0 ? null : 100 * nearHits / nearReads,
      replicasInSync: totals[IN_SYNC] ?? null,
      replicas: totals.replicas ?? null,
      replicaLagMs: totals[LAG] === undefined ? null : totals[LAG] * 1000,
    };
  });
}
