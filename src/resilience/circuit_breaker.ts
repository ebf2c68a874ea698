import type { Clock } from "../core/clock.ts";
import { type Cure, FAILURE_KINDS, type FailureKind } from "./failure_kinds.ts";

/** Where a breaker is. */
export type BreakerStateName = "closed" | "open" | "half_open";

/** A change of a breaker's state. */
export interface BreakerChange {
  /** The state before. */
  readonly from: BreakerStateName;
  /** The state now. */
  readonly to: BreakerStateName;
  /** The failure that opened it, while it is not closed. */
  readonly cause?: FailureKind;
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
  /** Milliseconds that it stays open, more than 0; a probe that is not settled is given up
   * after as long. */
  readonly cooldownMs: number;
  /** Called after every change. */
  readonly onChange?: (change: BreakerChange) => void;
}

/**
 * Permission to try one command on a server that failed. Settle it once: a second outcome
 * is ignored, and so is the outcome of a probe whose half-open phase is over.
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
  | { readonly name: "closed" }
  | { readonly name: "open"; readonly cause: FailureKind; readonly until: number }
  | {
    readonly name: "half_open";
    readonly cause: FailureKind;
    /** The probe that is out, and when it is given up. */
    out?: { readonly probe: Probe; readonly until: number };
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
 *                  the probe succeeds, or a connection that cures it is ready
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
  readonly #options: CircuitBreakerOptions;
  #state: State = { name: "closed" };
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
   */
  constructor(options: CircuitBreakerOptions) {
    this.#options = options;
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
    return state.name !== "closed" && FAILURE_KINDS[state.cause].cure === "connection";
  }

  /** Milliseconds until a probe is let through, 0 when one may go now. While one is out it
   * is how long until that is given up at the latest. */
  get retryAfterMs(): number {
    const state = this.#state;
    if (state.name === "closed") return 0;
    const until = state.name === "open" ? state.until : state.out?.until ?? -Infinity;
    return Math.max(0, until - this.#options.clock.now());
  }

  /** Pieces of evidence against the server while it is closed. */
  get failures(): number {
    return this.#evidence.connection + this.#evidence.reply;
  }

  /**
   * Reports that commands of callers were answered; once for any number of them. Does
   * nothing while there is no evidence to forget, and nothing while it is not closed:
   * replies to commands sent before say nothing of now.
   */
  recordReply(): void {
    if (this.#state.name === "closed" && this.failures > 0) this.#forget();
  }

  /** Reports that a connection is ready: it has authenticated, and the server serves. */
  recordConnection(): void {
    if (this.isCuredByConnection) return this.reset();
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
    if (this.failures >= this.#options.threshold) this.#open(kind);
  }

  /** Whether a failure is a new piece of evidence; takes note of it if it is. */
  #counts(kind: FailureKind): boolean {
    const { counts } = FAILURE_KINDS[kind];
    if (counts === "attempt") {
      const { attemptEveryMs = 0, clock } = this.#options;
      const now = clock.now();
      if (now - this.#attemptCountedAt < attemptEveryMs) return false;
      this.#attemptCountedAt = now;
      return true;
    }
    if (counts === "never" || this.#eventsCounted.has(kind)) return false;
    this.#eventsCounted.add(kind);
    return true;
  }

  /**
   * Asks for permission to try one command while it is not closed.
   *
   * @returns A probe to be settled, or `undefined` if it is too early, one is out, or it is
   * closed and no probe is needed.
   */
  tryProbe(): Probe | undefined {
    const { clock, cooldownMs } = this.#options;
    const now = clock.now();
    if (this.#state.name === "open" && now >= this.#state.until) {
      this.#transition({ name: "half_open", cause: this.#state.cause });
    }
    const state = this.#state;
    if (state.name !== "half_open") return undefined;
    if (state.out !== undefined && now < state.out.until) return undefined;
    const settle = (act: () => void) => {
      // Not one of an earlier half-open phase, nor one that was given up or settled before.
      if (this.#state !== state || state.out?.probe !== probe) return;
      state.out = undefined;
      act();
    };
    const probe: Probe = {
      succeed: () => settle(() => this.reset()),
      fail: (kind) =>
        settle(() => {
          if (FAILURE_KINDS[kind].counts !== "never") this.#open(kind);
        }),
      cancel: () => settle(() => {}),
    };
    state.out = { probe, until: now + cooldownMs };
    return probe;
  }

  /** Closes it and forgets all failures. */
  reset(): void {
    this.#forget();
    if (this.#state.name !== "closed") this.#transition({ name: "closed" });
  }

  #open(cause: FailureKind): void {
    const { clock, cooldownMs } = this.#options;
    this.#forget();
    this.#transition({ name: "open", until: clock.now() + cooldownMs, cause });
  }

  #forget(): void {
    this.#evidence.connection = this.#evidence.reply = 0;
    this.#attemptCountedAt = -Infinity;
    this.#eventsCounted.clear();
  }

  #transition(to: State): void {
    const from = this.#state.name;
    this.#state = to;
    this.#options.onChange?.({
      from,
      to: to.name,
      ...(to.name === "closed" ? {} : { cause: to.cause }),
    });
  }
}
