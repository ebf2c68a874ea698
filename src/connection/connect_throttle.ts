import { delay } from "@std/async/delay";
import type { Clock } from "../core/clock.ts";
import { probeDelayMs } from "../resilience/backoff.ts";

/** How long a server that closed a connection before it answered anything counts as not
 * reached, in milliseconds: that it accepted the connection was no success. */
const DISTRUST_MS = 1000;

/** Options of a {@linkcode ConnectThrottle}. */
interface ConnectThrottleOptions {
  /** Upper limit of the delay between two attempts, in milliseconds. */
  readonly maxMs?: number;
  /** Whether a failed attempt was answered, such as by a refusal of the credentials: then
   * the delay does not grow. Default: none was. */
  readonly isAnswer?: (error: unknown) => boolean;
  readonly clock: Clock;
  /** Numbers from 0 up to 1. Default: `Math.random`. */
  readonly random?: () => number;
}

/** A period in which no attempt succeeded. */
interface Outage {
  /** When it began. */
  readonly since: number;
  /** Whether the server gave no answer, not even a refusal. */
  readonly isUnreachable: boolean;
  /** When the next attempt may begin. */
  readonly nextAt: number;
}

/** Connections in a row that were closed before anything was answered on them. */
interface ClosedEarly {
  /** When the first one was closed. */
  readonly since: number;
  /** Least time between the starts of two attempts, in milliseconds. */
  readonly delayMs: number;
  /** When the server counts as reached again, if no other is closed. */
  readonly until: number;
}

/**
 * Limits the attempts to connect to one server. While the server is reached they begin at
 * once. From the first failure on they begin one at a time, at delays that grow with the
 * outage ({@linkcode probeDelayMs}), however many callers want a connection; the first
 * success ends that for all. The same delays apply to a server that accepts connections and
 * closes them before it has answered a command.
 */
export class ConnectThrottle {
  readonly #options: ConnectThrottleOptions;
  #outage: Outage | undefined;
  #closedEarly: ClosedEarly | undefined;
  #lastStart = -Infinity;
  #queue: Promise<void> = Promise.resolve();
  #queued = 0;
  #reached = new AbortController();

  constructor(options: ConnectThrottleOptions) {
    this.#options = options;
  }

  /** Aborted when the server is next reached after an attempt has failed. */
  get reached(): AbortSignal {
    return this.#reached.signal;
  }

  /** Whether the last attempt failed without an answer. */
  get isUnreachable(): boolean {
    return this.#outage?.isUnreachable ?? false;
  }

  /** Whether an attempt is under way, or waits, while the server is not reached. */
  get isTrying(): boolean {
    return this.#queued > 0;
  }

  /** Milliseconds until the next attempt may begin; 0 while the server is reached. */
  get nextInMs(): number {
    if (this.#outage === undefined) return 0;
    return Math.max(0, this.#outage.nextAt - this.#options.clock.now());
  }

  /** The server is another one now: starts without failures. */
  reset(): void {
    this.#end();
    this.#closedEarly = undefined;
  }

  /** Notes that a connection was lost; `hadAnswered` tells whether anything was answered on
   * it. */
  lost(hadAnswered: boolean): void {
    if (hadAnswered) {
      this.#closedEarly = undefined;
      return;
    }
    const now = this.#options.clock.now();
    const since = this.#closedEarly?.since ?? now;
    const delayMs = this.#delay(now - since);
    this.#closedEarly = { since, delayMs, until: now + delayMs + DISTRUST_MS };
  }

  /** Makes an attempt, when it may begin. */
  async pass<T>(attempt: () => Promise<T>, signal: AbortSignal): Promise<T> {
    if (this.#isTrusted()) return await this.#make(attempt, signal);
    const before = this.#queue;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#queue = promise;
    this.#queued++;
    try {
      await before;
      await this.#turn(signal);
      // If the server was reached meanwhile, the next attempt need not wait for this one.
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
      const within = AbortSignal.any([signal, this.reached]);
      try {
        // Timers of the clock let the process end; a caller waits for this one.
        await delay(Math.ceil(waitMs), { signal: within });
      } catch {
        // Aborted, or the server was reached: both are checked again.
      }
    }
  }

  #isTrusted(): boolean {
    const { until = Infinity } = this.#closedEarly ?? {};
    if (until <= this.#options.clock.now()) this.#closedEarly = undefined;
    return this.#outage === undefined && this.#closedEarly === undefined;
  }

  #waitMs(): number {
    if (this.#isTrusted()) return 0;
    const at = this.#outage?.nextAt ?? this.#lastStart + this.#closedEarly!.delayMs;
    return Math.max(0, at - this.#options.clock.now());
  }

  #delay(outageMs: number): number {
    const { maxMs, random = Math.random } = this.#options;
    return probeDelayMs(outageMs, random(), maxMs);
  }

  async #make<T>(attempt: () => Promise<T>, signal: AbortSignal): Promise<T> {
    const startedAt = this.#lastStart = this.#options.clock.now();
    try {
      const made = await attempt();
      this.#end();
      return made;
    } catch (error) {
      // An aborted attempt says nothing about the server.
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
      nextAt: startedAt + this.#delay(clock.now() - since),
    };
  }

  #end(): void {
    if (this.#outage === undefined) return;
    this.#outage = undefined;
    const reached = this.#reached;
    this.#reached = new AbortController();
    reached.abort();
  }
}
