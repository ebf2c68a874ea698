import { delay } from "@std/async/delay";
import { isReplyError } from "../connection/ioredis.ts";
import {
  type CommandOwner,
  type HeldCommand,
  noteUncertain,
  type PendingCommand,
} from "../connection/pending_command.ts";
import type { Clock, Timer } from "../core/clock.ts";
import {
  CommandAbortedError,
  CommandTimeoutError,
  ConnectionLostError,
  type Delivery,
  ManagerClosedError,
} from "../core/errors/mod.ts";
import type { ScopedCommand } from "./call_options.ts";
import type { RetryDecision } from "./retry.ts";

/** A connection that one blocking command has alone. */
export interface BlockingLease {
  /** The connection's id on the server (CLIENT ID); `undefined` while it is not known, `null`
   * if the server refuses the question. */
  readonly clientId: number | null | undefined;
  /** Prepares the connection for the command, where that takes time; rejects if it must not
   * be sent. */
  prepare?(command: PendingCommand): Promise<void> | undefined;
  /** Sends the command. */
  send(command: PendingCommand): void;
  /** Gives the connection back. */
  release(): void;
  /** Closes it; the server notices. */
  destroy(): void;
}

/** What blocking commands need. */
export interface BlockingOptions {
  /** Name of the database. */
  readonly database: string;
  /** Deadline of a command once it was sent, in milliseconds: its own timeout and more. */
  readonly timeoutOf: (command: PendingCommand) => number;
  /** Leases a connection; the signal ends the wait for it. */
  readonly acquire: (
    command: PendingCommand,
    signal: AbortSignal,
  ) => Promise<BlockingLease>;
  /** Asks the server, over another connection, to end what the connection of this number
   * waits for; gives whether it waited for anything, `undefined` if the server cannot be
   * asked or does not answer. Never rejects. */
  readonly unblock: (
    clientId: number,
    withinMs: number,
    lease: BlockingLease,
  ) => Promise<boolean | undefined>;
  /** Decides whether a command that failed is retried. */
  readonly decide: (
    command: PendingCommand,
    error: Error,
    delivery: Delivery,
  ) => Pick<RetryDecision, "retry" | "delayMs" | "reresolve">;
  /** A command got its reply: counts it. */
  readonly replied: (command: PendingCommand, reply: unknown) => void;
  /** A command failed for good: counts it and rejects its promise. */
  readonly failed: (command: PendingCommand, error: Error) => void;
  /** The connections lead to a server that cannot serve: find it anew. */
  readonly reresolve: (reason: string) => void;
  /** Time. */
  readonly clock: Clock;
}

/** Connections that may be lost one after the other while a command is prepared. */
const MAX_LOST = 3;
/** Longest wait for the server's answer after a signal has aborted, in milliseconds. */
const ABORT_MS = 1000;
/** The same after a deadline, which is not to be missed by more than this. */
const OVERTIME_MS = 100;
/** Pause before the server is asked again: the command may have been on its way to it. */
const ASK_AGAIN_MS = 5;

/** Why a command is cancelled. */
export interface Cancellation {
  /** The caller's error if the command took nothing. */
  readonly untouched: Error;
  /** The caller's error if that is not known. */
  readonly ambiguous: (loss: Error) => Error;
}

/** A command that has not been settled. */
interface Run {
  /** Ends the wait for a connection. */
  readonly giveUp: AbortController;
  /** When it has to be over, on the monotonic clock; infinite if its caller did not say. */
  readonly deadline: number;
  readonly timer: Timer | undefined;
  /** Its connection, once it has one. */
  lease: BlockingLease | undefined;
  cut: Cancellation | undefined;
  /** Resolves when it was answered or its connection is gone, while it is cancelled. */
  readonly over: PromiseWithResolvers<void>;
}

/**
 * Runs each blocking command of the ordinary client on a connection of its own, which
 * goes back to the pool when the reply has come. A command that ends without a reply takes
 * its connection with it: a consumer that is left on the server would swallow a value.
 *
 * A command that is cancelled, by its signal, its deadline or the closing of the manager, is
 * ended on the server by `CLIENT UNBLOCK`, over another connection. The server's answer to
 * it decides: it resolves with the reply if one was on its way, else it rejects as one that
 * took nothing. Without an answer in time its connection is closed, and it is ambiguous.
 */
