import { exists, getKeyIndexes, hasFlag } from "@ioredis/commands";
import { CommandClassifier } from "../resilience/command_class.ts";

/** The flags of Redis that decide how a command is treated. */
const FLAGS = ["readonly", "write", "blocking", "admin", "pubsub", "noscript"] as const;

/**
 * Flags of a command as the client library's own metadata has them.
 *
 * @param name Name of the command in lower case.
 * @returns Its flags; `undefined` if the library does not know it.
 */
export function flagsOf(name: string): readonly string[] | undefined {
  return exists(name) ? FLAGS.filter((flag) => hasFlag(name, flag)) : undefined;
}

/**
 * Where the client library has found keys, and put the key prefix before them.
 *
 * @param name Name of the command in lower case.
 * @param args Its arguments.
 * @returns Their indexes; none if it does not know the command.
 */
export function libraryKeys(name: string, args: readonly unknown[]): readonly number[] {
  // It takes bytes as well; its types know texts only.
  return exists(name)
    ? getKeyIndexes(name, args as string[]).flatMap((index) => index)
    : [];
}

/** Classifies commands, for every database. */
export const classifier: CommandClassifier = new CommandClassifier(flagsOf);
