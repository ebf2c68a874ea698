import type { Clock, Timer } from "../core/clock.ts";
import type { ManagerEventMap } from "../core/events.ts";
import { maskSecrets } from "../core/secret.ts";
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
interface LogEntry {
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
  scanrestart: ({ endpoint, reason }) => ({
    level: "info",
    what: "scan restart",
    text: `a scan of ${endpoint} began anew: ${reason}`,
  }),
  failover: ({ from, to }) => ({
    level: "warn",
    what: "failover",
    text: `the primary moved from ${from} to ${to}`,
  }),
  warning: ({ message }) => ({ level: "warn", what: "warning", text: message }),
};

/** Lines of one kind that are written in one window. */
const MOST_LINES = 10;
/** How long a window is, in milliseconds. */
const WINDOW_MS = 10_000;

/** The lines of one kind, from its first one on. */
interface Window {
  readonly endsAt: number;
  /** How many were written. */
  lines: number;
  /** How many were left out since. */
  leftOut: number;
  /** Set while lines are left out. */
  timer?: Timer;
  /** Ends the window, and says how many were left out. */
  readonly end: () => void;
}

/**
 * Writes a manager's events into a log: at most ten lines of a kind and database in ten
 * seconds, then one that says how many were left out. It only listens; an error of the
 * logger changes nothing.
 */
export class EventLog {
  readonly #logger: Logger;
  readonly #clock: Clock;
  readonly #windows = new Map<string, Window>();

  /**
   * Begins a log; writes nothing yet.
   *
   * @param logger Where to.
   * @param clock Time.
   */
  constructor(logger: Logger, clock: Clock) {
    this.#logger = logger;
    this.#clock = clock;
  }

  /**
   * Writes what a manager reports from now on.
   *
   * @param source The manager.
   */
  listen(source: {
    addEventListener<K extends keyof ManagerEventMap>(
      type: K,
      listener: (event: CustomEvent<ManagerEventMap[K]>) => void,
    ): void;
  }): void {
    for (const type of Object.keys(LINES) as (keyof ManagerEventMap)[]) {
      source.addEventListener(type, ({ detail }) => this.add(type, detail));
    }
  }

  /**
   * Writes one event, or counts it as left out.
   *
   * @param type What kind of event.
   * @param detail Its detail.
   */
  add<K extends keyof ManagerEventMap>(type: K, detail: ManagerEventMap[K]): void {
    const entry: LogEntry = { database: detail.database, ...LINES[type](detail) };
    if (!this.#admits(entry)) return;
    this.#write(entry.level, `redis "${entry.database}": ${entry.text}`, {
      event: type,
      ...fieldsOf(detail),
    });
  }

  /**
   * Writes a warning that is no event: what is odd in the configuration.
   *
   * @param message The warning.
   */
  warn(message: string): void {
    this.#write("warn", `redis: ${message}`, { event: "warning" });
  }

  /** Says what was left out; afterwards no timer waits. */
  flush(): void {
    for (const end of [...this.#windows.values()].map(({ end }) => end)) end();
  }

  /** Whether a line may be written; counts it as left out if not. */
  #admits(entry: LogEntry): boolean {
    const now = this.#clock.now();
    const kind = `${entry.database} ${entry.what} ${entry.level}`;
    let window = this.#windows.get(kind);
    if (window === undefined || now >= window.endsAt) {
      window?.end();
      window = this.#begin(kind, entry, now);
    }
    if (window.lines < MOST_LINES) {
      window.lines++;
      return true;
    }
    window.leftOut++;
    window.timer ??= this.#clock.setTimer(window.end, window.endsAt - now);
    return false;
  }

  #begin(kind: string, { level, database, what }: LogEntry, now: number): Window {
    const end = () => {
      const { leftOut, timer } = window;
      timer?.cancel();
      this.#windows.delete(kind);
      if (leftOut === 0) return;
      const text = `${leftOut} more lines about "${what}" left out ` +
        `within ${WINDOW_MS / 1000} s`;
      const fields = { event: "suppressed", database, what, leftOut };
      this.#write(level, `redis "${database}": ${text}`, fields);
    };
    const window: Window = { endsAt: now + WINDOW_MS, lines: 0, leftOut: 0, end };
    this.#windows.set(kind, window);
    return window;
  }

  #write(level: LogLevel, message: string, fields: Record<string, unknown>): void {
    try {
      const written = this.#logger[level](asLogText(message), fields);
      if (written instanceof Promise) written.catch(() => {});
    } catch {
      // A log that fails must not take the service with it, and there is no other log.
    }
  }
}

/** An event's detail as a log's fields: texts masked, errors as text. */
function fieldsOf(detail: object): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(detail)
      .filter(([, value]) => value !== undefined)
      .map(([name, value]) => [name, fieldOf(value)]),
  );
}

function fieldOf(value: unknown): unknown {
  if (typeof value === "string") return maskSecrets(value);
  if (typeof value === "number" || typeof value === "boolean") return value;
  return maskSecrets(String(value));
}

/** What ends a line or colours a terminal. */
// deno-lint-ignore no-control-regex
const CONTROL = /[\u0000-\u001f\u007f-\u009f\u2028\u2029]+/g;

/**
 * Makes a text fit for a log's message: one line, no secrets, and nothing that a logger
 * would take for a placeholder: `console` has `%s`, LogTape `{name}`.
 *
 * @param text Any text.
 * @returns The text as a line.
 */
export function asLogText(text: string): string {
  return maskSecrets(text)
    .replace(CONTROL, " ")
    .replace(/%(?=\S)/g, "% ")
    .replaceAll("{", "(")
    .replaceAll("}", ")");
}