export class BlockingCommands implements CommandOwner {
  readonly #options: BlockingOptions;
  readonly #runs = new Map<PendingCommand, Run>();
  #closed = false;

  constructor(options: BlockingOptions) {
    this.#options = options;
  }

  /** Commands that have not been settled. */
  get size(): number {
    return this.#runs.size;
  }

  /** Runs a command that was not sent yet. */
  run(command: PendingCommand): void {
    const { clock, timeoutOf } = this.#options;
    const { timeoutMs = Infinity } = (command as ScopedCommand).call ?? {};
    // It fails here from now on: on a lane it would hold everybody up. A deadline of its
    // caller's is watched here too, as the server has to be asked then.
    const ownMs = timeoutMs === Infinity ? timeoutOf(command) : Infinity;
    const { waitingSince = clock.now() } = command as HeldCommand;
    // How long it may block counts from when it is sent.
    Object.assign(command.tracking, { owner: this, timeoutMs: ownMs, waited: false });
    const deadline = waitingSince + timeoutMs;
    const run: Run = {
      giveUp: new AbortController(),
      deadline,
      timer: timeoutMs === Infinity
        ? undefined
        // A reply that has arrived is read first.
        : clock.setTimer(
          () => clock.afterPoll(() => this.#expire(command, timeoutMs)),
          deadline - clock.now(),
        ),
      lease: undefined,
      cut: undefined,
      over: Promise.withResolvers(),
    };
    this.#runs.set(command, run);
    void this.#attempt(command, run);
    // What settles it elsewhere leaves no consumer on the server.
    const over = () => this.#end(command)?.lease?.destroy();
    command.promise.then(over, over);
  }

  /** Cancels a command whose caller's signal has aborted; `false` if it is none of these. */
  abort(command: PendingCommand, reason: unknown): boolean {
    const run = this.#runs.get(command);
    if (run === undefined) return false;
    const { clock, database } = this.#options;
    const leftMs = run.deadline - clock.now();
    void this.#cancel(command, {
      untouched: reason as Error,
      ambiguous: () => new CommandAbortedError(database, command.name, reason),
    }, Math.min(ABORT_MS, leftMs + OVERTIME_MS));
    return true;
  }

  /** Takes no more commands, and cancels those that wait; the server may take `withinMs`
   * milliseconds to answer. */
  async close(withinMs: number): Promise<void> {
    this.#closed = true;
    const untouched = new ManagerClosedError(this.#options.database);
    await this.cancelAll({ untouched, ambiguous: (loss) => loss }, withinMs);
  }

  /** Cancels all that wait; the server may take `withinMs` milliseconds to answer. */
  async cancelAll(cut: Cancellation, withinMs: number): Promise<void> {
    await Promise.all(
      [...this.#runs.keys()].map((command) => this.#cancel(command, cut, withinMs)),
    );
  }

  /** A command got its reply. */
  replied(command: PendingCommand, reply: unknown): void {
    const run = this.#end(command);
    if (run !== undefined) this.#returnLease(run, true);
    this.#options.replied(command, reply);
  }

  /** A command failed: retries it on another connection, or rejects it. */
  failed(command: PendingCommand, error: Error, delivery: Delivery): void {
    const run = this.#runs.get(command);
    if (run === undefined) return;
    this.#returnLease(run, isReplyError(error));
    if (run.cut !== undefined) {
      return this.#fail(command, errorAfter(error, delivery, run.cut));
    }
    const decision = this.#options.decide(command, error, delivery);
    if (decision.reresolve) this.#options.reresolve(error.message);
    if (!decision.retry) return this.#fail(command, error);
    noteUncertain(command, error, delivery);
    run.lease = undefined;
    this.#attemptLater(command, run, decision.delayMs);
  }

  async #attempt(command: PendingCommand, run: Run): Promise<void> {
    const { database } = this.#options;
    try {
      if (this.#closed) throw new ManagerClosedError(database);
      const lease = await this.#acquire(command, run);
      if (this.#runs.get(command) !== run) return lease.release();
      // The breaker needs a connection, not a reply, which may take for ever.
      command.tracking.probe?.succeed();
      run.lease = lease;
      lease.send(command);
    } catch (error) {
      if (this.#runs.get(command) === run) this.#fail(command, error as Error);
    }
  }

  /** Leases a connection that the command may be sent on. */
  async #acquire(command: PendingCommand, run: Run): Promise<BlockingLease> {
    const { signal } = run.giveUp;
    for (let lost = 0;; lost++) {
      const lease = await this.#options.acquire(command, signal);
      try {
        const preparing = lease.prepare?.(command);
        if (preparing !== undefined) await preparing;
        return lease;
      } catch (error) {
        lease.release();
        // Nothing of the command was sent: any other connection will do.
        const isLost = error instanceof ConnectionLostError;
        if (!isLost || lost === MAX_LOST) throw error;
      }
    }
  }

  #attemptLater(command: PendingCommand, run: Run, delayMs: number): void {
    // What waits for its next attempt keeps its first deadline.
    command.tracking.waited = true;
    const { signal } = run.giveUp;
    // No timer of the clock's: those let the process end, and a caller waits for this.
    delay(delayMs, { signal }).then(() => this.#attempt(command, run), () => {});
  }

  #expire(command: PendingCommand, timeoutMs: number): void {
    const { database } = this.#options;
    const late = (delivery: Delivery) =>
      new CommandTimeoutError(database, command.name, timeoutMs, delivery);
    const isSent = this.#runs.get(command)?.lease !== undefined;
    void this.#cancel(command, {
      untouched: late(isSent ? "rejected" : "never-sent"),
      ambiguous: () => late("ambiguous"),
    }, OVERTIME_MS);
  }

  /** Cancels a command, on the server too, unless that is being done. */
  async #cancel(
    command: PendingCommand,
    cut: Cancellation,
    withinMs: number,
  ): Promise<void> {
    const run = this.#runs.get(command);
    if (run?.cut !== undefined) return await run.over.promise;
    if (run === undefined) return;
    run.cut = cut;
    const { lease } = run;
    if (lease === undefined) {
      run.giveUp.abort(cut.untouched);
      this.#fail(command, cut.untouched);
      return;
    }
    const isClean = await this.#unblock(run, lease, withinMs);
    // An UNBLOCK that is not answered yet would hit the next command of the connection.
    if (isClean) lease.release();
    else lease.destroy();
  }

  /** Asks the server to end a command, again and again, as it may have been asked before
   * it has seen the command. Gives whether the command was answered, so that the connection
   * is as it was before. */
  async #unblock(run: Run, lease: BlockingLease, withinMs: number): Promise<boolean> {
    const { clock, unblock } = this.#options;
    const until = clock.now() + withinMs;
    let isOver = false;
    run.over.promise.then(() => isOver = true);
    for (let leftMs = withinMs; leftMs > 0; leftMs = until - clock.now()) {
      const { clientId } = lease;
      if (clientId === null) return false;
      const isEnded = clientId !== undefined && await unblock(clientId, leftMs, lease);
      if (isEnded === undefined) return false;
      const pauseMs = Math.min(isEnded ? Infinity : ASK_AGAIN_MS, until - clock.now());
      const pause = Promise.withResolvers<void>();
      const timer = clock.setTimer(() => clock.afterPoll(pause.resolve), pauseMs);
      await Promise.race([run.over.promise, pause.promise]);
      timer.cancel();
      if (isOver) return true;
    }
    return false;
  }

  /** A command was answered, or its connection is gone: gives that back, unless
   * {@linkcode #cancel} still uses it. */
  #returnLease({ cut, lease, over }: Run, isAnswered: boolean): void {
    if (cut === undefined && isAnswered) lease?.release();
    else if (!isAnswered) lease?.destroy();
    over.resolve();
  }

  /** Takes the command off the list of those that are not settled. */
  #end(command: PendingCommand): Run | undefined {
    const run = this.#runs.get(command);
    run?.timer?.cancel();
    this.#runs.delete(command);
    return run;
  }

  #fail(command: PendingCommand, error: Error): void {
    this.#end(command);
    command.tracking.probe?.cancel();
    this.#options.failed(command, error);
  }
}

/** The error of a command that was cancelled. */
function errorAfter(error: Error, delivery: Delivery, cut: Cancellation): Error {
  if (delivery === "ambiguous") return cut.ambiguous(error);
  // The server's own refusal says more.
  const isUnblocked = error.message.startsWith("UNBLOCKED");
  return isReplyError(error) && !isUnblocked ? error : cut.untouched;
}
