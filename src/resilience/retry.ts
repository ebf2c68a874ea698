import type { Clock } from "../core/clock.ts";
import type { Delivery } from "../core/errors/base.ts";
import type { CommandInfo } from "./command_class.ts";

/** What decides whether a failed command is sent again. */
export interface RetryQuestion {
  /** The command. */
  readonly command: Pick<CommandInfo, "class" | "isRead">;
  /** What is known of it. A rejected one is asked about only if the refusal is temporary
   * (`rule.action === "wait"` of the error reply): nothing was applied, and it may be sent
   * again. */
  readonly delivery: Delivery;
  /** How many times it has been tried, 1 or more. */
  readonly attempt: number;
  /** Most repetitions (`max_retries`); 0 = none. */
  readonly maxRetries: number;
  /** Whether reads whose fate is unknown are sent again (`retry_on_timeout`). */
  readonly retryOnTimeout: boolean;
  /** Whether writes whose fate is unknown are sent again, and may run twice
   * (`retry_writes`). */
  readonly retryWrites: boolean;
  /** Milliseconds until it would be sent again. */
  readonly delayMs: number;
  /** Milliseconds until its deadline. */
  readonly remainingMs: number;
}

/**
 * Decides whether a failed command is sent again: the delivery contract in one place.
 *
 * | delivery | read | other commands |
 * | --- | --- | --- |
 * | never sent | again | again |
 * | rejected for now | again, until the deadline | again, until the deadline |
 * | rejected for good | not again, and not asked | not again, and not asked |
 * | ambiguous | again, unless `retry_on_timeout` is off | only with `retry_writes` |
 *
 * "Again" is always within the deadline; where it says no more also within `max_retries`
 * and the retry budget. Commands that change their connection or subscribe are never
 * repeated: on another connection they mean something else.
 *
 * @param question What is known.
 * @returns Whether to send it again.
 *
 * @example Usage
 * ```ts
 * import { mayRetry } from "./retry.ts";
 * import { assertEquals } from "@std/assert";
 *
 * const known = {
 *   delivery: "ambiguous",
 *   attempt: 1,
 *   maxRetries: 3,
 *   retryOnTimeout: true,
 *   retryWrites: false,
 *   delayMs: 50,
 *   remainingMs: 5000,
 * } as const;
 * assertEquals(mayRetry({ ...known, command: { class: "read", isRead: true } }), true);
 * assertEquals(mayRetry({ ...known, command: { class: "write", isRead: false } }), false);
 * ```
 */
export function mayRetry(question: RetryQuestion): boolean {
  const { command, delayMs, delivery, remainingMs } = question;
  if (command.class === "stateful" || command.class === "subscribe") return false;
  if (delayMs >= remainingMs) return false;
  if (delivery === "rejected") return true;
  const isAllowed = command.isRead ? question.retryOnTimeout : question.retryWrites;
  if (delivery === "ambiguous" && !isAllowed) return false;
  return question.attempt <= question.maxRetries;
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
