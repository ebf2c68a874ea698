import { delay } from "@std/async/delay";
import { Command, isReplyError } from "../connection/ioredis.ts";
import {
  type PendingCommand,
  settleFailed,
  track,
} from "../connection/pending_command.ts";
import { WAITS } from "../resilience/command_table.ts";
import { classifyReplyError } from "../resilience/reply_errors.ts";

/**
 * Channel of the message that goes before a WAIT. A user's ACL has to allow it, and
 * subscribers of all channels see it.
 */
export const WAIT_CHANNEL = "mooring:wait";

/** What to do where the server refuses the message. */
export const WAIT_BARRIER_ADVICE = "without it the server would confirm writes that no " +
  `replica has: allow the user PUBLISH to the channel "${WAIT_CHANNEL}" ` +
  `(ACL SETUSER … +publish &${WAIT_CHANNEL}), or write and wait on one lease of ` +
  "manager.acquire()";

/** Whether a command waits for the writes that were made before it, such as WAIT. */
export function waitsForWrites({ tracking }: PendingCommand): boolean {
  return tracking.info !== undefined && WAITS.has(tracking.info.name);
}

/**
 * Makes a WAIT that follows on the same connection cover all writes that the server has
 * run by then, on whatever connection.
 *
 * A WAIT waits for the replication offset that its own connection has reached. Up to Redis
 * 7.2 and Valkey 8.0 every command moves that offset to the server's; on Redis 8 and Valkey
 * 8.1 only a command that is replicated does, so that a WAIT on a connection which has
 * written nothing would confirm everything. A PUBLISH is replicated on all of them, and
 * changes no data. It rejects with the error if the message failed.
 */
export async function passWaitBarrier(
  send: (command: PendingCommand) => void,
  timeoutMs: number,
): Promise<void> {
  for (let leftMs = timeoutMs;;) {
    try {
      return await publish(send, leftMs);
    } catch (error) {
      if (!isReplyError(error)) throw error;
      const { action, waitMs } = classifyReplyError(error.message).rule;
      leftMs -= waitMs;
      if (action !== "wait" || leftMs <= 0) throw error;
      await delay(waitMs);
    }
  }
}

function publish(
  send: (command: PendingCommand) => void,
  timeoutMs: number,
): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const owner = {
    replied: () => resolve(),
    failed: (command: PendingCommand, error: Error) => {
      reject(error);
      settleFailed(command, error);
    },
  };
  const tracked = track(new Command("publish", [WAIT_CHANNEL, ""]), owner, timeoutMs);
  tracked.promise.catch(() => {});
  send(tracked);
  return promise;
}
