import type { Clock } from "../core/clock.ts";
import { type Cure, FAILURE_KINDS, type FailureKind } from "./failure_kinds.ts";

/** Where a breaker is. */
export type BreakerStateName = "closed" | "open" | "half_open";

/** Why a breaker opened: the kind of the last failure, or by hand. */
export type TripCause = FailureKind | "manual";

/** A change of a breaker's state. */
export interface BreakerChange {
  /** The state before. */
  readonly from: BreakerStateName;
  /** The state now. */
  readonly to: BreakerStateName;
  /** What tripped it, while it is not closed. */
  readonly cause?: TripCause;
  /** Milliseconds until a probe is let through, as of now. */
  readonly retryAfterMs: number;
}

/** Settings of a breaker. */
export interface CircuitBreakerOptions {
  /** Time. */
  readonly clock: Clock;
  /** Pieces of evidence that open it, with nothing between them that cures them: a whole
   * number, 1 or more. */
  readonly threshold: number;
  /** Attempts to connect count once in so many milliseconds. Default 0: each. */
  readonly attemptEveryMs?: number;
  /** Milliseconds that it stays open, more than 0. */
  readonly cooldownMs: number;
  /** How many probes run at a time, and must succeed, while it is half open. Default 1. */
  readonly probes?: number;
  /** Milliseconds after which a probe that nobody settled is given up. Default: the
   * cooldown. */
  readonly probeTimeoutMs?: number;
  /** Told of every change, after it. */
  readonly onChange?: (change: BreakerChange) => void;
}

/** Numbers of a breaker at one moment. */
export interface BreakerSnapshot {
  /** Where it is. */
  readonly state: BreakerStateName;
  /** Pieces of evidence against the server while it is closed. */
  readonly failures: number;
  /** How often it opened from closed. */
  readonly trips: number;
  /** What tripped it, while it is not closed. */
  readonly cause?: TripCause;
  /** Milliseconds since it has been where it is. */
  readonly sinceMs: number;
  /** Milliseconds until a probe is let through; 0 when one may go now. */
  readonly retryAfterMs: number;
}

/**
 * Leave to try one command on a server that failed. Settle it exactly once; a later or
 * second word is dropped, and so is the word of a probe whose half-open phase is over.
 */
export interface Probe {
  /** It worked. */
  succeed(): void;
  /** It failed; a kind that does not count gives the probe back, as if it had not been. */
  fail(kind: FailureKind): void;
  /** It was not tried, or was aborted: another may be. */
  cancel(): void;
}

type State =
  | { readonly name: "closed"; readonly since: number }
  | {
    readonly name: "open";
    readonly since: number;
    readonly until: number;
    readonly cause: TripCause;
  }
  | {
    readonly name: "half_open";
    readonly since: number;
    readonly cause: TripCause;
    /** Probes that are out, and when each is given up. */
    readonly out: Map<Probe, number>;
    succeeded: number;
  };

/**
 * The circuit breaker of one server.
 *
 * ```text
 *            enough evidence                cooldown over, tryProbe()
 *   closed ────────────────────▶ open ────────────────────────────────▶ half_open
 *     ▲                          │ ▲  a probe fails                       │  │
 *     │                          │ └──────────────────────────────────────┘  │
 *     ├──────────────────────────┘ a connection is ready, if that cures it   │
 *     └──────────────────────────────────────────────────────────────────────┘
 *                  all probes succeed, or a connection that cures it is ready
 * ```
 *
 * What is evidence, how often it counts and what cures it is said by
 * {@linkcode FAILURE_KINDS}. The breaker has no timer: it turns half open when the first
 * caller asks for a probe after the cooldown. Replies to commands that were sent before it
 * opened change nothing.
 *
 * @example Usage
 * ```ts
 * import { systemClock } from "../core/clock.ts";
 * import { CircuitBreaker } from "./circuit_breaker.ts";
 * import { assertEquals } from "@std/assert";
 *
 * const breaker = new CircuitBreaker({
 *   clock: systemClock,
 *   threshold: 5,
 *   cooldownMs: 60_000,
 * });
 * for (let i = 0; i < 5; i++) breaker.recordFailure("refused");
 * assertEquals([breaker.allows(), breaker.tryProbe()], [false, undefined]);
 * assertEquals(breaker.retryAfterMs > 59_000, true);
 * ```
 */
