import { delay } from "@std/async/delay";
import type { Connection } from "../connection/connection.ts";
import { type Command, isReplyError } from "../connection/driver.ts";
import {
  type CommandOwner,
  noteUncertain,
  settleFailed,
  spentOn,
  track,
  type TrackedCommand,
} from "../connection/tracked.ts";
import { endsTransaction } from "../connection/transaction_gate.ts";
import type { Clock } from "../core/clock.ts";
import {
  CommandAbortedError,
  CommandRefusedError,
  CommandTimeoutError,
  ConnectionLostError,
  type Delivery,
  ManagerClosedError,
  ProtocolError,
} from "../core/errors/mod.ts";
import type { DatabaseStatistics } from "../observability/statistics.ts";
import type { CircuitBreaker, Probe } from "../resilience/circuit_breaker.ts";
import type { CommandClassifier } from "../resilience/command_class.ts";
import { unfitForBatch } from "./batch.ts";
import { RetryJudge, type RetryPolicy, type Verdict } from "./retry_judge.ts";
import type { ScopedCommand } from "./with.ts";

/** A connection younger than this, in milliseconds, is not replaced because of what its
 * server is: a failover takes its time, and each look at it costs a connection. */
export const RERESOLVE_AFTER_MS = 250;

/** Where ordinary commands go: the pool's lanes. */
export interface CommandSink {
  /** Sends one command or lets it wait. */
  submit(command: TrackedCommand): void;
  /** Sends commands with nothing in between, all or none. */
  submitBatch(commands: readonly TrackedCommand[]): void;
  /** A command got its reply or failed for good. */
  commandFinished(): void;
}

/** Whether commands may be sent at all: a circuit breaker, as far as a command meets it. */
export type CommandGate = Pick<CircuitBreaker, "allows" | "tryProbe">;

/** What a dispatcher needs. */
export interface DispatcherOptions {
  /** Name of the database. */
  readonly database: string;
  /** Deadline of a command, in milliseconds. */
  readonly commandTimeoutMs: number;
  /** How commands are tried again. */
  readonly retry: RetryPolicy;
  /** What kind of command a name is. */
  readonly classifier: CommandClassifier;
  /** Where ordinary commands go. */
  readonly sink: CommandSink;
  /** Whether commands may be sent at all. */
  readonly breaker: CommandGate;
  /** The error for callers while it is open. */
  readonly openError: () => Error;
  /** Runs a blocking command on a connection of its own. */
  readonly runBlocking: (command: TrackedCommand) => void;
  /** Cuts a blocking command short, and tells its caller what came of it; `false` if none
   * such is running. */
  readonly abortBlocking: (command: TrackedCommand, reason: unknown) => boolean;
  /** Sends a command to where an error reply says that it belongs; `false` if the error
   * says no such thing. Without it, such an error is told to the caller. */
  readonly redirect?: (command: TrackedCommand, error: Error) => boolean;
  /** The connections lead to a server that cannot serve: find it anew. */
  readonly reresolve: (reason: string) => void;
  /** A server says that it does not serve yet. */
  readonly notReady: (connection: Connection) => void;
  /** A server refused a transaction although it had let others run. */
  readonly transactionRefused: (connection: Connection) => void;
  /** Who counts. */
  readonly statistics: DatabaseStatistics;
  /** Time. */
  readonly clock: Clock;
}

/**
 * Delivers the commands of one database's client: judges whether and where each may go,
 * and what becomes of it when it fails. Failures are told with what is known of the
 * command; those that surely did not run, or only read, are tried again within their
 * deadline.
 */
export class Dispatcher implements CommandOwner {
  readonly #options: DispatcherOptions;
  readonly #statistics: DatabaseStatistics;
  readonly #classifier: CommandClassifier;
  readonly #sink: CommandSink;
  readonly #breaker: CommandGate;
  readonly #judge: RetryJudge;
  readonly #timeoutMs: number;
  /** Ends the waits between two attempts. */
  readonly #closing = new AbortController();
  #closed = false;

  /**
   * Makes a dispatcher.
   *
   * @param options What it needs.
   */
  constructor(options: DispatcherOptions) {
    this.#options = options;
    this.#statistics = options.statistics;
    this.#classifier = options.classifier;
    this.#sink = options.sink;
    this.#breaker = options.breaker;
    this.#timeoutMs = options.commandTimeoutMs;
    this.#judge = new RetryJudge(options.retry, options.clock);
  }

