import { Command } from "./ioredis.ts";
import { Buffer } from "node:buffer";
import type { SpentOptions } from "../core/errors/base.ts";
import { isWritable } from "../core/errors/command.ts";
import {
  CommandTimeoutError,
  ConnectionLostError,
  type Delivery,
  PartialError,
} from "../core/errors/mod.ts";
import type { Probe } from "../resilience/circuit_breaker.ts";
import type { CommandInfo } from "../resilience/command_class.ts";

/** Why a connection ended. */
export interface CloseReason {
  /** Closed by us, by the server or network, for lack of replies, or for invalid ones. */
  readonly kind: "closed" | "lost" | "silent" | "protocol";
  readonly text: string;
}

/** A server's answer to an internal command. */
export type QueryResult = { readonly reply: unknown } | { readonly error: Error };

/** The connection of a command, as those that settle the command use it. */
export interface CommandConnection {
  readonly endpoint: string;
  readonly createdAt: number;
  readonly isOpen: boolean;
  /** Handles the error of a command. */
  commandFailed(command: PendingCommand, error: Error): void;
  /** Handles the reply to EXEC. */
  execReplied(reply: unknown): void;
  /** When a command in flight was sent; `undefined` if it is not in flight. */
  sentAt(command: PendingCommand): number | undefined;
  /** Sends an internal command. */
  query(
    timeoutMs: number,
    name: string,
    ...args: (string | number | Uint8Array)[]
  ): Promise<QueryResult | undefined>;
  /** Calls back when all that was sent has been answered, or the connection has ended. */
  whenAnswered(fn: () => void): void;
  /** Calls back when the connection has ended. */
  onEnd(fn: (reason: CloseReason) => void): void;
  /** Ends the connection; later replies are dropped. */
  abandon(reason: CloseReason): void;
}

/** Receives the outcome of commands and decides whether a failed one is retried. */
export interface CommandOwner {
  /**
   * A command failed.
   *
   * @param error The error; free of arguments.
   * @param delivery Whether the command ran.
   */
  failed(command: PendingCommand, error: Error, delivery: Delivery): void;
  /** A command got a reply; `reply` is not converted yet. */
  replied(command: PendingCommand, reply: unknown): void;
  /** Tracks a command that runs a part of another one: with the settings of that call, and
   * within its deadline. */
  partOf?(whole: PendingCommand, part: Command): PendingCommand;
  /** Whether its commands run in parts, each of which is tracked by itself. */
  readonly isOfParts?: boolean;
  /** A command that ran in parts is settled. */
  wholeSettled?(): void;
}

/**
 * State that this package keeps of a command, beside that of ioredis.
 *
 * A class rather than a literal: V8 allocates literals that it saw survive in the old
 * generation from then on, and each such dead object kept its command, promise and reply
 * alive until the next full collection.
 */
export class CommandTracking {
  readonly owner: CommandOwner;
  /** The connection it is on, or was on last. */
  connection: CommandConnection | undefined = undefined;
  /** When it was first sent, or began to wait, on the monotonic clock. */
  startedAt = 0;
  /** Whether it had to wait before it could be sent. */
  waited = false;
  /** Its deadline after `startedAt`, in milliseconds; infinite for none. */
  timeoutMs: number;
  /** How often it was sent. */
  attempts = 0;
  /** Class of the command; set by its owner. */
  info: CommandInfo | undefined = undefined;
  /** Set while its outcome decides whether the circuit breaker closes again. */
  probe: Probe | undefined = undefined;
  /** Whether it may be resent although it writes and may have run; `undefined` if its caller
   * does not say. */
  retryWrites: boolean | undefined = undefined;
  /** Whether it was given to a socket and has no outcome yet. */
  underWay = false;
  /** Why it may have run in an earlier attempt. */
  uncertain: Error | undefined = undefined;
  /** Whether its outcome was reported to the caller. */
  settled = false;

  constructor(owner: CommandOwner, timeoutMs: number) {
    this.owner = owner;
    this.timeoutMs = timeoutMs;
  }
}

