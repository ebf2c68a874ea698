import type { Clock, Timer } from "../core/clock.ts";
import type { ManagerEventMap } from "../core/events.ts";
import { maskSecrets } from "../core/secret.ts";
import {
  type LogEntry,
  LOGGED_EVENTS,
  type Logger,
  type LogLevel,
  writeEntry,
} from "./log_entries.ts";

/** Whose events are logged: a manager. */
export interface EventSource {
  /** Listens to one kind of event. */
  addEventListener<K extends keyof ManagerEventMap>(
    type: K,
    listener: (event: CustomEvent<ManagerEventMap[K]>) => void,
  ): void;
}

/**
 * Writes a manager's events into a log: at most ten lines of a kind and database in ten
 * seconds, then one that says how many were left out. It only listens; what the log
 * throws changes nothing.
 */
export class EventLog {
  readonly #logger: Logger;
  readonly #limit: LogLimit;
  /** What the lines of a kind are like, for the one that counts those left out. */
  readonly #kinds = new Map<string, LogEntry>();

  /**
   * Begins a log; writes nothing yet.
   *
   * @param logger Where to.
   * @param clock Time.
   */
  constructor(logger: Logger, clock: Clock) {
    this.#logger = logger;
    this.#limit = new LogLimit(clock, (kind, count) => this.#writeLeftOut(kind, count));
  }

  /**
   * Writes what a manager reports from now on.
   *
   * @param source The manager.
   */
  listen(source: EventSource): void {
    for (const type of LOGGED_EVENTS) {
      source.addEventListener(type, ({ detail }) => this.add(type, detail));
    }
  }

  /**
   * Writes one event, or counts it as left out.
   *
   * @param type What kind of event.
   * @param detail What it tells.
   */
  add<K extends keyof ManagerEventMap>(type: K, detail: ManagerEventMap[K]): void {
    const entry = writeEntry(type, detail);
    const kind = `${entry.database} ${entry.what} ${entry.level}`;
    if (!this.#limit.admits(kind)) {
      this.#kinds.set(kind, entry);
      return;
    }
    this.#write(entry.level, `redis "${entry.database}": ${entry.text}`, {
      event: type,
      ...fieldsOf(detail),
    });
  }

  /**
   * Writes a warning that is no event: what is odd in the configuration.
   *
   * @param message The warning, in words.
   */
  warn(message: string): void {
    this.#write("warn", `redis: ${message}`, { event: "warning" });
  }

  /** Tells what was left out; afterwards no timer waits. */
  flush(): void {
    this.#limit.flush();
  }

  #writeLeftOut(kind: string, leftOut: number): void {
    const { level, database, what } = this.#kinds.get(kind)!;
    this.#kinds.delete(kind);
    const text = `${leftOut} more lines about "${what}" left out ` +
      `within ${WINDOW_MS / 1000} s`;
    this.#write(level, `redis "${database}": ${text}`, {
      event: "suppressed",
      database,
      what,
      leftOut,
    });
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

/** An event's detail as a log's fields: texts masked, errors as their names and words. */
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

/** Lines of one kind that are let through in one window. */
export const MOST_LINES = 10;
/** How long a window is, in milliseconds. */
export const WINDOW_MS = 10_000;

interface Window {
  readonly endsAt: number;
  lines: number;
  suppressed: number;
  timer?: Timer;
}

/**
 * Lets the first {@linkcode MOST_LINES} lines of each kind through in each window of
 * {@linkcode WINDOW_MS}, and tells at its end how many it held back. A window begins with
 * its first line.
 */
export class LogLimit {
  readonly #clock: Clock;
  readonly #report: (kind: string, suppressed: number) => void;
  readonly #windows = new Map<string, Window>();

  /**
   * Begins without a window.
   *
   * @param clock Time.
   * @param report Told at the end of a window how many lines of a kind were held back.
   */
  constructor(clock: Clock, report: (kind: string, suppressed: number) => void) {
    this.#clock = clock;
    this.#report = report;
  }

  /**
   * Whether one more line may be written.
   *
   * @param kind What it tells of: lines of other kinds do not count.
   * @returns `false` if it is to be held back; it has been counted then.
   */
  admits(kind: string): boolean {
    const now = this.#clock.now();
    let window = this.#windows.get(kind);
    if (window === undefined || now >= window.endsAt) {
      if (window !== undefined) this.#end(kind, window);
      window = { endsAt: now + WINDOW_MS, lines: 0, suppressed: 0 };
      this.#windows.set(kind, window);
    }
    if (window.lines < MOST_LINES) {
      window.lines++;
      return true;
    }
    const full = window;
    full.suppressed++;
    full.timer ??= this.#clock.setTimer(() => this.#end(kind, full), full.endsAt - now);
    return false;
  }

  /** Tells at once of all that was held back, and ends every window. */
  flush(): void {
    for (const [kind, window] of [...this.#windows]) this.#end(kind, window);
  }

  #end(kind: string, window: Window): void {
    window.timer?.cancel();
    if (this.#windows.get(kind) === window) this.#windows.delete(kind);
    if (window.suppressed > 0) this.#report(kind, window.suppressed);
  }
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
