import type {
  BreakerDetail,
  ConnectionDetail,
  FailoverDetail,
  GapDetail,
  HandlerErrorDetail,
  LeakDetail,
  LoadingDetail,
  ManagerEventMap,
  StateChangeDetail,
  WarningDetail,
} from "../core/events.ts";

/**
 * Where the manager logs to. `console`, a logger of `@std/log` and one of LogTape fit as
 * they are; without one nothing is logged and nothing is printed.
 *
 * The message is a whole sentence with the numbers in it; the fields hold the same for
 * those who keep structured logs. What a method throws, or rejects with, is ignored.
 *
 * @example Usage
 * ```ts
 * import { type Logger, RedisConnectionManager } from "@mooring/redis";
 * import { assertEquals } from "@std/assert";
 *
 * const lines: string[] = [];
 * const keep = (message: string) => lines.push(message);
 * const logger: Logger = { debug: keep, info: keep, warn: keep, error: keep };
 * await using manager = new RedisConnectionManager({
 *   url: Deno.env.get("REDIS_URL") ?? "redis://localhost:6379",
 *   databases: { main: { db: 0 } },
 *   logger,
 * });
 * await manager.getClient("main").ping();
 * assertEquals(lines.some((line) => line.includes("was opened")), true);
 * ```
 */
export interface Logger {
  /** Takes what is of interest when looking for a fault only: connections opened. */
  debug(message: string, fields: Record<string, unknown>): unknown;
  /** Takes what is normal: connections closed by us, a server that loads, a breaker that closes. */
  info(message: string, fields: Record<string, unknown>): unknown;
  /** Takes what somebody should look at: lost connections, failed attempts, leaks, gaps,
   * warnings. */
  warn(message: string, fields: Record<string, unknown>): unknown;
  /** Takes what keeps a database from serving: it failed, its breaker opened. */
  error(message: string, fields: Record<string, unknown>): unknown;
}

/** How bad it is: the name of a method of {@linkcode Logger}. */
export type LogLevel = keyof Logger;

/** A line of a log, before its text is made fit for one. */
export interface LogEntry {
  /** How bad it is. */
  readonly level: LogLevel;
  /** Name of the database. */
  readonly database: string;
  /** What kind of thing happened: lines of one kind are limited together. */
  readonly what: string;
  /** What happened, in words. */
  readonly text: string;
}

type Line = Omit<LogEntry, "database">;

const STATE_LEVELS = { healthy: "info", degraded: "warn", failed: "error" } as const;
const BREAKER_LEVELS = { closed: "info", half_open: "info", open: "error" } as const;

function stateChanged({ from, to, reason }: StateChangeDetail): Line {
  const text = `went from ${from} to ${to}: ${reason}`;
  return { level: STATE_LEVELS[to], what: "state", text };
}

function breakerChanged({ from, to, reason }: BreakerDetail): Line {
  const text = `circuit breaker went from ${from} to ${to}: ${reason}`;
  return { level: BREAKER_LEVELS[to], what: "circuit breaker", text };
}

function connectionChanged(detail: ConnectionDetail): Line {
  const { action, end, endpoint, id, reason } = detail;
  const why = reason === undefined ? "" : `: ${reason}`;
  if (action === "failed") {
    const text = `no connection to ${endpoint} could be opened${why}`;
    return { level: "warn", what: "connection failed", text };
  }
  const text = `connection ${id} to ${endpoint} was ${action}${why}`;
  if (action === "opened") return { level: "debug", what: "connection opened", text };
  const isWanted = end === undefined || end === "closed";
  return { level: isWanted ? "info" : "warn", what: "connection closed", text };
}

function leaseLeaked({ kind, heldMs, stack }: LeakDetail): Line {
  const how = kind === "held"
    ? `is held for ${Math.round(heldMs)} ms`
    : `was lost after ${Math.round(heldMs)} ms without a release`;
  const where = stack === undefined ? "" : `; acquired at ${stack}`;
  return { level: "warn", what: "leak", text: `a lease ${how}${where}` };
}

function serverLoads({ percent, etaSeconds, waitedMs }: LoadingDetail): Line {
  const done = percent === undefined ? "" : `, ${Math.round(percent)} percent done`;
  const left = etaSeconds === undefined ? "" : `, ${etaSeconds} s left by its estimate`;
  const text = `the server is loading its data${done}${left}, ` +
    `waited ${Math.round(waitedMs)} ms`;
  return { level: "info", what: "loading", text };
}

function messagesMissing({ reason, subscriptions, lost, downMs }: GapDetail): Line {
  const count = lost === undefined ? "" : `, ${lost} messages dropped`;
  const time = downMs === undefined
    ? ""
    : `, not subscribed for ${Math.round(downMs)} ms`;
  const which = subscriptions === 1 ? "1 subscription" : `${subscriptions} subscriptions`;
  const text = `${which} may have missed messages ` +
    `(${reason}${count}${time})`;
  return { level: "warn", what: "gap", text };
}

function handlerThrew({ channel, error }: HandlerErrorDetail): Line {
  const text = `the handler of "${channel}" threw ${String(error)}`;
  return { level: "error", what: "handler error", text };
}

function failedOver({ from, to }: FailoverDetail): Line {
  return {
    level: "warn",
    what: "failover",
    text: `the primary moved from ${from} to ${to}`,
  };
}

function warned({ message }: WarningDetail): Line {
  return { level: "warn", what: "warning", text: message };
}

const LINES: { readonly [K in keyof ManagerEventMap]: (d: ManagerEventMap[K]) => Line } =
  {
    statechange: stateChanged,
    breaker: breakerChanged,
    connection: connectionChanged,
    leak: leaseLeaked,
    loading: serverLoads,
    gap: messagesMissing,
    handlererror: handlerThrew,
    failover: failedOver,
    warning: warned,
  };

/** The kinds of events that a log has a line for: all of them. */
export const LOGGED_EVENTS = Object.keys(LINES) as readonly (keyof ManagerEventMap)[];

/**
 * What a log says of an event.
 *
 * @param type What kind of event.
 * @param detail What it tells.
 * @returns Level, kind and text.
 */
export function writeEntry<K extends keyof ManagerEventMap>(
  type: K,
  detail: ManagerEventMap[K],
): LogEntry {
  return { database: detail.database, ...LINES[type](detail) };
}
