import type { CommandSink } from "../commands/dispatcher.ts";
import type { RedisConfig } from "../config/settings.ts";
import { classifier, isPlaced, placeKeys } from "../connection/command_arguments.ts";
import type { Command } from "../connection/ioredis.ts";
import type { PendingCommand } from "../connection/pending_command.ts";
import type { Clock } from "../core/clock.ts";
import { CommandRefusedError } from "../core/errors/mod.ts";
import { CommandQueue, failAll } from "../pool/command_queue.ts";
import type { CommandInfo } from "../resilience/command_class.ts";
import { isFanOut } from "../resilience/command_spread.ts";
import { KeyFinder, UnknownKeysError } from "./key_finder.ts";

const WITH_PREFIX =
  "use a database without key_prefix for it, and write its keys in full";
const IN_CLUSTER = "use a lease of manager.acquire(database, { key }) for it";

/**
 * The sink of a database whose keys have to be known: one with a key prefix, or in a
 * cluster. Puts the prefix before the keys of commands that ioredis does not know, and
 * records the keys, which determine the node in a cluster. While the server is asked for
 * the keys of a command, all later ones wait behind it, so that the order stays. A command
 * whose keys cannot be found is refused. In a cluster the server is asked as well how a
 * command runs that means every node.
 */
export class KeyedSink implements CommandSink {
  readonly #config: RedisConfig;
  readonly #sink: CommandSink;
  readonly #finder: KeyFinder;
  /** What waits, in order: commands that were submitted together are sent together. */
  readonly #batches: (readonly PendingCommand[])[] = [];
  /** The same commands, for their deadlines. */
  readonly #waiting: CommandQueue;

  /** @param sink Takes commands whose keys are in place. */
  constructor(config: RedisConfig, sink: CommandSink, clock: Clock) {
    this.#config = config;
    this.#sink = sink;
    this.#finder = new KeyFinder(
      (command) => sink.submit(command),
      config.commandTimeoutMs,
    );
    this.#waiting = new CommandQueue({
      ...{ clock, database: config.name, maxWaiting: config.maxWaiting },
      what: "commands that wait until the server reports where keys are",
    });
  }

  /** The sink, if the keys of the database have to be known. */
  static for(
    config: RedisConfig,
    sink: CommandSink,
    clock: Clock,
  ): KeyedSink | undefined {
    const { keyPrefix, mode } = config;
    if (keyPrefix === "" && mode !== "cluster") return undefined;
    return new KeyedSink(config, sink, clock);
  }

  submit(command: PendingCommand): void {
    // One that was sent before has its keys in place, and came before all that wait.
    if (this.#batches.length > 0 && command.tracking.attempts === 0) {
      return this.#wait([command]);
    }
    const { info } = command.tracking;
    if (info?.keys === "library" && !isFanOut(info.spread)) {
      return this.#sink.submit(command);
    }
    const next = this.#tryPlace([command]);
    if (next === undefined) this.#sink.submit(command);
    else if (next !== "refused") this.#wait([command]);
  }

  /** Sends commands together; none if one is refused. */
  submitBatch(commands: readonly PendingCommand[]): void {
    if (this.#batches.length > 0) return this.#wait(commands);
    const next = this.#tryPlace(commands);
    if (next === undefined) this.#sink.submitBatch(commands);
    else if (next !== "refused") this.#wait(commands);
  }

  commandFinished(): void {
    this.#sink.commandFinished();
  }

  /**
   * Puts the keys of a command in place that does not go by the sink.
   *
   * @param where Where it was called, for messages.
   * @throws {CommandRefusedError} If its keys are not known yet.
   */
  placeNow(command: Command, where: string): void {
    if (this.#place(command, classifier.resolve(command.name, command.args))) return;
    const how = ": call it on the client once, which asks the server, or";
    throw this.#refusal(command, how, where);
  }

  /** Puts the keys of a command in place; `false` if the server has to be asked first. */
  #place(command: Command, info: CommandInfo): boolean {
    if (info.keys === "library" || isPlaced(command)) return true;
    const { keyPrefix, name } = this.#config;
    const places = this.#finder.find(info, command.args);
    if (places === undefined) return false;
    const { outside } = places;
    if (outside !== undefined && keyPrefix !== "") {
      throw new CommandRefusedError(name, command.name, outside, "the client");
    }
    placeKeys(command, places, keyPrefix);
    return true;
  }

  /** Notes how a cluster runs a command; `false` if the server has to be asked first. */
  #knowsSpread({ tracking }: PendingCommand, info: CommandInfo): boolean {
    if (this.#config.mode !== "cluster") return true;
    if (this.#finder.lacksTips(info)) return false;
    const spread = this.#finder.spreadOf(info);
    // A command with keys that is not in the table goes where its first key is.
    if (spread !== info.spread && isFanOut(spread)) tracking.info = { ...info, spread };
    return true;
  }

  #refusal(command: Command, how: string, where = "the client"): CommandRefusedError {
    const { keyPrefix, name } = this.#config;
    const advice = keyPrefix === "" ? IN_CLUSTER : WITH_PREFIX;
    const text = `it is not known which of its arguments are keys${how} ${advice}`;
    return new CommandRefusedError(name, command.name, text, where);
  }

  /** Puts keys in place; returns the first command that the server has to be asked for. */
  #tryPlace(
    commands: readonly PendingCommand[],
  ): PendingCommand | "refused" | undefined {
    try {
      return commands.find((command) => {
        const { info, settled } = command.tracking;
        if (info === undefined || settled) return false;
        return !this.#place(command, info) || !this.#knowsSpread(command, info);
      });
    } catch (error) {
      failAll(commands, error as Error);
      return "refused";
    }
  }

  #wait(commands: readonly PendingCommand[]): void {
    if (!this.#waiting.offer(commands)) return;
    if (this.#batches.push(commands) === 1) void this.#sendAll();
  }

  async #sendAll(): Promise<void> {
    for (let batch; (batch = this.#batches[0]) !== undefined;) {
      const next = this.#tryPlace(batch);
      if (next !== undefined && next !== "refused") {
        const error = await this.#ask(next);
        if (error === undefined) continue;
        failAll(batch, error);
      }
      this.#batches.shift();
      const open = batch.filter(({ tracking }) => !tracking.settled);
      if (next === undefined && open.length === 1) this.#sink.submit(open[0]!);
      else if (next === undefined && open.length > 1) this.#sink.submitBatch(open);
      // The batch waits no more.
      const left = this.#waiting.takeAll();
      this.#waiting.add(left.filter((command) => !batch.includes(command)));
    }
  }

  /** Asks for the keys of a command; returns why it cannot be sent. */
  async #ask(command: PendingCommand): Promise<Error | undefined> {
    const info = command.tracking.info!;
    try {
      if (this.#finder.lacksTips(info)) await this.#finder.askTips(info);
      else await this.#finder.ask(info, command.args);
      return undefined;
    } catch (error) {
      if (!(error instanceof UnknownKeysError)) return error as Error;
      return this.#refusal(command, ` (${error.message}):`);
    }
  }
}
