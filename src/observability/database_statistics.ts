import type { Clock } from "../core/clock.ts";
import { CircuitOpenError, ConnectError } from "../core/errors/mod.ts";
import { type LatencyTotals, LatencyWindow } from "./latency_window.ts";
import { maskSecrets } from "./log_text.ts";
import { Traffic } from "./traffic.ts";
import type { RedisStats } from "./types.ts";

/** Response times that the average is taken over; the seed's figure. */
const RECENT = 100;

/** What is counted, since the start. */
export interface CommandCounters {
  /** Commands that succeeded. */
  readonly succeeded: number;
  /** Commands that failed. */
  readonly failed: number;
  /** Commands and connection attempts that were tried again. */
  readonly retries: number;
  /** Commands that were not tried again as the retry budget was used up. */
  readonly refusedRetries: number;
  /** How often a command was sent to another node of a cluster. */
  readonly redirects: number;
  /** How often the circuit breaker opened. */
  readonly trips: number;
  /** Reads that found a value. */
  readonly hits: number;
  /** Reads that found none. */
  readonly misses: number;
  /** Blocking commands that were answered. */
  readonly blocked: number;
  /** How long those took together, in milliseconds. */
  readonly blockedMs: number;
  /** Bytes written to the server. */
  readonly bytesSent: number;
  /** Bytes read from the server. */
  readonly bytesReceived: number;
}

const NOTHING: CommandCounters = {
  succeeded: 0,
  failed: 0,
  retries: 0,
  refusedRetries: 0,
  redirects: 0,
  trips: 0,
  hits: 0,
  misses: 0,
  blocked: 0,
  blockedMs: 0,
  bytesSent: 0,
  bytesReceived: 0,
};

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
 *
 * Nothing is ever set back: a window is what was counted since it began.
 */
export class DatabaseStatistics {
  readonly #name: string;
  readonly #clock: Clock;
  readonly #startedAt: number;
  readonly #latency = new LatencyWindow();
  #failedConnections = 0;
  #failuresInRow = 0;
  #retries = 0;
  #refusedRetries = 0;
  #redirects = 0;
  #trips = 0;
  #blocked = 0;
  #blockedMs = 0;
  #lastError: { text: string; at: number } | undefined;
  #lastSuccessAt = 0;
  #succeededBefore = 0;
  readonly #recent = new Float64Array(RECENT);
  #recentCount = 0;
  #windowAt: number;
  #beforeWindow = NOTHING;

