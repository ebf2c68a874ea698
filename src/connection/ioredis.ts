/**
 * The only runtime import of ioredis, and what of it is the same for every connection.
 * Other files may import types of ioredis.
 *
 * @module
 */
import { restoreEnvironment } from "./env_access.ts";
import { ReplyError as LibraryReplyError } from "ioredis";

export {
  Command,
  Pipeline,
  Redis,
  type RedisOptions,
  ReplyError as LibraryReplyError,
} from "ioredis";

restoreEnvironment();

/** A client of ioredis: every command, its pipelines, its events. */
export type IORedis<Mapping extends "legacy" | "resp3" = "legacy"> = ReturnType<
  (library: typeof import("ioredis")) => InstanceType<typeof library.Redis<Mapping>>
>;

/** A pipeline of ioredis: every command, each returning the pipeline. */
export type IORedisPipeline = ReturnType<IORedis["pipeline"]>;

/** One command of ioredis, with its name, arguments and promise. */
export type IORedisCommand = InstanceType<(typeof import("ioredis"))["Command"]>;

/** Listener for a client's errors: ioredis prints errors that have no listener. */
export function ignoreErrors(): void {}

/** Whether an error is an error reply of the server. */
export function isReplyError(error: unknown): error is Error & { name: "ReplyError" } {
  return error instanceof LibraryReplyError;
}

/** Arguments that a server quotes in its reply to an unknown command. */
const QUOTED_ARGUMENTS = /,? with args beginning with:.*$/s;
/** A quoted part of an ACL rule, which may be a password or its hash. */
const ACL_MODIFIER = /^(ERR Error in ACL SETUSER modifier )'.*'(?=: )/s;

/**
 * Removes quoted arguments from the text of an error reply: they may be secrets, and the
 * text is logged. Names of commands, subcommands and settings stay.
 */
export function withoutQuotes(text: string): string {
  return text.replace(QUOTED_ARGUMENTS, "").replace(ACL_MODIFIER, "$1***");
}

/**
 * Removes the arguments from an error of ioredis: they hold what the caller passed,
 * passwords included.
 *
 * @returns The same error.
 */
export function withoutArguments<E>(error: E): E {
  const command = (error as { command?: { name: string } }).command;
  if (command !== undefined) {
    Object.assign(error as object, { command: { name: command.name, args: [] } });
  }
  if (!isReplyError(error)) return error;
  const { message, stack } = error as Error;
  const text = withoutQuotes(message);
  if (text !== message) {
    error.message = text;
    // The stack begins with the message.
    if (stack !== undefined) error.stack = stack.replace(message, () => text);
  }
  return error;
}
