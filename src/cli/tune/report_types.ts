/**
 * What a run of the tuning sweep found: the data of the report, as JSON and in the page.
 *
 * @module
 */

/** The client that is measured: this package, the same with a near cache, or another one. */
export type Subject = "mooring" | "near cache" | "ioredis" | "node-redis";

/** What the callers did. */
export type Mix = "get-heavy" | "write-heavy" | "pipeline" | "blocking" | "lease";

/** The sweeps, in the order in which they run: the last ones use results of the first. */
export const SWEEP_NAMES = ["lanes", "leases", "values", "mixes", "rate"] as const;

/** Which question a sweep answers. */
export type SweepName = typeof SWEEP_NAMES[number];

/** A figure of several rounds. */
export interface Spread {
  /** Median of the rounds. */
  readonly median: number;
  /** Smallest of the rounds. */
  readonly low: number;
  /** Largest of the rounds. */
  readonly high: number;
}

/** A latency in milliseconds: 99 of 100 were no longer than `p99`, 999 of 1,000 no longer
 * than `p999`. Each is of several rounds, so that one bad moment does not decide it. */
export type Percentiles = Readonly<Record<"p50" | "p99" | "p999" | "max", Spread>>;

/** One combination of settings, as measured. */
export interface Point {
  /** Which question it answers: a series of the report. */
  readonly sweep: SweepName;
  /** Who was measured. */
  readonly subject: Subject;
  /** What the callers did. */
  readonly mix: Mix;
  /** Lanes (shared connections); 1 for other subjects. */
  readonly lanes: number;
  /** Most leases at the same time; 0 where none are taken. */
  readonly leases: number;
  /** Callers that each wait for a reply before the next command; in the open-loop mode the
   * most commands that were under way. */
  readonly concurrency: number;
  /** Bytes of a value. */
  readonly valueBytes: number;
  /** Commands a second that were asked for, in the open-loop mode. */
  readonly rate?: number;
  /** Rounds measured. */
  readonly rounds: number;
  /** Commands a second. */
  readonly perSecond: Spread;
  /** From the moment a command was due until its reply. */
  readonly latencyMs: Percentiles;
  /** Waiting for a lease; only where leases are taken. */
  readonly waitMs?: Percentiles;
  /** CPU seconds of this process a second; `null` where it cannot be seen. */
  readonly clientCpu: number | null;
  /** CPU seconds of the server a second; `null` where it cannot be seen. */
  readonly serverCpu: number | null;
  /** Connections that the server counted. */
  readonly connections: number;
  /** Bytes a second that the server got and sent. */
  readonly bytesPerSecond: { readonly in: number; readonly out: number };
  /** Commands that failed. */
  readonly errors: number;
  /** What the first of them said. */
  readonly firstError?: string;
}

/** One setting that was judged; where `value` is `current`, there is nothing to change. */
export interface Advice {
  /** Key of the YAML file. */
  readonly key: "max_lanes" | "max_connections" | "acquire_timeout" | "socket_timeout";
  /** What to write there; times in seconds. */
  readonly value: number;
  /** What is there now. */
  readonly current: number;
  /** Why, in a sentence with the numbers. */
  readonly reason: string;
}

/** A run of the sweep. */
export interface TuneReport {
  /** Version of this shape. */
  readonly version: 2;
  /** When it began, as ISO 8601. */
  readonly startedAt: string;
  /** How long it took, in seconds. */
  readonly seconds: number;
  /** `quick` or `full`. */
  readonly effort: "quick" | "full";
  /** Where it ran. */
  readonly machine: {
    readonly runtime: string;
    readonly v8: string;
    readonly os: string;
    readonly arch: string;
    readonly cores: number;
  };
  /** The server. */
  readonly server: {
    readonly endpoint: string;
    readonly version: string;
    readonly ioThreads: number;
    readonly maxClients: number;
    readonly isThrowAway: boolean;
  };
  /** Versions of the clients that were measured. */
  readonly clients: Readonly<Partial<Record<Subject, string>>>;
  /** Everything measured. */
  readonly points: readonly Point[];
  /** Callers from which on more of them bring little, for each number of lanes. */
  readonly knees: readonly {
    readonly lanes: number;
    readonly concurrency: number;
    readonly perSecond: number;
  }[];
  /** What to write into the file. */
  readonly advice: readonly Advice[];
}