/** A command of ioredis that this package delivers. */
export interface PendingCommand extends Command {
  tracking: CommandTracking;
  /** Resolves the caller's promise. */
  succeed(reply: unknown): void;
  /** Rejects the caller's promise. */
  fail(error: Error): void;
  /** Settles the promise of a command whose `succeed` has other listeners, too. */
  adopt?(outcome: Promise<never>): void;
  /** Itself: it is its own entry in the queue of commands in flight. */
  readonly command: Command;
  /** The connections that read its keys, in their order, if it ran in parts. */
  answeredBy?: readonly (CommandConnection | undefined)[];
}

/** A command that its client may have held back. */
export interface HeldCommand {
  /** When it began to wait, on the monotonic clock: its deadline counts from then on. */
  waitingSince?: number;
}

/** A command of ioredis that may be tracked. */
type Trackable =
  & Pick<Command, "name" | "reject" | "resolve">
  & HeldCommand
  & { -readonly [K in "command" | "fail" | "succeed" | "tracking"]?: PendingCommand[K] };

/**
 * Notes that a command was answered.
 *
 * @returns `false` if the caller has its outcome already.
 */
export function acceptReply(command: PendingCommand, reply: unknown): boolean {
  const { tracking } = command;
  if (tracking.settled) return false;
  tracking.settled = true;
  if (command.name === "exec") tracking.connection?.execReplied(reply);
  tracking.owner.replied(command, reply);
  return true;
}

// Shared by all commands: the command is `this`, so none needs a closure of its own.
function onReply(this: PendingCommand, reply: unknown): void {
  if (!acceptReply(this, reply)) return;
  // Where ioredis cannot convert the reply, it rejects.
  this.reject = this.fail;
  succeedInOrder(this, decodeLarge(reply, this));
}

function onFailure(this: PendingCommand, error: Error): void {
  failCommand(this, error);
}

/** Number of errors that are on their way to their callers, for {@linkcode TURNS} each. */
let errorsInDelivery = 0;

/** Turns of the microtask queue from an error until its promise is rejected. */
const TURNS = 4;

async function afterTurns(fn: () => void): Promise<void> {
  for (let turn = 0; turn < TURNS; turn++) await undefined;
  fn();
}

/** Resolves a command's promise behind the errors that are on their way, so that callers
 * get their outcomes in the order of the replies. Hot path. */
export function succeedInOrder(
  command: Pick<PendingCommand, "succeed">,
  value: unknown,
): void {
  if (errorsInDelivery === 0) command.succeed(value);
  else void afterTurns(() => command.succeed(value));
}

/** A command failed: its connection or its owner decides what follows. */
export function failCommand(command: PendingCommand, error: Error): void {
  const { tracking } = command;
  if (tracking.settled) return;
  const { connection } = tracking;
  if (connection === undefined) tracking.owner.failed(command, error, "never-sent");
  else connection.commandFailed(command, error);
}

/**
 * Intercepts how a command is settled, so that its owner decides before the caller gets
 * the outcome. A command that cannot be written counts as settled.
 *
 * @param command The command, not sent yet.
 * @param timeoutMs Its deadline from its first sending or waiting.
 * @returns The same command.
 */
export function track(
  command: Command,
  owner: CommandOwner,
  timeoutMs: number,
): PendingCommand {
  const open = command as Trackable;
  const tracking = new CommandTracking(owner, timeoutMs);
  open.tracking = tracking;
  if (open.waitingSince !== undefined) {
    tracking.startedAt = open.waitingSince;
    tracking.waited = true;
  }
  if (open.succeed === undefined) {
    if (isWritable(open)) takeOver(open);
    else tracking.settled = true;
  }
  return command as PendingCommand;
}

/** Replaces what settles a command that ioredis made. */
function takeOver(command: Trackable): void {
  command.succeed = command.resolve;
  command.fail = command.reject;
  command.command ??= command as PendingCommand;
  command.resolve = onReply;
  command.reject = onFailure;
}

/**
 * Owns internal commands whose replies are ignored: the command behind each shows how it
 * went.
 */
export class FireAndForget implements CommandOwner {
  replied(): void {}

  failed(command: PendingCommand, error: Error): void {
    settleFailed(command, error);
  }

  /** Intercepts a command, as {@linkcode track} does. */
  track(command: Command, timeoutMs: number): PendingCommand {
    const tracked = track(command, this, timeoutMs);
    tracked.promise.catch(() => {});
    return tracked;
  }
}

