import type { Clock, Timer } from "../core/clock.ts";
import { backoffMs } from "../resilience/backoff.ts";

/** What a recovery probe needs. */
export interface RecoveryProbeOptions {
  /** Most time between two looks at a server that is reached and does not serve fully, in
   * milliseconds, and half of it the least; 0 = it is not looked at. */
  readonly intervalMs: number;
  /** Milliseconds until a server that was not reached may be tried again; `undefined` while
   * it is reached. */
  readonly nextAttemptInMs: () => number | undefined;
  /** Looks at the server, and connects to it where no connection is open. */
  readonly look: () => Promise<unknown>;
  /** Time. */
  readonly clock: Clock;
  /** Numbers from 0 up to 1. Default: `Math.random`. */
  readonly random?: () => number;
}

/** Least time between two looks while others try to connect, in milliseconds. */
const LEAST_MS = 50;

/**
 * Looks at a server that does not serve fully, again and again, so that it is found to
 * serve again, and is connected, before a caller needs it. One that was not reached is tried
 * as soon as the distance between attempts allows; one that is reached, and hangs, loads or
 * refuses the credentials, at a moment of chance within half an interval. A server that
 * serves is left alone: there the heartbeat looks after open connections.
 */
export class RecoveryProbe {
  readonly #options: RecoveryProbeOptions;
  #timer: Timer | undefined;
  #dueAt = Infinity;
  #isLooking = false;
  #isNeeded = false;
  /** Whether to look once, however well the server is held to serve. */
  #isSuspect = false;
  #stopped = false;

  /**
   * Begins with a server that serves.
   *
   * @param options What it needs.
   */
  constructor(options: RecoveryProbeOptions) {
    this.#options = options;
  }

  /**
   * Takes note of how the server serves; called whenever that may have changed.
   *
   * @param fully Whether it serves fully.
   */
  notice(fully: boolean): void {
    this.#isNeeded = !fully;
    if (fully && !this.#isSuspect) this.#disarm();
    else this.#arm();
  }

  /** An idle connection ended, as they do: looks once, within the interval, so that a server
   * that is gone is noticed without a caller. */
  suspect(): void {
    this.#isSuspect = true;
    this.#arm();
  }

  /** Looks no more. */
  stop(): void {
    this.#stopped = true;
    this.#disarm();
  }

  #disarm(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
    this.#dueAt = Infinity;
  }

  #arm(): void {
    if (this.#stopped || this.#isLooking || !(this.#isNeeded || this.#isSuspect)) return;
    const { intervalMs, nextAttemptInMs, random = Math.random } = this.#options;
    const soonMs = nextAttemptInMs();
    if (soonMs !== undefined) return this.#armIn(Math.max(LEAST_MS, soonMs));
    if (this.#timer !== undefined || intervalMs === 0) return;
    const wait = { minMs: intervalMs, maxMs: intervalMs };
    this.#armIn(backoffMs(1, wait, random()));
  }

  /** Sets the timer, unless it is due sooner. */
  #armIn(ms: number): void {
    const dueAt = this.#options.clock.now() + ms;
    if (this.#dueAt <= dueAt) return;
    this.#timer?.cancel();
    this.#dueAt = dueAt;
    this.#timer = this.#options.clock.setTimer(() => this.#look(), ms);
  }

  async #look(): Promise<void> {
    this.#disarm();
    this.#isSuspect = false;
    this.#isLooking = true;
    try {
      await this.#options.look();
    } finally {
      this.#isLooking = false;
      this.#arm();
    }
  }
}
