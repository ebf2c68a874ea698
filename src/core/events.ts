/**
 * How well a database serves.
 *
 * @example Usage
 * ```ts
 * import { ConnectionState } from "@mooring/redis";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(ConnectionState.HEALTHY, "healthy");
 * ```
 */
export const ConnectionState = {
  /** Serves. */
  HEALTHY: "healthy",
  /** Serves in part: probing after a trip, loading, or with recent errors. */
  DEGRADED: "degraded",
  /** Does not serve. */
  FAILED: "failed",
} as const;

/** How well a database serves: `healthy`, `degraded` or `failed`. */
export type ConnectionState = typeof ConnectionState[keyof typeof ConnectionState];

/** The events of a manager, with their details. */
export interface ManagerEventMap {
  /** A database's health changed. */
  statechange: {
    /** Name of the database. */
    database: string;
    /** The state it was in. */
    from: ConnectionState;
    /** The state it is in. */
    to: ConnectionState;
    /** Why. */
    reason: string;
  };
  /** A circuit breaker changed. */
  breaker: {
    /** Name of the database. */
    database: string;
    /** The state the breaker was in. */
    from: "closed" | "open" | "half_open";
    /** The state the breaker is in. */
    to: "closed" | "open" | "half_open";
    /** Why. */
    reason: string;
  };
  /** A connection was opened, closed, or could not be opened. */
  connection: {
    /** Name of the database. */
    database: string;
    /** What happened: opened, closed by us or the server, or an attempt that failed. */
    action: "opened" | "closed" | "failed";
    /** Number of the connection, unique in the process; 0 for a failed attempt. */
    id: number;
    /** Where it goes or went. */
    endpoint: string;
    /**
     * How a closed one ended: `closed` by us, as was wanted; `lost` by the server or the
     * network; `silent`, as nothing came any more; `protocol`, as what came was no reply.
     */
    end?: "closed" | "lost" | "silent" | "protocol";
    /** Why. */
    reason?: string;
  };
  /** A lease was held too long or lost. */
  leak: {
    /** Name of the database. */
    database: string;
    /** Held for too long, or collected without a release. */
    kind: "held" | "collected";
    /** How long it was held, in milliseconds. */
    heldMs: number;
    /** Where it was acquired, when leak detection is on. */
    stack?: string;
  };
  /** A server is loading its data. */
  loading: {
    /** Name of the database. */
    database: string;
    /** Share of the data that the server has loaded, 0 to 100, if it says. */
    percent?: number;
    /** The server's estimate of the seconds left, if it says. */
    etaSeconds?: number;
    /** How long has been waited, in milliseconds. */
    waitedMs: number;
  };
  /** Messages may be missing from subscriptions, or are. */
  gap: {
    /** Name of the database. */
    database: string;
    /** The subscriber connection was lost and is there again, or a consumer was too slow. */
    reason: "reconnected" | "overflow";
    /** Subscriptions that it happened to. */
    subscriptions: number;
    /** How many messages were dropped for a slow consumer. */
    lost?: number;
    /** How long there was no subscription, in milliseconds, after a lost connection. */
    downMs?: number;
  };
  /** The handler of a subscription threw; the subscription goes on. */
  handlererror: {
    /** Name of the database. */
    database: string;
    /** Channel of the message that was handled; empty for a gap. */
    channel: string;
    /** What the handler threw. */
    error: unknown;
  };
  /** A scan began anew, in whole or for one node of a cluster, as the server's cursor meant
   * nothing any more: elements may be given again. */
  scanrestart: {
    /** Name of the database. */
    database: string;
    /** The server that is scanned from its beginning, such as `10.0.0.7:7000`. */
    endpoint: string;
    /** Why. */
    reason: string;
  };
  /** The primary of a database is another server now. */
  failover: {
    /** Name of the database. */
    database: string;
    /** Where its primary was, such as `10.0.0.1:6379`. */
    from: string;
    /** Where its primary is. */
    to: string;
  };
  /** Something is probably a mistake, such as more connections than the server takes. */
  warning: {
    /** Name of the database. */
    database: string;
    /** What is probably a mistake. */
    message: string;
  };
}

/** Reports an event; it may have no listener. */
export type Emit = <K extends keyof ManagerEventMap>(
  type: K,
  detail: ManagerEventMap[K],
) => void;
