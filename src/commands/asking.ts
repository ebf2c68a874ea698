import { Command } from "../connection/driver.ts";
import type { TrackedCommand } from "../connection/tracked.ts";
import { Unheard } from "../connection/unheard.ts";

const ASKING = new Unheard();

/**
 * Makes the command that lets the next one run on a cluster's node which does not serve its
 * slot yet.
 *
 * @param timeoutMs Its deadline, in milliseconds.
 * @returns The command, tracked; its outcome is nobody's business.
 */
export function makeAsking(timeoutMs: number): TrackedCommand {
  return ASKING.track(new Command("asking"), timeoutMs);
}

/**
 * Whether a command is one that {@linkcode makeAsking} has made.
 *
 * @param command The command.
 * @returns `true` if it is.
 */
export function isAsking(command: TrackedCommand): boolean {
  return command.tracking.owner === ASKING;
}
