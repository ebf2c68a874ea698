import type { PendingCommand } from "../connection/pending_command.ts";

/**
 * The first command of a batch that may not run on a shared connection. MULTI and EXEC
 * may, where the library's transaction chain brings them in pairs: nothing of others
 * can come in between.
 *
 * @param batch The commands, classified.
 * @returns The command, or `undefined` if all may run.
 */
export function unfitForBatch(
  batch: readonly PendingCommand[],
): PendingCommand | undefined {
  let multi: PendingCommand | undefined;
  for (const command of batch) {
    const { info } = command.tracking;
    if (info!.name === "multi") {
      if (multi !== undefined) return command;
      multi = command;
    } else if (info!.name === "exec" || info!.name === "discard") {
      if (multi === undefined) return command;
      multi = undefined;
    } else if (info!.class === "blocking") {
      // Within a transaction they do not block.
      if (multi === undefined) return command;
    } else if (info!.class !== "read" && info!.class !== "write") return command;
  }
  return multi;
}
