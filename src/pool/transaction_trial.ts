import { Command, isReplyError } from "../connection/ioredis.ts";
import { FireAndForget, type PendingCommand } from "../connection/pending_command.ts";
import { endsTransaction, isMulti } from "../connection/transaction_gate.ts";

/** What a trial found out. */
export type TrialOutcome =
  /** Transactions begin and end. */
  | { readonly kind: "passed" }
  /** The server refuses MULTI or EXEC. */
  | {
    readonly kind: "refused";
    /** Its error reply. */
    readonly error: Error;
    /** Whether the connection may have stayed in the transaction. */
    readonly isStuck: boolean;
  }
  /** The connection was lost, or the time was up. */
  | { readonly kind: "unanswered" };

const OURS = new FireAndForget();

/**
 * Finds out whether a server lets transactions begin, by an empty one. Behind a MULTI that
 * is refused, as the user may not run it or a proxy does not know it, each command would
 * run by itself; and on a shared connection nobody can wait for the answer to MULTI, as the
 * commands of others would become a part of the transaction.
 */
export class TransactionTrial {
  readonly #timeoutMs: number;
  #hasPassed = false;

  /**
   * Tries nothing yet.
   *
   * @param timeoutMs How long a trial may take, in milliseconds.
   */
  constructor(timeoutMs: number) {
    this.#timeoutMs = timeoutMs;
  }

  /**
   * Whether a trial has to pass before commands are sent.
   *
   * @param commands The commands.
   * @returns `true` if there is a transaction among them, and no trial has passed.
   */
  isDue(commands: readonly PendingCommand[]): boolean {
    return !this.#hasPassed && commands.some(({ name }) => isMulti(name));
  }

  /** It is another server, or it refused a transaction after all: a trial is due again. */
  forget(): void {
    this.#hasPassed = false;
  }

  /**
   * Runs an empty transaction.
   *
   * @param send Sends a command; both go the same way.
   * @returns What it found out.
   */
  async run(send: (command: PendingCommand) => void): Promise<TrialOutcome> {
    const commands = ["multi", "exec"].map((name) =>
      OURS.track(new Command(name), this.#timeoutMs)
    );
    for (const command of commands) send(command);
    const [begun, ended] = await Promise.allSettled(
      commands.map(({ promise }) => promise),
    );
    const failed = [begun, ended].find((answer) => answer?.status === "rejected");
    this.#hasPassed = failed === undefined;
    if (failed === undefined) return { kind: "passed" };
    const error = (failed as PromiseRejectedResult).reason;
    if (!isReplyError(error)) return { kind: "unanswered" };
    return { kind: "refused", error, isStuck: isStuck(ended) };
  }
}

/** Whether the answer to EXEC leaves the connection in a transaction. */
function isStuck(ended: PromiseSettledResult<unknown> | undefined): boolean {
  return ended?.status === "rejected" && isReplyError(ended.reason) &&
    !endsTransaction(ended.reason.message);
}
