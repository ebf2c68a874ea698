/** Callers of one pool of leases, at one network latency. */
export interface QueueRow {
  /** There and back on the network, in milliseconds. */
  readonly latencyMs: number;
  /** Most leases at the same time. */
  readonly leases: number;
  /** Share of the time that a connection is leased, 0 to 1. */
  readonly load: number;
  /** Mean wait for a lease, in milliseconds. */
  readonly meanWaitMs: number;
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

/** A restart of the server that cuts all instances at the same moment. */
export interface StormRow {
  /** Whether waits between attempts to connect have jitter. */
  readonly jitter: boolean;
  /** Whether the circuit breaker is at work. */
  readonly breaker: boolean;
  /** Wishes to connect since the restart, by bins of 100 ms. */
  readonly connects: readonly number[];
  /** Most of them in a bin while the server was away. */
  readonly peakAway: number;
  /** Most of them in a bin after it was back. */
  readonly peakBack: number;
  /** Circuit breakers that opened. */
  readonly trips: number;
  /** From the server's return to the last command that failed, in milliseconds. */
  readonly failedForMs: number;
}

/** A server that cuts all connections five times a second, and no circuit breaker. */
export interface FlapRow {
  /** Whether the retry budget is at work. */
  readonly budget: boolean;
  /** Commands asked for, in all. */
  readonly asked: number;
  /** Retries of commands in each second. */
  readonly retries: readonly number[];
}

/** What a simulation found. */
export interface SimulationReport {
  /** The same seed gives the same report. */
  readonly seed: number;
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
  /** Restarts. */
  readonly storms: {
    readonly instances: number;
    readonly awayMs: number;
    readonly rows: readonly StormRow[];
  };
  /** The flapping server. */
  readonly flaps: {
    readonly instances: number;
    readonly seconds: number;
    readonly rows: readonly FlapRow[];
  };
}
