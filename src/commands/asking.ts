import { Command } from "../connection/driver.ts";
import type { TrackedCommand } from "../connection/tracked.ts";
import { Unheard } from "../connection/unheard.ts";

const ASKING = new Unheard();

/** Makes an ASKING: it lets the next command run on a node of a cluster that does not serve
 * its slot yet. Its reply is ignored. */
export function makeAsking(timeoutMs: number): TrackedCommand {
  return ASKING.track(new Command("asking"), timeoutMs);
}

/** Whether a command is one that {@linkcode makeAsking} has made. */
export function isAsking(command: TrackedCommand): boolean {
  return command.tracking.owner === ASKING;
}
