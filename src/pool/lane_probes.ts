/** Commands of our own on lanes, which find out how the server answers. */
import { Command, isReplyError } from "../connection/ioredis.ts";
import { FireAndForget, type PendingCommand } from "../connection/pending_command.ts";
import { endsTransaction, isMulti } from "../connection/transaction_gate.ts";

const OWNER = new FireAndForget();

/** Sends a command behind those that were sent before it by the same function. */
export type Send = (command: PendingCommand) => void;

/**
 * Waits until all commands that were sent before have been answered: sends a PING behind them,
 * as a server answers in order. Gives `false` if a connection was lost or `timeoutMs` is over.
 */
export async function flushBarrier(
  sends: readonly Send[],
  timeoutMs: number,
): Promise<boolean> {
  const answered = await Promise.all(sends.map((send) => isAnswered(send, timeoutMs)));
  return answered.every((each) => each);
}

async function isAnswered(send: Send, timeoutMs: number): Promise<boolean> {
  const command = OWNER.track(new Command("ping"), timeoutMs);
  send(command);
  // An error reply is an answer, too.
  return await command.promise.then(() => true, isReplyError);
}

/**
 * Finds out whether a server lets transactions begin, by an empty one. Behind a MULTI that is
 * refused, because the user may not run it or a proxy does not know it, each command would run
 * by itself; and on a shared connection nobody can wait for the reply to MULTI, as the commands
 * of others would become a part of the transaction.
 */
export class TransactionProbe {
  readonly #timeoutMs: number;
  #hasPassed = false;

  /** Each probe may take `timeoutMs`. */
  constructor(timeoutMs: number) {
    this.#timeoutMs = timeoutMs;
  }

  /** Whether a probe has to pass before these commands are sent. */
  isDue(commands: readonly PendingCommand[]): boolean {
    return !this.#hasPassed && commands.some(({ name }) => isMulti(name));
  }

  /** Another server answers now, or this one refused a transaction: a probe is due again. */
  reset(): void {
    this.#hasPassed = false;
  }

  /**
   * Runs an empty transaction. Gives the error reply of a server that refuses MULTI or EXEC,
   * and whether the connection may be stuck in the transaction; `unanswered` if the connection
   * was lost or the time was up.
   */
  async run(
    send: Send,
  ): Promise<"passed" | "unanswered" | { error: Error; isStuck: boolean }> {
    const commands = ["multi", "exec"].map((name) =>
      OWNER.track(new Command(name), this.#timeoutMs)
    );
    for (const command of commands) send(command);
    const replies = await Promise.allSettled(commands.map(({ promise }) => promise));
    const failed = replies.find((reply) => reply.status === "rejected");
    this.#hasPassed = failed === undefined;
    if (failed === undefined) return "passed";
    if (!isReplyError(failed.reason)) return "unanswered";
    const exec = replies[1];
    const isStuck = exec?.status === "rejected" && isReplyError(exec.reason) &&
      !endsTransaction(exec.reason.message);
    return { error: failed.reason, isStuck };
  }
}

/** The commands from each MULTI to its EXEC or DISCARD. */
export function transactionsOf(commands: readonly PendingCommand[]): PendingCommand[] {
  let isWithin = false;
  return commands.filter(({ name }) => {
    const wasWithin = isWithin;
    isWithin = isMulti(name) || (isWithin && !/^(?:exec|discard)$/i.test(name));
    return isWithin || wasWithin;
  });
}