export class CircuitBreaker {
  readonly #clock: Clock;
  readonly #threshold: number;
  readonly #attemptEveryMs: number;
  readonly #cooldownMs: number;
  readonly #probes: number;
  readonly #probeTimeoutMs: number;
  readonly #onChange: ((change: BreakerChange) => void) | undefined;
  #state: State;
  #trips = 0;
  /** Evidence while it is closed, by what cures it. */
  readonly #evidence: Record<Cure, number> = { connection: 0, reply: 0 };
  /** When an attempt to connect counted last. */
  #attemptCountedAt = -Infinity;
  /** Kinds that have counted since a connection was ready last. */
  readonly #eventsCounted = new Set<FailureKind>();

  /**
   * Makes a breaker, closed.
   *
   * @param options Its settings.
   * @throws {RangeError} If the threshold, a time or the number of probes is not positive.
   */
  constructor(options: CircuitBreakerOptions) {
    const {
      clock,
      threshold,
      attemptEveryMs = 0,
      cooldownMs,
      probes = 1,
      probeTimeoutMs = cooldownMs,
      onChange,
    } = options;
    this.#clock = clock;
    this.#threshold = checkPositive("threshold", threshold);
    this.#attemptEveryMs = attemptEveryMs;
    this.#cooldownMs = checkPositive("cooldownMs", cooldownMs);
    this.#probes = checkPositive("probes", probes);
    this.#probeTimeoutMs = checkPositive("probeTimeoutMs", probeTimeoutMs);
    this.#onChange = onChange;
    this.#state = { name: "closed", since: clock.now() };
  }

  /** Where it is. */
  get state(): BreakerStateName {
    return this.#state.name;
  }

  /**
   * Whether it is closed, so that commands may be sent. Hot path: two field reads.
   *
   * @returns `true` while it is closed.
   */
  allows(): boolean {
    return this.#state.name === "closed";
  }

  /** Whether a connection that becomes ready closes it. */
  get isCuredByConnection(): boolean {
    const state = this.#state;
    return state.name !== "closed" && state.cause !== "manual" &&
      FAILURE_KINDS[state.cause].cure === "connection";
  }

