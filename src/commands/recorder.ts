import type { RedisConfig } from "../config/mod.ts";
import type {
  IORedis,
  IORedisCommand,
  IORedisPipeline,
  Redis,
} from "../connection/ioredis.ts";
import { CommandRefusedError } from "../core/errors/mod.ts";
import { isWritable, unwritableError } from "../core/writable.ts";
import type { OperationObserver } from "../observability/telemetry/observer.ts";
import type { CommandClass, CommandInfo } from "../resilience/command_class.ts";

/** What a pipeline or a transaction needs of its database. */
export interface BatchParts {
  /** The database. */
  readonly config: Pick<RedisConfig, "decodeResponses" | "name">;
  /** Its client. */
  readonly client: Redis;
  /** What kind of command it is. */
  readonly classify: (command: IORedisCommand) => CommandInfo;
  /** Puts the keys of a command in place that the client library does not know; throws if
   * it cannot. Unset where that is done later, or no keys have to be known. */
  readonly placeKeys?: (command: IORedisCommand) => void;
  /** Reports the batch as a whole. */
  readonly observer: OperationObserver | undefined;
}

/** What may be recorded: within MULTI a blocking command does not block. */
const ALLOWED: Readonly<Record<string, readonly CommandClass[]>> = {
  pipeline: ["read", "write"],
  transaction: ["read", "write", "blocking"],
};

/** What to do in place of a blocking command. */
const BLOCKING_ADVICE = "call it on the client, which gives it a connection of its own";

/**
 * Records commands in place of sending them: those of the library's pipeline, whose
 * methods can be chained, and those of a client, whose methods give typed promises.
 * Each command is held once, and the library's own bookkeeping is left out.
 */
export class Recorder {
  readonly #parts: BatchParts;
  readonly #kind: "pipeline" | "transaction";
  readonly #byPromise = new Map<unknown, number>();
  #isOpen = true;

  /** The commands, in order. */
  readonly commands: IORedisCommand[] = [];
  /** The library's pipeline: each method records a command and gives it back. */
  readonly chain: IORedisPipeline;
  /** A client: each method records a command and gives the promise of its reply. */
  readonly typed: IORedis;

  constructor(parts: BatchParts, kind: "pipeline" | "transaction") {
    this.#parts = parts;
    this.#kind = kind;
    this.chain = this.#makeChain(parts.client);
    this.typed = this.#makeTyped(parts.client);
  }

  /** The index of the command whose promise a method of `typed` gave; `undefined` if it is
   * not of this recorder. */
  indexOf(promise: unknown): number | undefined {
    return this.#byPromise.get(promise);
  }

  /** Whether a promise was given out. */
  get isTyped(): boolean {
    return this.#byPromise.size > 0;
  }

  /** Records no more: what comes now is refused. */
  close(): void {
    this.#isOpen = false;
  }

  /** Rejects the promises that were given out; what was recorded is not sent. */
  reject(error: Error): void {
    this.close();
    for (const command of this.commands) {
      command.promise.catch(() => {});
      command.reject(error);
    }
  }

  /** The error for what may not be recorded. */
  refusal(name: string, advice: string): CommandRefusedError {
    const { config } = this.#parts;
    return new CommandRefusedError(config.name, name, advice, `a ${this.#kind}`);
  }

  get #sent(): string {
    return `the ${this.#kind} is sent when its callback returns`;
  }

  #record(command: IORedisCommand): void {
    const { classify, config, placeKeys } = this.#parts;
    if (!this.#isOpen) {
      throw this.refusal(command.name, `it was sent already: ${this.#sent}`);
    }
    if (!isWritable(command)) {
      command.promise.catch(() => {});
      throw unwritableError(command);
    }
    const { advice = BLOCKING_ADVICE, class: kind } = classify(command);
    if (!ALLOWED[this.#kind]!.includes(kind)) throw this.refusal(command.name, advice);
    placeKeys?.(command);
    if (!config.decodeResponses) {
      (command as unknown as { replyEncoding: null }).replyEncoding = null;
    }
    if (this.#kind === "transaction") command.inTransaction = true;
    this.commands.push(command);
  }

  #makeChain(client: Redis): IORedisPipeline {
    const chain = client.pipeline();
    const refuse = (name: string, advice: string) => (): never => {
      throw this.refusal(name, advice);
    };
    return Object.assign(chain, {
      sendCommand: (command: IORedisCommand) => {
        this.#record(command);
        return chain;
      },
      exec: refuse("exec", this.#sent),
      execBuffer: refuse("exec", this.#sent),
      multi: refuse("multi", "use manager.transaction()"),
      // What its `length` counts.
      _queue: this.commands,
    });
  }

  #makeTyped(client: Redis): IORedis {
    const typed = Object.create(client) as IORedis;
    const refuse = (name: string): never => {
      throw this.refusal(name, "call its commands one by one");
    };
    return Object.assign(typed, {
      // What a script sends again, after the recording, goes by the client itself.
      isPipeline: true,
      redis: client,
      sendCommand: (command: IORedisCommand) => {
        this.#record(command);
        this.#byPromise.set(command.promise, this.commands.length - 1);
        return command.promise;
      },
      pipeline: () => refuse("pipeline"),
      multi: () => refuse("multi"),
    });
  }
}
