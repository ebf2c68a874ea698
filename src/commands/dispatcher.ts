import { delay } from "@std/async/delay";
import type { RedisConfig } from "../config/mod.ts";
import { type Command, isReplyError } from "../connection/ioredis.ts";
import {
  type CommandConnection,
  type CommandOwner,
  noteUncertain,
  type PendingCommand,
  settleFailed,
  spentOn,
  track,
} from "../connection/pending_command.ts";
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
import type { BlockingCommands } from "./blocking.ts";
import type { CallOptions, ScopedCommand } from "./call_options.ts";
import type { OnceWrites } from "./once.ts";
import type { CarrierCommand } from "./once_delivery.ts";
import type { ReplicaWaits } from "./replica_waits.ts";
import type { RetryDecision, RetryPolicy } from "./retry.ts";

/** A connection younger than this, in milliseconds, is not replaced because of what its
 * server is: a failover takes its time, and each look at it costs a connection. */
export const RERESOLVE_AFTER_MS = 250;

/** Where ordinary commands go: the pool's lanes. */
export interface CommandSink {
  /** Sends one command or lets it wait. */
  submit(command: PendingCommand): void;
  /** Sends commands with nothing in between, all or none. */
  submitBatch(commands: readonly PendingCommand[]): void;
  /** A command got its reply or failed for good. */
  commandFinished(): void;
}

/** Whether commands may be sent at all: a circuit breaker, as far as a command meets it. */
export type CommandGate = Pick<CircuitBreaker, "allows" | "tryProbe">;

/** The servers of a database, as far as its dispatcher needs them. */
export interface CommandServers {
  /** Whether commands may be sent at all. */
  readonly gate: CommandGate;
  /** The error for callers while they may not. */
  openError(): Error;
  /** Sends a command to where an error reply says that it belongs; `false` if the error
   * says no such thing. Only in a cluster. */
  redirect?(command: PendingCommand, error: Error): boolean;
  /** A read of one value found none. Only where reads go to replicas. */
  missed?(command: PendingCommand): void;
  /** The connections lead to a server that cannot serve: find it anew. */
  reresolve(reason: string): void;
  /** A server says that it does not serve yet. */
  notReady(connection: CommandConnection): void;
  /** A server refused a transaction although it had let others run. */
  transactionRefused(connection: CommandConnection): void;
}

/** What a dispatcher needs. */
export interface DispatcherOptions {
  /** The database. */
  readonly config: Pick<RedisConfig, "commandTimeoutMs" | "name">;
  /** Decides which commands are retried. */
  readonly retryPolicy: Pick<RetryPolicy, "decide">;
  /** What kind of command a name is. */
  readonly classifier: CommandClassifier;
  /** Where ordinary commands go. */
  readonly sink: CommandSink;
  /** The database's servers. */
  readonly servers: CommandServers;
  /** Runs blocking commands; read late, as they need the dispatcher too. */
  readonly blocking: () => Pick<BlockingCommands, "abort" | "run">;
  /** Makes what lets writes run once; called when it is first needed. */
  readonly once: (dispatcher: Dispatcher) => OnceWrites;
  /** Waits for replicas; made when first needed. */
  readonly replicaWaits: () => ReplicaWaits;
  /** Counts. */
  readonly statistics: DatabaseStatistics;
  /** Time. */
  readonly clock: Clock;
}

/**
 * Delivers the commands of one database's client: decides whether and where each may go, and
 * what becomes of it when it fails. A command that did not run, or only reads, is retried
 * within its deadline; every other failure is reported with what is known of the command.
 */
export class Dispatcher implements CommandOwner {
  readonly #options: DispatcherOptions;
  readonly #statistics: DatabaseStatistics;
  readonly #classifier: CommandClassifier;
  readonly #sink: CommandSink;
  readonly #breaker: CommandGate;
  readonly #servers: CommandServers;
  readonly #retryPolicy: Pick<RetryPolicy, "decide">;
  readonly #database: string;
  readonly #timeoutMs: number;
  /** Ends the waits between two attempts. */
  readonly #closing = new AbortController();
  #closed = false;
  #once: OnceWrites | undefined;

  constructor(options: DispatcherOptions) {
    this.#options = options;
    this.#statistics = options.statistics;
    this.#classifier = options.classifier;
    this.#sink = options.sink;
    this.#servers = options.servers;
    this.#breaker = options.servers.gate;
    this.#database = options.config.name;
    this.#timeoutMs = options.config.commandTimeoutMs;
    this.#retryPolicy = options.retryPolicy;
  }

  /** Takes no more commands. */
  close(): void {
    this.#closed = true;
    this.#closing.abort();
  }

