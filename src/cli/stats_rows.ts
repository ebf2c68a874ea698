/** A line of the text exposition format. */
export interface MetricLine {
  /** The metric's name. */
  readonly name: string;
  /** Its labels. */
  readonly labels: Readonly<Record<string, string>>;
  /** Its value. */
  readonly value: number;
}

const LINE = /^([a-zA-Z_:][\w:]*)(?:\{(.*)\})?\s+(\S+)(?:\s+-?\d+)?$/;
const LABEL = /([a-zA-Z_]\w*)="((?:[^"\\]|\\.)*)"/g;
const ESCAPES: Readonly<Record<string, string>> = { n: "\n", "\\": "\\", '"': '"' };
const PREFIX = "mooring_redis_";

function readNumber(text: string): number {
  return text === "+Inf" ? Infinity : text === "-Inf" ? -Infinity : Number(text);
}

/**
 * Reads the text exposition format.
 *
 * @param text The text.
 * @returns Its lines; what is none is left out.
 */
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

/** What is known of one database at one instant; counts since the start. */
export interface Sample {
  readonly database: string;
  readonly db: number;
  readonly state: string;
  readonly succeeded: number;
  readonly failed: number;
  readonly hits: number;
  readonly misses: number;
  readonly connections: number;
  readonly maxConnections: number;
  readonly inFlight: number;
  readonly waiting: number;
  /** Upper bounds in seconds and cumulative counts, ascending. */
  readonly buckets: readonly (readonly [bound: number, count: number])[];
}

function sampleOf(database: string, lines: readonly MetricLine[]): Sample {
  const all = (name: string) => lines.filter((line) => line.name === PREFIX + name);
  const sum = (name: string) => all(name).reduce((total, { value }) => total + value, 0);
  const states = all("database_state").filter(({ value }) => value === 1);
  return {
    database,
    db: Number(lines[0]?.labels.db ?? 0),
    state: states[0]?.labels.state ?? "unknown",
    succeeded: sum("commands_succeeded_total"),
    failed: sum("commands_failed_total"),
    hits: sum("cache_hits_total"),
    misses: sum("cache_misses_total"),
    connections: all("connections")
      .filter(({ labels }) => labels.state !== "connecting")
      .reduce((total, { value }) => total + value, 0),
    maxConnections: sum("connections_max"),
    inFlight: sum("commands_in_flight"),
    waiting: sum("waiters"),
    buckets: all("command_duration_seconds_bucket")
      .map(({ labels, value }) => [readNumber(labels.le ?? ""), value] as const)
      .sort(([a], [b]) => a - b),
  };
}

/**
 * What text metrics say of each database.
 *
 * @param text The text metrics of a manager.
 * @returns The databases in their order there.
 */
export function readSamples(text: string): Sample[] {
  const byDatabase = Map.groupBy(
    parseMetrics(text).filter(({ name, labels }) =>
      name.startsWith(PREFIX) && labels.database !== undefined
    ),
    ({ labels }) => labels.database!,
  );
  return [...byDatabase].map(([database, lines]) => sampleOf(database, lines));
}

/** One line of the table; with `--json` one element of `databases`. */
export interface StatsRow {
  /** Name of the database. */
  readonly database: string;
  /** Its number. */
  readonly db: number;
  /** How well it serves. */
  readonly state: string;
  /** Commands since the start. */
  readonly commands: number;
  /** Commands a second since the last look; `null` at the first one. */
  readonly perSecond: number | null;
  /** Share of commands that succeeded, in percent; 100 if there were none. */
  readonly successRate: number;
  /** Half of the answers took at most about this, in milliseconds; `null` without any. */
  readonly p50Ms: number | null;
  /** 99 % of the answers took at most about this, in milliseconds; `null` without any. */
  readonly p99Ms: number | null;
  /** Connections that are open. */
  readonly connections: number;
  /** The most that there may be. */
  readonly maxConnections: number;
  /** Commands sent on lanes and not answered. */
  readonly inFlight: number;
  /** Callers and commands that wait for a connection. */
  readonly waiting: number;
  /** Share of reads that found a value, in percent; `null` if there were none. */
  readonly hitRate: number | null;
}

/**
 * A quantile out of buckets: on the straight line inside the bucket that it falls into.
 *
 * @param buckets Upper bounds and cumulative counts, ascending.
 * @param q The quantile, from 0 to 1.
 * @returns The quantile in the unit of the bounds; `null` if nothing was counted.
 */
export function quantile(
  buckets: readonly (readonly [bound: number, count: number])[],
  q: number,
): number | null {
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
 * Makes the lines of the table: what happened since the last look, or since the start.
 *
 * @param samples What is known now.
 * @param earlier What was known at the last look.
 * @param elapsedMs Time since then, in milliseconds.
 * @returns A line for each database.
 */
export function makeRows(
  samples: readonly Sample[],
  earlier: readonly Sample[],
  elapsedMs: number,
): StatsRow[] {
  return samples.map((now) => {
    const last = earlier.find(({ database }) => database === now.database);
    // A service that was started anew counts from nothing.
    const isSame = last !== undefined && last.succeeded <= now.succeeded &&
      last.failed <= now.failed;
    const since = isSame ? last : undefined;
    const done = now.succeeded + now.failed;
    const succeeded = now.succeeded - (since?.succeeded ?? 0);
    const failed = now.failed - (since?.failed ?? 0);
    const hits = now.hits - (since?.hits ?? 0);
    const reads = hits + now.misses - (since?.misses ?? 0);
    const buckets = now.buckets.map(([bound, count], i) =>
      [bound, count - (since?.buckets[i]?.[1] ?? 0)] as const
    );
    const ms = (q: number) => {
      const seconds = quantile(buckets, q);
      return seconds === null ? null : seconds * 1000;
    };
    return {
      database: now.database,
      db: now.db,
      state: now.state,
      commands: done,
      perSecond: since === undefined ? null : (succeeded + failed) * 1000 / elapsedMs,
      successRate: succeeded + failed === 0
        ? 100
        : 100 * succeeded / (succeeded + failed),
      p50Ms: ms(0.5),
      p99Ms: ms(0.99),
      connections: now.connections,
      maxConnections: now.maxConnections,
      inFlight: now.inFlight,
      waiting: now.waiting,
      hitRate: reads === 0 ? null : 100 * hits / reads,
    };
  });
}
