import type { Command } from "./driver.ts";
import {
  type CommandOwner,
  settleFailed,
  track,
  type TrackedCommand,
} from "./tracked.ts";

/**
 * Owns commands of ours whose replies nobody waits for: the command that goes behind each
 * tells how it went.
 *
 * @example Usage
 * ```ts ignore
 * const asking = new Unheard();
 * connection.send(asking.track(new Command("asking"), 1000));
 * connection.send(command);
 * ```
 */
export class Unheard implements CommandOwner {
  /** Does nothing. */
  replied(): void {}

  /**
   * Settles it.
   *
   * @param command The command.
   * @param error Why it failed.
   */
  failed(command: TrackedCommand, error: Error): void {
    settleFailed(command, error);
  }

  /**
   * Takes a command over.
   *
   * @param command The command, not sent yet.
   * @param timeoutMs Its deadline, in milliseconds; infinite for none.
   * @returns The same command.
   */
  track(command: Command, timeoutMs: number): TrackedCommand {
    const tracked = track(command, this, timeoutMs);
    tracked.promise.catch(() => {});
    return tracked;
  }
}
