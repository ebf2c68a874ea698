import type { TrackedCommand } from "../connection/tracked.ts";
import type { Clock } from "../core/clock.ts";
import { CircuitOpenError } from "../core/errors/mod.ts";
import type { Emit } from "../core/events.ts";
import type { RedisConfig } from "../config/mod.ts";
import { makeBreaker } from "./parts.ts";
import type { DatabaseStatistics } from "../observability/database_statistics.ts";
import type { BreakerChange, CircuitBreaker } from "../resilience/circuit_breaker.ts";

/** What a server's gate needs. */
export interface ServerGateParts {
  /** The database. */
  readonly config: RedisConfig;
  /** Names the server, where it is one of several. */
  readonly nodeName: () => string | undefined;
  /** Counts how often it opens. */
  readonly statistics: DatabaseStatistics;
  /** Reports events. */
  readonly emit: Emit;
  /** Time. */
  readonly clock: Clock;
}

/** Whether one server may be asked: its circuit breaker, and what callers are told. */
export class ServerGate {
  /** The circuit breaker. */
  readonly breaker: CircuitBreaker;
  readonly #parts: ServerGateParts;
  #lastTripReason = "";
  /** Why it is being closed, where that is no probe's doing. */
  #closing: string | undefined;

  /**
   * Begins closed: everything may pass.
   *
   * @param parts What it needs.
   */
  constructor(parts: ServerGateParts) {
    this.#parts = parts;
    const { clock, config } = parts;
    this.breaker = makeBreaker(config, clock, (change) => this.#changed(change));
  }

  /** The error for callers while the circuit breaker is open. */
  openError(): CircuitOpenError {
    return new CircuitOpenError(
      this.#parts.config.name,
      this.breaker.retryAfterMs,
      this.#named(this.#lastTripReason),
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
    if (from === "closed" && to === "open") statistics.tripped();
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
