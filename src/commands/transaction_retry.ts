import { delay } from "@std/async/delay";
import { isReplyError } from "../connection/ioredis.ts";
import type { Clock } from "../core/clock.ts";
import { TransactionError } from "../core/errors/mod.ts";
import type { RetryJudge } from "./retry_judge.ts";

/** How a database's transactions are tried again. */
export interface TransactionRetryParts {
  /** Decides. */
  readonly judge: Pick<RetryJudge, "judgeTransaction">;
  /** How long a transaction is tried again, in milliseconds from its call. */
  readonly commandTimeoutMs: number;
  /** Longest wait for a connection, in milliseconds. */
  readonly acquireTimeoutMs: number;
  /** Counts one that is tried again. */
  readonly retried: () => void;
}

/** How one transaction waits. */
interface Wait {
  /** Longest wait for a connection, in milliseconds. */
  readonly timeoutMs?: number | undefined;
  /** Ends it. */
  readonly signal?: AbortSignal | undefined;
}

/**
 * Tries one transaction again where the server said "not now" and applied nothing of it.
 * As a whole: a command of it means nothing by itself.
 */
export class TransactionRetry {
  readonly #parts: TransactionRetryParts;
  readonly #clock: Clock;
  readonly #startedAt: number;
  readonly #wait: Wait;
  #attempts = 0;
  #told: unknown;

  /**
   * Begins with the call.
   *
   * @param parts How the database's transactions are tried again.
   * @param clock Time.
   * @param wait How this one waits.
   */
  constructor(parts: TransactionRetryParts, clock: Clock, wait: Wait) {
    this.#parts = parts;
    this.#clock = clock;
    this.#startedAt = clock.now();
    this.#wait = wait;
  }

  /** How to wait for the next connection: one for a further try within the first deadline. */
  get wait(): { timeoutMs?: number; signal?: AbortSignal } {
    const { signal, timeoutMs } = this.#wait;
    const most = this.#attempts === 0 ? timeoutMs : Math.max(
      0,
      Math.min(timeoutMs ?? this.#parts.acquireTimeoutMs, this.#leftMs()),
    );
    return {
      ...(most === undefined ? {} : { timeoutMs: most }),
      ...(signal === undefined ? {} : { signal }),
    };
  }

  /**
   * Notes an error that the callback made, or has of elsewhere.
   *
   * @param error The error: it is told, whatever it says.
   */
  tell(error: unknown): void {
    this.#told = error;
  }

  /**
   * Decides whether the transaction is tried again.
   *
   * @param error Why it failed.
   * @returns How long to wait before, in milliseconds; `undefined` if it is told.
   */
  delayAfter(error: unknown): number | undefined {
    const refusals = error === this.#told ? [] : refusalsOf(error);
    if (refusals.length === 0) return undefined;
    const { commandTimeoutMs: timeoutMs, judge, retried } = this.#parts;
    const { retry, delayMs } = judge.judgeTransaction(refusals, {
      attempts: ++this.#attempts,
      startedAt: this.#startedAt,
      timeoutMs,
    });
    if (!retry) return undefined;
    retried();
    return delayMs;
  }

  /**
   * Waits before the next try.
   *
   * @param delayMs How long, in milliseconds.
   */
  pause(delayMs: number): Promise<void> {
    const { signal } = this.#wait;
    // No timer of the clock's: those let the process end, and a caller waits for this.
    return delay(delayMs, signal === undefined ? {} : { signal });
  }

  #leftMs(): number {
    return this.#startedAt + this.#parts.commandTimeoutMs - this.#clock.now();
  }
}

/**
 * What the server said to a transaction of which it applied nothing.
 *
 * @param error Why the transaction failed.
 * @returns Its error replies; none if something may have been applied, or if the server
 * did not say all of it.
 */
export function refusalsOf(error: unknown): Error[] {
  if (!(error instanceof TransactionError)) {
    return error instanceof Error && isReplyError(error) ? [error] : [];
  }
  if (error.applied) return [];
  // That of MULTI itself, or one of the others once more.
  const refusals = new Set(error.cause instanceof Error ? [error.cause] : []);
  for (const result of error.results) {
    // What was queued was dropped with that which was refused.
    if (!result.ok && result.delivery !== "never-sent") refusals.add(result.error);
  }
  const all = [...refusals];
  return all.every(isReplyError) ? all : [];
}