  /** Milliseconds until a probe is let through: 0 when one may go now. While all probes
   * are out it is how long until the first of them is given up at the latest. */
  get retryAfterMs(): number {
    const state = this.#state;
    if (state.name === "closed") return 0;
    const now = this.#clock.now();
    if (state.name === "open") return Math.max(0, state.until - now);
    if (state.out.size < this.#probes - state.succeeded) return 0;
    return Math.max(0, Math.min(...state.out.values()) - now);
  }

  /**
   * Reports that commands of callers were answered; once for any number of them. Does
   * nothing while there is no evidence to forget, and nothing while it is not closed:
   * replies to commands sent before say nothing of now.
   */
  recordReply(): void {
    if (this.#state.name === "closed" && this.#failures > 0) this.#forget();
  }

  /** Reports that a connection is ready: it has authenticated, and the server serves. */
  recordConnection(): void {
    if (this.isCuredByConnection) return this.#close();
    this.#evidence.connection = 0;
    this.#attemptCountedAt = -Infinity;
    this.#eventsCounted.clear();
  }

  /**
   * Reports a failure of a command, a connection or an attempt to connect.
   *
   * @param kind What went wrong.
   */
  recordFailure(kind: FailureKind): void {
    if (this.#state.name !== "closed" || !this.#counts(kind)) return;
    this.#evidence[FAILURE_KINDS[kind].cure]++;
    if (this.#failures >= this.#threshold) this.#open(kind);
  }

  get #failures(): number {
    return this.#evidence.connection + this.#evidence.reply;
  }

  /** Whether a failure is a new piece of evidence; takes note of it if it is. */
  #counts(kind: FailureKind): boolean {
    const { counts } = FAILURE_KINDS[kind];
    if (counts === "attempt") {
      const now = this.#clock.now();
      if (now - this.#attemptCountedAt < this.#attemptEveryMs) return false;
      this.#attemptCountedAt = now;
      return true;
    }
    if (counts === "never" || this.#eventsCounted.has(kind)) return false;
    this.#eventsCounted.add(kind);
    return true;
  }

  /**
   * Asks for leave to try one command while it is not closed.
   *
   * @returns A probe to be settled, or `undefined` if it is too early, enough are out,
   * or it is closed and no probe is needed.
   */
  tryProbe(): Probe | undefined {
    const now = this.#clock.now();
    if (this.#state.name === "open" && now >= this.#state.until) {
      const { cause } = this.#state;
      this.#transition({
        name: "half_open",
        since: now,
        cause,
        out: new Map(),
        succeeded: 0,
      });
    }
    const state = this.#state;
    if (state.name !== "half_open") return undefined;
    for (const [probe, until] of state.out) if (now >= until) state.out.delete(probe);
    if (state.out.size >= this.#probes - state.succeeded) return undefined;
    const probe = this.#makeProbe();
    state.out.set(probe, now + this.#probeTimeoutMs);
    return probe;
  }

  /** Opens it by hand, for one cooldown from now. */
  trip(): void {
    this.#open("manual");
  }

  /** Closes it by hand and forgets all failures. */
  reset(): void {
    this.#close();
  }

  /**
   * Its numbers now.
   *
   * @returns A new object each time.
   */
  snapshot(): BreakerSnapshot {
    const state = this.#state;
    return {
      state: state.name,
      failures: this.#failures,
      trips: this.#trips,
      ...(state.name === "closed" ? {} : { cause: state.cause }),
      sinceMs: this.#clock.now() - state.since,
      retryAfterMs: this.retryAfterMs,
    };
  }

  #makeProbe(): Probe {
    const probe: Probe = {
      succeed: () => this.#settle(probe, "succeeded"),
      fail: (kind) =>
        this.#settle(probe, FAILURE_KINDS[kind].counts === "never" ? "cancelled" : kind),
      cancel: () => this.#settle(probe, "cancelled"),
    };
    return probe;
  }

  #settle(probe: Probe, outcome: FailureKind | "succeeded" | "cancelled"): void {
    const state = this.#state;
    // A probe of an earlier half-open phase, or one that was given up or settled before.
    if (state.name !== "half_open" || !state.out.delete(probe)) return;
    if (outcome === "cancelled") return;
    if (outcome !== "succeeded") return this.#open(outcome);
    state.succeeded++;
    if (state.succeeded >= this.#probes) this.#close();
  }

  #open(cause: TripCause): void {
    const now = this.#clock.now();
    if (this.#state.name === "closed") this.#trips++;
    this.#forget();
    this.#transition({ name: "open", since: now, until: now + this.#cooldownMs, cause });
  }

  #close(): void {
    this.#forget();
    if (this.#state.name === "closed") return;
    this.#transition({ name: "closed", since: this.#clock.now() });
  }

  #forget(): void {
    this.#evidence.connection = this.#evidence.reply = 0;
    this.#attemptCountedAt = -Infinity;
    this.#eventsCounted.clear();
  }

  #transition(to: State): void {
    const from = this.#state.name;
    this.#state = to;
    this.#onChange?.({
      from,
      to: to.name,
      ...(to.name === "closed" ? {} : { cause: to.cause }),
      retryAfterMs: this.retryAfterMs,
    });
  }
}

function checkPositive(name: string, value: number): number {
  if (value > 0 && value < Infinity) return value;
  throw new RangeError(
    `Cannot make a circuit breaker as ${name} must be more than 0: current value is ${value}`,
  );
}
