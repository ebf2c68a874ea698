import type { Clock } from "../core/clock.ts";
import { CircuitOpenError, ConnectError } from "../core/errors/mod.ts";
import { maskSecrets } from "../core/secret.ts";
import { type LatencyTotals, LatencyWindow } from "./histogram.ts";
import {
  type ConnectionCounts,
  COUNTER_NAMES,
  type Counts,
  type NearCacheSize,
  type RedisStats,
} from "./metrics.ts";

/** Response times that the average of `getMetrics()` is taken over. */
const RECENT = 100;

/** Counts made of others, one by one. */
function countsFrom(count: (name: keyof Counts) => number): Counts {
  return Object.fromEntries(COUNTER_NAMES.map((name) => [name, count(name)])) as Counts;
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
  #lastError: { text: string; at: number } | undefined;
  #lastSuccessAt = 0;
  #succeededBefore = 0;
  readonly #recent = new Float64Array(RECENT);
  #recentCount = 0;
  #windowAt: number;
  #beforeWindow = countsFrom(() => 0);

  /** The bytes of its connections. */
  readonly traffic: Traffic = new Traffic();
  /**
   * All counts since the start, but for the bytes: add to a counter where
   * the event happens. {@linkcode DatabaseStatistics.totals} has the bytes as well.
   */
  readonly counts: Counts = countsFrom(() => 0);
  /** Attempts, connections and deadlines that failed since the server last answered. */
  failuresInRow = 0;

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
    this.counts.blockingOperations++;
    this.counts.blockingWaitMs += now - sentAt;
    this.#noteAnswer();
  }

  #noteAnswer(): void {
    this.failuresInRow = 0;
    if (this.counts.successfulOperations === this.#succeededBefore) return;
    this.#succeededBefore = this.counts.successfulOperations;
    this.#lastSuccessAt = this.#clock.wallNow();
  }

  /**
   * A command failed for good. What only follows from an error that was noted before does
   * not take its place.
   *
   * @param error Why.
   */
  commandFailed(error: Error): void {
    this.counts.failedOperations++;
    if (this.#lastError === undefined || !isConsequence(error)) this.noteError(error);
  }

  /**
   * An attempt to open a connection failed.
   *
   * @param error Why.
   * @param endpoint Where it went.
   */
  connectFailed(error: Error, endpoint: string): void {
    this.counts.failedConnections++;
    this.failuresInRow++;
    const { message } = error;
    this.#note(error instanceof ConnectError ? message : `${endpoint}: ${message}`);
  }

  /** A connection was lost, or a deadline expired on it. */
  troubled(): void {
    this.failuresInRow++;
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

  /** The text of the last error; `null` if there was none. What looks like a secret is
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
  get totals(): Counts {
    const { bytesSent, bytesReceived } = this.traffic;
    return { ...this.counts, bytesSent, bytesReceived };
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
   * @param nearCache What the near cache has, if there is one.
   * @returns A frozen snapshot.
   */
  snapshot(connections: ConnectionCounts, nearCache?: NearCacheSize): RedisStats {
    const { totals } = this;
    const counted = countsFrom((name) => totals[name] - this.#beforeWindow[name]);
    const total = counted.successfulOperations + counted.failedOperations;
    const error = this.#lastError;
    const now = this.#clock.now();
    return Object.freeze({
      databaseName: this.#name,
      totalConnections: connections.opened,
      activeConnections: connections.open,
      ...counted,
      // Like the connections above it knows no window.
      failedConnections: totals.failedConnections,
      nearCacheEntries: nearCache?.entries ?? 0,
      nearCacheBytes: nearCache?.bytes ?? 0,
      lastError: this.lastError,
      lastErrorTime: error === undefined ? null : dateOf(error.at),
      lastSuccessTime: this.lastSuccessTime,
      uptimeSeconds: (now - this.#startedAt) / 1000,
      windowSeconds: (now - this.#windowAt) / 1000,
      successRate: total === 0 ? 100 : (counted.successfulOperations / total) * 100,
      latency: this.#latency.stats(),
    });
  }
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

/** What counts its own bytes: a connection's stream. */
export interface TrafficSource {
  /** Bytes written to the socket so far. */
  readonly bytesSent: number;
  /** Bytes read from the socket so far. */
  readonly bytesReceived: number;
}

/**
 * Adds up the bytes of connections, those that are gone included. Nothing is added while
 * they flow: each connection counts its own, and is read when the statistics are.
 */
export class Traffic implements TrafficSource {
  readonly #open = new Set<TrafficSource>();
  #sentBefore = 0;
  #receivedBefore = 0;

  /**
   * A connection was opened: all of its bytes count, those of its handshake too.
   *
   * @param source The connection.
   */
  opened(source: TrafficSource): void {
    this.#open.add(source);
  }

  /**
   * A connection has ended: its numbers do not change any more, and it can be let go.
   *
   * @param source The connection.
   */
  ended(source: TrafficSource): void {
    if (!this.#open.delete(source)) return;
    this.#sentBefore += source.bytesSent;
    this.#receivedBefore += source.bytesReceived;
  }

  /** Bytes written so far, on all connections. */
  get bytesSent(): number {
    let sum = this.#sentBefore;
    for (const { bytesSent } of this.#open) sum += bytesSent;
    return sum;
  }

  /** Bytes read so far, on all connections. */
  get bytesReceived(): number {
    let sum = this.#receivedBefore;
    for (const { bytesReceived } of this.#open) sum += bytesReceived;
    return sum;
  }
}