  /** Takes no more commands. */
  close(): void {
    this.#closed = true;
    this.#closing.abort();
  }

  /**
   * Delivers one command.
   *
   * @param command The command, not sent yet.
   */
  dispatch(command: Command): void {
    const tracked = this.#track(command);
    const { tracking } = tracked;
    if (tracking.settled) return;
    let info = this.#classifier.lookup(command.name);
    if (info.isByArgs) info = this.#classifier.resolve(command.name, command.args);
    tracking.info = info;
    if (info.class !== "read" && info.class !== "write" && info.class !== "blocking") {
      return this.failed(tracked, this.#refusalOf(tracked), "never-sent");
    }
    if (this.#closed || !this.#breaker.allows()) {
      const refusal = this.#admit(tracked);
      if (refusal !== undefined) return this.failed(tracked, refusal, "never-sent");
    }
    if (info.class === "blocking") this.#options.runBlocking(tracked);
    else this.#sink.submit(tracked);
  }

  /**
   * Delivers commands together: all of them, or none.
   *
   * @param commands The commands, not sent yet.
   */
  dispatchBatch(commands: readonly Command[]): void {
    const batch = commands.map((command) => {
      const tracked = this.#track(command);
      tracked.tracking.info = this.#classifier.resolve(command.name, command.args);
      return tracked;
    });
    const open = batch.filter(({ tracking }) => !tracking.settled);
    if (open.length === 0) return;
    const refusal = this.#refusalOfBatch(batch);
    if (refusal === undefined) this.#sink.submitBatch(batch);
    else for (const command of open) this.failed(command, refusal, "never-sent");
  }

  #refusalOfBatch(batch: readonly TrackedCommand[]): Error | undefined {
    const { database } = this.#options;
    const unwritable = batch.find(({ tracking }) => tracking.settled);
    if (unwritable !== undefined) {
      const why = "one of its arguments has no text, so none was sent";
      return new CommandRefusedError(database, unwritable.name, why, "a pipeline");
    }
    const unfit = unfitForBatch(batch);
    return unfit === undefined ? this.#admit(batch[0]!) : this.#refusalOf(unfit);
  }

