import type { Delivery } from "../core/errors/base.ts";
import { backoffMs, type BackoffOptions } from "./backoff.ts";
import type { CommandInfo } from "./command_class.ts";

/** What the decision whether to send a failed command again rests on. */
export interface RetryQuestion {
  /** The command. */
  readonly command: Pick<CommandInfo, "class" | "isRead">;
  /** What is known of it. */
  readonly delivery: Delivery;
  /**
   * Whether the server said "not now" and nothing was applied (`rule.action === "wait"`
   * of an error reply). Asking again later is then no repetition of work: it is limited
   * by the deadline alone.
   */
  readonly isNotNow?: boolean;
  /** How many times it has been tried, 1 or more. */
  readonly attempt: number;
  /** Most repetitions (`max_retries`); 0 = none. */
  readonly maxRetries: number;
  /** Whether reads whose fate is unknown are sent again (`retry_on_timeout`). */
  readonly retryOnTimeout: boolean;
  /** Whether writes whose fate is unknown are sent again, and may run twice
   * (`retry_writes`). */
  readonly retryWrites: boolean;
  /** Milliseconds until the command's deadline. */
  readonly remainingMs: number;
  /** How waits grow. */
  readonly backoff: BackoffOptions;
  /** Least milliseconds to wait, as the error reply advises. Default 0. */
  readonly leastDelayMs?: number;
  /** A random number from 0 to 1. */
  readonly random: number;
}

/** Why a command is not sent again. */
export type NoRetryReason =
  /** It was refused for good. */
  | "refused"
  /** It changes its connection, and the connection is gone. */
  | "stateful"
  /** It may have run, and running twice is not allowed for it. */
  | "ambiguous"
  /** Retries are switched off for it. */
  | "off"
  /** It was repeated often enough. */
  | "attempts"
  /** Its deadline would pass before. */
  | "deadline";

/** Whether to send a failed command again. */
export type RetryDecision =
  | {
    readonly retry: true;
    /** How long to wait first, in milliseconds. */
    readonly delayMs: number;
    /** Whether it is to be taken from the retry budget; if that is used up, it is not sent
     * again. */
    readonly costsBudget: boolean;
  }
  | { readonly retry: false; readonly reason: NoRetryReason };

/**
 * Decides whether a failed command is sent again: the delivery contract in one place.
 *
 * | delivery | read | other commands |
 * | --- | --- | --- |
 * | never sent | again | again |
 * | rejected, not now | again, until the deadline | again, until the deadline |
 * | rejected otherwise | not again | not again |
 * | ambiguous | again, unless `retry_on_timeout` is off | only with `retry_writes` |
 *
 * "Again" is always within the deadline; where it says no more also within `max_retries`
 * and the retry budget. Commands that change their connection or subscribe are never
 * repeated: on another connection they mean something else.
 *
 * @param question What is known.
 * @returns Whether to send it again, and when; or why not.
 *
 * @example Usage
 * ```ts
 * import { decideRetry } from "./delivery.ts";
 * import { assertEquals } from "@std/assert";
 *
 * const decision = decideRetry({
 *   command: { class: "write", isRead: false },
 *   delivery: "ambiguous",
 *   attempt: 1,
 *   maxRetries: 3,
 *   retryOnTimeout: true,
 *   retryWrites: false,
 *   remainingMs: 5000,
 *   backoff: { minMs: 50, maxMs: 1000 },
 *   random: Math.random(),
 * });
 * assertEquals(decision, { retry: false, reason: "ambiguous" });
 * ```
 */
export function decideRetry(question: RetryQuestion): RetryDecision {
  const { isNotNow = false, delivery, leastDelayMs = 0 } = question;
  const reason = whyNot(question, isNotNow && delivery === "rejected");
  if (reason !== undefined) return { retry: false, reason };
  const { attempt, backoff, random, remainingMs } = question;
  const delayMs = Math.max(leastDelayMs, backoffMs(attempt, backoff, random));
  if (delayMs >= remainingMs) return { retry: false, reason: "deadline" };
  return { retry: true, delayMs, costsBudget: delivery !== "rejected" };
}

function whyNot(question: RetryQuestion, isNotNow: boolean): NoRetryReason | undefined {
  const { command, delivery, attempt, maxRetries } = question;
  if (command.class === "stateful" || command.class === "subscribe") return "stateful";
  if (delivery === "rejected") return isNotNow ? undefined : "refused";
  if (delivery === "ambiguous") {
    const isAllowed = command.isRead ? question.retryOnTimeout : question.retryWrites;
    if (!isAllowed) return command.isRead ? "off" : "ambiguous";
  }
  return attempt > maxRetries ? "attempts" : undefined;
}
