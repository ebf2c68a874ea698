import { Command } from "../connection/ioredis.ts";
import { FireAndForget, type PendingCommand } from "../connection/pending_command.ts";

const ASKING = new FireAndForget();

/**
 * Makes the command that lets the next one run on a cluster's node which does not serve its
 * slot yet.
 *
 * @param timeoutMs Its deadline, in milliseconds.
 * @returns The command, tracked; its outcome is nobody's business.
 */
export function makeAsking(timeoutMs: number): PendingCommand {
  return ASKING.track(new Command("asking"), timeoutMs);
}

/**
 * Whether a command is one that {@linkcode makeAsking} has made.
 *
 * @param command The command.
 * @returns `true` if it is.
 */
export function isAsking(command: PendingCommand): boolean {
  return command.tracking.owner === ASKING;
}