  /** Delivers one command that was not sent yet. */
  dispatch(command: Command): void {
    const tracked = this.track(command);
    const { tracking } = tracked;
    if (tracking.settled) return;
    let info = this.#classifier.lookup(command.name);
    if (info.isByArgs) info = this.#classifier.resolve(command.name, command.args);
    tracking.info = info;
    if (info.class !== "read" && info.class !== "write" && info.class !== "blocking") {
      return this.exclusive([tracked], tracked);
    }
    if (this.#closed || !this.#breaker.allows()) {
      const refusal = this.#admit(tracked);
      if (refusal !== undefined) return this.failed(tracked, refusal, "never-sent");
    }
    if (info.class === "blocking") this.#options.blocking().run(tracked);
    else this.#sink.submit(tracked);
  }

  /** Delivers commands together: all of them, or none. */
  dispatchBatch(commands: readonly Command[]): void {
    const batch = commands.map((command) => {
      const tracked = this.track(command);
      tracked.tracking.info = this.#classifier.resolve(command.name, command.args);
      return tracked;
    });
    const open = batch.filter(({ tracking }) => !tracking.settled);
    if (open.length === 0) return;
    const unwritable = batch.find(({ tracking }) => tracking.settled);
    if (unwritable !== undefined) {
      const why = "one of its arguments has no text, so none was sent";
      const { name } = unwritable;
      const refusal = new CommandRefusedError(this.#database, name, why, "a pipeline");
      return this.#failAll(open, refusal);
    }
    const unfit = unfitForBatch(batch);
    if (unfit !== undefined) return this.exclusive(open, unfit);
    const refusal = this.#admit(batch[0]!);
    if (refusal === undefined) this.#sink.submitBatch(batch);
    else this.#failAll(open, refusal);
  }

  /** Commands that a shared connection must not run because of `unfit`, one of them: refuses
   * them. */
  protected exclusive(
    commands: readonly PendingCommand[],
    unfit: PendingCommand,
  ): void {
    const { advice = "use manager.acquire()" } = unfit.tracking.info ?? {};
    this.#failAll(
      commands,
      new CommandRefusedError(this.#database, unfit.name, advice),
    );
  }

  #failAll(commands: readonly PendingCommand[], error: Error): void {
    for (const command of commands) this.failed(command, error, "never-sent");
  }

