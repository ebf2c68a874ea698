import type { ScopedCommand } from "../commands/call_options.ts";
import type { CommandGate, CommandServers, CommandSink } from "../commands/dispatcher.ts";
import type { RedisConfig } from "../config/settings.ts";
import { isReplyError } from "../connection/ioredis.ts";
import type { CommandConnection, PendingCommand } from "../connection/pending_command.ts";
import type { Clock } from "../core/clock.ts";
import {
  ConnectError,
  ConnectionLostError,
  ManagerClosedError,
  OverloadedError,
  ProtocolError,
} from "../core/errors/mod.ts";
import type { DatabaseStatistics } from "../observability/statistics.ts";
import { CommandQueue, waitTimeoutError } from "../pool/command_queue.ts";
import { classifyReplyError } from "../resilience/reply_errors.ts";
import type { ReadFrom, Replica, ReplicaSource } from "./topology.ts";

interface ReplicaReadsOptions {
  readonly config: Pick<
    RedisConfig,
    "maxWaiting" | "name" | "readFrom" | "retryOnTimeout"
  >;
  /** The database's servers. */
  readonly servers: Omit<CommandServers, "gate">;
  readonly source: ReplicaSource;
  readonly statistics: Pick<DatabaseStatistics, "counts">;
  readonly clock: Clock;
}

/** Least time between two keys that a replica does not have and the primary is asked for, in
 * milliseconds. */
const VERIFY_EVERY_MS = 20;
/** Replicas have circuit breakers of their own. */
const OPEN_GATE: CommandGate = { allows: () => true, tryProbe: () => undefined };

/**
 * Reads that ask the primary all the same: cursors mean something to the server alone that gave
 * them; TOUCH is to keep a key on the primary; scripts and channels are those of the server
 * that EVALSHA and PUBLISH reach.
 */
const OF_PRIMARY = /^(?:(?:[hsz]|cluster)?scan|touch|script\|.*|pubsub\|.*)$/;

/** Where the commands of a client go: reads that replicas may answer, and all others. */
export interface MixedServers {
  readonly sink: CommandSink;
  readonly servers: CommandServers;
}

/** Whether replicas may answer a command. */
export function isReplicaRead(
  { class: kind, name }: { readonly class: string; readonly name: string },
): boolean {
  return kind === "read" && !OF_PRIMARY.test(name);
}

/**
 * Sends the reads of a database to replicas, and elsewhere if one cannot answer: to the next one,
 * then to the primary, which the callers do not notice. With `replica`, reads wait within
 * their deadlines while no replica is in sync.
 *
 * It stands in for the database's servers in a dispatcher of its own, which gets nothing but
 * reads: what fails on a replica is no evidence against the primary.
 */
export class ReplicaReads implements CommandSink, CommandServers {
  readonly gate: CommandGate = OPEN_GATE;
  readonly #options: ReplicaReadsOptions;
  readonly #source: ReplicaSource;
  readonly #waiting: CommandQueue;
  /** Endpoints of the replicas that could not answer a read; most have none. */
  readonly #tried = new WeakMap<PendingCommand, Set<string>>();
  /** When it was verified last that a key is not there, on the monotonic clock. */
  #verifiedAt = -Infinity;
  #closed = false;

