import type { KeyedSink } from "../cluster/keyed_sink.ts";
import { commandSlot, describeCrossSlot, keySlot, slotTag } from "../cluster/slots.ts";
import { BlockingCommands, type BlockingLease } from "../commands/blocking.ts";
import { type Dispatcher, RERESOLVE_AFTER_MS } from "../commands/dispatcher.ts";
import { OnceWrites } from "../commands/once.ts";
import { TOKEN_PREFIX, WHERE } from "../commands/once_delivery.ts";
import { ReplicaWaits } from "../commands/replica_waits.ts";
import type { RetryPolicy } from "../commands/retry.ts";
import type {
  ClusterPlacement,
  TransactionLease,
  TransactionTarget,
} from "../commands/transaction.ts";
import { WAIT_CHANNEL } from "../commands/wait_barrier.ts";
import type { RedisConfig } from "../config/mod.ts";
import { classifier, flagsOf } from "../connection/command_arguments.ts";
import type { IORedisCommand } from "../connection/ioredis.ts";
import type { PendingCommand } from "../connection/pending_command.ts";
import type { Clock } from "../core/clock.ts";
import { CommandRefusedError } from "../core/errors/mod.ts";
import type { DatabaseStatistics } from "../observability/statistics.ts";
import { classifyReplyError } from "../resilience/reply_errors.ts";
import type { LeaseSource, LeaseWait, Topology } from "../server/topology.ts";

/** The parts of a database that its blocking commands and transactions use. */
export interface SharedParts {
  /** The database. */
  readonly config: RedisConfig;
  /** Its servers. */
  readonly servers: Topology;
  /** Counts commands, and rejects those that failed. */
  readonly dispatcher: Pick<Dispatcher, "leaseFailed" | "replied">;
  /** Counts retries and redirects. */
  readonly statistics: DatabaseStatistics;
  /** Decides which commands are retried. */
  readonly retryPolicy: RetryPolicy;
  /** Time. */
  readonly clock: Clock;
}

/** What blocking commands use of them. */
type BlockingParts = Omit<SharedParts, "retryPolicy"> & {
  readonly retryPolicy: Pick<RetryPolicy, "decide">;
};

/** What becomes of a blocking command that is redirected. */
const AT_ONCE = Object.freeze({ retry: true, delayMs: 0, reresolve: false });

/**
 * Makes what runs the blocking commands of a database, each on a connection to the server
 * that has its key.
 *
 * @param wait Acquires a connection again and again. Default: it is acquired once.
 */
export function makeBlocking(
  { clock, config, dispatcher, retryPolicy, servers, statistics }: BlockingParts,
  timeoutOf: (command: PendingCommand) => number,
  wait?: <T>(acquire: () => Promise<T>, signal: AbortSignal) => Promise<T>,
): BlockingCommands {
  const serverOf = new WeakMap<BlockingLease, LeaseSource>();
  const lease = async (
    command: PendingCommand,
    signal: AbortSignal,
  ): Promise<BlockingLease> => {
    const { asking, ...target } = servers.targetOf(command);
    const { attempts, startedAt, timeoutMs } = command.tracking;
    // A retry waits within the first deadline.
    const leftMs = attempts === 0 ? Infinity : startedAt + timeoutMs - clock.now();
    const [server, loan] = await servers.lease(
      target,
      { signal, timeoutMs: Math.max(0, Math.min(config.acquireTimeoutMs, leftMs)) },
      async (server, wait) => [server, await server.lend(wait)] as const,
    );
    const lease = loan.forBlocking(asking);
    serverOf.set(lease, server);
    return lease;
  };
  return new BlockingCommands({
    database: config.name,
    timeoutOf,
    acquire: (command, signal) => {
      const acquire = () => lease(command, signal);
      return wait === undefined ? acquire() : wait(acquire, signal);
    },
    unblock: async (clientId, withinMs, lease) =>
      await serverOf.get(lease)?.probe.unblock(clientId, withinMs),
    decide: (command, error, delivery) => {
      if (servers.redirectLease?.(command, error)) return AT_ONCE;
      const decision = retryPolicy.decide(command, error, delivery);
      if (decision.retry) statistics.counts.totalRetryAttempts++;
      return decision;
    },
    replied: (command, reply) => dispatcher.replied(command, reply),
    failed: (command, error) => dispatcher.leaseFailed(command, error),
    reresolve: (reason) => servers.reresolve(reason),
    clock,
  });
}

