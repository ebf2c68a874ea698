import { delay } from "@std/async/delay";
import {
  ConnectionLostError,
  type Delivery,
  ManagerClosedError,
} from "../core/errors/mod.ts";
import { isReplyError } from "../connection/driver.ts";
import type { CommandOwner, TrackedCommand } from "../connection/tracked.ts";
import type { Verdict } from "./retry_judge.ts";
import type { ScopedCommand } from "./with.ts";

/** A connection that one blocking command has alone. */
export interface BlockingLease {
  /** Number that the server knows the connection by; `undefined` while it is not known. */
  readonly clientId: number | undefined;
  /** Does what has to be done before the command is sent, where that takes time; rejects
   * if it must not be sent. */
  prepare?(command: TrackedCommand): Promise<void> | undefined;
  /** Sends the command. */
  send(command: TrackedCommand): void;
  /** Gives the connection back. */
  release(): void;
  /** Gives it back as one that nobody is to have any more; the server notices. */
  destroy(): void;
}

/** What blocking commands need. */
export interface BlockingOptions {
  /** Name of the database. */
  readonly database: string;
  /** Deadline of a command once it was sent, in milliseconds: its own timeout and more. */
  readonly timeoutOf: (command: TrackedCommand) => number;
  /** Leases a connection. */
  readonly acquire: (command: TrackedCommand) => Promise<BlockingLease>;
  /** Asks the server, over another connection, to end what the connection of this number
   * waits for; resolves when it has answered, with `false` if it could not be asked. */
  readonly unblock: (
    clientId: number,
    withinMs: number,
    lease: BlockingLease,
  ) => Promise<boolean>;
  /** Decides whether a command that failed is tried again. */
  readonly judge: (
    command: TrackedCommand,
    error: Error,
    delivery: Delivery,
  ) => Pick<Verdict, "retry" | "delayMs" | "reresolve">;
  /** A command got its reply: counts it. */
  readonly replied: (command: TrackedCommand, reply: unknown) => void;
  /** A command failed for good: counts it and tells the caller. */
  readonly told: (command: TrackedCommand, error: Error) => void;
  /** The connections lead to a server that cannot serve: find it anew. */
  readonly reresolve: (reason: string) => void;
}

/** Connections that may be lost one after the other while a command is prepared. */
const MAX_LOST = 3;

/** A command that is on a connection. */
interface Run {
  readonly lease: BlockingLease;
  /** Why it was cut short, once it was. */
  cause: Error | undefined;
}

/**
 * Runs each blocking command of the ordinary client on a connection of its own, which
 * goes back to the pool when the reply has come. What ends without a reply takes its
 * connection with it: a consumer that is left on the server would swallow a value.
 *
 * A command that is cut short is ended on the server by `CLIENT UNBLOCK` where another
 * connection can ask for it: then no value is lost, as one that is on its way still comes.
 * Where none can, its connection is closed, and the command is ambiguous.
 */
export class BlockingCommands implements CommandOwner {
  readonly #options: BlockingOptions;
  readonly #runs = new Map<TrackedCommand, Run>();
  #closed = false;

  /**
   * Runs nothing yet.
   *
   * @param options What it needs.
   */
  constructor(options: BlockingOptions) {
    this.#options = options;
  }

  /** Commands that are on a connection. */
  get size(): number {
    return this.#runs.size;
  }

  /**
   * Runs a command.
   *
   * @param command The command, not sent yet.
   */
  run(command: TrackedCommand): void {
    const { call } = command as ScopedCommand;
    const timeoutMs = call?.timeoutMs ?? this.#options.timeoutOf(command);
    // It fails here from now on: tried again on a lane it would hold everybody up.
    Object.assign(command.tracking, { owner: this, timeoutMs });
    void this.#attempt(command);
    // Whoever gives up waiting leaves no consumer on the server.
    const over = () => this.#end(command)?.destroy();
    command.promise.then(over, over);
  }

  /**
   * Cuts a command short, on the server too.
   *
   * @param command The command.
   * @param cause What the caller is told if the server ends it without a value.
   * @param withinMs How long the server may take to answer, in milliseconds.
   */
  async cancel(command: TrackedCommand, cause: Error, withinMs: number): Promise<void> {
    const run = this.#runs.get(command);
    if (run === undefined) return;
    run.cause = cause;
    const { clientId } = run.lease;
    const isAsked = clientId !== undefined && withinMs > 0 &&
      await this.#options.unblock(clientId, withinMs, run.lease);
    if (!isAsked && this.#runs.get(command) === run) this.#end(command)?.destroy();
  }

  /**
   * Takes no more commands, and cuts those short that wait.
   *
   * @param withinMs How long the server may take to answer, in milliseconds.
   */
  async close(withinMs: number): Promise<void> {
    this.#closed = true;
    const { database } = this.#options;
    await Promise.all(
      [...this.#runs.keys()].map((command) =>
        this.cancel(command, new ManagerClosedError(database), withinMs)
      ),
    );
  }

  /**
   * A command got its reply.
   *
   * @param command The command.
   * @param reply Its reply.
   */
  replied(command: TrackedCommand, reply: unknown): void {
    this.#end(command)?.release();
    this.#options.replied(command, reply);
  }

  /**
   * A command failed: tries it again on another connection, or tells the caller.
   *
   * @param command The command.
   * @param error Why.
   * @param delivery What is known of it.
   */
  failed(command: TrackedCommand, error: Error, delivery: Delivery): void {
    const cause = this.#runs.get(command)?.cause;
    const lease = this.#end(command);
    if (isReplyError(error)) lease?.release();
    else lease?.destroy();
    if (cause !== undefined) return this.#tell(command, toldOf(error, cause));
    const verdict = this.#options.judge(command, error, delivery);
    if (verdict.reresolve) this.#options.reresolve(error.message);
    if (verdict.retry) this.#attemptLater(command, verdict.delayMs);
    else this.#tell(command, error);
  }

  async #attempt(command: TrackedCommand): Promise<void> {
    const { database } = this.#options;
    try {
      if (this.#closed) throw new ManagerClosedError(database);
      const lease = await this.#acquire(command);
      if (this.#closed || command.tracking.settled) {
        lease.release();
        throw new ManagerClosedError(database);
      }
      // That there is a connection is what the breaker wanted to know; a reply may take
      // for ever.
      command.tracking.probe?.succeed();
      this.#runs.set(command, { lease, cause: undefined });
      lease.send(command);
    } catch (error) {
      if (!command.tracking.settled) this.#tell(command, error as Error);
    }
  }

  /** Leases a connection that the command may be sent on. */
  async #acquire(command: TrackedCommand): Promise<BlockingLease> {
    for (let lost = 0;; lost++) {
      const lease = await this.#options.acquire(command);
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

  #attemptLater(command: TrackedCommand, delayMs: number): void {
    // What waits for its next attempt keeps its first deadline.
    command.tracking.waited = true;
    // No timer of the clock's: those let the process end, and a caller waits for this.
    void delay(delayMs).then(() => this.#attempt(command));
  }

  /** Takes the command off its connection. */
  #end(command: TrackedCommand): BlockingLease | undefined {
    const lease = this.#runs.get(command)?.lease;
    this.#runs.delete(command);
    return lease;
  }

  #tell(command: TrackedCommand, error: Error): void {
    command.tracking.probe?.cancel();
    this.#options.told(command, error);
  }
}

/** What is said of a command that was cut short. */
function toldOf(error: Error, cause: Error): Error {
  // Whoever was unblocked got no value; of any other end the error itself says more.
  return isReplyError(error) && error.message.startsWith("UNBLOCKED") ? cause : error;
}
