import type { Command } from "ioredis";
import type { SpentOptions } from "../core/errors/base.ts";
import { isWritable } from "../core/errors/command.ts";
import {
  CommandTimeoutError,
  ConnectionLostError,
  type Delivery,
} from "../core/errors/mod.ts";
import type { Probe } from "../resilience/circuit_breaker.ts";
import type { CommandInfo } from "../resilience/command_class.ts";
import type { Connection } from "./connection.ts";
import { decodeLarge } from "./reply_decoding.ts";

/** Decides what becomes of a command that failed: tried again, or told to the caller. */
export interface CommandOwner {
  /**
   * A command did not succeed.
   *
   * @param command The command.
   * @param error Why; free of arguments.
   * @param delivery What is known of it.
   */
  failed(command: TrackedCommand, error: Error, delivery: Delivery): void;
  /**
   * A command got a reply.
   *
   * @param command The command.
   * @param reply The raw reply.
   */
  replied(command: TrackedCommand, reply: unknown): void;
}

/**
 * What this package keeps of a command beside what the client library does.
 *
 * A class rather than a literal: the engine allocates literals that it saw survive in
 * the old generation from then on, and each such dead object kept its command, promise
 * and reply alive until the next full collection.
 */
export class Tracking {
  /** Who decides when it fails. */
  readonly owner: CommandOwner;
  /** The connection it is on or was on last. */
  connection: Connection | undefined = undefined;
  /** When it was first sent, or began to wait, on the monotonic clock. */
  startedAt = 0;
  /** Whether it had to wait before it could be sent. */
  waited = false;
  /** Its deadline after that, in milliseconds; infinite if it has none here. */
  timeoutMs: number;
  /** How often it was sent. */
  attempts = 0;
  /** What kind of command it is; set by its owner. */
  info: CommandInfo | undefined = undefined;
  /** Set while its outcome decides whether the circuit breaker closes again. */
  probe: Probe | undefined = undefined;
  /** Whether it may be sent again although it writes and its fate is unknown;
   * `undefined` if its caller does not say. */
  retryWrites: boolean | undefined = undefined;
  /** Whether it was given to a socket, and nothing has come of it yet. */
  underWay = false;
  /** Why it may have run in an attempt before this one. */
  uncertain: Error | undefined = undefined;
  /** Whether the caller has been told. */
  settled = false;

  constructor(owner: CommandOwner, timeoutMs: number) {
    this.owner = owner;
    this.timeoutMs = timeoutMs;
  }
}

/** A command of the client library that this package delivers. */
export interface TrackedCommand extends Command {
  /** What this package keeps of it. */
  tracking: Tracking;
  /** Tells the caller the reply. */
  succeed(reply: unknown): void;
  /** Tells the caller the error. */
  fail(error: Error): void;
  /** Settles the promise of a command whose `succeed` tells others, too. */
  adopt?(outcome: Promise<never>): void;
  /** Itself: it is its own entry in the library's queue of commands in flight. */
  readonly command: Command;
}

/** What the client library leaves open on a command, and we take over. */
interface Settleable {
  readonly name: string;
  resolve(reply: unknown): void;
  reject(error: Error): void;
  tracking?: Tracking;
  succeed?(reply: unknown): void;
  fail?(error: Error): void;
  command?: unknown;
}

// Shared by all commands: the command is `this`, so none needs a closure of its own.
function onReply(this: TrackedCommand, reply: unknown): void {
  const { tracking } = this;
  if (tracking.settled) return;
  tracking.settled = true;
  if (this.name === "exec") tracking.connection?.execReplied(reply);
  tracking.owner.replied(this, reply);
  // Where the library cannot make what was asked for of the reply, it rejects.
  this.reject = this.fail;
  const decoded = decodeLarge(reply, this);
  if (isInTurn()) this.succeed(decoded);
  else inTurn(() => this.succeed(decoded));
}

/** Errors on their way to their callers, which takes them {@linkcode TURNS}. */
let telling = 0;

/** Turns of the microtask queue that an error takes until its promise is rejected. */
const TURNS = 4;

/**
 * Whether a caller may be told of a reply at once: none before it is an error that is still
 * on its way. Asked for each reply.
 *
 * @returns `true` if he may.
 */
export function isInTurn(): boolean {
  return telling === 0;
}

/**
 * Tells a caller of a reply behind the errors that are on their way, so that callers learn
 * in the order of the replies.
 *
 * @param tell Tells him.
 */
export async function inTurn(tell: () => void): Promise<void> {
  for (let turn = 0; turn < TURNS; turn++) await undefined;
  tell();
}

function onFailure(this: TrackedCommand, error: Error): void {
  failTracked(this, error);
}

