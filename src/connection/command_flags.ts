import { exists, hasFlag } from "@ioredis/commands";

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
