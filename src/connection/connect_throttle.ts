import { delay } from "@std/async/delay";
import type { Clock } from "../core/clock.ts";
import { probeDelayMs } from "../resilience/backoff.ts";

/** How long a server is not trusted that cut a connection on which it had answered nothing,
 * in milliseconds: that it took the connection was no success. */
const DISTRUST_MS = 1000;

/** What a connect throttle needs. */
export interface ConnectThrottleOptions {
  /** Most milliseconds between two attempts, where that is less than it would be. */
  readonly mostMs?: number;
  /** Called when the server is reached after an attempt had failed. */
  readonly reached?: () => void;
  /** Whether a failed attempt was answered, so that the server is there: it refused the
   * credentials. The distance does not grow then. Default: none was. */
  readonly isAnswer?: (error: unknown) => boolean;
  /** Time. */
  readonly clock: Clock;
  /** Numbers from 0 up to 1. Default: `Math.random`. */
  readonly random?: () => number;
}

/** Time in which no attempt succeeded. */
interface Outage {
  /** When it began. */
  readonly since: number;
  /** Whether the server gave no answer, not even a refusal. */
  readonly isUnreachable: boolean;
  /** When the next attempt may begin. */
  readonly nextAt: number;
  /** Ends the waits for it. */
  readonly over: AbortController;
}

/** Connections in a row that were cut before anything was answered on them. */
interface Useless {
  /** When the first one was cut. */
  readonly since: number;
  /** Least time between the starts of two attempts, in milliseconds. */
  readonly distanceMs: number;
  /** When the server is trusted again if none is cut. */
  readonly until: number;
}

/**
 * What all attempts to connect to one server pass through. While the server is reached they
 * begin at once. From the first failure on they begin one at a time, at distances that grow
 * with the outage ({@linkcode probeDelayMs}), however many callers want a connection; the
 * first success ends that for all. The same distances are kept to a server that takes
 * connections and cuts them before it has answered a command.
 */
export class ConnectThrottle {
  readonly #options: ConnectThrottleOptions;
  #outage: Outage | undefined;
  #useless: Useless | undefined;
  #lastStart = -Infinity;
  #queue: Promise<void> = Promise.resolve();
  #queued = 0;

  /**
   * Makes a throttle.
   *
   * @param options What it needs.
   */
  constructor(options: ConnectThrottleOptions) {
    this.#options = options;
  }

  /** Whether the last attempt failed without an answer. */
  get isUnreachable(): boolean {
    return this.#outage?.isUnreachable ?? false;
  }

  /** Whether an attempt is under way, or waits for its turn, while the server is not
   * reached. */
  get isTrying(): boolean {
    return this.#queued > 0;
  }

  /** Milliseconds until the next attempt may begin; 0 while the server is reached. */
  get nextInMs(): number {
    if (this.#outage === undefined) return 0;
    return Math.max(0, this.#outage.nextAt - this.#options.clock.now());
  }

  /** The server is another one now: what is known of the last one is forgotten. */
  reset(): void {
    this.#end();
    this.#useless = undefined;
  }

  /**
   * Takes note of a connection that was lost.
   *
   * @param hadAnswered Whether anything was answered on it.
   */
  lost(hadAnswered: boolean): void {
    if (hadAnswered) {
      this.#useless = undefined;
      return;
    }
    const now = this.#options.clock.now();
    const since = this.#useless?.since ?? now;
    const distanceMs = this.#distance(now - since);
    this.#useless = { since, distanceMs, until: now + distanceMs + DISTRUST_MS };
  }

  /**
   * Makes an attempt, when it is its turn.
   *
   * @param attempt The attempt.
   * @param signal Ends the wait.
   * @returns What the attempt gives.
   */
  async pass<T>(attempt: () => Promise<T>, signal: AbortSignal): Promise<T> {
    if (this.#isTrusted()) return await this.#make(attempt, signal);
    const before = this.#queue;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#queue = promise;
    this.#queued++;
    try {
      await before;
      await this.#turn(signal);
      // Where the server was reached meanwhile, nobody waits for this attempt.
      if (this.#isTrusted()) resolve();
      return await this.#make(attempt, signal);
    } finally {
      this.#queued--;
      resolve();
    }
  }

  /** Waits until the next attempt may begin. */
  async #turn(signal: AbortSignal): Promise<void> {
    for (;;) {
      signal.throwIfAborted();
      const waitMs = this.#waitMs();
      if (waitMs <= 0) return;
      const over = this.#outage?.over.signal;
      const within = over === undefined ? signal : AbortSignal.any([signal, over]);
      try {
        // Not a timer of the clock's: somebody waits for this, the process must live on.
        await delay(Math.ceil(waitMs), { signal: within });
      } catch {
        // Given up, or the server was reached: both are looked at anew.
      }
    }
  }

  #isTrusted(): boolean {
    if (this.#useless !== undefined && this.#useless.until <= this.#options.clock.now()) {
      this.#useless = undefined;
    }
    return this.#outage === undefined && this.#useless === undefined;
  }

  #waitMs(): number {
    if (this.#isTrusted()) return 0;
    const at = this.#outage?.nextAt ?? this.#lastStart + this.#useless!.distanceMs;
    return Math.max(0, at - this.#options.clock.now());
  }

  #distance(outageMs: number): number {
    const { mostMs, random = Math.random } = this.#options;
    return probeDelayMs(outageMs, random(), mostMs);
  }

  async #make<T>(attempt: () => Promise<T>, signal: AbortSignal): Promise<T> {
    const startedAt = this.#lastStart = this.#options.clock.now();
    try {
      const made = await attempt();
      this.#end();
      return made;
    } catch (error) {
      // What was given up says nothing of the server.
      if (!signal.aborted) this.#failed(error, startedAt);
      throw error;
    }
  }

  #failed(error: unknown, startedAt: number): void {
    const { clock, isAnswer } = this.#options;
    const isUnreachable = !(isAnswer?.(error) ?? false);
    const last = this.#outage;
    const since = isUnreachable && last?.isUnreachable ? last.since : startedAt;
    this.#outage = {
      since,
      isUnreachable,
      nextAt: startedAt + this.#distance(clock.now() - since),
      over: last?.over ?? new AbortController(),
    };
  }

  #end(): void {
    const outage = this.#outage;
    if (outage === undefined) return;
    this.#outage = undefined;
    outage.over.abort();
    this.#options.reached?.();
  }
}
