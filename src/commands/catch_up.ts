import { Command } from "../connection/driver.ts";
import type { TrackedCommand } from "../connection/tracked.ts";
import { WAITS } from "../resilience/command_table.ts";
import { Unheard } from "./unheard.ts";

const CATCHING_UP = new Unheard();

/**
 * Whether a command waits for the writes that were made before it, such as WAIT.
 *
 * @param command The command, classified.
 * @returns `true` if it does.
 */
export function waitsForWrites({ tracking }: TrackedCommand): boolean {
  return tracking.info !== undefined && WAITS.has(tracking.info.name);
}

/**
 * Makes the command after which a WAIT on the same connection speaks of all writes that
 * the server has run by then, whoever made them. To the server, a WAIT waits for what was
 * written up to the last command of its own connection, which on a lease may be long ago.
 *
 * It is of the same name, so that whoever may send the one may send the other, and asks
 * for nothing, so that it does not block.
 *
 * @param command The command that will follow.
 * @returns The command, tracked; its outcome is nobody's business.
 */
export function makeCatchUp({ tracking }: TrackedCommand): TrackedCommand {
  const { name } = tracking.info!;
  const args = name === "waitaof" ? ["0", "0", "1"] : ["0", "1"];
  // Without a deadline: judging one, the connection would find that it is silent while
  // the command after this one waits.
  return CATCHING_UP.track(new Command(name, args), Infinity);
}
