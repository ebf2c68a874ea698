import type { SpentOptions } from "../core/errors/base.ts";
import {
  CommandTimeoutError,
  ConnectionLostError,
  type Delivery,
  ProtocolError,
} from "../core/errors/mod.ts";
import type { CloseReason } from "./connection.ts";
import { spentOn, type TrackedCommand } from "./tracked.ts";

/** A command in the library's queue: one of ours, or a question of our own. */
interface Sent {
  readonly name: string;
  reject(error: Error): void;
}

/** Commands of a connection that is judged, or has ended. */
export interface Judged {
  /** Name of the database. */
  readonly database: string;
  /** Time, on the monotonic clock. */
  readonly now: number;
  /** When each tracked command was sent, in order; those that wait have none. */
  readonly times: Iterator<number, undefined>;
}

/**
 * The error for a command whose connection has ended.
 *
 * @param database Name of the database.
 * @param command The command.
 * @param delivery What is known of it.
 * @param reason Why the connection ended.
 * @param spent What it has taken.
 * @returns The error.
 */
export function lossOf(
  database: string,
  { name }: { readonly name: string },
  delivery: Delivery,
  { kind, text }: CloseReason,
  spent: SpentOptions,
): Error {
  return kind === "protocol" && delivery === "ambiguous"
    ? new ProtocolError(database, text, delivery, spent)
    : new ConnectionLostError(database, name, delivery, text, spent);
}

/**
 * Fails what was in flight on a connection that has ended, each by what is known of it.
 *
 * @param commands The commands, in order; those held back after those sent.
 * @param sent How many of them reached the socket.
 * @param reason Why it ended.
 * @param judged Of which connection they are.
 */
export function failLost(
  commands: readonly Sent[],
  sent: number,
  reason: CloseReason,
  { database, now, times }: Judged,
): void {
  commands.forEach((command, i) => {
    const delivery: Delivery = i < sent ? "ambiguous" : "never-sent";
    const tracked = command as TrackedCommand;
    const { tracking } = tracked;
    if (tracking === undefined) {
      return command.reject(lossOf(database, command, delivery, reason, {}));
    }
    const sentAt = times.next().value;
    tracking.underWay = false;
    if (tracking.settled) return;
    const spent = spentOn(tracked, now, i < sent ? sentAt : undefined);
    const error = lossOf(database, command, delivery, reason, spent);
    tracking.owner.failed(tracked, error, delivery);
  });
}

/**
 * Fails those whose time is over.
 *
 * @param commands The commands, in order.
 * @param delivery What is known of all of them.
 * @param judged Of which connection they are.
 * @returns How many were failed, whether the server should have answered one of them, and
 * the next deadline; infinite for none.
 */
export function failOverdue(
  commands: readonly { readonly name: string }[],
  delivery: Delivery,
  { database, now, times }: Judged,
): { expired: number; isAnswerDue: boolean; next: number } {
  let expired = 0;
  let isAnswerDue = false;
  let next = Infinity;
  for (const command of commands as readonly TrackedCommand[]) {
    const { tracking } = command;
    if (tracking === undefined) continue;
    const sentAt = times.next().value;
    if (tracking.settled) continue;
    const { startedAt, timeoutMs } = tracking;
    if (startedAt + timeoutMs > now) next = Math.min(next, startedAt + timeoutMs);
    else {
      expired++;
      // One that blocks, and was sent late in its caller's time, is not owed a reply yet.
      const dueAt = sentAt! + (tracking.info?.class === "blocking" ? timeoutMs : 0);
      isAnswerDue ||= dueAt <= now;
      const spent = spentOn(command, now, delivery === "ambiguous" ? sentAt : undefined);
      const { name } = command;
      const error = new CommandTimeoutError(database, name, timeoutMs, delivery, spent);
      tracking.owner.failed(command, error, delivery);
    }
  }
  return { expired, isAnswerDue, next };
}
