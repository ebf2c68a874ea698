import type { Clock, Timer } from "../core/clock.ts";
import { backoffMs } from "../resilience/backoff.ts";
import type { TripCause } from "../resilience/circuit_breaker.ts";

/** What a patrol needs. */
export interface HealthPatrolOptions {
  /** Most time between two questions, in milliseconds, and half of it the least; 0 = it
   * never asks. */
  readonly intervalMs: number;
  /** Asks the server, and connects to it where no connection is open. */
  readonly ask: () => Promise<unknown>;
  /** Time. */
  readonly clock: Clock;
  /** Numbers from 0 up to 1. Default: `Math.random`. */
  readonly random?: () => number;
}

/**
 * Whether an answer to PING shows that what opened a circuit breaker is over. It does of
 * a server that was gone; one that hung, or had too much to do, answers a PING before it
 * can serve, and needs its rest.
 *
 * @param cause Why the breaker opened.
 * @returns Whether to close it at an answer, before its cooldown is over.
 */
export function isOverOnceAnswered(cause: TripCause | undefined): boolean {
  return cause === "refused" || cause === "reset";
}

/**
 * Asks for a database that does not serve fully, again and again, so that it is found to
 * serve again, and is connected, before a caller needs it. It leaves one that serves alone:
 * there the heartbeat looks after open connections, and none is opened for its sake.
 *
 * When it asks is left to chance, within half an interval: processes that lost their server
 * at the same moment do not all come back at the same moment.
 */
export class HealthPatrol {
  readonly #options: HealthPatrolOptions;
  #timer: Timer | undefined;
  #stopped = false;

  /**
   * Begins with a database that serves.
   *
   * @param options What it needs.
   */
  constructor(options: HealthPatrolOptions) {
    this.#options = options;
  }

  /**
   * Takes note of how the database serves.
   *
   * @param fully Whether it serves fully.
   */
  notice(fully: boolean): void {
    if (fully) {
      this.#timer?.cancel();
      this.#timer = undefined;
    } else this.#arm();
  }

  /** Asks no more. */
  stop(): void {
    this.#stopped = true;
    this.#timer?.cancel();
  }

  #arm(): void {
    const { clock, intervalMs, random = Math.random } = this.#options;
    if (this.#stopped || this.#timer !== undefined || intervalMs === 0) return;
    const wait = { minMs: intervalMs, maxMs: intervalMs };
    this.#timer = clock.setTimer(() => this.#ask(), backoffMs(1, wait, random()));
  }

  async #ask(): Promise<void> {
    const asking = this.#timer;
    await this.#options.ask();
    // The database may have been found to serve meanwhile.
    if (this.#timer !== asking || asking === undefined) return;
    this.#timer = undefined;
    this.#arm();
  }
}
