import type { Clock } from "../core/clock.ts";
import { ConnectError } from "../core/errors/mod.ts";

/** An attempt to connect that is not over. */
export interface AttemptUnderWay {
  /** Where it goes, in words. */
  readonly endpoint: string;
  /** When it began, on the monotonic clock. */
  readonly startedAt: number;
  /** What it waits for, where the server has said so. */
  waitsFor?: string;
}

/** An attempt is the reason why somebody waits when it has taken so long, in milliseconds. */
const SLOW_MS = 100;

/**
 * Why no connection to a server can be opened at the moment: what those who wait for one
 * are told, and what the health says. Forgotten when an attempt succeeds.
 */
export class ConnectTrouble {
  readonly #database: string;
  readonly #clock: Clock;
  readonly #underWay = new Set<AttemptUnderWay>();
  #last: { readonly error: Error; readonly endpoint: string } | undefined;
  #failed = 0;
  /** When the first of these failures happened. */
  #since: number | undefined;

  /**
   * Begins without any.
   *
   * @param database Name of the database.
   * @param clock Time.
   */
  constructor(database: string, clock: Clock) {
    this.#database = database;
    this.#clock = clock;
  }

  /**
   * What keeps the server from being reached, with the attempts since it was reached last;
   * `undefined` if nothing is known to. Made for each that is told: the numbers go on.
   */
  get error(): ConnectError | undefined {
    const [oldest] = this.#underWay;
    const attempts = this.#failed + this.#underWay.size;
    if (oldest?.waitsFor !== undefined) {
      return this.#errorOf(oldest.endpoint, attempts, new Error(oldest.waitsFor));
    }
    if (this.#last !== undefined) {
      return this.#errorOf(this.#last.endpoint, this.#failed, this.#last.error);
    }
    if (oldest === undefined) return undefined;
    const waitedMs = this.#clock.now() - oldest.startedAt;
    if (waitedMs < SLOW_MS) return undefined;
    const silence = new Error(`no answer for ${Math.round(waitedMs)} ms so far`);
    return this.#errorOf(oldest.endpoint, attempts, silence);
  }

  /** Milliseconds since the first of the failures in a row; 0 if there is none. */
  get lastsMs(): number {
    return this.#since === undefined ? 0 : this.#clock.now() - this.#since;
  }

  /** What the last attempt failed with, if none has succeeded since. */
  get lastFailure(): Error | undefined {
    return this.#last?.error;
  }

  /**
   * An attempt begins.
   *
   * @param endpoint Where it goes.
   * @returns The attempt; say how it ends.
   */
  begins(endpoint: string): AttemptUnderWay {
    const attempt = { endpoint, startedAt: this.#clock.now() };
    this.#underWay.add(attempt);
    return attempt;
  }

  /**
   * An attempt is over without a result: it was given up.
   *
   * @param attempt The attempt.
   */
  ends(attempt: AttemptUnderWay): void {
    this.#underWay.delete(attempt);
  }

  /**
   * An attempt failed.
   *
   * @param error Why.
   * @param endpoint Where it went.
   */
  failed(error: Error, endpoint: string): void {
    this.#failed++;
    this.#since ??= this.#clock.now();
    this.#last = { error, endpoint };
  }

  /** The server was reached. */
  succeeded(): void {
    this.#failed = 0;
    this.#since = undefined;
    this.#last = undefined;
  }

  #errorOf(endpoint: string, attempts: number, cause: Error): ConnectError {
    const reason = cause instanceof ConnectError ? cause.reason : cause.message;
    return new ConnectError(this.#database, endpoint, reason, { attempts, cause });
  }
}
