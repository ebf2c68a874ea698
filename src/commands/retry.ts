import { delay } from "@std/async/delay";
import type { RedisConfig } from "../config/mod.ts";
import { isReplyError } from "../connection/ioredis.ts";
import type { PendingCommand } from "../connection/pending_command.ts";
import type { Clock } from "../core/clock.ts";
import {
  ConnectionLostError,
  type Delivery,
  ProtocolError,
  TransactionError,
} from "../core/errors/mod.ts";
import type { DatabaseStatistics } from "../observability/statistics.ts";
import { backoffMs } from "../resilience/backoff.ts";
import type { CommandInfo } from "../resilience/command_class.ts";
import { classifyReplyError, type ReplyErrorRule } from "../resilience/reply_errors.ts";
import { mayRetry, type RetryBudget } from "../resilience/retry.ts";

/** How commands are retried. */
export interface RetrySettings {
  /** The database. */
  readonly config: Pick<
    RedisConfig,
    "maxRetries" | "retryDelayMs" | "retryOnTimeout" | "retryWrites"
  >;
  /** How many retries there may be. */
  readonly budget: RetryBudget;
  /** Counts the commands that are not retried only because the budget is used up. */
  readonly statistics: Pick<DatabaseStatistics, "counts">;
  /** Time. */
  readonly clock: Clock;
}

/** What becomes of a command that failed. */
export interface RetryDecision {
  /** Whether it is retried. */
  readonly retry: boolean;
  /** How long to wait before, in milliseconds. */
  readonly delayMs: number;
  /** Whether the database's connections may lead to the wrong server by now. */
  readonly reresolve: boolean;
  /** Whether the server says that it does not serve yet. */
  readonly notReady: boolean;
}

/** Longest wait between two tries of one command, in milliseconds. */
const MAX_DELAY_MS = 1000;
/** The same while a server is loading, so that its being ready is noticed soon. */
const MAX_LOADING_DELAY_MS = 200;

const NO_RETRY: RetryDecision = Object.freeze({
  retry: false,
  delayMs: 0,
  reresolve: false,
  notReady: false,
});

/** How often and since when something is tried. */
type Tried =
  & Pick<
    PendingCommand["tracking"],
    "attempts" | "retryWrites" | "startedAt" | "timeoutMs"
  >
  & { readonly info: Pick<CommandInfo, "class" | "isRead"> | undefined };

/** A transaction may write. */
const TRANSACTION = Object.freeze({ class: "write", isRead: false });

/** Decides which failed commands of a database are retried. */
export class RetryPolicy {
  readonly #settings: RetrySettings;

  constructor(settings: RetrySettings) {
    this.#settings = settings;
  }

  /** Decides what becomes of a command that failed. */
  decide(command: PendingCommand, error: Error, delivery: Delivery): RetryDecision {
    const { info } = command.tracking;
    // A command of a transaction means nothing by itself.
    const isLone = info !== undefined && !command.inTransaction && info.name !== "exec";
    if (isReplyError(error)) {
      const { rule, unapplied } = classifyReplyError(error.message, info?.isScript);
      const isTemporary = unapplied && rule.action === "wait";
      const { reresolve } = rule;
      const notReady = rule.kind === "loading";
      if (!isTemporary || !isLone) return { ...NO_RETRY, reresolve, notReady };
      return { ...this.#decide(command.tracking, "rejected", rule), reresolve, notReady };
    }
    // Only a lost connection is worth another: every other error is final.
    const isLost = error instanceof ConnectionLostError ||
      error instanceof ProtocolError;
    if (!isLost || !isLone) return NO_RETRY;
    // No wait: the lane that it goes to next has to be opened first, and all commands
    // that wait for it keep their order.
    return { ...this.#decide(command.tracking, delivery), delayMs: 0 };
  }

  /** Decides whether a transaction of which nothing was applied is retried as a whole: only
   * if every error reply to it refuses it for now. */
  decideTransaction(
    refusals: readonly Error[],
    tried: Pick<Tried, "attempts" | "startedAt" | "timeoutMs">,
  ): RetryDecision {
    let longest: ReplyErrorRule | undefined;
    for (const { message } of refusals) {
      const { rule, unapplied } = classifyReplyError(message);
      if (!unapplied || rule.action !== "wait") return NO_RETRY;
      if (longest === undefined || rule.waitMs > longest.waitMs) longest = rule;
    }
    if (longest === undefined) return NO_RETRY;
    const transaction = { ...tried, info: TRANSACTION, retryWrites: false };
    return this.#decide(transaction, "rejected", longest);
  }

  #decide(tried: Tried, delivery: Delivery, rule?: ReplyErrorRule): RetryDecision {
    const { budget, clock, config, statistics } = this.#settings;
    const { info, startedAt, timeoutMs } = tried;
    const attempt = Math.max(1, tried.attempts);
    const maxMs = rule?.kind === "loading" ? MAX_LOADING_DELAY_MS : MAX_DELAY_MS;
    const backoff = { minMs: config.retryDelayMs, maxMs };
    // Not random: commands that failed together are retried in the same order.
    const delayMs = Math.max(rule?.waitMs ?? 0, backoffMs(attempt, backoff, 0));
    const isAllowed = mayRetry({
      command: info!,
      delivery,
      attempt,
      maxRetries: config.maxRetries,
      retryOnTimeout: config.retryOnTimeout,
      retryWrites: tried.retryWrites ?? config.retryWrites,
      delayMs,
      remainingMs: startedAt + timeoutMs - clock.now(),
    });
    if (!isAllowed) return NO_RETRY;
    if (delivery !== "rejected" && !budget.tryWithdraw()) {
      statistics.counts.refusedRetries++;
      return NO_RETRY;
    }
    return { ...NO_RETRY, retry: true, delayMs };
  }
}

/** How a database's transactions are retried. */
export interface TransactionRetryParts {
  /** Decides. */
  readonly retryPolicy: Pick<RetryPolicy, "decideTransaction">;
  /** The database: a transaction is retried for `commandTimeoutMs` from its call. */
  readonly config: Pick<RedisConfig, "acquireTimeoutMs" | "commandTimeoutMs">;
  /** Counts retries. */
  readonly statistics: Pick<DatabaseStatistics, "counts">;
  /** Time. */
  readonly clock: Clock;
}

/** How one transaction waits for connections. */
interface Wait {
  readonly timeoutMs?: number | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** Longest waits between attempts that met another writer, in milliseconds. */
const CONFLICT_BACKOFF = { minMs: 4, maxMs: 200 };

/**
 * The retries of one transaction, where the server refused it for now (LOADING, READONLY,
 * TRYAGAIN …) and applied nothing of it. It is retried as a whole: a command of it means
 * nothing by itself.
 */
export class TransactionRetry {
  readonly #parts: TransactionRetryParts;
  readonly #startedAt: number;
  readonly #wait: Wait;
  #attempts = 0;
  #final: unknown;

