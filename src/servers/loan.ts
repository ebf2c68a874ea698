import { makeAsking } from "../commands/asking.ts";
import type { BlockingLease } from "../commands/blocking.ts";
import type { SubscriberLease } from "../commands/pubsub/hub.ts";
import type { TransactionLease } from "../commands/transaction.ts";
import {
  passWaitBarrier,
  WAIT_BARRIER_ADVICE,
  waitsForWrites,
} from "../commands/wait_barrier.ts";
import type { Connection } from "../connection/connection.ts";
import { type Command, isReplyError, type Redis } from "../connection/driver.ts";
import type { Session } from "../connection/session.ts";
import type { CommandOwner, TrackedCommand } from "../connection/tracked.ts";
import { CommandRefusedError, CommandTimeoutError } from "../core/errors/mod.ts";
import type { Lease } from "../pool/lease.ts";
import { classifyReplyError } from "../resilience/reply_errors.ts";
import type { PooledConnection } from "./pool.ts";

/** The writes that a WAIT speaks of: all that were sent to the server before it. */
export interface WritesBefore {
  /** How long they may take to be answered, in milliseconds. */
  readonly timeoutMs: number;
  /** Waits for them; gives whether they were answered in that time. */
  passed(timeoutMs: number): Promise<boolean>;
}

/** What to do where a WAIT would speak of some of the writes only. */
const WAIT_IN_CLUSTER =
  "it would speak of one node of the cluster only: write and wait " +
  "on one lease of manager.acquire(database, { key })";

/** A lease that the database itself holds, for a command, a transaction or its subscriptions. */
export class Loan implements TransactionLease, SubscriberLease {
  readonly #lease: Lease<PooledConnection>;
  readonly #session: Session;
  readonly #ours: Set<number>;
  readonly #writes: WritesBefore | undefined;

  /**
   * Holds a lease.
   *
   * @param lease The lease; released by this loan alone.
   * @param ours Ids of the connections that the database itself holds: how long it holds
   * them is no leak.
   * @param writes What a WAIT waits for; nothing where a server has a part of the data.
   */
  constructor(
    lease: Lease<PooledConnection>,
    ours: Set<number>,
    writes: WritesBefore | undefined,
  ) {
    this.#writes = writes;
    this.#lease = lease;
    this.#session = sessionOf(lease);
    this.#ours = ours;
    ours.add(lease.connection.id);
  }

  /** The connection. */
  get connection(): Connection {
    return this.#session.connection;
  }

  /** Where the connection goes, in words. */
  get endpoint(): string {
    return this.connection.endpoint;
  }

  /** The connection's client. */
  get redis(): Redis {
    return this.#session.redis;
  }

  /**
   * Sends a command on the connection.
   *
   * @param command The command.
   * @returns Its promise.
   */
  send(command: Command): Promise<unknown> {
    return this.#session.send(command);
  }

  /**
   * Gives the commands on the connection another judge; give it back when the loan ends.
   *
   * @param owner The judge. Default: the database's.
   */
  judgedBy(owner?: CommandOwner): void {
    this.#session.judgedBy(owner);
  }

  /** Gives the connection back; it is made clean. */
  release(): void {
    if (this.#lease.released) return;
    this.#ours.delete(this.#lease.connection.id);
    this.#lease.release();
  }

  /** Gives the connection back as one that nobody is to have any more. */
  destroy(): void {
    if (this.#lease.released) return;
    this.#ours.delete(this.#lease.connection.id);
    this.#lease.destroy();
  }

  /**
   * The same loan, for a command that has its own judge.
   *
   * @param asking Whether the command goes behind an ASKING: its cluster slot is about to
   * be the server's.
   * @returns The loan, as a blocking command wants it.
   */
  forBlocking(asking: boolean = false): BlockingLease {
    const session = this.#session;
    return {
      get clientId() {
        return session.clientId;
      },
      prepare: (command: TrackedCommand) =>
        waitsForWrites(command) ? this.#passWrites(command) : undefined,
      send: (command: TrackedCommand) => {
        // Known by the time somebody wants the command to end.
        session.identify();
        if (asking) session.connection.send(makeAsking(command.tracking.timeoutMs));
        session.connection.send(command);
      },
      release: () => this.release(),
      destroy: () => this.destroy(),
    };
  }

  /** Waits for the writes that were sent before a WAIT, on whatever connections. */
  async #passWrites({ name }: TrackedCommand): Promise<void> {
    const { database } = this.connection;
    const writes = this.#writes;
    if (writes === undefined) {
      throw new CommandRefusedError(database, name, WAIT_IN_CLUSTER);
    }
    const { timeoutMs } = writes;
    try {
      if (!await writes.passed(timeoutMs)) throw this.#overdue(name, timeoutMs);
      const send = (command: TrackedCommand) => this.connection.send(command);
      await passWaitBarrier(send, timeoutMs);
    } catch (error) {
      if (error instanceof CommandTimeoutError) throw this.#overdue(name, timeoutMs);
      if (!isReplyError(error) || isNotNow(error)) throw error;
      const why = `${error.message}: ${WAIT_BARRIER_ADVICE}`;
      throw new CommandRefusedError(database, name, why, "a connection");
    }
  }

  #overdue(name: string, timeoutMs: number): CommandTimeoutError {
    const { database } = this.connection;
    return new CommandTimeoutError(database, name, timeoutMs, "never-sent");
  }
}

/** Whether an error reply says that the server refuses everything for now. */
function isNotNow({ message }: Error): boolean {
  return classifyReplyError(message).rule.action === "wait";
}

/**
 * The session of a leased connection.
 *
 * @param lease The lease.
 * @returns Its session; only lanes have none.
 */
export function sessionOf(lease: Lease<PooledConnection>): Session {
  const { session } = lease.connection;
  if (session === undefined) throw new TypeError("Cannot lend a lane");
  return session;
}