/** Places the transactions of a database in a cluster: all keys must be in one slot. */
export function placeInCluster(
  { config, servers }: SharedParts,
): ClusterPlacement {
  const { keyPrefix, name } = config;
  return {
    slotOf: (watch, commands) => {
      const keys = [
        ...watch.map((key) => keyPrefix + key),
        ...commands.flatMap((command) => command.getKeys()),
      ];
      const text = describeCrossSlot(keys);
      if (text !== undefined) {
        throw new CommandRefusedError(name, "multi", text, "one node of the cluster");
      }
      return keys.length === 0 ? undefined : keySlot(keys[0]!);
    },
    redirected: (error, endpoint) => servers.redirectTransaction?.(error, endpoint),
  };
}

/**
 * Leases a connection for a transaction. What is sent on it is counted when it is given
 * back: an attempt that is redirected or retried has run nothing, and its caller does not
 * see it.
 */
export async function leaseForTransaction(
  { clock, dispatcher, servers, statistics }: SharedParts,
  target: TransactionTarget,
  wait: LeaseWait,
): Promise<TransactionLease> {
  const loan = await servers.lease(target, wait, (server, wait) => server.lend(wait));
  const { connection } = loan;
  let uncounted: (() => void)[] = [];
  let isOver = false;
  // Whether the server has said that it cannot serve any more.
  let leadsAway = false;
  const count = (how: () => void) => {
    if (isOver) how();
    else uncounted.push(how);
  };
  loan.judgedBy({
    replied: (command, reply) => count(() => dispatcher.replied(command, reply)),
    failed: (command, error) => {
      servers.learn(command, error);
      dispatcher.leaseFailed(command, error, false);
      const ageMs = clock.now() - connection.createdAt;
      const { reresolve } = classifyReplyError(error.message).rule;
      if (reresolve && ageMs >= RERESOLVE_AFTER_MS) leadsAway = true;
      count(() => statistics.commandFailed(error));
    },
  });
  return {
    endpoint: loan.endpoint,
    redis: loan.redis,
    send: (command) => loan.send(command),
    release: () => {
      // Another caller may have the connection by now.
      if (isOver) return;
      isOver = true;
      for (const how of uncounted) how();
      loan.judgedBy();
      // The next to get it would be this transaction itself.
      if (leadsAway) loan.destroy();
      else loan.release();
    },
    forget: () => uncounted = [],
  };
}

const NO_KEYS: readonly string[] = [];

/** Makes what lets the writes of a database run once. In a cluster a token is in the slot of
 * the command's keys. */
export function makeOnce(
  { clock, config }: Pick<SharedParts, "clock" | "config">,
  dispatcher: Dispatcher,
  keys: KeyedSink | undefined,
  waits: () => ReplicaWaits,
): OnceWrites {
  const { keyPrefix, mode } = config;
  const isCluster = mode === "cluster";
  const prefix = keyPrefix + TOKEN_PREFIX;
  const tokenPrefix = (command: IORedisCommand) => {
    const slot = isCluster ? commandSlot(command) : undefined;
    return slot === undefined ? prefix : `${prefix}{${slotTag(slot)}}:`;
  };
  const whyUnplaced = (command: IORedisCommand) => {
    if (!isCluster) return undefined;
    const keys = command.getKeys();
    const [key] = keys;
    if (key === undefined) return "it has no key, so that no node is its own";
    const crossSlot = describeCrossSlot(keys);
    if (crossSlot !== undefined) return crossSlot;
    const isApart = keySlot(tokenPrefix(command)) !== keySlot(key);
    return isApart
      ? "the hash tag of the key_prefix keeps its token out of its slot"
      : undefined;
  };
  return new OnceWrites({
    config,
    classifier,
    isBarred: (name) => flagsOf(name)?.includes("noscript") === true,
    places: {
      tokenPrefix,
      whyUnplaced,
      // Finding them takes as long as the rest, and a single server needs none.
      keysOf: (command) => isCluster ? command.getKeys() : NO_KEYS,
      placeKeys: keys && ((command) => keys.placeNow(command, WHERE)),
    },
    dispatcher,
    holdForReplicas: (command, call) => waits().hold(command, call),
    clock,
  });
}

/** Makes what waits until replicas have the writes of a database. */
export function makeReplicaWaits(
  { clock, config, servers }: Pick<SharedParts, "clock" | "config" | "servers">,
): ReplicaWaits {
  const { acquireTimeoutMs, commandTimeoutMs, keyPrefix, mode, name } = config;
  return new ReplicaWaits({
    database: name,
    commandTimeoutMs,
    slotOf: (command) => mode === "cluster" ? commandSlot(command) : undefined,
    barrierKey: (slot) => `${keyPrefix}${WAIT_CHANNEL}:{${slotTag(slot)}}`,
    lease: (slot) =>
      servers.lease(
        { slot },
        { timeoutMs: acquireTimeoutMs },
        (server, wait) => server.lend(wait),
      ),
    clock,
  });
}
