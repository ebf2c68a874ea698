import type { Connector } from "../connection/connector.ts";
import type { PendingCommand } from "../connection/pending_command.ts";
import { CircuitOpenError } from "../core/errors/mod.ts";
import { type BreakerChange, CircuitBreaker } from "../resilience/circuit_breaker.ts";
import type { ServerContext } from "./topology.ts";

/** Shortest wait that callers are given, in milliseconds: an attempt may be under way. */
const MIN_RETRY_AFTER_MS = 50;

/** Refuses commands to one server while its circuit breaker is open. */
export class BreakerGuard {
  readonly breaker: CircuitBreaker;
  readonly #context: Pick<ServerContext, "config" | "emit" | "statistics">;
  readonly #opener: Pick<Connector, "nextAttemptInMs" | "failures">;
  /** Name of the server, if it is one of several. */
  readonly #node: string | undefined;
  #lastTripReason = "";
  /** Why the breaker is being closed, if not by a probe. */
  #closing: string | undefined;

  constructor(
    context: Pick<ServerContext, "clock" | "config" | "emit" | "statistics">,
    opener: Pick<Connector, "nextAttemptInMs" | "failures">,
    node?: string,
  ) {
    this.#context = context;
    this.#opener = opener;
    this.#node = node;
    const { clock, config } = context;
    this.breaker = new CircuitBreaker({
      clock,
      threshold: config.circuitBreakerThreshold,
      attemptEveryMs: config.connectRetry.minMs,
      cooldownMs: config.circuitBreakerTimeoutMs,
      onChange: (change) => this.#changed(change),
    });
  }

  /** The error for callers while the breaker is open. */
  openError(): CircuitOpenError {
    const { nextAttemptInMs, failures } = this.#opener;
    const { isCuredByConnection, retryAfterMs } = this.breaker;
    const nextMs = Math.max(MIN_RETRY_AFTER_MS, nextAttemptInMs);
    return new CircuitOpenError(
      this.#context.config.name,
      isCuredByConnection ? Math.min(retryAfterMs, nextMs) : retryAfterMs,
      this.#named(this.#lastTripReason),
      failures.error,
    );
  }

  /** Whether a command may be sent; makes it the probe if one is due, and fails it if not. */
  admits(command: PendingCommand): boolean {
    const { tracking } = command;
    if (this.breaker.allows() || tracking.probe !== undefined) return true;
    tracking.probe = this.breaker.tryProbe();
    if (tracking.probe === undefined) this.refuse(command);
    return tracking.probe !== undefined;
  }

  /** Fails a command as the breaker is open. */
  refuse(command: PendingCommand): void {
    command.tracking.owner.failed(command, this.openError(), "never-sent");
  }

  /** Whether connections may be opened to find out whether the server serves: not before
   * the cooldown is over if it accepts connections and does not answer. */
  get mayConnect(): boolean {
    return this.breaker.allows() || this.breaker.isCuredByConnection;
  }

  /** A connection is ready: the server serves, if it was only unreachable. */
  connected(): void {
    this.#closing = "the server was reached";
    this.breaker.recordConnection();
    this.#closing = undefined;
  }

  /** Closes the breaker and forgets all failures. */
  reset(reason: string): void {
    this.#closing = reason;
    this.breaker.reset();
    this.#closing = undefined;
  }

  #changed({ from, to, cause }: BreakerChange): void {
    const { config, emit, statistics } = this.#context;
    this.#lastTripReason = cause ?? this.#lastTripReason;
    if (from === "closed" && to === "open") statistics.counts.circuitBreakerTrips++;
    const why = to === "closed"
      ? this.#closing ?? "a probe succeeded"
      : `failures: ${cause}`;
    emit("breaker", { database: config.name, from, to, reason: this.#named(why) });
  }

  #named(reason: string): string {
    return this.#node === undefined ? reason : `${reason} at ${this.#node}`;
  }
}
