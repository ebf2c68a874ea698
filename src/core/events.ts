import type { ConnectionState } from "./states.ts";

/**
 * What a `statechange` event tells.
 *
 * @internal
 */
export interface StateChangeDetail {
  /** Name of the database. */
  database: string;
  /** The state it was in. */
  from: ConnectionState;
  /** The state it is in. */
  to: ConnectionState;
  /** Why, in words. */
  reason: string;
}

/**
 * What a `breaker` event tells.
 *
 * @internal
 */
export interface BreakerDetail {
  /** Name of the database. */
  database: string;
  /** The state the breaker was in. */
  from: "closed" | "open" | "half_open";
  /** The state the breaker is in. */
  to: "closed" | "open" | "half_open";
  /** Why, in words. */
  reason: string;
}

/**
 * What a `connection` event tells.
 *
 * @internal
 */
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
  /** Why, in words. */
  reason?: string;
}

/**
 * What a `leak` event tells.
 *
 * @internal
 */
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

/**
 * What a `loading` event tells.
 *
 * @internal
 */
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

/**
 * What a `failover` event tells.
 *
 * @internal
 */
export interface FailoverDetail {
  /** Name of the database. */
  database: string;
  /** Where its primary was, such as `10.0.0.1:6379`. */
  from: string;
  /** Where its primary is. */
  to: string;
}

/**
 * What a `warning` event tells.
 *
 * @internal
 */
export interface WarningDetail {
  /** Name of the database. */
  database: string;
  /** What is probably not meant, in words. */
  message: string;
}

/**
 * What a `gap` event tells.
 *
 * @internal
 */
export interface GapDetail {
  /** Name of the database. */
  database: string;
  /** The subscriber connection was lost and is there again, or a consumer was too slow. */
  reason: "reconnected" | "overflow";
  /** Subscriptions that it happened to. */
  subscriptions: number;
  /** How many messages were dropped for a slow consumer. */
  lost?: number;
  /** How long nobody was subscribed, in milliseconds, after a lost connection. */
  downMs?: number;
}

/**
 * What a `handlererror` event tells.
 *
 * @internal
 */
export interface HandlerErrorDetail {
  /** Name of the database. */
  database: string;
  /** Channel of the message that was handled; empty for a gap. */
  channel: string;
  /** What the handler threw. */
  error: unknown;
}

/**
 * The events of a manager, with the `detail` of each. Every detail has the name of the
 * database in `database`.
 */
export interface ManagerEventMap {
  /** A database's health changed: `from` and `to`, with the `reason` in words. */
  statechange: StateChangeDetail;
  /** A circuit breaker changed: `from` and `to` are `closed`, `open` or `half_open`, with the
   * `reason` in words. */
  breaker: BreakerDetail;
  /** A connection was opened, closed or could not be opened: `action` is `opened`, `closed` or
   * `failed`; with its `id`, its `endpoint`, how it ended (`end`) and why (`reason`). */
  connection: ConnectionDetail;
  /** A lease was held for too long, or garbage-collected without a release: `kind` is `held`
   * or `collected`; with `heldMs` and the `stack` of its acquire. */
  leak: LeakDetail;
  /** A server is loading its data: `percent`, `etaSeconds`, `waitedMs`. */
  loading: LoadingDetail;
  /** Messages may be missing from subscriptions, or were dropped: `reason` is `reconnected` or
   * `overflow`; with the number of `subscriptions`, `lost` messages and `downMs`. */
  gap: GapDetail;
  /** The handler of a subscription threw: the `error` and the `channel`. The subscription goes
   * on. */
  handlererror: HandlerErrorDetail;
  /** The primary of a database is another server now: the endpoints `from` and `to`. */
  failover: FailoverDetail;
  /** Something is probably not meant, such as more connections than the server takes: the
   * `message`. */
  warning: WarningDetail;
}

/** Reports an event; nothing depends on anybody listening. */
export type Emit = <K extends keyof ManagerEventMap>(
  type: K,
  detail: ManagerEventMap[K],
) => void;
