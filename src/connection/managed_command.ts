import type { Buffer } from "node:buffer";
import type { IORedisCommand } from "./library_types.ts";
import { Command } from "./driver.ts";
import { decodeLarge } from "./reply_decoding.ts";
import { failTracked, type TrackedCommand, type Tracking } from "./tracked.ts";
import { unwritableError } from "../core/writable.ts";

/** What a command of the library is made with. */
export interface CommandOptions {
  /** How its reply is turned into text; `null` leaves Buffers. */
  readonly replyEncoding: "utf8" | null;
  /** What is put before each of its keys. */
  readonly keyPrefix?: string;
}

type Shared = Exclude<keyof IORedisCommand, "resolve" | "reject">;

/** A command of the library, with what it types as private. */
interface OpenCommand extends Pick<IORedisCommand, Shared> {
  /** Whether its arguments are as they are sent. */
  transformed: boolean;
}

const OpenCommand = Command as unknown as new (
  name: string,
  args: unknown[],
  options: CommandOptions,
) => OpenCommand;

type Transformer = (args: IORedisCommand["args"]) => IORedisCommand["args"];

/** What turns `hset(key, object)` and such into arguments, by the command's name. */
const { argument: TRANSFORMERS } = (Command as unknown as {
  readonly _transformer: { readonly argument: Readonly<Record<string, Transformer>> };
})._transformer;

/**
 * A command of the library that is settled by this package from the start: without the
 * closures by which the library settles its own, and without an entry of its own in the
 * queue of commands in flight. In all else it is what the library makes of the same
 * arguments.
 *
 * Should a release of the library make its promise elsewhere, this is a command like any
 * other, which `track()` takes over.
 */
export class ManagedCommand extends OpenCommand {
  declare tracking: Tracking | undefined;
  declare succeed: TrackedCommand["succeed"];
  declare fail: TrackedCommand["fail"];

  /**
   * Makes a command.
   *
   * @param name Its name.
   * @param args Its arguments, as a caller wrote them.
   * @param options Encoding, prefix.
   */
  constructor(name: string, args: unknown[], options: CommandOptions) {
    super(name, args, options);
    this.tracking = undefined;
  }

  /** It is its own entry in the library's queue. */
  get command(): this {
    return this;
  }

  /** Called by the library's constructor. */
  initPromise(): void {
    this.promise = new Promise((succeed, fail) => {
      // What is thrown here rejects the promise, as it does in the library.
      makeText(this);
      this.succeed = succeed;
      this.fail = fail;
    });
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
      tracking.owner.replied(this as unknown as TrackedCommand, reply);
    }
    try {
      this.succeed(this.transformReply(decodeLarge(reply, this) as Buffer));
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
    if (this.tracking === undefined) this.fail(error);
    else failTracked(this as unknown as TrackedCommand, error);
  }
}

/** Makes of a command's arguments what is sent. */
function makeText(command: ManagedCommand): void {
  if (command.transformed) return;
  command.transformed = true;
  const transform = TRANSFORMERS[command.name];
  try {
    if (transform !== undefined) command.args = transform(command.args);
    command.stringifyArguments();
  } catch (error) {
    throw unwritableError(command, error);
  }
}
