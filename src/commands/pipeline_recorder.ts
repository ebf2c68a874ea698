import type { Redis } from "../connection/driver.ts";
import type {
  IORedis,
  IORedisCommand,
  IORedisPipeline,
} from "../connection/library_types.ts";
import { isWritable, unwritableError } from "../core/errors/command.ts";
import { CommandRefusedError } from "../core/errors/mod.ts";
import type { CommandClass, CommandInfo } from "../resilience/command_class.ts";

/** What a recorder needs. */
export interface RecorderOptions {
  /** Name of the database. */
  readonly database: string;
  /** Client whose commands, options and scripts are taken. */
  readonly client: Redis;
  /** Whether replies are strings; `false` gives Buffers. */
  readonly decodeResponses: boolean;
  /** What kind of command it is. */
  readonly classify: (command: IORedisCommand) => CommandInfo;
  /** Puts the keys of a command in place that the client library does not know; throws if
   * it cannot. Unset where that is done later. */
  readonly placeKeys?: (command: IORedisCommand) => void;
  /** The kinds of commands that may be recorded. */
  readonly allowed: ReadonlySet<CommandClass>;
  /** What it records, for messages, such as `a pipeline`. */
  readonly what: string;
  /** What the caller does to send it, for messages. */
  readonly sent: string;
}

/** What of the library's pipeline is replaced on the one that records. */
interface Replaceable {
  sendCommand(command: IORedisCommand): unknown;
  exec(): never;
  execBuffer(): never;
  multi(): never;
  /** What its `length` counts. */
  _queue: readonly IORedisCommand[];
}

/** What to do in place of a blocking command. */
const BLOCKING_ADVICE = "call it on the client, which gives it a connection of its own";

/**
 * Records commands in place of sending them: those of the library's pipeline, whose
 * methods can be chained, and those of a client, whose methods give typed promises.
 * Each command is held once, and nothing of the library's own bookkeeping is.
 */
export class Recorder {
  readonly #options: RecorderOptions;
  readonly #commands: IORedisCommand[] = [];
  readonly #byPromise = new Map<unknown, number>();
  #open = true;

  /** The library's pipeline: each method records a command and gives it back. */
  readonly chain: IORedisPipeline;
  /** A client: each method records a command and gives the promise of its reply. */
  readonly typed: IORedis;

  /**
   * Records nothing yet.
   *
   * @param options What it needs.
   */
  constructor(options: RecorderOptions) {
    this.#options = options;
    this.chain = this.#makeChain(options.client);
    this.typed = this.#makeTyped(options.client);
  }

  /** The commands, in order. */
  get commands(): IORedisCommand[] {
    return this.#commands;
  }

  /**
   * The place of the command whose promise was given out.
   *
   * @param promise What a method of {@linkcode typed} gave.
   * @returns Its index, or `undefined` if it is not of this recorder.
   */
  indexOf(promise: unknown): number | undefined {
    return this.#byPromise.get(promise);
  }

  /** Whether a promise was given out. */
  get isTyped(): boolean {
    return this.#byPromise.size > 0;
  }

  /** Records no more: what comes now is refused. */
  close(): void {
    this.#open = false;
  }

  /**
   * Rejects the promises that were given out; what was recorded is not sent.
   *
   * @param error Why.
   */
  reject(error: Error): void {
    this.close();
    for (const command of this.#commands) {
      command.promise.catch(() => {});
      command.reject(error);
    }
  }

  #record(command: IORedisCommand): void {
    const { allowed, classify, decodeResponses, sent, what } = this.#options;
    if (!this.#open) throw this.#refusal(command.name, `it was sent already: ${sent}`);
    if (!isWritable(command)) {
      command.promise.catch(() => {});
      throw unwritableError(command);
    }
    const info = classify(command);
    if (!allowed.has(info.class)) {
      const { advice = BLOCKING_ADVICE } = info;
      throw this.#refusal(command.name, advice);
    }
    this.#options.placeKeys?.(command);
    if (!decodeResponses) {
      (command as unknown as { replyEncoding: null }).replyEncoding = null;
    }
    if (what === TRANSACTION) command.inTransaction = true;
    this.#commands.push(command);
  }

  #makeChain(client: Redis): IORedisPipeline {
    const chain = client.pipeline();
    const refuse = (name: string, advice: string) => (): never => {
      throw this.#refusal(name, advice);
    };
    const { sent } = this.#options;
    const replaced: Replaceable = {
      sendCommand: (command) => {
        this.#record(command);
        return chain;
      },
      exec: refuse("exec", sent),
      execBuffer: refuse("exec", sent),
      multi: refuse("multi", "use manager.transaction()"),
      _queue: this.#commands,
    };
    return Object.assign(chain, replaced as unknown as IORedisPipeline);
  }

  #makeTyped(client: Redis): IORedis {
    const typed = Object.create(client) as IORedis;
    const refuse = (name: string): never => {
      throw this.#refusal(name, "call its commands one by one");
    };
    return Object.assign(typed, {
      // What a script sends again, after the recording, goes by the client itself.
      isPipeline: true,
      redis: client,
      sendCommand: (command: IORedisCommand) => {
        this.#record(command);
        this.#byPromise.set(command.promise, this.#commands.length - 1);
        return command.promise;
      },
      pipeline: () => refuse("pipeline"),
      multi: () => refuse("multi"),
    });
  }

  #refusal(name: string, advice: string): CommandRefusedError {
    const { database, what } = this.#options;
    return new CommandRefusedError(database, name, advice, what);
  }
}

/** What a recorder of a transaction's commands calls what it records. */
export const TRANSACTION = "a transaction";
/** What a recorder of a pipeline's commands calls what it records. */
export const PIPELINE = "a pipeline";
