import type { Clock } from "../core/clock.ts";
import type { Delivery } from "../core/errors/base.ts";
import { backoffMs, type BackoffOptions } from "./backoff.ts";
import type { CommandInfo } from "./command_class.ts";

/** What the decision whether to send a failed command again rests on. */
export interface RetryQuestion {
  /** The command. */
  readonly command: Pick<CommandInfo, "class" | "isRead">;
  /** What is known of it. */
  readonly delivery: Delivery;
  /**
   * Whether the server said "not now" and nothing was applied (`rule.action === "wait"`
   * of an error reply). Asking again later is then no repetition of work: it is limited
   * by the deadline alone.
   */
  readonly isNotNow?: boolean;
  /** How many times it has been tried, 1 or more. */
  readonly attempt: number;
  /** Most repetitions (`max_retries`); 0 = none. */
  readonly maxRetries: number;
  /** Whether reads whose fate is unknown are sent again (`retry_on_timeout`). */
  readonly retryOnTimeout: boolean;
  /** Whether writes whose fate is unknown are sent again, and may run twice
   * (`retry_writes`). */
  readonly retryWrites: boolean;
  /** Milliseconds until the command's deadline. */
  readonly remainingMs: number;
  /** How waits grow. */
  readonly backoff: BackoffOptions;
  /** Least milliseconds to wait, as the error reply advises. Default 0. */
  readonly leastDelayMs?: number;
  /** A random number from 0 to 1. */
  readonly random: number;
}

/** Why a command is not sent again. */
export type NoRetryReason =
  /** It was refused for good. */
  | "refused"
  /** It changes its connection, and the connection is gone. */
  | "stateful"
  /** It may have run, and running twice is not allowed for it. */
  | "ambiguous"
  /** Retries are switched off for it. */
  | "off"
  /** It was repeated often enough. */
  | "attempts"
  /** Its deadline would pass before. */
  | "deadline";

/** Whether to send a failed command again. */
export type RetryDecision =
  | {
    readonly retry: true;
    /** How long to wait first, in milliseconds. */
    readonly delayMs: number;
    /** Whether it is to be taken from the retry budget; if that is used up, it is not sent
     * again. */
    readonly costsBudget: boolean;
  }
  | { readonly retry: false; readonly reason: NoRetryReason };

/**
 * Decides whether a failed command is sent again: the delivery contract in one place.
 *
 * | delivery | read | other commands |
 * | --- | --- | --- |
 * | never sent | again | again |
 * | rejected, not now | again, until the deadline | again, until the deadline |
 * | rejected otherwise | not again | not again |
 * | ambiguous | again, unless `retry_on_timeout` is off | only with `retry_writes` |
 *
 * "Again" is always within the deadline; where it says no more also within `max_retries`
 * and the retry budget. Commands that change their connection or subscribe are never
 * repeated: on another connection they mean something else.
 *
 * @param question What is known.
 * @returns Whether to send it again, and when; or why not.
 *
 * @example Usage
 * ```ts
 * import { decideRetry } from "./retry.ts";
 * import { assertEquals } from "@std/assert";
 *
 * const decision = decideRetry({
 *   command: { class: "write", isRead: false },
 *   delivery: "ambiguous",
 *   attempt: 1,
 *   maxRetries: 3,
 *   retryOnTimeout: true,
 *   retryWrites: false,
 *   remainingMs: 5000,
 *   backoff: { minMs: 50, maxMs: 1000 },
 *   random: Math.random(),
 * });
 * assertEquals(decision, { retry: false, reason: "ambiguous" });
 * ```
 */
export function decideRetry(question: RetryQuestion): RetryDecision {
  const { isNotNow = false, delivery, leastDelayMs = 0 } = question;
  const reason = whyNot(question, isNotNow && delivery === "rejected");
  if (reason !== undefined) return { retry: false, reason };
  const { attempt, backoff, random, remainingMs } = question;
  const delayMs = Math.max(leastDelayMs, backoffMs(attempt, backoff, random));
  if (delayMs >= remainingMs) return { retry: false, reason: "deadline" };
  return { retry: true, delayMs, costsBudget: delivery !== "rejected" };
}

