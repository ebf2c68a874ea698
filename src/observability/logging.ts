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
    for (const type of LOGGED_EVENTS) {
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
    const entry = writeEntry(type, detail);
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
