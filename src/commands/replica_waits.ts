import { classifier } from "../connection/command_arguments.ts";
import { Command, isReplyError } from "../connection/ioredis.ts";
import {
  type CommandConnection,
  FireAndForget,
  type PendingCommand,
} from "../connection/pending_command.ts";
import { identifyServer, type ServerIdentity } from "../connection/server_identity.ts";
import type { Clock } from "../core/clock.ts";
import { DurabilityError } from "../core/errors/mod.ts";
import type { CallOptions } from "./call_options.ts";
import { WAIT_BARRIER_ADVICE, WAIT_CHANNEL } from "./wait_barrier.ts";

/** A connection that WAITs are sent on. */
export interface WaitLease {
  readonly connection: CommandConnection & {
    sendBatch(commands: readonly PendingCommand[]): void;
  };
  release(): void;
  destroy(): void;
}

/** What confirming writes needs of its database. */
export interface ReplicaWaitOptions {
  readonly database: string;
  /** Deadline of a command without one of its own, in milliseconds. */
  readonly commandTimeoutMs: number;
  /** The slot of a command's keys; `undefined` outside of a cluster. */
  readonly slotOf: (command: PendingCommand) => number | undefined;
  /** A key in a slot, to be written before a WAIT. */
  readonly barrierKey: (slot: number) => string;
  /** Leases a connection to the server of a slot, or to the only one. */
  readonly lease: (slot: number | undefined) => Promise<WaitLease>;
  readonly clock: Clock;
}

/** A write that was made and is not confirmed yet. */
interface HeldWrite {
  readonly command: PendingCommand;
  readonly reply: unknown;
  readonly resolve: (reply: unknown) => void;
}

/** Writes that one WAIT can confirm: of one connection, with the same wishes. */
interface WaitGroup {
  readonly connection: CommandConnection;
  readonly replicas: number;
  readonly waitMs: number;
  held: HeldWrite[];
  /** Number of WAITs that are under way. */
  running: number;
}

/** WAITs of one group at a time: while one waits for a slow replica, others are sent. */
const MAX_RUNNING = 3;
/** What a server may take beyond the time of a WAIT, in milliseconds. */
const GRACE_MS = 1000;

/** What to do where a node of a cluster refuses the key. */
const CLUSTER_ADVICE =
  "without it the server would confirm writes that no replica has: " +
  `allow the user SET to the keys "${WAIT_CHANNEL}:*"`;

const OWNER = new FireAndForget();

/**
 * Holds the replies of writes back until replicas have confirmed them: one WAIT for all
 * replies that have come on a connection since the last one, on a leased connection.
 *
 * A WAIT covers what its own connection has written, on newer servers nothing else. So a
 * message goes before it, which is replicated behind all that the server has run by then; in a
 * cluster, where messages take another way, a key that expires at once. That it is the server
 * which ran the writes is known by the names that both connections give.
 */
export class ReplicaWaits {
  readonly #options: ReplicaWaitOptions;
  readonly #groups = new WeakMap<CommandConnection, WaitGroup[]>();
  readonly #identities = new WeakMap<
    CommandConnection,
    Promise<ServerIdentity | undefined>
  >();

  /** Connections that WAITs were sent on, and what they were found to belong to. */
  readonly #sameServer = new WeakMap<CommandConnection, CommandConnection>();

  constructor(options: ReplicaWaitOptions) {
    this.#options = options;
  }

