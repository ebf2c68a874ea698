import type { Clock } from "../core/clock.ts";

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
 * import { RetryBudget } from "./retry_budget.ts";
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
   * @throws {RangeError} If one is out of range.
   */
  constructor(options: RetryBudgetOptions) {
    const { clock, ratio, minPerSecond } = options;
    this.#clock = clock;
    this.#ratio = checkRange("ratio", ratio, 1000);
    this.#reserve = checkRange("minPerSecond", minPerSecond, 1e6) * WINDOW_SECONDS;
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
   * Takes note of commands that were sent for the first time; once a tick for all of
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

function checkRange(name: string, value: number, max: number): number {
  if (value >= 0 && value <= max) return value;
  throw new RangeError(
    `Cannot make a retry budget as ${name} must be from 0 to ${max}: ` +
      `current value is ${value}`,
  );
}
