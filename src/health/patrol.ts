import type { Clock, Timer } from "../core/clock.ts";

/** What a patrol needs. */
export interface HealthPatrolOptions {
  /** Time between two questions, in milliseconds; 0 = it never asks. */
  readonly intervalMs: number;
  /** Asks the server, and connects to it where no connection is open. */
  readonly ask: () => Promise<unknown>;
  /** Time. */
  readonly clock: Clock;
}

/**
 * Asks for a database that does not serve fully, again and again, so that it is found to
 * serve again, and is connected, before a caller needs it. It leaves one that serves alone:
 * there the heartbeat looks after open connections, and none is opened for its sake.
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
    const { clock, intervalMs } = this.#options;
    if (this.#stopped || this.#timer !== undefined || intervalMs === 0) return;
    this.#timer = clock.setTimer(() => this.#ask(), intervalMs);
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
