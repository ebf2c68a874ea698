import { Command } from "../connection/ioredis.ts";
import { FireAndForget, type PendingCommand } from "../connection/pending_command.ts";

const ASKING = new FireAndForget();

/** Makes an ASKING: it lets the next command run on a node of a cluster that does not serve
 * its slot yet. Its reply is ignored. */
export function makeAsking(timeoutMs: number): PendingCommand {
  return ASKING.track(new Command("asking"), timeoutMs);
}

/** Whether a command is one that {@linkcode makeAsking} has made. */
export function isAsking(command: PendingCommand): boolean {
  return command.tracking.owner === ASKING;
}
