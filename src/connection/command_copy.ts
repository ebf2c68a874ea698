import { takePlaces } from "./command_keys.ts";
import type { Command } from "./driver.ts";
import { type CommandOptions, ManagedCommand } from "./managed_command.ts";

/**
 * Makes a command that was settled anew, to be sent once more.
 *
 * @param command The command; its arguments are texts and Buffers, with their prefix.
 * @returns The same command, not sent yet.
 */
export function copyCommand(command: Command): Command {
  const { args, inTransaction, name } = command;
  const { replyEncoding } = command as unknown as CommandOptions;
  const managed = new ManagedCommand(name, [...args], { replyEncoding });
  const copy = managed as unknown as Command;
  copy.inTransaction = inTransaction;
  takePlaces(copy, command);
  return copy;
}
