import { Command } from "../connection/driver.ts";
import {
  type CommandOwner,
  settleFailed,
  track,
  type TrackedCommand,
} from "../connection/tracked.ts";

/** Nobody waits for the reply to an ASKING: the command behind it tells how it went. */
const OWNER: CommandOwner = {
  replied: () => {},
  failed: (command, error) => settleFailed(command, error),
};

/**
 * Makes the command that lets the next one run on a cluster's node which does not serve its
 * slot yet.
 *
 * @param timeoutMs Its deadline, in milliseconds.
 * @returns The command, tracked; its outcome is nobody's business.
 */
export function makeAsking(timeoutMs: number): TrackedCommand {
  const asking = track(new Command("asking"), OWNER, timeoutMs);
  asking.promise.catch(() => {});
  return asking;
}

/**
 * Whether a command is one that {@linkcode makeAsking} has made.
 *
 * @param command The command.
 * @returns `true` if it is.
 */
export function isAsking(command: TrackedCommand): boolean {
  return command.tracking.owner === OWNER;
}