  /**
   * A command got a reply. Called for each: only adds to numbers.
   *
   * @param command The command.
   * @param reply Its reply.
   */
  replied(command: TrackedCommand, reply: unknown): void {
    const { info, probe } = command.tracking;
    this.#statistics.counts.succeeded++;
    if (info !== undefined && info.isNilMiss) {
      if (reply === null) this.#statistics.counts.misses++;
      else this.#statistics.counts.hits++;
    }
    if (probe !== undefined) probe.succeed();
    if (this.#closed) this.#sink.commandFinished();
  }

  /**
   * A command failed: tries it again, or tells the caller.
   *
   * @param command The command.
   * @param error Why.
   * @param delivery What is known of it.
   */
  failed(command: TrackedCommand, error: Error, delivery: Delivery): void {
    // Its caller gave it up while it waited.
    if (command.tracking.settled) return;
    if (this.#options.redirect?.(command, error)) return;
    const verdict = this.#judge.judge(command, error, delivery);
    this.#notePlace(command, verdict, error);
    if (verdict.retry) {
      this.#statistics.counts.retries++;
      noteUncertain(command, error, delivery);
      if (verdict.delayMs === 0) this.#sink.submit(command);
      else this.#resubmitLater(command, verdict.delayMs);
      return;
    }
    if (delivery === "rejected") this.#noteTransaction(command, error);
    const { probe } = command.tracking;
    if (probe !== undefined) settleProbe(probe, error, this.#timeoutMs);
    this.#statistics.commandFailed(error);
    settleFailed(command, error);
    this.#sink.commandFinished();
  }

  /**
   * A command of a leased connection failed: it is counted like the others, and never
   * tried again, as it belongs to its holder's connection.
   *
   * @param command The command.
   * @param error Why.
   * @param isCounted Whether it is counted now. Default: `true`.
   */
  leaseFailed(command: TrackedCommand, error: Error, isCounted: boolean = true): void {
    this.#notePlace(command, this.#judge.judge(command, error, "rejected"), error);
    if (isCounted) this.#statistics.commandFailed(asError(error));
    settleFailed(command, error);
  }

  #track(command: Command): TrackedCommand {
    const { call } = command as ScopedCommand;
    const tracked = track(command, this, call?.timeoutMs ?? this.#timeoutMs);
    if (call === undefined) return tracked;
    tracked.tracking.retryWrites = call.retryWrites;
    if (call.signal !== undefined) this.#watch(tracked, call.signal);
    return tracked;
  }

  /** Tells the caller as soon as the signal says so; what is settled is never sent. */
  #watch(command: TrackedCommand, signal: AbortSignal): void {
    const abort = () => {
      const { tracking } = command;
      if (tracking.settled) return;
      if (this.#options.abortBlocking(command, signal.reason)) return;
      tracking.probe?.cancel();
      const error = this.#abortedError(command, signal.reason);
      this.#statistics.commandFailed(asError(error));
      settleFailed(command, error as Error);
      this.#sink.commandFinished();
    };
    if (signal.aborted) return abort();
    signal.addEventListener("abort", abort, { once: true });
    const forget = () => signal.removeEventListener("abort", abort);
    command.promise.then(forget, forget);
  }

  /** What is told of a command that was given up: the reason itself, if nothing is lost
   * with its reply. */
  #abortedError(command: TrackedCommand, reason: unknown): unknown {
    const { connection, info, underWay } = command.tracking;
    if (!underWay || info?.isRead === true) return reason;
    const { clock, database } = this.#options;
    const spent = spentOn(command, clock.now(), connection?.sentAt(command));
    return new CommandAbortedError(database, command.name, reason, spent);
  }

  /** Acts on what an error says of the server rather than of the command. */
  #notePlace(command: TrackedCommand, verdict: Verdict, error: Error): void {
    const { connection } = command.tracking;
    if (connection === undefined) return;
    if (verdict.notReady) this.#options.notReady(connection);
    if (!verdict.reresolve) return;
    // The answers to all that was in flight on a connection say the same: one is enough.
    const ageMs = this.#options.clock.now() - connection.createdAt;
    if (ageMs >= RERESOLVE_AFTER_MS) this.#options.reresolve(error.message);
  }

  /** A server that let transactions run refuses one: it is asked anew before the next. */
  #noteTransaction({ tracking }: TrackedCommand, error: Error): void {
    const { connection, info } = tracking;
    if (connection === undefined) return;
    if (info?.name === "multi") this.#options.transactionRefused(connection);
    if (info?.name !== "exec" || endsTransaction(error.message)) return;
    this.#options.transactionRefused(connection);
    // All that others have sent behind it is queued in the transaction.
    connection.abandon({ kind: "closed", text: "the server did not end a transaction" });
  }

  #resubmitLater(command: TrackedCommand, delayMs: number): void {
    // What waits for its next attempt keeps its first deadline.
    command.tracking.waited = true;
    // No timer of the clock's: those let the process end, and a caller waits for this.
    delay(delayMs, { signal: this.#closing.signal }).then(() => {
      if (!command.tracking.settled) this.#sink.submit(command);
    }, () => {
      this.failed(command, new ManagerClosedError(this.#options.database), "never-sent");
    });
  }

  /** Why a command may not be sent now; lets one pass as a probe where that is due. */
  #admit(command: TrackedCommand): Error | undefined {
    if (this.#closed) return new ManagerClosedError(this.#options.database);
    if (this.#breaker.allows()) return undefined;
    const probe = this.#breaker.tryProbe();
    if (probe === undefined) return this.#options.openError();
    command.tracking.probe = probe;
    return undefined;
  }

  #refusalOf(command: TrackedCommand): Error {
    const { advice = "use manager.acquire()" } = command.tracking.info ?? {};
    return new CommandRefusedError(this.#options.database, command.name, advice);
  }
}

function asError(reason: unknown): Error {
  return reason instanceof Error ? reason : new Error(String(reason));
}

/** What the failure of a probe says of the server. */
function settleProbe(probe: Probe, error: Error, timeoutMs: number): void {
  // An error reply is an answer: the server is there.
  if (isReplyError(error)) probe.succeed();
  else if (error instanceof CommandTimeoutError) {
    if (error.delivery === "never-sent") probe.fail("timeout");
    // A caller's own shorter deadline says nothing of the server.
    else probe.fail(error.timeoutMs < timeoutMs ? "late" : "silent");
  } else if (error instanceof ConnectionLostError) probe.fail("reset");
  else if (error instanceof ProtocolError) probe.fail("protocol");
  else if ((error as { code?: string }).code === "CONNECT") probe.fail("refused");
  else probe.cancel();
}
