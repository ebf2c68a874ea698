import type { RedisConfig } from "../config/mod.ts";
import type {
  IORedis,
  IORedisCommand,
  IORedisPipeline,
  Redis,
} from "../connection/ioredis.ts";
import { isWritable, unwritableError } from "../core/errors/command.ts";
import { CommandRefusedError } from "../core/errors/mod.ts";
import type { OperationObserver } from "../observability/telemetry/operations.ts";
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

/** How a transaction ended that has run. */
export interface BatchOutcome {
  /** The recorder whose commands were run. */
  readonly recorder: Recorder;
  /** The reply of each. */
  readonly replies: unknown[];
}

/** The replies of the commands at `indices`; all of them without. */
export function pick(
  replies: unknown[],
  indices: readonly number[] | undefined,
): unknown[] {
  return indices === undefined ? replies : indices.map((index) => replies[index]);
}

/**
 * Records commands in place of sending them: those of the library's pipeline, whose
 * methods can be chained, and those of a client, whose methods give typed promises.
 * Each command is held once, and the library's own bookkeeping is left out.
 */
export class Recorder {
  readonly #parts: BatchParts;
  readonly #kind: "pipeline" | "transaction";
  readonly #outcome: Promise<BatchOutcome> | undefined;
  readonly #byPromise = new Map<unknown, number>();
  #isOpen = true;

  /** The commands, in order. */
  readonly commands: IORedisCommand[] = [];
  /** The library's pipeline: each method records a command and gives it back. */
  readonly chain: IORedisPipeline;
  /** A client: each method records a command and gives the promise of its reply. */
  readonly typed: IORedis;

  /** A transaction has an `outcome`, whose replies the promises of `typed` give: those of the
   * commands themselves say only that they are queued. */
  constructor(
    parts: BatchParts,
    kind: "pipeline" | "transaction",
    outcome?: Promise<BatchOutcome>,
  ) {
    this.#parts = parts;
    this.#kind = kind;
    this.#outcome = outcome;
    this.chain = this.#makeChain(parts.client);
    this.typed = this.#makeTyped(parts.client);
  }

  /** Ends the recording with what the callback gave: the indices of the commands whose
   * promises are the array that it returned, `undefined` if it returned anything else. */
  async finish(filled: unknown): Promise<number[] | undefined> {
    if (!Array.isArray(filled)) {
      this.close();
      return undefined;
    }
    const indices = filled.map((promise) => this.#byPromise.get(promise));
    // Others may be of callbacks that still add commands.
    await Promise.all(filled.filter((_, i) => indices[i] === undefined));
    this.close();
    const isChosen = indices.length > 0 && indices.every((index) => index !== undefined);
    return isChosen ? indices : undefined;
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

  /** The reply of a transaction's command. An `await` of it within the callback would never
   * end, so it fails: `await` calls `then` of what is not a plain promise. */
  #replyOf(index: number, outcome: Promise<BatchOutcome>): Promise<unknown> {
    const promise = outcome.then(({ recorder, replies }) => {
      if (recorder === this) return replies[index];
      throw this.refusal("await", "its callback was called again");
    });
    promise.catch(() => {});
    const then: Promise<unknown>["then"] = (onReply, onError) => {
      if (this.#isOpen) {
        throw this.refusal("await", "its typed commands are answered when it has run");
      }
      return Promise.prototype.then.call(promise, onReply, onError) as Promise<never>;
    };
    return Object.assign(promise, { constructor: undefined, then });
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
        const index = this.commands.length - 1;
        const promise = this.#outcome === undefined
          ? command.promise
          : this.#replyOf(index, this.#outcome);
        this.#byPromise.set(promise, index);
        return promise;
      },
      pipeline: () => refuse("pipeline"),
      multi: () => refuse("multi"),
    });
  }
}
