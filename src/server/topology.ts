import type { CommandGate, CommandSink } from "../commands/dispatcher.ts";
import type { NodeAddress, RedisConfig } from "../config/settings.ts";
import type { Connection } from "../connection/connection.ts";
import type { Command } from "../connection/ioredis.ts";
import type { CommandOwner, PendingCommand } from "../connection/pending_command.ts";
import type { Clock } from "../core/clock.ts";
import type { Emit } from "../core/events.ts";
import type { ConnectionCounts } from "../observability/metrics.ts";
import type { NearCache } from "../near_cache/near_cache.ts";
import type { OwnWrites } from "../near_cache/own_writes.ts";
import type { DatabaseStatistics } from "../observability/statistics.ts";
import type { DatabaseTelemetry } from "../observability/telemetry/database_telemetry.ts";
import type { DatabaseHealth, ReplicaHealth } from "../observability/types.ts";
import type { ConnectionBudget } from "../pool/connection_budget.ts";
import type { Lease } from "../pool/lease.ts";
import type { OpenConnection, PoolCounters, PoolGauges } from "../pool/types.ts";
import type { RetryBudget } from "../resilience/retry.ts";
import type { OpenChannel } from "../transport/channel.ts";
import type { AcquireOptions, InternalLease, PooledConnection } from "./lease.ts";

/** What the servers of a database have in common. */
export interface ServerContext {
  readonly config: RedisConfig;
  readonly statistics: DatabaseStatistics;
  readonly budget: RetryBudget;
  /** The limit on the connections of all databases, if there is one. */
  readonly limit: ConnectionBudget | undefined;
  /** Handles the replies and errors of commands on leases. */
  readonly leaseOwner: CommandOwner;
  /** Deadline of a command on a lease, in milliseconds. */
  readonly timeoutOf: (command: Command) => number;
  /** Prefixes the keys of a command on a lease; unset without a key prefix. */
  readonly placeKeys?: (command: Command) => void;
  /** Called for each connection that was opened, before it is used. */
  readonly opened: (connection: Connection, purpose: "lane" | "lease") => void;
  /** Keeps replies of reads on lanes; unset without a near cache. */
  readonly nearCache?: NearCache | undefined;
  /** Learns what is sent on leases. */
  readonly ownWrites?: OwnWrites;
  readonly telemetry: DatabaseTelemetry | undefined;
  readonly emit: Emit;
  /** Opens byte channels in place of the configured transport. */
  readonly openChannel?: OpenChannel;
  readonly clock: Clock;
}

/** Which server a connection is leased of: a database has several only in a cluster. */
export interface LeaseTarget {
  /** The slot whose node is meant. */
  readonly slot?: number;
  /** The node that is meant: by name, such as `10.0.0.7:7000`, if it must be known; or by
   * the address that a redirect names. */
  readonly node?: string | NodeAddress;
}

/** How long to wait for a lease. */
export type LeaseWait = Pick<AcquireOptions, "signal" | "timeoutMs">;

/** What the connections of one server or more are doing, and have done since the start. */
export interface ServerStats {
  readonly gauges: PoolGauges;
  readonly counters: Pick<
    PoolCounters,
    "created" | "acquireTimeouts" | "evictions" | "lastCleanup"
  >;
  /** Commands that wait for a lane. */
  readonly waiting: number;
  /** Commands in flight on lanes. */
  readonly inFlight: number;
}

/** A server that connections are leased of. */
export interface LeaseSource {
  /** Leases a connection to a caller. */
  acquire(wait: LeaseWait): Promise<Lease<PooledConnection>>;
  /** Leases a connection to the database itself. */
  lend(wait: LeaseWait): Promise<InternalLease>;
  readonly probe: {
    /** Ends what another connection waits for, over a lane. */
    unblock(clientId: number, withinMs: number): Promise<boolean | undefined>;
  };
}

/** Which servers reads may go to. */
export type ReadFrom = RedisConfig["readFrom"];

/** A replica that reads are sent to. */
export interface Replica {
  readonly lanes: Pick<CommandSink, "submit" | "submitBatch">;
}

/** The replicas of one primary. */
export interface Replicas {
  /** Whether they were looked at: until then reads may wait. */
  readonly isKnown: boolean;
  /** Their names, such as `10.0.0.7:7000`. */
  readonly names: readonly string[];
  /** The replica that a read is sent to, those that are in sync in turn; `undefined` if there
   * is none. */
  pick(from: ReadFrom, tried?: ReadonlySet<string>): Replica | undefined;
  /** A replica could not answer a read: it gets none until it has answered a look, which is
   * made at once. */
  leaveOut(name: string, reason: string): void;
}

