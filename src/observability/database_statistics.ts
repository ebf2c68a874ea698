import type { Clock } from "../core/clock.ts";
import { LatencyHistogram } from "./histogram.ts";

/** Response times that the average is taken over; the seed's figure. */
const WINDOW = 100;

/** How long commands took, in milliseconds. */
export interface LatencyStats {
  /** Half of the commands took at most this. */
  readonly p50Ms: number;
  /** 95 % of the commands took at most this. */
  readonly p95Ms: number;
  /** 99 % of the commands took at most this. */
  readonly p99Ms: number;
  /** The slowest command took this. */
  readonly maxMs: number;
}

/** What one database's commands and connections did; a snapshot. */
export interface RedisStats {
  /** Name of the database. */
  readonly databaseName: string;
  /** Connections opened so far. */
  readonly totalConnections: number;
  /** Connections open now. */
  readonly activeConnections: number;
  /** Attempts to open a connection that failed. */
  readonly failedConnections: number;
  /** Commands that succeeded, as the callers saw it. */
  readonly successfulOperations: number;
  /** Commands that failed, as the callers saw it. */
  readonly failedOperations: number;
  /** Commands and connection attempts that were tried again. */
  readonly totalRetryAttempts: number;
  /** How often the circuit breaker opened. */
  readonly circuitBreakerTrips: number;
  /** Reads of single values that found one. */
  readonly cacheHits: number;
  /** Reads of single values that found none. */
  readonly cacheMisses: number;
  /** The last error, in words, without secrets; `null` if there was none. */
  readonly lastError: string | null;
  /** When it happened, as an ISO 8601 date; `null` if there was none. */
  readonly lastErrorTime: string | null;
  /** When a command last succeeded, as an ISO 8601 date; `null` if none has. */
  readonly lastSuccessTime: string | null;
  /** Seconds since the database was first used. */
  readonly uptimeSeconds: number;
  /** Share of the commands that succeeded, in percent; 100 if there were none. */
  readonly successRate: number;
  /** How long commands took, from sending to reply. */
  readonly latency: LatencyStats;
}

/** Numbers that live elsewhere and belong into a snapshot. */
export interface ConnectionCounts {
  /** Connections opened so far. */
  readonly opened: number;
  /** Connections open now. */
  readonly open: number;
}

/**
 * Counts what one database's commands do. On the way of a command it only adds to
 * numbers: the clock is read once for each chunk of replies, not for each command.
 */
export class DatabaseStatistics {
  readonly #name: string;
  readonly #clock: Clock;
  readonly #startedAt: number;
  readonly #latency = new LatencyHistogram();
  #failedConnections = 0;
  #retries = 0;
  #trips = 0;
  #lastError: { text: string; at: number } | undefined;
  #lastAnswerAt = 0;
  readonly #window = new Float64Array(WINDOW);
  #windowCount = 0;

  /** Commands that succeeded; added to by the dispatcher. */
  succeeded = 0;
  /** Commands that failed; added to by the dispatcher. */
  failed = 0;
  /** Reads that found a value; added to by the dispatcher. */
  hits = 0;
  /** Reads that found none; added to by the dispatcher. */
  misses = 0;

  /**
   * Begins to count.
   *
   * @param name Name of the database.
   * @param clock Time.
   */
  constructor(name: string, clock: Clock) {
    this.#name = name;
    this.#clock = clock;
    this.#startedAt = clock.now();
  }

  /**
   * Commands were answered, by a reply or an error.
   *
   * @param sentAt When they were sent, on the monotonic clock.
   * @param now When they were answered.
   * @param count How many.
   */
  answered(sentAt: number, now: number, count: number): void {
    this.#latency.record(now - sentAt, count);
    for (let i = Math.min(count, WINDOW); i > 0; i--) {
      this.#window[this.#windowCount++ % WINDOW] = now - sentAt;
    }
    this.#lastAnswerAt = this.#clock.wallNow();
  }

  /**
   * A command failed for good.
   *
   * @param error Why.
   */
  commandFailed(error: Error): void {
    this.failed++;
    this.noteError(error);
  }

  /**
   * An attempt to open a connection failed.
   *
   * @param error Why.
   */
  connectFailed(error: Error): void {
    this.#failedConnections++;
    this.noteError(error);
  }

  /** A command or a connection attempt is tried again. */
  retried(): void {
    this.#retries++;
  }

  /** The circuit breaker opened. */
  tripped(): void {
    this.#trips++;
  }

  /**
   * Keeps the last error.
   *
   * @param error The error.
   */
  noteError(error: Error): void {
    this.#lastError = { text: error.message, at: this.#clock.wallNow() };
  }

  /** The last error, in words; `null` if there was none. */
  get lastError(): string | null {
    return this.#lastError?.text ?? null;
  }

  /** Average of the last 100 response times, in milliseconds; 0 if there were none. */
  get averageResponseMs(): number {
    const size = Math.min(this.#windowCount, WINDOW);
    if (size === 0) return 0;
    return this.#window.subarray(0, size).reduce((sum, ms) => sum + ms, 0) / size;
  }

  /**
   * All numbers at this instant.
   *
   * @param connections What the pool says.
   * @returns A frozen snapshot.
   */
  snapshot(connections: ConnectionCounts): RedisStats {
    const { succeeded, failed, hits, misses } = this;
    const total = succeeded + failed;
    const error = this.#lastError;
    return Object.freeze({
      databaseName: this.#name,
      totalConnections: connections.opened,
      activeConnections: connections.open,
      failedConnections: this.#failedConnections,
      successfulOperations: succeeded,
      failedOperations: failed,
      totalRetryAttempts: this.#retries,
      circuitBreakerTrips: this.#trips,
      cacheHits: hits,
      cacheMisses: misses,
      lastError: error?.text ?? null,
      lastErrorTime: error === undefined ? null : new Date(error.at).toISOString(),
      lastSuccessTime: succeeded === 0
        ? null
        : new Date(this.#lastAnswerAt).toISOString(),
      uptimeSeconds: (this.#clock.now() - this.#startedAt) / 1000,
      successRate: total === 0 ? 100 : (succeeded / total) * 100,
      latency: Object.freeze({
        p50Ms: this.#latency.quantile(0.5),
        p95Ms: this.#latency.quantile(0.95),
        p99Ms: this.#latency.quantile(0.99),
        maxMs: this.#latency.quantile(1),
      }),
    });
  }
}