  /** Delivers commands that run once; where they are a batch, all or none. */
  dispatchOnce(
    commands: readonly Command[],
    call: CallOptions,
    isBatch: boolean,
  ): void {
    (this.#once ??= this.#options.once(this)).dispatch(commands, call, isBatch);
  }

  /** A script was answered, whose commands are counted by themselves. */
  carrierReplied({ tracking }: PendingCommand): void {
    tracking.probe?.succeed();
  }

  /** A command got a reply. Hot path: only counts. */
  replied(command: PendingCommand, reply: unknown): void {
    const { info, probe } = command.tracking;
    this.#statistics.counts.successfulOperations++;
    if (info !== undefined && info.isNilMiss) {
      if (reply === null) {
        this.#statistics.counts.cacheMisses++;
        this.#servers.missed?.(command);
      } else this.#statistics.counts.cacheHits++;
    }
    if (probe !== undefined) probe.succeed();
    if (this.#closed) this.#sink.commandFinished();
  }

  /** A command failed: retries it, or rejects its promise. */
  failed(command: PendingCommand, error: Error, delivery: Delivery): void {
    // Its caller gave it up while it waited.
    if (command.tracking.settled) return;
    if (this.#servers.redirect?.(command, error)) return;
    if ((command as CarrierCommand).once !== undefined) {
      const outcome = this.#once!.failed(command, error, delivery);
      if (outcome === "again") return this.#sink.submit(command);
      ({ error, delivery } = outcome);
    }
    const decision = this.#retryPolicy.decide(command, error, delivery);
    this.#reportServer(command, decision, error);
    if (decision.retry) {
      this.#statistics.counts.totalRetryAttempts++;
      noteUncertain(command, error, delivery);
      if (decision.delayMs === 0) this.#sink.submit(command);
      else this.#resubmitLater(command, decision.delayMs);
      return;
    }
    if (delivery === "rejected") this.#noteTransaction(command, error);
    const { probe } = command.tracking;
    if (probe !== undefined) settleProbe(probe, error, this.#timeoutMs);
    this.#statistics.commandFailed(error);
    settleFailed(command, error);
    this.#sink.commandFinished();
  }

  /** A command of a leased connection failed: it is counted like the others, and never
   * retried, as it belongs to its holder's connection. */
  leaseFailed(command: PendingCommand, error: Error, isCounted: boolean = true): void {
    const decision = this.#retryPolicy.decide(command, error, "rejected");
    this.#reportServer(command, decision, error);
    if (isCounted) this.#statistics.commandFailed(error);
    settleFailed(command, error);
  }

  partOf(whole: PendingCommand, part: Command): PendingCommand {
    const { info, startedAt, waited } = whole.tracking;
    (part as ScopedCommand).call = (whole as ScopedCommand).call;
    const tracked = this.track(part);
    const { tracking } = tracked;
    tracking.info = info;
    tracking.startedAt = waited ? startedAt : this.#options.clock.now();
    tracking.waited = true;
    return tracked;
  }

  /** Notes what was set for a command, and lets it count. */
  protected track(command: Command): PendingCommand {
    const { call } = command as ScopedCommand;
    const tracked = track(command, this, call?.timeoutMs ?? this.#timeoutMs);
    if (call === undefined) return tracked;
    tracked.tracking.retryWrites = call.retryWrites;
    if (call.waitReplicas !== undefined && !tracked.tracking.settled) {
      this.#options.replicaWaits().hold(tracked, call);
    }
    if (call.signal !== undefined) this.#watch(tracked, call.signal);
    return tracked;
  }

  /** Rejects the command when the signal aborts; what is settled is never sent. */
  #watch(command: PendingCommand, signal: AbortSignal): void {
    const abort = () => {
      const { tracking } = command;
      if (tracking.settled) return;
      if (this.#options.blocking().abort(command, signal.reason)) return;
      // The signal of one that runs in parts ends each part.
      if (tracking.owner.isOfParts === true) return;
      tracking.probe?.cancel();
      const error = this.#abortedError(command, signal.reason);
      this.#statistics.commandFailed(asError(error));
      settleFailed(command, error as Error);
      this.#sink.commandFinished();
    };
    if (signal.aborted) return abort();
    // Not once: Deno keeps the process alive for the other sources of a combined signal.
    signal.addEventListener("abort", abort);
    const forget = () => signal.removeEventListener("abort", abort);
    command.promise.then(forget, forget);
  }

  /** The error of an aborted command: the signal's reason, if nothing is lost with its
   * reply. */
  #abortedError(command: PendingCommand, reason: unknown): unknown {
    const { connection, underWay } = command.tracking;
    const { isRead } = this.#classifier.resolve(command.name, command.args);
    if (!underWay || isRead) return reason;
    const now = this.#options.clock.now();
    const spent = spentOn(command, now, connection?.sentAt(command));
    return new CommandAbortedError(this.#database, command.name, reason, spent);
  }

  /** Reports what an error says of the server rather than of the command. */
  #reportServer(command: PendingCommand, decision: RetryDecision, error: Error): void {
    const { connection } = command.tracking;
    if (connection === undefined) return;
    if (decision.notReady) this.#servers.notReady(connection);
    if (!decision.reresolve) return;
    // The answers to all that was in flight on a connection say the same: one is enough.
    const ageMs = this.#options.clock.now() - connection.createdAt;
    if (ageMs >= RERESOLVE_AFTER_MS) this.#servers.reresolve(error.message);
  }

  /** A server that let transactions run refuses one: the next one is tried first again. */
  #noteTransaction({ tracking }: PendingCommand, error: Error): void {
    const { connection, info } = tracking;
    if (connection === undefined) return;
    if (info?.name === "multi") this.#servers.transactionRefused(connection);
    if (info?.name !== "exec" || endsTransaction(error.message)) return;
    this.#servers.transactionRefused(connection);
    // All that others have sent behind it is queued in the transaction.
    connection.abandon({ kind: "closed", text: "the server did not end a transaction" });
  }

  #resubmitLater(command: PendingCommand, delayMs: number): void {
    // What waits for its next attempt keeps its first deadline.
    command.tracking.waited = true;
    // No timer of the clock's: those let the process end, and a caller waits for this.
    delay(delayMs, { signal: this.#closing.signal }).then(() => {
      if (!command.tracking.settled) this.#sink.submit(command);
    }, () => {
      this.failed(command, new ManagerClosedError(this.#database), "never-sent");
    });
  }

  /** Why a command may not be sent now; lets one pass as a probe where that is due. */
  #admit(command: PendingCommand): Error | undefined {
    if (this.#closed) return new ManagerClosedError(this.#database);
    if (this.#breaker.allows()) return undefined;
    const probe = this.#breaker.tryProbe();
    if (probe === undefined) return this.#servers.openError();
    command.tracking.probe = probe;
    return undefined;
  }
}

function asError(reason: unknown): Error {
  return reason instanceof Error ? reason : new Error(String(reason));
}

/** Reports to the circuit breaker what the failure of its probe says of the server. */
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

/**
 * The first command of a batch that may not run on a shared connection; `undefined` if all
 * may. MULTI and EXEC may in pairs, as the library's transaction chain sends them: no
 * command of others can come in between.
 */
function unfitForBatch(
  batch: readonly PendingCommand[],
): PendingCommand | undefined {
  let multi: PendingCommand | undefined;
  for (const command of batch) {
    const { class: kind, name } = command.tracking.info!;
    if (name === "multi") {
      if (multi !== undefined) return command;
      multi = command;
    } else if (name === "exec" || name === "discard") {
      if (multi === undefined) return command;
      multi = undefined;
    } else if (kind === "read" || kind === "write") continue;
    // Within a transaction a blocking command does not block.
    else if (kind !== "blocking" || multi === undefined) return command;
  }
  return multi;
}