  constructor(parts: TransactionRetryParts, wait: Wait) {
    this.#parts = parts;
    this.#startedAt = parts.clock.now();
    this.#wait = wait;
  }

  /** How to wait for the next connection: one for a retry, within the first deadline. */
  get wait(): { timeoutMs?: number; signal?: AbortSignal } {
    const { signal, timeoutMs } = this.#wait;
    if (this.#attempts === 0) return { timeoutMs, signal };
    const { clock, config: { acquireTimeoutMs, commandTimeoutMs } } = this.#parts;
    const leftMs = this.#startedAt + commandTimeoutMs - clock.now();
    const most = Math.min(timeoutMs ?? acquireTimeoutMs, leftMs);
    return { timeoutMs: Math.max(0, most), signal };
  }

  /** Notes an error that is not the server's answer to this transaction: whatever it says,
   * it ends it. */
  giveUpOn(error: unknown): void {
    this.#final = error;
  }

  /** How long to wait before the next try, in milliseconds; `undefined` if the error ends
   * the transaction. */
  delayAfter(error: unknown): number | undefined {
    const refusals = error === this.#final ? [] : refusalsOf(error);
    if (refusals.length === 0) return undefined;
    const { config, retryPolicy, statistics } = this.#parts;
    const { retry, delayMs } = retryPolicy.decideTransaction(refusals, {
      attempts: ++this.#attempts,
      startedAt: this.#startedAt,
      timeoutMs: config.commandTimeoutMs,
    });
    if (!retry) return undefined;
    statistics.counts.totalRetryAttempts++;
    return delayMs;
  }

  /** Waits before the next try. */
  pause(delayMs: number): Promise<void> {
    // Not a timer of the clock: those let the process end, and a caller waits for this.
    return delay(delayMs, { signal: this.#wait.signal });
  }
}

/**
 * The server's error replies to a transaction of which it applied nothing; none if something
 * may have been applied, or if some of the errors are not the server's.
 */
export function refusalsOf(error: unknown): Error[] {
  if (!(error instanceof TransactionError)) {
    return error instanceof Error && isReplyError(error) ? [error] : [];
  }
  if (error.applied) return [];
  // That of MULTI itself, or one of the others once more.
  const refusals = new Set(error.cause instanceof Error ? [error.cause] : []);
  for (const result of error.results) {
    // What was queued was dropped because another command was refused.
    if (!result.ok && result.delivery !== "never-sent") refusals.add(result.error);
  }
  const all = [...refusals];
  return all.every(isReplyError) ? all : [];
}

/** How long to wait after attempt number `attempt`, from 1, which met another writer, in
 * milliseconds: by chance alone, so that two do not meet again. */
export function conflictPauseMs(attempt: number, random: number): number {
  return backoffMs(attempt, CONFLICT_BACKOFF, 0) * (1 - random);
}
