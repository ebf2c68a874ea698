/** Callers of one pool of leases, at one network latency. */
export interface QueueRow {
  /** There and back on the network, in milliseconds. */
  readonly latencyMs: number;
  /** Most leases at the same time. */
  readonly leases: number;
  /** Share of the time that a connection is leased, 0 to 1. */
  readonly load: number;
  /** Mean wait for a lease, in milliseconds; of the seeds together. */
  readonly meanWaitMs: number;
  /** The mean waits of the single seeds: the least and the most. */
  readonly meanRangeMs: readonly [number, number];
  /** What 99 of 100 waited at most, in milliseconds. */
  readonly p99WaitMs: number;
  /** Callers that waited in vain, as a share. */
  readonly timedOut: number;
  /** The mean wait by Erlang's C formula, in milliseconds; `null` where the load is too
   * much for the pool, so that without a timeout the queue would grow for ever. */
  readonly theoryMs: number | null;
}

/** Instances that use all connections their pools allow. */
export interface ClientRow {
  /** Processes that use the server. */
  readonly instances: number;
  /** Most connections of each. */
  readonly maxConnections: number;
  /** Connections that they wanted. */
  readonly wanted: number;
  /** Connections that they have. */
  readonly had: number;
  /** Connections that they were refused. */
  readonly refused: number;
  /** Instances that have none. */
  readonly without: number;
  /** The largest `max_connections` with which none is refused; 0 if there is none. */
  readonly largestPool: number;
}

/** A mechanism that can be taken away, to see what it does. */
export type Mechanism =
  | "jitter"
  | "breaker"
  | "retry budget"
  | "backoff";

/** Instances whose server is in trouble; of several seeds, each figure is the worst. */
export interface StormRow {
  /** What was taken away; nothing of what is shipped where it is empty. */
  readonly without: readonly Mechanism[];
  /** Most connects in a second, an instance. */
  readonly worstSecond: number;
  /** The same from when the server serves again. */
  readonly worstSecondBack: number;
  /** Most connects in 100 ms from then on, as a share of the instances. */
  readonly worstBinBack: number;
  /** All connects, an instance. */
  readonly connects: number;
  /** Commands that reached the server during the trouble for each that was asked for. */
  readonly calls: number;
  /** Circuit breakers that opened. */
  readonly trips: number;
  /** From the server's return to the last command that failed, in milliseconds. */
  readonly failedForMs: number;
  /** Connects in each second, of the first seed. */
  readonly bySecond: readonly number[];
}

/** A restart, for a number of instances; of several seeds, each figure is the worst. */
export interface ScaleRow
  extends Pick<StormRow, "worstSecond" | "worstSecondBack" | "connects" | "failedForMs"> {
  /** Processes that use the server. */
  readonly instances: number;
  /** Most connects in a second, of all together. */
  readonly allWorstSecond: number;
  /** Most connects in a second after the return, of all together. */
  readonly allWorstSecondBack: number;
  /** Connects that the kernel dropped, as too many waited to be accepted. */
  readonly dropped: number;
}

/** Outages of one length; of several seeds, each figure is the worst. */
export interface OutageRow extends Pick<StormRow, "worstSecond" | "worstSecondBack"> {
  /** How long the server is away, in milliseconds. */
  readonly awayMs: number;
  /** From its return until all instances had a connection, in milliseconds. */
  readonly allBackMs: number;
  /** From its return to the last command that failed, in milliseconds. */
  readonly failedForMs: number;
  /** Connects a second of an instance just before the return: the mean of ten seconds. */
  readonly steady: number;
}

/** Commands at a server that is well. */
export interface LoadRow {
  /** Its `io-threads`. */
  readonly ioThreads: number;
  /** Commands a second, of all instances together. */
  readonly perSecond: number;
  /** Share of the time that the server's main thread is busy. */
  readonly load: number;
  /** Mean time from asking to the reply, in milliseconds. */
  readonly meanMs: number;
  /** The same by the Pollaczek-Khinchine formula; `null` where it is too much. */
  readonly theoryMs: number | null;
}

/** What a simulation found. */
export interface SimulationReport {
  /** The same seeds give the same report. */
  readonly seeds: readonly number[];
  /** Whether it was the short run. */
  readonly quick: boolean;
  /** The configuration's defaults that it ran with; times in milliseconds. */
  readonly defaults: {
    readonly maxConnections: number;
    readonly acquireTimeoutMs: number;
    readonly circuitBreakerTimeoutMs: number;
    readonly healthCheckIntervalMs: number;
  };
  /** The server's `maxclients`. */
  readonly maxClients: number;
  /** Pool size against latency. */
  readonly queue: {
    /** Callers a second. */
    readonly rate: number;
    /** Round trips of a lease. */
    readonly trips: number;
    readonly rows: readonly QueueRow[];
  };
  /** Connections against `maxclients`. */
  readonly clients: readonly ClientRow[];
  /** Commands at a server that is well. */
  readonly loads: readonly LoadRow[];
  /** Restarts, with and without each mechanism. */
  readonly storms: Storms & { readonly awayMs: number };
  /** Restarts, by the number of instances. */
  readonly scale: { readonly rate: number; readonly rows: readonly ScaleRow[] };
  /** Outages by their length. */
  readonly outages: { readonly instances: number; readonly rows: readonly OutageRow[] };
  /** A server that answers handshakes and hangs up at the first command. */
  readonly hangUps: Storms & { readonly seconds: number };
}

/** One kind of trouble, with and without each mechanism. */
export interface Storms {
  readonly instances: number;
  /** Commands a second of each instance. */
  readonly rate: number;
  readonly rows: readonly StormRow[];
}
