import type { CommandRoute } from "../commands/client.ts";
import { classifier } from "../connection/command_arguments.ts";
import type { Command } from "../connection/ioredis.ts";
import type { PendingCommand } from "../connection/pending_command.ts";
import type { CommandInfo } from "../resilience/command_class.ts";
import { EXTRA_COMMANDS } from "../resilience/extra_commands.ts";

/** The keys that a command may change. */
export type WrittenKeys = readonly string[] | "all";

/** Commands that change keys without naming them. */
const CHANGE_ALL: ReadonlySet<string> = new Set([
  "flushall",
  "flushdb",
  "swapdb",
  "debug",
]);

/**
 * The keys that a command may change, as they are sent; `undefined` if it changes none. Of a
 * command that is not known, and of a script that names no keys, these are all.
 *
 * @param keyPrefix The key prefix, which some commands do not have yet.
 */
export function writtenKeys(
  command: Command,
  info: CommandInfo,
  keyPrefix: string,
): WrittenKeys | undefined {
  if (info.isRead || (info.class !== "write" && info.class !== "blocking")) {
    return undefined;
  }
  if (CHANGE_ALL.has(info.name)) return "all";
  const keys = keysOf(command, info);
  if (keys === undefined) return "all";
  if (keys.length === 0) return info.isScript ? "all" : undefined;
  // As the server has them: it knows no lone surrogates.
  const texts = keys.map((key) => String(key).toWellFormed());
  if (keyPrefix === "" || info.keys === "library") return texts;
  return texts.flatMap((key) => [key, keyPrefix + key]);
}

function keysOf(command: Command, info: CommandInfo): readonly unknown[] | undefined {
  if (info.keys === "library") return command.getKeys();
  const [name = ""] = info.name.split("|");
  const places = EXTRA_COMMANDS.get(name)?.places(command.args);
  return places?.keys.map((at) => command.args[at]);
}

/**
 * Calls back when a command is settled, before its caller learns of it. Call it before the
 * command is sent.
 */
export function onSettled(command: Command, fn: () => void): void {
  // What ioredis makes by itself, such as scripts, is intercepted only later.
  const open = command as unknown as Partial<Pick<PendingCommand, "fail" | "succeed">> & {
    resolve: (reply: unknown) => void;
    reject: (error: Error) => void;
  };
  const { fail, succeed } = open;
  if (succeed !== undefined && fail !== undefined) {
    open.succeed = (reply) => {
      fn();
      succeed(reply);
    };
    open.fail = (error) => {
      fn();
      fail(error);
    };
    return;
  }
  const { reject, resolve } = open;
  open.resolve = function (this: Command, reply) {
    fn();
    return resolve.call(this, reply);
  };
  open.reject = function (this: Command, error) {
    fn();
    return reject.call(this, error);
  };
}

/** The commands of one connection, or batch, in order: what is queued in a transaction
 * changes keys when EXEC is answered. */
class Sequence {
  #queued: WrittenKeys[] | undefined;

  /** Notes a command; returns all that it may change. */
  note(name: string, keys: WrittenKeys | undefined): readonly WrittenKeys[] {
    if (name === "multi") this.#queued = [];
    else if (name === "exec" || name === "discard") {
      // MULTI was sent before there was a near cache: what it queued is not known.
      const queued = this.#queued ?? ["all"];
      this.#queued = undefined;
      return name === "exec" ? queued : [];
    } else if (keys !== undefined) this.#queued?.push(keys);
    return keys === undefined ? [] : [keys];
  }
}

/** Who has to forget the keys that are written. */
export interface WriteListener {
  forget(keys: WrittenKeys): void;
}

/**
 * Makes the near caches of a server forget what the commands of this manager change: when
 * they are sent, so that later reads ask the server, and when they are answered, as a read on
 * another connection may have been served in between. The server announces the changes too,
 * but on other connections, possibly after its reply.
 */
export class OwnWrites {
  readonly #listeners: ReadonlySet<WriteListener>;
  readonly #keyPrefix: string;
  readonly #sequences = new WeakMap<object, Sequence>();

  /**
   * @param listeners The near caches of the server, those included that are added later.
   * @param keyPrefix The key prefix of the database.
   */
  constructor(listeners: ReadonlySet<WriteListener>, keyPrefix: string) {
    this.#listeners = listeners;
    this.#keyPrefix = keyPrefix;
  }

  /** A route that takes note of what passes. */
  inFrontOf(route: CommandRoute): CommandRoute {
    return {
      ...route,
      dispatch: (command) => {
        if (this.#listeners.size > 0) this.#send(command, undefined);
        route.dispatch(command);
      },
      dispatchBatch: (commands) => {
        this.sendsBatch(commands);
        route.dispatchBatch(commands);
      },
      dispatchOnce: (commands, ...rest) => {
        this.sendsBatch(commands);
        route.dispatchOnce(commands, ...rest);
      },
    };
  }

  /** Commands are about to be sent together. */
  sendsBatch(commands: readonly Command[]): void {
    if (this.#listeners.size === 0) return;
    const sequence = new Sequence();
    for (const command of commands) this.#send(command, sequence);
  }

  /** A command is about to be sent on a connection that one user has alone. */
  sendsOn(connection: object, command: Command): void {
    if (this.#listeners.size === 0) return;
    let sequence = this.#sequences.get(connection);
    if (sequence === undefined) {
      this.#sequences.set(connection, sequence = new Sequence());
    }
    this.#send(command, sequence);
  }

  #send(command: Command, sequence: Sequence | undefined): void {
    const info = classifier.resolve(command.name, command.args);
    const own = writtenKeys(command, info, this.#keyPrefix);
    const all = sequence?.note(info.name, own) ?? (own === undefined ? [] : [own]);
    if (all.length === 0) return;
    const forget = () => {
      for (const keys of all) {
        for (const listener of this.#listeners) listener.forget(keys);
      }
    };
    forget();
    onSettled(command, forget);
  }
}