function whyNot(question: RetryQuestion, isNotNow: boolean): NoRetryReason | undefined {
  const { command, delivery, attempt, maxRetries } = question;
  if (command.class === "stateful" || command.class === "subscribe") return "stateful";
  if (delivery === "rejected") return isNotNow ? undefined : "refused";
  if (delivery === "ambiguous") {
    const isAllowed = command.isRead ? question.retryOnTimeout : question.retryWrites;
    if (!isAllowed) return command.isRead ? "off" : "ambiguous";
  }
  return attempt > maxRetries ? "attempts" : undefined;
}

/** How many retries may be added to the load. */
export interface RetryBudgetOptions {
  /** Time. */
  readonly clock: Clock;
  /** Retries for each command, as a share: 0.2 allows one for five. 0 to 1,000. */
  readonly ratio: number;
  /** Retries a second that are always allowed, however few commands there are; 0 or
   * more. */
  readonly minPerSecond: number;
}

/** How long a command's deposit counts, in seconds; also the number of slices. */
const WINDOW_SECONDS = 10;

/**
 * Keeps retries from burying a server that is sick: of all that is sent, retries may be
 * `ratio` of the commands of the last ten seconds, plus `minPerSecond` for quiet times
 * (ten seconds' worth of it may go at once).
 *
 * The rule is that of Finagle's `RetryBudget` (a token bucket whose deposits expire after
 * its `ttl`, 10 s, with a reserve of `minRetriesPerSec × ttl`); gRPC's retry throttling
 * serves the same end with tokens that failures take and successes give back. Time is
 * cut into slices of one second; one array holds their balances.
 *
 * @example Usage
 * ```ts
 * import { systemClock } from "../core/clock.ts";
 * import { RetryBudget } from "./retry.ts";
 * import { assertEquals } from "@std/assert";
 *
 * const budget = new RetryBudget({ clock: systemClock, ratio: 0.2, minPerSecond: 0 });
 * budget.deposit(5); // once a tick: commands sent
 * assertEquals([budget.tryWithdraw(), budget.tryWithdraw()], [true, false]);
 * ```
 */
export class RetryBudget {
  readonly #clock: Clock;
  readonly #ratio: number;
  readonly #reserve: number;
  /** Balance of each second of the window, by second modulo its length. */
  readonly #slices = new Float64Array(WINDOW_SECONDS);
  #second: number;
  /** Sum of the slices. */
  #balance = 0;

  /**
   * Makes a budget with its whole reserve.
   *
   * @param options Share and reserve.
   */
  constructor(options: RetryBudgetOptions) {
    const { clock, ratio, minPerSecond } = options;
    this.#clock = clock;
    this.#ratio = ratio;
    this.#reserve = minPerSecond * WINDOW_SECONDS;
    this.#second = Math.floor(clock.now() / 1000);
  }

  /** How many retries could be made now; a fraction is one that is not whole yet. */
  get balance(): number {
    this.#turn();
    const balance = Math.max(0, this.#reserve + this.#balance);
    // Five deposits of 0.2 are one retry, whatever their sum lacks of it.
    const whole = Math.round(balance);
    return Math.abs(balance - whole) < EPSILON ? whole : balance;
  }

  /**
   * Counts commands that were sent for the first time; once a tick for all of
   * them is enough.
   *
   * @param commands How many.
   */
  deposit(commands: number): void {
    this.#turn();
    this.#add(commands * this.#ratio);
  }

  /**
   * Takes one retry out of the budget.
   *
   * @returns Whether there was one left; if not, nothing is taken.
   */
  tryWithdraw(): boolean {
    if (this.balance < 1) return false;
    this.#add(-1);
    return true;
  }

  #add(tokens: number): void {
    this.#slices[this.#second % WINDOW_SECONDS]! += tokens;
    this.#balance += tokens;
  }

  /** Forgets the seconds that have left the window, deposits and withdrawals alike. */
  #turn(): void {
    const second = Math.floor(this.#clock.now() / 1000);
    if (second === this.#second) return;
    const passed = Math.min(second - this.#second, WINDOW_SECONDS);
    for (let i = 0; i < passed; i++) {
      const slice = (second - i) % WINDOW_SECONDS;
      this.#balance -= this.#slices[slice]!;
      this.#slices[slice] = 0;
    }
    this.#second = second;
  }
}

/** What sums of fractions may be off by. */
const EPSILON = 1e-9;
