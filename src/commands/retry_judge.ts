import { isReplyError } from "../connection/driver.ts";
import type { TrackedCommand } from "../connection/tracked.ts";
import type { Clock } from "../core/clock.ts";
import { ConnectionLostError, type Delivery, ProtocolError } from "../core/errors/mod.ts";
import type { CommandInfo } from "../resilience/command_class.ts";
import { classifyReplyError, type ReplyErrorRule } from "../resilience/reply_errors.ts";
import { decideRetry, type RetryBudget } from "../resilience/retry.ts";

/** How commands are tried again. */
export interface RetryPolicy {
  /** Most retries of one command. */
  readonly maxRetries: number;
  /** First wait after a server's "not now", in milliseconds. */
  readonly retryDelayMs: number;
  /** Whether reading commands are tried again after a lost connection. */
  readonly retryOnTimeout: boolean;
  /** Whether ambiguous writes are sent again, and may run twice. */
  readonly retryWrites: boolean;
  /** How many retries there may be. */
  readonly budget: RetryBudget;
  /** Told of each command that was not tried again only because the budget is used up. */
  readonly refused: () => void;
}

/** What becomes of a command that failed. */
export interface Verdict {
  /** Whether it is tried again. */
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
/** The same while a server is loading: its being ready is to be noticed soon. */
const MAX_LOADING_DELAY_MS = 200;

const TOLD: Verdict = Object.freeze({
  retry: false,
  delayMs: 0,
  reresolve: false,
  notReady: false,
});

/** How often and since when something is tried. */
type Tried =
  & Pick<
    TrackedCommand["tracking"],
    "attempts" | "retryWrites" | "startedAt" | "timeoutMs"
  >
  & { readonly info: Pick<CommandInfo, "class" | "isRead"> | undefined };

/** What a transaction is to the decision: it may write. */
const TRANSACTION = Object.freeze({ class: "write", isRead: false });

/** Decides which failed commands are tried again. */
export class RetryJudge {
  readonly #policy: RetryPolicy;
  readonly #clock: Clock;

  /**
   * Makes a judge.
   *
   * @param policy How commands are tried again.
   * @param clock Time.
   */
  constructor(policy: RetryPolicy, clock: Clock) {
    this.#policy = policy;
    this.#clock = clock;
  }

  /**
   * Decides what becomes of a command that failed.
   *
   * @param command The command.
   * @param error Why it failed.
   * @param delivery What is known of it.
   * @returns The verdict.
   */
  judge(command: TrackedCommand, error: Error, delivery: Delivery): Verdict {
    const { info } = command.tracking;
    // A command of a transaction means nothing by itself.
    const isLone = info !== undefined && !command.inTransaction && info.name !== "exec";
    if (isReplyError(error)) {
      const { rule, unapplied } = classifyReplyError(error.message, info?.isScript);
      const isNotNow = unapplied && rule.action === "wait";
      const { reresolve } = rule;
      const notReady = rule.kind === "loading";
      if (!isNotNow || !isLone) return { ...TOLD, reresolve, notReady };
      return { ...this.#decide(command.tracking, "rejected", rule), reresolve, notReady };
    }
    // Only a lost connection is worth another: every other error is a last word.
    const isLost = error instanceof ConnectionLostError ||
      error instanceof ProtocolError;
    if (!isLost || !isLone) return TOLD;
    // No wait: the lane that it goes to next has to be opened first, and all commands
    // that wait for it keep their order.
    return { ...this.#decide(command.tracking, delivery), delayMs: 0 };
  }

  /**
   * Decides whether a transaction of which nothing was applied is tried again as a whole.
   *
   * @param refusals What the server said to it: one or more error replies.
   * @param tried How often and since when it is tried.
   * @returns The verdict: again only if all of them say "not now".
   */
  judgeTransaction(
    refusals: readonly Error[],
    tried: Pick<Tried, "attempts" | "startedAt" | "timeoutMs">,
  ): Verdict {
    let longest: ReplyErrorRule | undefined;
    for (const { message } of refusals) {
      const { rule, unapplied } = classifyReplyError(message);
      if (!unapplied || rule.action !== "wait") return TOLD;
      if (longest === undefined || rule.waitMs > longest.waitMs) longest = rule;
    }
    if (longest === undefined) return TOLD;
    return this.#decide(
      { ...tried, info: TRANSACTION, retryWrites: false },
      "rejected",
      longest,
    );
  }

  #decide(tried: Tried, delivery: Delivery, rule?: ReplyErrorRule): Verdict {
    const { budget, maxRetries, refused, retryOnTimeout, retryWrites } = this.#policy;
    const { attempts, info, startedAt, timeoutMs } = tried;
    const decision = decideRetry({
      command: info!,
      delivery,
      isNotNow: delivery === "rejected",
      attempt: Math.max(1, attempts),
      maxRetries,
      retryOnTimeout,
      retryWrites: tried.retryWrites ?? retryWrites,
      remainingMs: startedAt + timeoutMs - this.#clock.now(),
      backoff: {
        minMs: this.#policy.retryDelayMs,
        maxMs: rule?.kind === "loading" ? MAX_LOADING_DELAY_MS : MAX_DELAY_MS,
        jitter: 0,
      },
      leastDelayMs: rule?.waitMs ?? 0,
      // Commands that failed together are tried again in the same order.
      random: 0,
    });
    if (!decision.retry) return TOLD;
    if (decision.costsBudget && !budget.tryWithdraw()) {
      refused();
      return TOLD;
    }
    return { ...TOLD, retry: true, delayMs: decision.delayMs };
  }
}