  /** Connects to nothing yet. */
  constructor(options: ReplicaReadsOptions) {
    const { clock, config: { name } } = this.#options = options;
    this.#source = options.source;
    this.#waiting = new CommandQueue(clock, (command) => {
      const replicas = this.#source.health();
      const states = replicas.map(({ endpoint, reason }) => `${endpoint}: ${reason}`);
      const why = `no replica is in sync (${states.join("; ") || "none is known"})`;
      const cause = new ConnectError(name, "a replica", why, { attempts: 0 });
      const error = waitTimeoutError(command, name, clock.now(), cause);
      command.tracking.owner.failed(command, error, "never-sent");
    });
  }

  submit(command: PendingCommand): void {
    if (this.#waitsForReplicas([command])) return;
    for (const part of this.#partsOf(command)) this.#submitOne(part);
  }

  /** The parts of a command with keys on several servers; else the command itself. */
  #partsOf(command: PendingCommand): readonly PendingCommand[] {
    const isSpread = command.tracking.info?.spread !== undefined;
    return (isSpread ? this.#source.open?.(command) : undefined) ?? [command];
  }

  #submitOne(command: PendingCommand): void {
    const replicas = this.#source.replicasOf(command, this.#changed);
    if (replicas === undefined) return this.#source.primary.submit(command);
    if (!replicas.isKnown) return this.#wait([command]);
    const from = this.#fromOf(command);
    const replica = replicas.pick(from, this.#tried.get(command));
    if (replica !== undefined) this.#send(replica, [command]);
    else if (from === "replica") this.#wait([command]);
    else this.#source.primary.submit(command);
  }

  /** Sends reads together to one replica of each server that has their keys. */
  submitBatch(commands: readonly PendingCommand[]): void {
    if (this.#waitsForReplicas(commands)) return;
    const groups = Map.groupBy(
      commands.flatMap((command) => this.#partsOf(command)),
      (command) => this.#source.replicasOf(command, this.#changed),
    );
    for (const [replicas, group] of groups) {
      if (replicas === undefined) {
        this.#source.primary.submitBatch(group);
        continue;
      }
      const from = this.#fromOf(group[0]!);
      const replica = replicas.isKnown ? replicas.pick(from) : undefined;
      if (replica !== undefined) this.#send(replica, group);
      else if (!replicas.isKnown || from === "replica") this.#wait(group);
      else this.#source.primary.submitBatch(group);
    }
  }

  commandFinished(): void {}

  /** For a client that sends reads and all else by one dispatcher, in order. */
  beside(sink: CommandSink, servers: CommandServers): MixedServers {
    const isOwn = (command: PendingCommand) => {
      const { info } = command.tracking;
      return info !== undefined && this.#fromOf(command) !== "primary" &&
        isReplicaRead(info);
    };
    return {
      sink: {
        submit: (command) => (isOwn(command) ? this : sink).submit(command),
        submitBatch: (commands) =>
          (commands.every(isOwn) ? this : sink).submitBatch(commands),
        commandFinished: () => sink.commandFinished(),
      },
      servers: {
        gate: servers.gate,
        openError: () => servers.openError(),
        redirect: (command, error) => this.redirect(command, error),
        missed: (command) => this.missed(command),
        reresolve: (reason) => servers.reresolve(reason),
        notReady: (connection) => this.notReady(connection),
        transactionRefused: (connection) => servers.transactionRefused(connection),
      },
    };
  }

  openError(): Error {
    return this.#options.servers.openError();
  }

  /** Sends a read elsewhere that a replica could not answer; `false` if that is no way out. */
  redirect(command: PendingCommand, error: Error): boolean {
    const { connection, startedAt, timeoutMs } = command.tracking;
    const { clock, statistics } = this.#options;
    if (connection === undefined) return false;
    const { endpoint } = connection;
    if (!this.#source.isReplica(endpoint)) return this.#follow(command, error);
    if (this.#closed || startedAt + timeoutMs <= clock.now()) return false;
    const replicas = this.#source.replicasOf(command, this.#changed);
    if (isReplyError(error)) {
      const { code, rule } = classifyReplyError(error.message);
      if (rule.action === "redirect") return this.#follow(command, error);
      // Scripts that the primary was given, replicas were not.
      const isScript = code === "NOSCRIPT" && this.#fromOf(command) !== "replica";
      if (!isScript && rule.action !== "wait") return false;
      if (isScript) {
        for (const name of replicas?.names ?? []) this.#fails(command, name);
      } else replicas?.leaveOut(endpoint, error.message);
    } else {
      if (!this.#isRepeatable(error)) return false;
      replicas?.leaveOut(endpoint, error.message);
    }
    this.#fails(command, endpoint);
    const { tracking } = command;
    statistics.counts.totalRetryAttempts++;
    statistics.counts.replicaFallbacks++;
    // Where it was sent first is no attempt against those that it is sent to now.
    tracking.attempts--;
    tracking.waited = true;
    this.submit(command);
    return true;
  }

  missed(command: PendingCommand): void {
    const source = this.#source;
    if (source.verify === undefined) return;
    const now = this.#options.clock.now();
    if (now < this.#verifiedAt + VERIFY_EVERY_MS) return;
    if (!source.isReplica(command.tracking.connection!.endpoint)) return;
    this.#verifiedAt = now;
    source.verify(command);
  }

  reresolve(reason: string): void {
    this.#options.servers.reresolve(reason);
  }

  /** Replicas are looked at anyway. */
  notReady(connection: CommandConnection): void {
    if (this.#source.isReplica(connection.endpoint)) return;
    this.#options.servers.notReady(connection);
  }

  transactionRefused(connection: CommandConnection): void {
    this.#options.servers.transactionRefused(connection);
  }

  /** Takes no more reads; fails those that wait. */
  close(): void {
    this.#closed = true;
    this.#fail(
      this.#waiting.takeAll(),
      new ManagerClosedError(this.#options.config.name),
    );
  }

  #fails(command: PendingCommand, replica: string): void {
    const tried = this.#tried.get(command) ?? new Set();
    this.#tried.set(command, tried.add(replica));
  }

  #fromOf(command: PendingCommand): ReadFrom {
    return (command as ScopedCommand).call?.readFrom ?? this.#options.config.readFrom;
  }

  /** Follows a redirect of a cluster. */
  #follow(command: PendingCommand, error: Error): boolean {
    return this.#options.servers.redirect?.(command, error) ?? false;
  }

  #isRepeatable(error: Error): boolean {
    if (!(error instanceof ConnectionLostError || error instanceof ProtocolError)) {
      return false;
    }
    return error.delivery !== "ambiguous" || this.#options.config.retryOnTimeout;
  }

  #send(replica: Replica, commands: readonly PendingCommand[]): void {
    this.#options.statistics.counts.replicaReads += commands.length;
    if (commands.length === 1) replica.lanes.submit(commands[0]!);
    else replica.lanes.submitBatch(commands);
  }

  /** Lets reads wait until it is known where the replicas are. */
  #waitsForReplicas(commands: readonly PendingCommand[]): boolean {
    const { preparing } = this.#source;
    if (preparing === undefined) return false;
    this.#wait(commands);
    // If nothing is known of them, the primaries say why.
    const toPrimary = () => {
      for (const command of this.#waiting.takeAll()) this.#source.primary.submit(command);
    };
    preparing.then(() => this.#changed([]), toPrimary);
    return true;
  }

  #wait(commands: readonly PendingCommand[]): void {
    const { maxWaiting, name } = this.#options.config;
    if (this.#closed) return this.#fail(commands, new ManagerClosedError(name));
    if (!this.#waiting.hasRoom(commands.length, maxWaiting)) {
      const what = "reads that wait for a replica";
      const { size } = this.#waiting;
      return this.#fail(commands, new OverloadedError(name, what, size, maxWaiting));
    }
    this.#waiting.add(commands);
  }

  /** Replicas are known, or usable again: sends what waits. */
  readonly #changed = (left: readonly PendingCommand[]): void => {
    for (const command of [...left, ...this.#waiting.takeAll()]) {
      this.#tried.delete(command);
      this.submit(command);
    }
  };

  #fail(commands: readonly PendingCommand[], error: Error): void {
    for (const command of commands) {
      command.tracking.owner.failed(command, error, "never-sent");
    }
  }
}
