import type { RedisConfig } from "../config/mod.ts";
import type { TrackedCommand } from "../connection/tracked.ts";
import type { Clock } from "../core/clock.ts";
import { CircuitOpenError, type ConnectError } from "../core/errors/mod.ts";
import type { Emit } from "../core/events.ts";
import type { DatabaseStatistics } from "../observability/statistics.ts";
import type { BreakerChange, CircuitBreaker } from "../resilience/circuit_breaker.ts";
import { makeBreaker } from "./parts.ts";

/** Least time that callers are told to wait, in milliseconds: an attempt may be under way. */
const LEAST_RETRY_AFTER_MS = 50;

/** What a breaker guard needs. */
export interface BreakerGuardParts {
  /** The database. */
  readonly config: RedisConfig;
  /** Names the server, where it is one of several. */
  readonly nodeName: () => string | undefined;
  /** Counts how often it opens. */
  readonly statistics: DatabaseStatistics;
  /** Milliseconds until a server that was not reached is tried again. */
  readonly nextAttemptInMs: () => number;
  /** Why no connection can be opened at the moment, as far as is known. */
  readonly unreachable?: () => ConnectError | undefined;
  /** Reports events. */
  readonly emit: Emit;
  /** Time. */
  readonly clock: Clock;
}

/** Refuses commands to one server while its circuit breaker is open. */
export class BreakerGuard {
  /** The circuit breaker. */
  readonly breaker: CircuitBreaker;
  readonly #parts: BreakerGuardParts;
  #lastTripReason = "";
  /** Why it is being closed, where no probe did that. */
  #closing: string | undefined;

  /**
   * Begins closed: everything may pass.
   *
   * @param parts What it needs.
   */
  constructor(parts: BreakerGuardParts) {
    this.#parts = parts;
    const { clock, config } = parts;
    this.breaker = makeBreaker(config, clock, (change) => this.#changed(change));
  }

  /** The error for callers while the circuit breaker is open. */
  openError(): CircuitOpenError {
    const { config, nextAttemptInMs } = this.#parts;
    const { isCuredByConnection, retryAfterMs } = this.breaker;
    const nextMs = Math.max(LEAST_RETRY_AFTER_MS, nextAttemptInMs());
    return new CircuitOpenError(
      config.name,
      isCuredByConnection ? Math.min(retryAfterMs, nextMs) : retryAfterMs,
      this.#named(this.#lastTripReason),
      this.#parts.unreachable?.(),
    );
  }

  /**
   * Whether a command may be sent; lets one pass as a probe where that is due. A command
   * that may not is told so.
   *
   * @param command The command.
   * @returns `true` if it may.
   */
  admits(command: TrackedCommand): boolean {
    const { tracking } = command;
    if (this.breaker.allows() || tracking.probe !== undefined) return true;
    tracking.probe = this.breaker.tryProbe();
    if (tracking.probe === undefined) this.refuse(command);
    return tracking.probe !== undefined;
  }

  /**
   * Tells a command that the circuit breaker is open.
   *
   * @param command The command.
   */
  refuse(command: TrackedCommand): void {
    command.tracking.owner.failed(command, this.openError(), "never-sent");
  }

  /** Whether connections may be opened to find out whether the server serves: not to one
   * that hangs before the cooldown is over. */
  get mayConnect(): boolean {
    return this.breaker.allows() || this.breaker.isCuredByConnection;
  }

  /** A connection is ready: the server serves, if that is all that was wrong with it. */
  connected(): void {
    this.#closing = "the server was reached";
    this.breaker.recordConnection();
    this.#closing = undefined;
  }

  /**
   * Closes the circuit breaker and forgets all failures.
   *
   * @param reason Why, in words.
   */
  reset(reason: string): void {
    this.#closing = reason;
    this.breaker.reset();
    this.#closing = undefined;
  }

  #changed({ from, to, cause }: BreakerChange): void {
    const { config, emit, statistics } = this.#parts;
    this.#lastTripReason = cause ?? this.#lastTripReason;
    if (from === "closed" && to === "open") statistics.counts.trips++;
    const why = to === "closed"
      ? this.#closing ?? "a probe succeeded"
      : `failures: ${cause}`;
    emit("breaker", { database: config.name, from, to, reason: this.#named(why) });
  }

  #named(reason: string): string {
    const name = this.#parts.nodeName();
    return name === undefined ? reason : `${reason} at ${name}`;
  }
}