/** Where the reads of a database find replicas. */
export interface ReplicaSource {
  /** Takes commands for primaries, of which no circuit breaker was asked. */
  readonly primary: Pick<CommandSink, "submit" | "submitBatch">;
  /** Resolves when it is known where the replicas are; `undefined` if it is. */
  readonly preparing: Promise<unknown> | undefined;
  /** The replicas of the server that has the keys of a command; `undefined` if only a primary
   * can run it. */
  replicasOf(
    command: PendingCommand,
    changed: (left: readonly PendingCommand[]) => void,
  ): Replicas | undefined;
  /** The commands to send in place of one whose keys are on several servers: itself, if they
   * are not. */
  open?(command: PendingCommand): readonly PendingCommand[];
  /** Finds out whether the key of a command has left the primary of the replica that has not
   * found it. */
  verify?(command: PendingCommand): void;
  /** Whether an endpoint is that of a replica. */
  isReplica(endpoint: string): boolean;
  /** What is known of the replicas. */
  health(): readonly ReplicaHealth[];
}

/** Which node of a cluster has which slots, for subscriptions. */
export interface ShardSource {
  /** The names of the primaries that are known. */
  readonly primaries: readonly string[];
  /** Whether every slot is served. */
  readonly isComplete: boolean;
  /** Calls back when they have changed, until the function that it returns is called. */
  listen(changed: () => void): () => void;
  /** Resolves when they are known. */
  ready(signal?: AbortSignal): Promise<void>;
  /** The name of the primary of a slot; `undefined` if none is known. */
  ownerOf(slot: number): string | undefined;
  /** Records where an error reply of a node leads; `false` if it is no redirect. */
  learn(message: string, endpoint: string): boolean;
  /** They may have changed: finds out. */
  refresh(): void;
}

/** Where the commands of one database go: to its server, or to the nodes of its cluster. */
export interface Topology {
  /** Takes ordinary commands. */
  readonly sink: CommandSink;
  /** Whether commands may be sent at all. */
  readonly gate: CommandGate;
  /** The error for callers while they may not. */
  openError(): Error;
  /** Sends a command to where an error reply redirects it; `false` if it does not. */
  redirect(command: PendingCommand, error: Error): boolean;
  /** Records what an error reply says about where keys are. */
  learn(command: PendingCommand, error: Error): void;
  /** Records the redirect of a command on a lease: {@linkcode targetOf} follows it. */
  redirectLease?(command: PendingCommand, error: Error): boolean;
  /** Records the redirect of a transaction and returns where it leads; `undefined` if the
   * error is another one. */
  redirectTransaction?(
    error: Error,
    endpoint: string,
  ): { slot: number; node: NodeAddress; asking: boolean } | undefined;
  /** The target of a command on a lease, and whether it is sent after ASKING. */
  targetOf(command: PendingCommand): LeaseTarget & { readonly asking: boolean };
  /**
   * Leases a connection.
   *
   * @param lease Leases it of the server that was found; called again if that server is
   * removed meanwhile.
   */
  lease<T>(
    target: LeaseTarget,
    wait: LeaseWait,
    lease: (server: LeaseSource, wait: LeaseWait) => Promise<T>,
  ): Promise<T>;
  /** Where reads find replicas; `undefined` where none are known of. */
  readonly reads: ReplicaSource | undefined;
  /** Its shards, if it is a cluster. */
  readonly shards?: ShardSource;
  /** Resolves when commands can be sent. */
  whenReady(signal?: AbortSignal): Promise<void>;
  /** The connections may lead to the wrong servers by now. */
  reresolve(reason: string): void;
  /** A server replied that it does not serve yet. */
  notReady(connection: Connection): void;
  /** A server refused a transaction after it had accepted others. */
  transactionRefused(connection: Connection): void;
  /** Checks now whether the database serves. */
  check(signal?: AbortSignal): Promise<boolean>;
  /** Closes connections that are idle, or have lived, for too long; returns how many. */
  reap(): number;
  /** Connections opened so far, and open now. */
  connections(): ConnectionCounts;
  /** The connections that are open: a new array. */
  openConnections(): OpenConnection<PooledConnection>[];
  stats(): ServerStats;
  /** How well the database serves, as far as is known without asking. */
  health(): DatabaseHealth;
  /** Closes every circuit breaker by hand. */
  resetBreakers(): void;
  /** Reports no more changes of the health. */
  stopReporting(): void;
  /** Takes no more commands, lets those it has finish within `drainMs`, and closes every
   * connection; returns how many commands were cut. */
  close(drainMs: number): Promise<number>;
}
