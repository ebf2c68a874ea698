import type { ManagerEventMap } from "../core/events.ts";

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
  /** Takes what needs attention: lost connections, failed attempts, leaks, gaps,
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
  /** What happened. */
  readonly text: string;
}

const STATE_LEVELS = { healthy: "info", degraded: "warn", failed: "error" } as const;
const BREAKER_LEVELS = { closed: "info", half_open: "info", open: "error" } as const;

/** The line of each kind of event. */
const LINES: {
  readonly [K in keyof ManagerEventMap]: (
    detail: ManagerEventMap[K],
  ) => Omit<LogEntry, "database">;
} = {
  statechange: ({ from, to, reason }) => ({
    level: STATE_LEVELS[to],
    what: "state",
    text: `went from ${from} to ${to}: ${reason}`,
  }),
  breaker: ({ from, to, reason }) => ({
    level: BREAKER_LEVELS[to],
    what: "circuit breaker",
    text: `circuit breaker went from ${from} to ${to}: ${reason}`,
  }),
  connection: ({ action, end = "closed", endpoint, id, reason }) => {
    const why = reason === undefined ? "" : `: ${reason}`;
    const what = `connection ${action}`;
    if (action === "failed") {
      const text = `no connection to ${endpoint} could be opened${why}`;
      return { level: "warn", what, text };
    }
    const text = `connection ${id} to ${endpoint} was ${action}${why}`;
    if (action === "opened") return { level: "debug", what, text };
    return { level: end === "closed" ? "info" : "warn", what, text };
  },
  leak: ({ kind, heldMs, stack }) => {
    const how = kind === "held"
      ? `is held for ${Math.round(heldMs)} ms`
      : `was lost after ${Math.round(heldMs)} ms without a release`;
    const where = stack === undefined ? "" : `; acquired at ${stack}`;
    return { level: "warn", what: "leak", text: `a lease ${how}${where}` };
  },
  loading: ({ percent, etaSeconds, waitedMs }) => {
    const done = percent === undefined ? "" : `, ${Math.round(percent)} percent done`;
    const left = etaSeconds === undefined ? "" : `, ${etaSeconds} s left by its estimate`;
    const text = `the server is loading its data${done}${left}, ` +
      `waited ${Math.round(waitedMs)} ms`;
    return { level: "info", what: "loading", text };
  },
  gap: ({ reason, subscriptions, lost, downMs }) => {
    const count = lost === undefined ? "" : `, ${lost} messages dropped`;
    const time = downMs === undefined
      ? ""
      : `, not subscribed for ${Math.round(downMs)} ms`;
    const which = subscriptions === 1
      ? "1 subscription"
      : `${subscriptions} subscriptions`;
    const text = `${which} may have missed messages (${reason}${count}${time})`;
    return { level: "warn", what: "gap", text };
  },
  handlererror: ({ channel, error }) => ({
    level: "error",
    what: "handler error",
    text: `the handler of "${channel}" threw ${String(error)}`,
  }),
  failover: ({ from, to }) => ({
    level: "warn",
    what: "failover",
    text: `the primary moved from ${from} to ${to}`,
  }),
  warning: ({ message }) => ({ level: "warn", what: "warning", text: message }),
};

/** The kinds of events that a log has a line for: all of them. */
export const LOGGED_EVENTS = Object.keys(LINES) as readonly (keyof ManagerEventMap)[];

/**
 * What a log says of an event.
 *
 * @param type What kind of event.
 * @param detail Its detail.
 * @returns Level, kind and text.
 */
export function writeEntry<K extends keyof ManagerEventMap>(
  type: K,
  detail: ManagerEventMap[K],
): LogEntry {
  return { database: detail.database, ...LINES[type](detail) };
}
