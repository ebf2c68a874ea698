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

/** Detail of a `statechange` event. */
export interface StateChangeDetail {
  /** Name of the database. */
  database: string;
  /** The state it was in. */
  from: ConnectionState;
  /** The state it is in. */
  to: ConnectionState;
  /** Why. */
  reason: string;
}

/** Detail of a `breaker` event. */
export interface BreakerDetail {
  /** Name of the database. */
  database: string;
  /** The state the breaker was in. */
  from: "closed" | "open" | "half_open";
  /** The state the breaker is in. */
  to: "closed" | "open" | "half_open";
  /** Why. */
  reason: string;
}

/** Detail of a `connection` event. */
export interface ConnectionDetail {
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
}

/** Detail of a `leak` event. */
export interface LeakDetail {
  /** Name of the database. */
  database: string;
  /** Held for too long, or collected without a release. */
  kind: "held" | "collected";
  /** How long it was held, in milliseconds. */
  heldMs: number;
  /** Where it was acquired, when leak detection is on. */
  stack?: string;
}

/** Detail of a `loading` event. */
export interface LoadingDetail {
  /** Name of the database. */
  database: string;
  /** Share of the data that the server has loaded, 0 to 100, if it says. */
  percent?: number;
  /** The server's estimate of the seconds left, if it says. */
  etaSeconds?: number;
  /** How long has been waited, in milliseconds. */
  waitedMs: number;
}

/** Detail of a `failover` event. */
export interface FailoverDetail {
  /** Name of the database. */
  database: string;
  /** Where its primary was, such as `10.0.0.1:6379`. */
  from: string;
  /** Where its primary is. */
  to: string;
}

/** Detail of a `warning` event. */
export interface WarningDetail {
  /** Name of the database. */
  database: string;
  /** What is probably a mistake. */
  message: string;
}

/** Detail of a `gap` event. */
export interface GapDetail {
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
}

/** Detail of a `handlererror` event. */
export interface HandlerErrorDetail {
  /** Name of the database. */
  database: string;
  /** Channel of the message that was handled; empty for a gap. */
  channel: string;
  /** What the handler threw. */
  error: unknown;
}

/** The events of a manager, with their details. */
export interface ManagerEventMap {
  /** A database's health changed. */
  statechange: StateChangeDetail;
  /** A circuit breaker changed. */
  breaker: BreakerDetail;
  /** A connection was opened, closed, or could not be opened. */
  connection: ConnectionDetail;
  /** A lease was held too long or lost. */
  leak: LeakDetail;
  /** A server is loading its data. */
  loading: LoadingDetail;
  /** Messages may be missing from subscriptions, or are. */
  gap: GapDetail;
  /** The handler of a subscription threw; the subscription goes on. */
  handlererror: HandlerErrorDetail;
  /** The primary of a database is another server now. */
  failover: FailoverDetail;
  /** Something is probably a mistake, such as more connections than the server takes. */
  warning: WarningDetail;
}

/** Reports an event; it may have no listener. */
export type Emit = <K extends keyof ManagerEventMap>(
  type: K,
  detail: ManagerEventMap[K],
) => void;