/**
 * What a command that fails has taken: attempts and phases, for its error.
 *
 * @param sentAt When it was sent last; `undefined` if it waits.
 */
export function spentOn(
  { tracking: { attempts, startedAt } }: PendingCommand,
  now: number,
  sentAt?: number,
): SpentOptions {
  return sentAt === undefined ? { attempts, elapsed: { waitingMs: now - startedAt } } : {
    attempts,
    elapsed: { waitingMs: Math.max(0, sentAt - startedAt), answeringMs: now - sentAt },
  };
}

/** A command is retried: notes if it may have run already. */
export function noteUncertain(
  { tracking }: PendingCommand,
  error: Error,
  delivery: Delivery,
): void {
  const isLoss = delivery === "ambiguous" && tracking.info?.isRead !== true;
  if (isLoss) tracking.uncertain = error;
}

/** Reports to the caller that a command failed for good. If an earlier attempt may have
 * run, the error of that attempt is reported. */
export function settleFailed(command: PendingCommand, error: Error): void {
  const { tracking } = command;
  if (tracking.settled) return;
  tracking.settled = true;
  const { delivery } = (error ?? {}) as { delivery?: Delivery };
  const reported = delivery === "ambiguous" ? error : tracking.uncertain ?? error;
  if (isOfOneCommand(reported)) {
    // The promise follows this one from now on; `fail` informs the other listeners.
    const outcome = rejectAtCaller(reported);
    errorsInDelivery++;
    // No listener of the promise: V8 finds who awaits it only where there is one listener.
    void afterTurns(() => errorsInDelivery--);
    if (command.adopt === undefined) command.succeed(outcome);
    else command.adopt(outcome);
  }
  command.fail(reported);
}

/** Whether an error was made for one command; others are reported to many callers. */
function isOfOneCommand(error: Error | undefined): boolean {
  // The reason of an aborted signal may be anything.
  return error?.name === "ReplyError" || error instanceof CommandTimeoutError ||
    error instanceof ConnectionLostError || error instanceof PartialError;
}

/**
 * Sets the stack of an error to that of the code that awaits the command: where it is made, in the parser or
 * in a timer, the stack has no caller. It costs nothing for commands that succeed: V8 finds
 * that code by the promises. Where nothing awaits, or others listen too (a signal is watched,
 * a blocking command's connection), the stack is empty.
 */
async function rejectAtCaller(error: Error): Promise<never> {
  // The command's promise follows this one after two turns of the microtask queue.
  for (let turn = 0; turn < 3; turn++) await undefined;
  // Formatted when it is read: that would cost more than the command.
  Error.captureStackTrace(error, rejectAtCaller);
  throw error;
}

/**
 * From this many bytes on TextDecoder is faster than `Buffer.toString()`: twice as fast at
 * 400 bytes, five times at 4 KiB, fifteen times at 64 KiB. Below, its call costs more than
 * it saves.
 */
const LARGE_BYTES = 256;
/** Up to this many bytes always fit a string; ioredis handles what may not. */
const MAX_BYTES = 2 ** 28;

/** A byte order mark is a part of the value, as it is to `toString()`. */
const decoder = new TextDecoder("utf-8", { ignoreBOM: true });

/**
 * Converts the large Buffers of a reply to the same strings that ioredis would make, if the
 * caller wants strings; ioredis converts the rest.
 *
 * @param reply The raw reply. Lists are fresh from the parser and changed in place.
 */
export function decodeLarge(reply: unknown, command: object): unknown {
  // ioredis types this field as private.
  const { replyEncoding } = command as { replyEncoding?: string | null };
  if (replyEncoding !== "utf8") return reply;
  if (Array.isArray(reply)) decodeItems(reply);
  return isLarge(reply) ? decoder.decode(reply) : reply;
}

/** Small items are left to ioredis: writing them would cost as much as it saves. */
function decodeItems(items: unknown[]): void {
  for (let i = 0; i < items.length; i++) {
    const item = items[i];
    if (isLarge(item)) items[i] = decoder.decode(item);
    else if (Array.isArray(item)) decodeItems(item);
  }
}

function isLarge(value: unknown): value is Buffer {
  return value instanceof Buffer && value.length >= LARGE_BYTES &&
    value.length <= MAX_BYTES;
}

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
