import type { CommandGate, CommandSink } from "../commands/dispatcher.ts";
import type { Connection } from "../connection/connection.ts";
import type { TrackedCommand } from "../connection/tracked.ts";
import type { TcpAddress } from "../core/address.ts";
import type { ConnectionCounts } from "../observability/metrics.ts";
import type { DatabaseHealth } from "../observability/types.ts";
import type { OpenConnection } from "../pool/types.ts";
import type { Redirect } from "../topology/redirect.ts";
import type { AcquireOptions } from "./lease.ts";
import type { PooledConnection } from "./pool.ts";
import type { ServerConnections, ServerNumbers } from "./server_connections.ts";

/** Where a connection of its own is wanted: only a cluster has more than one place. */
export interface LeaseTarget {
  /** The slot whose node is wanted. */
  readonly slot?: number;
  /** The node that is wanted: one that is known, such as `10.0.0.7:7000`; or whichever is
   * there, as a redirect says it. */
  readonly node?: string | TcpAddress;
}

/** How long the wait for a lease may take. */
export type LeaseWait = Pick<AcquireOptions, "signal" | "timeoutMs">;

/** Where the commands of one database go: to its server, or to the nodes of its cluster. */
export interface Servers {
  /** Takes ordinary commands. */
  readonly sink: CommandSink;
  /** Whether commands may be sent at all. */
  readonly gate: CommandGate;
  /** The error for callers while they may not. */
  openError(): Error;
  /** Sends a command to where an error reply says that it belongs; `false` if the error
   * says no such thing. */
  redirect?(command: TrackedCommand, error: Error): boolean;
  /** Notes a redirect that was followed elsewhere. */
  redirectTo?(redirect: Redirect): void;
  /** Notes what an error reply on a lease tells of where keys are. */
  learn?(command: TrackedCommand, error: Error): void;
  /** Where a command of a connection of its own belongs by an error reply; `undefined` if
   * the error says no such thing. */
  redirectLease?(command: TrackedCommand, error: Error): LeaseTarget | undefined;
  /** Where a command of a connection of its own goes, and whether after ASKING. */
  targetOf(command: TrackedCommand): LeaseTarget & { readonly asking: boolean };
  /**
   * Leases a connection.
   *
   * @param target Where.
   * @param wait How long to wait.
   * @param lease Leases it of the server that was found; called again if that server is
   * given up meanwhile.
   */
  lease<T>(
    target: LeaseTarget,
    wait: LeaseWait,
    lease: (server: ServerConnections, wait: LeaseWait) => Promise<T>,
  ): Promise<T>;
  /** Resolves when commands can be sent. */
  whenReady(signal?: AbortSignal): Promise<void>;
  /** The connections may lead to the wrong servers by now. */
  reresolve(reason: string): void;
  /** A server says that it does not serve yet. */
  notReady(connection: Connection): void;
  /** A server refused a transaction although it had let others run. */
  transactionRefused(connection: Connection): void;
  /** Asks now; gives whether it serves. */
  check(signal?: AbortSignal): Promise<boolean>;
  /** Closes connections that have been idle, or have lived, for too long; gives how many. */
  reap(): number;
  /** Connections opened so far, and open now. */
  connections(): ConnectionCounts;
  /** The connections that are open. */
  openConnections(): OpenConnection<PooledConnection>[];
  /** What the connections are at, and have done. */
  numbers(): ServerNumbers;
  /** How well it serves, as far as is known without asking. */
  health(): DatabaseHealth;
  /** Closes every circuit breaker by hand. */
  resetBreakers(): void;
  /** Reports no more changes of the health. */
  stopReporting(): void;
  /** Lets the commands there are finish, and closes every connection; gives how many
   * commands were cut. */
  close(drainMs: number): Promise<number>;
}
