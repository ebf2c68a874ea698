import { BlockingCommands, type BlockingLease } from "../commands/blocking.ts";
import type { Dispatcher } from "../commands/dispatcher.ts";
import { RetryJudge, type RetryPolicy } from "../commands/retry_judge.ts";
import type { RedisConfig } from "../config/mod.ts";
import type { TrackedCommand } from "../connection/tracked.ts";
import type { Clock } from "../core/clock.ts";
import type { DatabaseStatistics } from "../observability/statistics.ts";
import type { ServerConnections } from "../servers/server_connections.ts";
import type { Servers } from "../servers/servers.ts";

/** What the blocking commands of a database work on. */
export interface DatabaseBlockingParts {
  /** The database. */
  readonly config: RedisConfig;
  /** Where its commands go. */
  readonly servers: Servers;
  /** Counts what becomes of them, and tells callers. */
  readonly dispatcher: Pick<Dispatcher, "leaseFailed" | "replied">;
  /** Counts what is tried again. */
  readonly statistics: DatabaseStatistics;
  /** How they are tried again. */
  readonly retry: RetryPolicy;
  /** Deadline of a command once it was sent, in milliseconds. */
  readonly timeoutOf: (command: TrackedCommand) => number;
  /** Time. */
  readonly clock: Clock;
}

/** What becomes of a blocking command that is redirected. */
const AT_ONCE = Object.freeze({ retry: true, delayMs: 0, reresolve: false });

/**
 * What runs the blocking commands of a database, each on a connection to where its key is.
 *
 * @param parts What they work on.
 * @returns The commands; none is running.
 */
export function makeBlocking(parts: DatabaseBlockingParts): BlockingCommands {
  const { clock, config, dispatcher, retry, servers, statistics, timeoutOf } = parts;
  const judge = new RetryJudge(retry, clock);
  /** Whose connections they are on. */
  const lenders = new WeakMap<BlockingLease, ServerConnections>();
  const acquire = async (
    command: TrackedCommand,
    signal: AbortSignal,
  ): Promise<BlockingLease> => {
    const { asking, ...target } = servers.targetOf(command);
    const { attempts, startedAt, timeoutMs } = command.tracking;
    // One that is tried again waits within its first deadline.
    const leftMs = attempts === 0 ? Infinity : startedAt + timeoutMs - clock.now();
    const [server, loan] = await servers.lease(
      target,
      { signal, timeoutMs: Math.max(0, Math.min(config.acquireTimeoutMs, leftMs)) },
      async (server, wait) => [server, await server.lend(wait)] as const,
    );
    const lease = loan.forBlocking(asking);
    lenders.set(lease, server);
    return lease;
  };
  return new BlockingCommands({
    database: config.name,
    timeoutOf,
    acquire,
    unblock: async (clientId, withinMs, lease) =>
      await lenders.get(lease)?.probe.unblock(clientId, withinMs),
    judge: (command, error, delivery) => {
      if (servers.redirectLease?.(command, error)) return AT_ONCE;
      const verdict = judge.judge(command, error, delivery);
      if (verdict.retry) statistics.counts.retries++;
      return verdict;
    },
    replied: (command, reply) => dispatcher.replied(command, reply),
    told: (command, error) => dispatcher.leaseFailed(command, error),
    reresolve: (reason) => servers.reresolve(reason),
    clock,
  });
}