  /** The bytes of its connections. */
  readonly traffic: Traffic = new Traffic();
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
    this.#startedAt = this.#windowAt = clock.now();
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
    for (let i = Math.min(count, RECENT); i > 0; i--) {
      this.#recent[this.#recentCount++ % RECENT] = now - sentAt;
    }
    this.#noteAnswer();
  }

  /**
   * A blocking command was answered. How long it waited for a value, or for its timeout, is
   * no latency of the server: it has counters of its own.
   *
   * @param sentAt When it was sent, on the monotonic clock.
   * @param now When it was answered.
   */
  blockingAnswered(sentAt: number, now: number): void {
    this.#blocked++;
    this.#blockedMs += now - sentAt;
    this.#noteAnswer();
  }

  #noteAnswer(): void {
    this.#failuresInRow = 0;
    if (this.succeeded === this.#succeededBefore) return;
    this.#succeededBefore = this.succeeded;
    this.#lastSuccessAt = this.#clock.wallNow();
  }

  /**
   * A command failed for good. What only follows from an error that was noted before does
   * not take its place.
   *
   * @param error Why.
   */
  commandFailed(error: Error): void {
    this.failed++;
    if (this.#lastError === undefined || !isConsequence(error)) this.noteError(error);
  }

  /**
   * An attempt to open a connection failed.
   *
   * @param error Why.
   * @param endpoint Where it went.
   */
  connectFailed(error: Error, endpoint: string): void {
    this.#failedConnections++;
    this.#failuresInRow++;
    const { message } = error;
    this.#note(error instanceof ConnectError ? message : `${endpoint}: ${message}`);
  }

  /** A connection was lost, or a deadline expired on it. */
  troubled(): void {
    this.#failuresInRow++;
  }

  /** A command or a connection attempt is tried again. */
  retried(): void {
    this.#retries++;
  }

  /** A command is not tried again, as too many are already. */
  retryRefused(): void {
    this.#refusedRetries++;
  }

  /** A command is sent to another node of the cluster. */
  redirected(): void {
    this.#redirects++;
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
    this.#note(error.message);
  }

  #note(text: string): void {
    this.#lastError = { text, at: this.#clock.wallNow() };
  }

  /** The last error, in words; `null` if there was none. What looks like a secret is
   * masked: a password's provider, or a resolver, may have written it. */
  get lastError(): string | null {
    return this.#lastError === undefined ? null : maskSecrets(this.#lastError.text);
  }

  /** Average of the last 100 response times, in milliseconds; 0 if there were none. */
  get averageResponseMs(): number {
    const size = Math.min(this.#recentCount, RECENT);
    if (size === 0) return 0;
    return this.#recent.subarray(0, size).reduce((sum, ms) => sum + ms, 0) / size;
  }

  /** All counts since the start; a copy. */
  get totals(): CommandCounters {
    const { succeeded, failed, hits, misses } = this;
    const [retries, redirects, trips] = [this.#retries, this.#redirects, this.#trips];
    const { bytesSent, bytesReceived } = this.traffic;
    const refusedRetries = this.#refusedRetries;
    const [blocked, blockedMs] = [this.#blocked, this.#blockedMs];
    const counts = { succeeded, failed, retries, redirects, trips, hits, misses };
    return { ...counts, refusedRetries, blocked, blockedMs, bytesSent, bytesReceived };
  }

  /** Attempts to open a connection that failed, since the start. */
  get failedConnections(): number {
    return this.#failedConnections;
  }

  /** Attempts, connections and deadlines that failed since the server last answered. */
  get failuresInRow(): number {
    return this.#failuresInRow;
  }

  /** When a command last succeeded, as an ISO 8601 date; `null` if none has. */
  get lastSuccessTime(): string | null {
    return this.#lastSuccessAt === 0 ? null : dateOf(this.#lastSuccessAt);
  }

  /**
   * All answers since the start, by how long they took.
   *
   * @param boundsMs Upper bounds of the buckets, in milliseconds, ascending.
   * @returns Cumulative counts.
   */
  latencyTotals(boundsMs: readonly number[]): LatencyTotals {
    return this.#latency.totals(boundsMs);
  }

  /** Begins a new window: what was counted so far is not in it. */
  resetWindow(): void {
    this.#beforeWindow = this.totals;
    this.#windowAt = this.#clock.now();
    this.#latency.reset();
  }

  /**
   * The window's numbers at this instant, and those that know no window.
   *
   * @param connections What the pool says.
   * @returns A frozen snapshot.
   */
  snapshot(connections: ConnectionCounts): RedisStats {
    const counted = difference(this.totals, this.#beforeWindow);
    const total = counted.succeeded + counted.failed;
    const error = this.#lastError;
    const now = this.#clock.now();
    return Object.freeze({
      databaseName: this.#name,
      totalConnections: connections.opened,
      activeConnections: connections.open,
      failedConnections: this.#failedConnections,
      successfulOperations: counted.succeeded,
      failedOperations: counted.failed,
      totalRetryAttempts: counted.retries,
      refusedRetries: counted.refusedRetries,
      redirects: counted.redirects,
      circuitBreakerTrips: counted.trips,
      cacheHits: counted.hits,
      cacheMisses: counted.misses,
      blockingOperations: counted.blocked,
      blockingWaitMs: counted.blockedMs,
      bytesSent: counted.bytesSent,
      bytesReceived: counted.bytesReceived,
      lastError: this.lastError,
      lastErrorTime: error === undefined ? null : dateOf(error.at),
      lastSuccessTime: this.lastSuccessTime,
      uptimeSeconds: (now - this.#startedAt) / 1000,
      windowSeconds: (now - this.#windowAt) / 1000,
      successRate: total === 0 ? 100 : (counted.succeeded / total) * 100,
      latency: this.#latency.stats(),
    });
  }
}

function difference(now: CommandCounters, before: CommandCounters): CommandCounters {
  return {
    succeeded: now.succeeded - before.succeeded,
    failed: now.failed - before.failed,
    retries: now.retries - before.retries,
    refusedRetries: now.refusedRetries - before.refusedRetries,
    redirects: now.redirects - before.redirects,
    trips: now.trips - before.trips,
    hits: now.hits - before.hits,
    misses: now.misses - before.misses,
    blocked: now.blocked - before.blocked,
    blockedMs: now.blockedMs - before.blockedMs,
    bytesSent: now.bytesSent - before.bytesSent,
    bytesReceived: now.bytesReceived - before.bytesReceived,
  };
}

/**
 * Whether an error only says that the server could not be reached, or is left alone for it:
 * each attempt to reach it was noted when it failed.
 */
function isConsequence(error: Error): boolean {
  return error instanceof CircuitOpenError || error.cause instanceof ConnectError ||
    (error instanceof ConnectError && error.cause !== undefined);
}

function dateOf(epochMs: number): string {
  return new Date(epochMs).toISOString();
}
