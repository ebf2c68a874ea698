import { Command, isReplyError } from "../connection/driver.ts";
import type { TrackedCommand } from "../connection/tracked.ts";
import type { CommandClassifier } from "../resilience/command_class.ts";
import { Unheard } from "./unheard.ts";

/** What a trial needs. */
export interface TransactionTrialOptions {
  /** What kind of command a name is. */
  readonly classifier: CommandClassifier;
  /** Sends commands with nothing in between. */
  readonly submitBatch: (commands: readonly TrackedCommand[]) => void;
  /** How long it may take, in milliseconds. */
  readonly timeoutMs: number;
}

const OURS = new Unheard();

/**
 * Finds out whether a server lets transactions begin, by an empty one. Behind a MULTI that
 * is refused, as the user may not run it or a proxy does not know it, each command would
 * run by itself; and on a shared connection nobody can wait for the answer to MULTI, as the
 * commands of others would become a part of the transaction.
 */
export class TransactionTrial {
  readonly #options: TransactionTrialOptions;
  #hasPassed = false;
  #running: Promise<Error | undefined> | undefined;

  /**
   * Tries nothing yet.
   *
   * @param options What it needs.
   */
  constructor(options: TransactionTrialOptions) {
    this.#options = options;
  }

  /** Whether the server let a transaction begin and end. */
  get hasPassed(): boolean {
    return this.#hasPassed;
  }

  /** The server refused one after all: it has to be tried again. */
  forget(): void {
    this.#hasPassed = false;
  }

  /**
   * Tries an empty transaction; one at a time.
   *
   * @returns The error reply that refuses it; `undefined` if it is not refused, or there
   * was no answer.
   */
  run(): Promise<Error | undefined> {
    return this.#running ??= this.#try().finally(() => this.#running = undefined);
  }

  async #try(): Promise<Error | undefined> {
    const [multi, exec] = [this.#make("multi"), this.#make("exec")];
    this.#options.submitBatch([multi, exec]);
    const [begun, ended] = await Promise.allSettled([multi.promise, exec.promise]);
    if (begun.status === "rejected") return replyError(begun.reason);
    if (ended.status === "fulfilled") {
      this.#hasPassed = true;
      return undefined;
    }
    // It would stay in the transaction, with all that others send on it.
    const text = "the server let a transaction begin and not end";
    multi.tracking.connection?.close({ kind: "closed", text });
    return replyError(ended.reason);
  }

  #make(name: string): TrackedCommand {
    const { classifier, timeoutMs } = this.#options;
    const command = OURS.track(new Command(name), timeoutMs);
    command.tracking.info = classifier.lookup(name);
    return command;
  }
}

function replyError(error: unknown): Error | undefined {
  return isReplyError(error) ? error : undefined;
}
