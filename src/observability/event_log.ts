import type { Clock } from "../core/clock.ts";
import type { ManagerEventMap } from "../core/events.ts";
import { type LogEntry, LOGGED_EVENTS, writeEntry } from "./log_entries.ts";
import { LogLimit, WINDOW_MS } from "./log_limit.ts";
import { asLogText, maskSecrets } from "./log_text.ts";
import type { Logger, LogLevel } from "./logger.ts";

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
