import type { IORedis, IORedisCommand } from "../connection/ioredis.ts";
import { copyCommand } from "../connection/managed_command.ts";
import { CommandRefusedError, LeaseReleasedError } from "../core/errors/mod.ts";
import type { CommandClass } from "../resilience/command_class.ts";
import { Recorder, TRANSACTION } from "./pipeline_recorder.ts";
import type {
  TransactionFill,
  TransactionLease,
  TransactionParts,
} from "./transaction.ts";
import type { TransactionRetry } from "./transaction_retry.ts";

/** Within MULTI a blocking command does not block. */
const ALLOWED: ReadonlySet<CommandClass> = new Set(["read", "write", "blocking"]);

const READING = "the reading side of a transaction";
const ADVICE = "it would run at once, and again with each attempt: add it to the " +
  "transaction";

/** Where a transaction's callback reads. */
type Reading = Pick<TransactionLease, "redis" | "send">;

/** What a transaction sends: what its callback adds. */
export class TransactionBody {
  readonly #parts: Omit<TransactionParts, "acquire">;
  readonly #fill: TransactionFill;
  readonly #isFresh: boolean;
  readonly #retry: TransactionRetry;
  #recorded: readonly IORedisCommand[] | undefined;

  /**
   * Knows no commands yet.
   *
   * @param parts What it needs of its database.
   * @param fill The callback.
   * @param watch Watched keys: with such, each attempt needs a fresh read.
   * @param retry Is told of what the callback throws by itself.
   */
  constructor(
    parts: Omit<TransactionParts, "acquire">,
    fill: TransactionFill,
    watch: readonly string[],
    retry: TransactionRetry,
  ) {
    this.#parts = parts;
    this.#fill = fill;
    this.#isFresh = watch.length > 0;
    this.#retry = retry;
  }

  /**
   * The commands for an attempt: the callback's; without watched keys, copies of those
   * that it added once.
   *
   * @param reading Where the callback reads.
   * @returns The commands, not sent yet.
   */
  async commands(reading: Reading): Promise<readonly IORedisCommand[]> {
    if (this.#recorded !== undefined) return this.#recorded.map(copyCommand);
    const commands = await this.#record(reading);
    if (!this.#isFresh) this.#recorded = commands;
    return commands;
  }

  async #record(reading: Reading): Promise<readonly IORedisCommand[]> {
    const recorder = new Recorder({
      ...this.#parts,
      allowed: ALLOWED,
      what: TRANSACTION,
      sent: "the transaction is sent when its callback returns",
    });
    const reader = new Reader(this.#parts, reading);
    try {
      await this.#fill(recorder.chain, reader.client);
    } catch (error) {
      recorder.reject(error as Error);
      if (!reader.hasMet(error)) this.#retry.tell(error);
      throw error;
    } finally {
      recorder.close();
      reader.close();
    }
    return recorder.commands;
  }
}

/** A client that reads on the transaction's connection, as long as its callback runs. */
class Reader {
  /** The client. */
  readonly client: IORedis;
  readonly #met = new WeakSet<Error>();
  #open = true;

  /**
   * Makes the client.
   *
   * @param parts What the transaction needs of its database.
   * @param lease The connection that it reads on.
   */
  constructor(
    parts: Pick<TransactionParts, "classify" | "database" | "observer">,
    lease: Pick<TransactionLease, "redis" | "send">,
  ) {
    const { classify, database, observer } = parts;
    this.client = Object.assign(Object.create(lease.redis) as IORedis, {
      sendCommand: (command: IORedisCommand) => {
        if (this.#open && classify(command).class === "read") {
          observer?.command(command);
          const reply = lease.send(command);
          reply.catch((error) => this.#met.add(error));
          return reply;
        }
        command.reject(
          this.#open
            ? new CommandRefusedError(database, command.name, ADVICE, READING)
            : new LeaseReleasedError(database, "use"),
        );
        return command.promise;
      },
    });
  }

  /**
   * Whether an error is that of something that was read.
   *
   * @param error The error.
   * @returns `true` if it is.
   */
  hasMet(error: unknown): boolean {
    return error instanceof Error && this.#met.has(error);
  }

  /** Reads no more. */
  close(): void {
    this.#open = false;
  }
}