/**
 * A command failed, or the library says so: its connection or its owner decides.
 *
 * @param command The command.
 * @param error Why.
 */
export function failTracked(command: TrackedCommand, error: Error): void {
  const { tracking } = command;
  if (tracking.settled) return;
  const { connection } = tracking;
  if (connection === undefined) tracking.owner.failed(command, error, "never-sent");
  else connection.commandFailed(command, error);
}

/** Takes over what settles a command that the library has made. */
function takeOver(command: Settleable): void {
  command.succeed = command.resolve;
  command.fail = command.reject;
  if (command.command === undefined) command.command = command;
  command.resolve = onReply as unknown as Settleable["resolve"];
  command.reject = onFailure as unknown as Settleable["reject"];
}

/**
 * Takes over how a command is settled, so that its failure can be judged before the
 * caller hears of it. One that cannot be written counts as settled.
 *
 * @param command The command, not sent yet.
 * @param owner Who decides when it fails.
 * @param timeoutMs Its deadline from its first sending or waiting.
 * @returns The same command.
 */
export function track(
  command: Command,
  owner: CommandOwner,
  timeoutMs: number,
): TrackedCommand {
  const open = command as unknown as Settleable;
  const tracking = new Tracking(owner, timeoutMs);
  open.tracking = tracking;
  if (open.succeed === undefined) {
    if (isWritable(open)) takeOver(open);
    else tracking.settled = true;
  }
  return command as TrackedCommand;
}

/**
 * Settles a command of our own by functions in place of a promise: at once, within the
 * chunk of replies that answers it.
 *
 * @param command The command, not sent yet.
 * @param replied Called with its reply.
 * @param failed Called with its error.
 */
export function intercept(
  command: Command,
  replied: (reply: unknown) => void,
  failed: (error: Error) => void,
): void {
  const open = command as unknown as Settleable;
  open.resolve = replied;
  open.reject = failed;
}

/**
 * What a command that fails has taken.
 *
 * @param command The command.
 * @param now Time, on the monotonic clock.
 * @param sentAt When it was sent last; `undefined` if it waits.
 * @returns Attempts and phases, for its error.
 */
export function spentOn(
  { tracking: { attempts, startedAt } }: TrackedCommand,
  now: number,
  sentAt?: number,
): SpentOptions {
  return sentAt === undefined ? { attempts, elapsed: { waitingMs: now - startedAt } } : {
    attempts,
    elapsed: { waitingMs: Math.max(0, sentAt - startedAt), answeringMs: now - sentAt },
  };
}

/**
 * A command is tried again: notes if it may have run already.
 *
 * @param command The command.
 * @param error Why it failed.
 * @param delivery What is known of it.
 */
export function noteUncertain(
  { tracking }: TrackedCommand,
  error: Error,
  delivery: Delivery,
): void {
  const isLoss = delivery === "ambiguous" && tracking.info?.isRead !== true;
  if (isLoss) tracking.uncertain = error;
}

/**
 * Tells the caller that a command failed, for good. If an attempt before the last one may
 * have run, that is what is told.
 *
 * @param command The command.
 * @param error Why.
 */
export function settleFailed(command: TrackedCommand, error: Error): void {
  const { tracking } = command;
  if (tracking.settled) return;
  tracking.settled = true;
  const isAmbiguous = (error as { delivery?: Delivery } | undefined)?.delivery ===
    "ambiguous";
  const told = isAmbiguous ? error : tracking.uncertain ?? error;
  if (isOfOneCommand(told)) {
    // The promise follows the other one from now on; `fail` tells who else listens.
    const outcome = rejectAtCaller(told);
    telling++;
    // No listener of the promise: the engine finds who awaits only where he is alone.
    void inTurn(() => telling--);
    if (command.adopt === undefined) command.succeed(outcome);
    else command.adopt(outcome);
  }
  command.fail(told);
}

/** Whether an error was made for one command: others are told to many callers. */
function isOfOneCommand(error: Error | undefined): boolean {
  // What a signal was aborted with may be anything.
  return error?.name === "ReplyError" || error instanceof CommandTimeoutError ||
    error instanceof ConnectionLostError;
}

/**
 * Gives an error the stack of who awaits the command: where it was made, in the parser or
 * in a timer, nobody knows the caller. It costs nothing for commands that succeed: the
 * engine finds who awaits by the promises. Where nobody does, or others listen too (a signal
 * is watched, a blocking command's connection), the stack is empty.
 */
async function rejectAtCaller(error: Error): Promise<never> {
  // The command's promise follows this one after two turns of the microtask queue.
  for (let turn = 0; turn < 3; turn++) await undefined;
  // Put into words when it is read: that would cost more than the command.
  Error.captureStackTrace(error, rejectAtCaller);
  throw error;
}
