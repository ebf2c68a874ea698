import type { Buffer } from "node:buffer";
import {
  type ArgumentError,
  checkName,
  checkRecord,
  copyKeys,
  fillNullish,
  lacksKeys,
  writeArguments,
} from "./command_arguments.ts";
import { Command, type IORedisCommand } from "./ioredis.ts";
import {
  acceptReply,
  type CommandTracking,
  decodeLarge,
  failCommand,
  type PendingCommand,
  succeedInOrder,
} from "./pending_command.ts";

/** Options of an ioredis command. */
interface CommandOptions {
  /** Encoding of strings in the reply; `null` gives Buffers. */
  readonly replyEncoding: "utf8" | null;
  /** Prefix of its keys. */
  readonly keyPrefix?: string;
}

/** Node-style callback of a command. */
export type CommandCallback = (error: Error | null, reply?: unknown) => void;

type Shared = Exclude<keyof IORedisCommand, "resolve" | "reject">;

/** An ioredis command with the members that it types as private. */
interface OpenCommand extends Pick<IORedisCommand, Shared> {
  /** Whether its arguments are in the form in which they are sent. */
  transformed: boolean;
  /** Whether some arguments are Buffers. */
  bufferMode?: boolean;
  /** Its keys, once they were looked for. */
  keys?: unknown[];
  readonly callback?: CommandCallback;
  /** Finds its keys, once, and replaces each. */
  _iterateKeys(replace?: (key: unknown) => unknown): unknown[];
}

const OpenCommand = Command as unknown as new (
  name: string,
  args: unknown[],
  options: CommandOptions,
  callback?: CommandCallback,
) => OpenCommand;

type Transformer = (args: IORedisCommand["args"]) => IORedisCommand["args"];

/** Functions of ioredis that turn `hset(key, object)` and such into arguments. */
const { argument: TRANSFORMERS } = (Command as unknown as {
  readonly _transformer: { readonly argument: Readonly<Record<string, Transformer>> };
})._transformer;

/** Commands whose large replies consist of text only, if the caller wants strings. */
const TEXT_READS: ReadonlySet<string> = new Set(["get", "getex", "getrange", "hget"]);

/**
 * An ioredis command that this package settles from the start: without the closures by which
 * ioredis settles its own, and without a separate entry in the queue of commands in flight.
 * Its arguments are converted as ioredis does, where it has a meaning for them; all others
 * are refused rather than sent as a text such as `[object Object]`.
 *
 * Should a release of ioredis make its promise elsewhere, this is a command like any other,
 * which `track()` intercepts.
 */
export class ManagedCommand extends OpenCommand {
  declare tracking: CommandTracking | undefined;
  declare succeed: PendingCommand["succeed"];
  declare fail: PendingCommand["fail"];
  /** Why it cannot be sent; its promise was rejected with it. */
  declare readonly unwritable: ArgumentError | undefined;

  constructor(
    name: string,
    args: unknown[],
    options: CommandOptions,
    callback?: CommandCallback,
  ) {
    super(name, args, options, callback);
    this.tracking = undefined;
  }

  /** Whether null and undefined among its arguments are sent as empty strings. */
  get sendsNullish(): boolean {
    return false;
  }

  /** Itself: it is its own entry in the queue of commands in flight. */
  get command(): this {
    return this;
  }

  /** Whether its reply is converted to a string at once, so that its bytes are not kept. */
  get decodesAtOnce(): boolean {
    const { replyEncoding } = this as unknown as CommandOptions;
    // resolve() is replaced where a command is intercepted.
    return replyEncoding === "utf8" && TEXT_READS.has(this.name) &&
      this.resolve === ManagedCommand.prototype.resolve;
  }

  /** Called by ioredis. */
  override _iterateKeys(replace?: (key: unknown) => unknown): unknown[] {
    if (this.keys !== undefined) return this.keys;
    if (lacksKeys(this.name, this.args)) return this.keys = [];
    const { args } = this;
    const { length } = args;
    const keys = super._iterateKeys(replace);
    if (args.length === length) return keys;
    // Where arguments are missing, ioredis takes `undefined` for keys, and adds it.
    args.length = length;
    return this.keys = keys.filter((key) => args.includes(key as string));
  }

  /** Called by the constructor of ioredis. */
  initPromise(): void {
    this.promise = new Promise((succeed, fail) => {
      // What is thrown here rejects the promise, as it does in ioredis.
      convertArguments(this);
      this.succeed = succeed;
      this.fail = fail;
    });
    if (this.callback !== undefined) callBack(this.promise, this.callback);
  }

  /** Called by ioredis with the raw reply. */
  resolve(reply: unknown): void {
    if (this.tracking !== undefined) {
      if (!acceptReply(this as unknown as PendingCommand, reply)) return;
    }
    try {
      succeedInOrder(this, this.transformReply(decodeLarge(reply, this) as Buffer));
    } catch (error) {
      this.fail(error as Error);
    }
  }

  /** Called by ioredis. */
  reject(error: Error): void {
    if (this.tracking === undefined) this.fail?.(error);
    else failCommand(this as unknown as PendingCommand, error);
  }
}

/** A command as plain ioredis makes it: the scripts of some libraries rely on empty strings
 * for arguments that are null or undefined. */
export class LibraryCommand extends ManagedCommand {
  override get sendsNullish(): boolean {
    return true;
  }
}

/** Converts a command's arguments to the form in which they are sent. */
function convertArguments(command: ManagedCommand): void {
  if (command.transformed) return;
  command.transformed = true;
  const { name } = command;
  try {
    checkName(name);
    const transform = TRANSFORMERS[name];
    if (transform !== undefined) {
      checkRecord(name, command.args);
      command.args = transform(command.args);
    }
    if (command.sendsNullish) fillNullish(command.args);
    if (writeArguments(name, command.args)) command.bufferMode = true;
  } catch (error) {
    // No arguments, no keys: ioredis has nothing to put a prefix before.
    Object.assign(command, { args: [], keys: [], unwritable: error });
    if (typeof name !== "string") command.name = "";
    throw error;
  }
}

/** Calls back as ioredis does: what a callback throws is an uncaught exception. */
function callBack(promise: Promise<unknown>, callback: CommandCallback): void {
  const call = (error: Error | null, reply?: unknown) => {
    try {
      if (error === null && reply !== undefined) callback(null, reply);
      else callback(error);
    } catch (thrown) {
      setTimeout(() => {
        throw thrown;
      });
    }
  };
  promise.then((reply) => call(null, reply), call);
}

/**
 * Copies a settled command, to be sent once more.
 *
 * @param command The command; its arguments are strings and Buffers, with their prefix.
 */
export function copyCommand(command: IORedisCommand): IORedisCommand {
  const { args, inTransaction, name } = command;
  const { replyEncoding } = command as unknown as CommandOptions;
  const managed = new ManagedCommand(name, [...args], { replyEncoding });
  const copy = managed as unknown as IORedisCommand;
  copy.inTransaction = inTransaction;
  copyKeys(copy, command);
  return copy;
}
