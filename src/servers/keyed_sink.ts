import type { CommandSink } from "../commands/dispatcher.ts";
import { spentOn, type TrackedCommand } from "../connection/tracked.ts";
import type { Clock } from "../core/clock.ts";
import { CommandTimeoutError, OverloadedError } from "../core/errors/mod.ts";
import { CommandQueue } from "../pool/command_queue.ts";
import { type KeyFinder, KeysUnknown } from "./key_finder.ts";
import type { KeyPlacer } from "./key_placer.ts";

/** What a keyed sink needs. */
export interface KeyedSinkOptions {
  /** Name of the database. */
  readonly database: string;
  /** Most commands that wait for an answer of the server. */
  readonly maxWaiting: number;
  /** Where commands go whose keys are in place. */
  readonly sink: CommandSink;
  /** Puts keys in place. */
  readonly placer: KeyPlacer;
  /** Asks the server where keys are. */
  readonly finder: Pick<KeyFinder, "ask">;
  /** Time. */
  readonly clock: Clock;
}

/**
 * Stands before the sink of a database that has to know keys: one with a key prefix, or in
 * a cluster. While the server is asked for the keys of a command, all later ones wait
 * behind it, so that the order stays. A command whose keys nobody knows is refused.
 */
export class KeyedSink implements CommandSink {
  readonly #options: KeyedSinkOptions;
  /** What waits, in order: commands that were submitted together are sent together. */
  readonly #batches: (readonly TrackedCommand[])[] = [];
  /** The same commands, for their deadlines. */
  readonly #waiting: CommandQueue;

  /**
   * Sends nothing yet.
   *
   * @param options What it needs.
   */
  constructor(options: KeyedSinkOptions) {
    this.#options = options;
    this.#waiting = new CommandQueue(
      options.clock,
      (command) => this.#expire(command),
    );
  }

  /** Commands that wait for an answer of the server. */
  get waiting(): number {
    return this.#waiting.size;
  }

  /**
   * Sends a command when its keys are known.
   *
   * @param command The command.
   */
  submit(command: TrackedCommand): void {
    // One that was sent before has its keys in place, and came before all that wait.
    if (this.#batches.length > 0 && command.tracking.attempts === 0) {
      return this.#wait([command]);
    }
    if (command.tracking.info?.keys === "library") {
      return this.#options.sink.submit(command);
    }
    const next = this.#tryPlace([command]);
    if (next === undefined) this.#options.sink.submit(command);
    else if (next !== "refused") this.#wait([command]);
  }

  /**
   * Sends commands together when all their keys are known; none if one is refused.
   *
   * @param commands The commands.
   */
  submitBatch(commands: readonly TrackedCommand[]): void {
    if (this.#batches.length > 0) return this.#wait(commands);
    const next = this.#tryPlace(commands);
    if (next === undefined) this.#options.sink.submitBatch(commands);
    else if (next !== "refused") this.#wait(commands);
  }

  /** A command was answered or failed for good. */
  commandFinished(): void {
    this.#options.sink.commandFinished();
  }

  /** Puts keys in place; gives the first command that the server has to be asked for. */
  #tryPlace(
    commands: readonly TrackedCommand[],
  ): TrackedCommand | "refused" | undefined {
    const { placer } = this.#options;
    try {
      return commands.find((command) => {
        const { info, settled } = command.tracking;
        return info !== undefined && !settled && !placer.place(command, info);
      });
    } catch (error) {
      fail(commands, error as Error);
      return "refused";
    }
  }

  #wait(commands: readonly TrackedCommand[]): void {
    const { database, maxWaiting } = this.#options;
    if (!this.#waiting.hasRoom(commands.length, maxWaiting)) {
      const what = "commands that wait for the server to tell where keys are";
      const { size } = this.#waiting;
      return fail(commands, new OverloadedError(database, what, size, maxWaiting));
    }
    this.#waiting.add(commands);
    if (this.#batches.push(commands) === 1) void this.#sendAll();
  }

  async #sendAll(): Promise<void> {
    for (let batch; (batch = this.#batches[0]) !== undefined;) {
      const next = this.#tryPlace(batch);
      if (next !== undefined && next !== "refused") {
        const error = await this.#ask(next);
        if (error === undefined) continue;
        fail(batch, error);
      }
      this.#batches.shift();
      const open = batch.filter(({ tracking }) => !tracking.settled);
      if (next === undefined && open.length > 0) this.#send(open);
      // Nobody waits for those any more.
      const left = this.#waiting.takeAll();
      this.#waiting.add(left.filter((command) => !batch.includes(command)));
    }
  }

  #send(commands: readonly TrackedCommand[]): void {
    const { sink } = this.#options;
    if (commands.length === 1) sink.submit(commands[0]!);
    else sink.submitBatch(commands);
  }

  /** Asks for the keys of a command; gives why it cannot be sent. */
  async #ask(command: TrackedCommand): Promise<Error | undefined> {
    const { finder, placer } = this.#options;
    try {
      await finder.ask(command.tracking.info!, command.args);
      return undefined;
    } catch (error) {
      if (!(error instanceof KeysUnknown)) return error as Error;
      const why = `which of its arguments are keys (${error.message}):`;
      return placer.refusal(command, why);
    }
  }

  #expire(command: TrackedCommand): void {
    const { clock, database } = this.#options;
    const { timeoutMs } = command.tracking;
    const spent = spentOn(command, clock.now());
    fail(
      [command],
      new CommandTimeoutError(
        database,
        command.name,
        timeoutMs,
        "never-sent",
        spent,
      ),
    );
  }
}

function fail(commands: readonly TrackedCommand[], error: Error): void {
  for (const command of commands) {
    if (!command.tracking.settled) {
      command.tracking.owner.failed(command, error, "never-sent");
    }
  }
}
