import type { Buffer } from "node:buffer";
import type { IORedisCommand } from "./library_types.ts";
import {
  type ArgumentError,
  checkName,
  checkRecord,
  lacksKeys,
  writeArguments,
} from "./command_arguments.ts";
import { Command } from "./library.ts";
import { decodeLarge } from "./reply_decoding.ts";
import {
  failTracked,
  inTurn,
  isInTurn,
  type TrackedCommand,
  type Tracking,
} from "./tracked.ts";

/** What a command of the library is made with. */
export interface CommandOptions {
  /** How its reply is turned into text; `null` leaves Buffers. */
  readonly replyEncoding: "utf8" | null;
  /** What is put before each of its keys. */
  readonly keyPrefix?: string;
}

/** Called with what becomes of a command, by the library's own convention: error first. */
export type CommandCallback = (error: Error | null, reply?: unknown) => void;

type Shared = Exclude<keyof IORedisCommand, "resolve" | "reject">;

/** A command of the library, with what it types as private. */
interface OpenCommand extends Pick<IORedisCommand, Shared> {
  /** Whether its arguments are as they are sent. */
  transformed: boolean;
  /** Whether there are bytes among its arguments. */
  bufferMode?: boolean;
  /** Its keys, once they were looked for. */
  keys?: unknown[];
  /** Called with what becomes of it. */
  readonly callback?: CommandCallback;
  /** Looks for its keys, once, and replaces each. */
  _iterateKeys(replace?: (key: unknown) => unknown): unknown[];
}

const OpenCommand = Command as unknown as new (
  name: string,
  args: unknown[],
  options: CommandOptions,
  callback?: CommandCallback,
) => OpenCommand;

type Transformer = (args: IORedisCommand["args"]) => IORedisCommand["args"];

/** What turns `hset(key, object)` and such into arguments, by the command's name. */
const { argument: TRANSFORMERS } = (Command as unknown as {
  readonly _transformer: { readonly argument: Readonly<Record<string, Transformer>> };
})._transformer;

/** Commands whose large replies are nothing but text to who asked for text. */
const TEXT_READS: ReadonlySet<string> = new Set(["get", "getex", "getrange", "hget"]);

/**
 * A command of the library that is settled by this package from the start: without the
 * closures by which the library settles its own, and without an entry of its own in the
 * queue of commands in flight. Its arguments are what the library makes of them, where it
 * has a meaning for them; all others are refused rather than sent as a text such as
 * `[object Object]`.
 *
 * Should a release of the library make its promise elsewhere, this is a command like any
 * other, which `track()` takes over.
 */
export class ManagedCommand extends OpenCommand {
  declare tracking: Tracking | undefined;
  declare succeed: TrackedCommand["succeed"];
  declare fail: TrackedCommand["fail"];
  /** Why it cannot be sent; it has been rejected with that. */
  declare readonly unwritable: ArgumentError | undefined;

  /**
   * Makes a command.
   *
   * @param name Its name.
   * @param args Its arguments, as a caller wrote them.
   * @param options Encoding, prefix.
   * @param callback Called with what becomes of it.
   */
  constructor(
    name: string,
    args: unknown[],
    options: CommandOptions,
    callback?: CommandCallback,
  ) {
    super(name, args, options, callback);
    this.tracking = undefined;
  }

  /** It is its own entry in the library's queue. */
  get command(): this {
    return this;
  }

  /** Whether its reply is made text of as soon as it comes, and nobody keeps the bytes. */
  get decodesAtOnce(): boolean {
    const { replyEncoding } = this as unknown as CommandOptions;
    // Who intercepts a command puts a function of its own in the place of resolve().
    return replyEncoding === "utf8" && TEXT_READS.has(this.name) &&
      this.resolve === ManagedCommand.prototype.resolve;
  }

  /** Called by the library. */
  override _iterateKeys(replace?: (key: unknown) => unknown): unknown[] {
    if (this.keys !== undefined) return this.keys;
    if (lacksKeys(this.name, this.args)) return this.keys = [];
    const { args } = this;
    const { length } = args;
    const keys = super._iterateKeys(replace);
    if (args.length === length) return keys;
    // Where arguments are missing, it takes what is not there for keys, and adds it.
    args.length = length;
    return this.keys = keys.filter((key) => args.includes(key as string));
  }

  /** Called by the library's constructor. */
  initPromise(): void {
    this.promise = new Promise((succeed, fail) => {
      // What is thrown here rejects the promise, as it does in the library.
      makeText(this);
      this.succeed = succeed;
      this.fail = fail;
    });
    if (this.callback !== undefined) callBack(this.promise, this.callback);
  }

  /**
   * It was answered; called by the library.
   *
   * @param reply The raw reply.
   */
  resolve(reply: unknown): void {
    const { tracking } = this;
    if (tracking !== undefined) {
      if (tracking.settled) return;
      tracking.settled = true;
      if (this.name === "exec") tracking.connection?.execReplied(reply);
      tracking.owner.replied(this as unknown as TrackedCommand, reply);
    }
    try {
      const value = this.transformReply(decodeLarge(reply, this) as Buffer);
      if (isInTurn()) this.succeed(value);
      else inTurn(() => this.succeed(value));
    } catch (error) {
      this.fail(error as Error);
    }
  }

  /**
   * It failed; called by the library.
   *
   * @param error Why.
   */
  reject(error: Error): void {
    if (this.tracking === undefined) this.fail?.(error);
    else failTracked(this as unknown as TrackedCommand, error);
  }
}

/** Makes of a command's arguments what is sent. */
function makeText(command: ManagedCommand): void {
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
    if (writeArguments(name, command.args)) command.bufferMode = true;
  } catch (error) {
    // The prefix is put before nothing of it.
    Object.assign(command, { args: [], keys: [], unwritable: error });
    if (typeof name !== "string") command.name = "";
    throw error;
  }
}

/** Calls back as the library does: what a callback throws is nobody's rejection. */
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
