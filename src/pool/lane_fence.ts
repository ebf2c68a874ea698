import { Command } from "../connection/ioredis.ts";
import {
  type CommandOwner,
  type PendingCommand,
  settleFailed,
  track,
} from "../connection/pending_command.ts";

/** Where commands can be sent: in order, each way for itself. */
export type Way = (command: PendingCommand) => void;

/**
 * Finds out when all that was sent before, on several ways, has been answered: behind it
 * goes a PING on each, as whoever is asked answers in order.
 *
 * @param ways The ways.
 * @param timeoutMs How long the answers may take, in milliseconds.
 * @returns Whether all have come; if not, a connection was lost or the time was up.
 */
export async function passFence(
  ways: readonly Way[],
  timeoutMs: number,
): Promise<boolean> {
  const passed = await Promise.all(ways.map((send) => pass(send, timeoutMs)));
  return passed.every((each) => each);
}

function pass(send: Way, timeoutMs: number): Promise<boolean> {
  const { promise, resolve } = Promise.withResolvers<boolean>();
  const owner: CommandOwner = {
    replied: () => resolve(true),
    failed: (command, error, delivery) => {
      // An error reply is an answer, too.
      resolve(delivery === "rejected");
      settleFailed(command, error);
    },
  };
  const ping = track(new Command("ping"), owner, timeoutMs);
  ping.promise.catch(() => {});
  send(ping);
  return promise;
}