  /** Holds the reply of a write back, once there is one. */
  hold(command: PendingCommand, call: CallOptions): void {
    const { commandTimeoutMs } = this.#options;
    const replicas = call.waitReplicas!;
    const waitMs = Math.ceil(call.waitMs ?? call.timeoutMs ?? commandTimeoutMs);
    const resolve = command.succeed.bind(command);
    // An error is told at once.
    command.adopt = resolve;
    command.succeed = (reply) => {
      const { connection } = command.tracking;
      const { isRead } = classifier.resolve(command.name, command.args);
      // The parts of a command that is split for a cluster have waited.
      if (connection === undefined || isRead) return resolve(reply);
      const group = this.#groupOf(connection, replicas, waitMs);
      group.held.push({ command, reply, resolve });
      // What is on its way to the server shares the WAIT.
      if (group.held.length === 1) connection.whenAnswered(() => this.#start(group));
    };
  }

  #groupOf(connection: CommandConnection, replicas: number, waitMs: number): WaitGroup {
    let groups = this.#groups.get(connection);
    if (groups === undefined) this.#groups.set(connection, groups = []);
    let group = groups.find((each) =>
      each.replicas === replicas && each.waitMs === waitMs
    );
    if (group === undefined) {
      group = { connection, replicas, waitMs, held: [], running: 0 };
      groups.push(group);
    }
    return group;
  }

  /** Confirms what is held, over a lease. */
  async #start(group: WaitGroup): Promise<void> {
    const batch = group.held;
    if (batch.length === 0 || group.running === MAX_RUNNING) return;
    group.held = [];
    group.running++;
    const slot = this.#options.slotOf(batch[0]!.command);
    let lease: WaitLease | undefined;
    try {
      lease = await this.#options.lease(slot);
      if (this.#sameServer.get(lease.connection) !== group.connection) {
        const why = await this.#whyElsewhere(group.connection, lease.connection);
        if (why !== undefined) throw new Error(why);
        this.#sameServer.set(lease.connection, group.connection);
      }
      const count = await this.#wait(lease.connection, group, slot);
      lease.release();
      if (count < group.replicas) {
        this.#fail(batch, group, count, `within ${group.waitMs} ms`);
      } else for (const { reply, resolve } of batch) resolve(reply);
    } catch (error) {
      lease?.destroy();
      this.#fail(batch, group, 0, (error as Error).message, error);
    }
    group.running--;
    void this.#start(group);
  }

  /** Sends the message and a WAIT; gives how many replicas have both. */
  async #wait(
    connection: WaitLease["connection"],
    { replicas, waitMs }: WaitGroup,
    slot: number | undefined,
  ): Promise<number> {
    const make = (name: string, ...args: (string | number)[]) =>
      OWNER.track(new Command(name, args), waitMs + GRACE_MS);
    const barrier = slot === undefined
      ? make("publish", WAIT_CHANNEL, "")
      : make("set", this.#options.barrierKey(slot), "", "PX", GRACE_MS);
    const count = make("wait", replicas, waitMs);
    connection.sendBatch([barrier, count]);
    try {
      await barrier.promise;
    } catch (error) {
      if (!isReplyError(error) || !error.message.startsWith("NOPERM")) throw error;
      const advice = slot === undefined ? WAIT_BARRIER_ADVICE : CLUSTER_ADVICE;
      throw new Error(`${error.message}: ${advice}`);
    }
    return Number(await count.promise);
  }

  /** Why a connection does not lead to the server that ran the writes of another one. */
  async #whyElsewhere(
    written: CommandConnection,
    waiting: CommandConnection,
  ): Promise<string | undefined> {
    const [first, second] = await Promise.all([
      this.#identityOf(written),
      this.#identityOf(waiting),
    ]);
    if (first === undefined) return "the server that made it cannot be asked any more";
    const isSame = first.runId === second?.runId &&
      first.replicationId === second.replicationId;
    return isSame ? undefined : "another server than the one that made it answers";
  }

  #identityOf(connection: CommandConnection): Promise<ServerIdentity | undefined> {
    let identity = this.#identities.get(connection);
    if (identity === undefined) {
      const { clock, commandTimeoutMs } = this.#options;
      identity = identifyServer(connection, commandTimeoutMs, () => clock.now());
      this.#identities.set(connection, identity);
    }
    return identity;
  }

  #fail(
    batch: readonly HeldWrite[],
    { replicas }: WaitGroup,
    count: number,
    why: string,
    cause?: unknown,
  ): void {
    const { database } = this.#options;
    for (const { command, reply } of batch) {
      const { name } = command;
      command.fail(
        new DurabilityError(database, name, reply, count, replicas, why, cause),
      );
    }
  }
}
