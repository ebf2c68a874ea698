import type { Buffer } from "node:buffer";
import {
  Command,
  type IORedis,
  type IORedisCommand,
  type IORedisPipeline,
  isReplyError,
  type Redis,
} from "../connection/ioredis.ts";
import { copyCommand } from "../connection/managed_command.ts";
import { describeReplyError } from "../connection/reply_error.ts";
import {
  type BatchResult,
  CommandRefusedError,
  LeaseReleasedError,
  TransactionConflictError,
  TransactionError,
} from "../core/errors/mod.ts";
import { checkNames } from "./call_options.ts";
import { type BatchOutcome, type BatchParts, pick, Recorder } from "./recorder.ts";
import {
  conflictPauseMs,
  TransactionRetry,
  type TransactionRetryParts,
} from "./retry.ts";

/** What a transaction watches, and how often it is tried. To run writes once:
 * `client.with({ once: true }).multi()`. */
export interface TransactionOptions {
  /** Keys that must not change between the callback's reads and its writes. Default: none. */
  watch?: readonly string[];
  /** Attempts altogether while a watched key changes, 1 or more. Default 5. */
  maxAttempts?: number;
  /** Longest wait for a connection, in milliseconds, 0 or more. Default: the database's
   * `acquireTimeoutMs`. */
  timeoutMs?: number;
  /** Ends it: before the commands are sent nothing has happened. */
  signal?: AbortSignal;
}

/**
 * Reads what it needs from `watched` and adds the commands to `tx`, or to `typed`, which has
 * the same commands, each giving the promise of its reply: a callback that returns an array
 * of them gets their replies, typed one by one. They are there when the transaction has run,
 * so that they must not be awaited in the callback. It is called again when a watched key has
 * changed, when a transaction that watches is retried, and when one of its reads met a
 * temporary refusal (LOADING …), so it should do nothing else.
 */
export type TransactionFill<R> = (
  tx: IORedisPipeline,
  watched: IORedis,
  typed: IORedis,
) => R;

/** A connection that a transaction has alone. */
export interface TransactionLease {
  /** Where it goes, such as `127.0.0.1:6379`. */
  readonly endpoint: string;
  /** Its client. */
  readonly redis: Redis;
  /** Sends a command on it. */
  send(command: IORedisCommand): Promise<unknown>;
  /** Gives it back to the pool, which resets its state. */
  release(): void;
  /** Removes what was sent on it from the statistics, because it is sent again. */
  forget?(): void;
}

/** Where a transaction runs in a cluster; empty on a single server. */
export interface TransactionTarget {
  /** The slot of its keys; `undefined` if it has none. */
  readonly slot?: number;
  /** The node that a redirect has named. */
  readonly node?: { readonly host: string; readonly port: number };
  /** Whether that node needs an ASKING, as it does not serve the slot yet. */
  readonly asking?: boolean;
}

/** Places a transaction in a cluster. */
export interface ClusterPlacement {
  /** The slot of all keys, the watched ones given without their prefix; throws a
   * `CommandRefusedError` if they are in several. */
  slotOf(
    watch: readonly string[],
    commands: readonly IORedisCommand[],
  ): number | undefined;
  /** Where a redirect leads; `undefined` for another error. */
  redirected(error: Error, endpoint: string): TransactionTarget | undefined;
}

/** What a transaction needs of its database. */
export type TransactionParts = BatchParts & TransactionRetryParts & {
  /** Leases a connection. */
  readonly acquire: (
    target: TransactionTarget,
    wait: { timeoutMs?: number; signal?: AbortSignal },
  ) => Promise<TransactionLease>;
  /** Set for a database in a cluster. */
  readonly cluster?: ClusterPlacement;
};

/** The names of the options. */
const OPTIONS = ["maxAttempts", "signal", "timeoutMs", "watch"] as const;

/** Attempts of a transaction whose caller does not say. */
const MAX_ATTEMPTS = 5;
/** Most redirects between two attempts: after more, the nodes of the cluster disagree. */
const MAX_REDIRECTS = 16;

/**
 * Runs commands in one transaction, on a connection of its own: again while a watched key
 * changes, where the server refuses it for now and has applied nothing, and on the node that
 * it is redirected to.
 *
 * In a cluster the node is known by the watched keys, else by the commands. So without
 * watched keys the callback there reads with the ordinary client.
 */
export async function runTransaction(
  parts: TransactionParts,
  fill: TransactionFill<unknown>,
  options: TransactionOptions,
): Promise<unknown[]> {
  checkNames(options, "run a transaction", OPTIONS);
  const { promise, resolve } = Promise.withResolvers<BatchOutcome & Recording>();
  resolve(attempt(parts, fill, options, promise));
  const { chosen, replies } = await promise;
  return pick(replies, chosen);
}

/** What a transaction's callback gave. */
interface Recording {
  readonly recorder: Recorder;
  /** The indices of the commands whose replies are asked for; all of them without. */
  readonly chosen: number[] | undefined;
}

async function attempt(
  parts: TransactionParts,
  fill: TransactionFill<unknown>,
  options: TransactionOptions,
  outcome: Promise<BatchOutcome>,
): Promise<BatchOutcome & Recording> {
  const { client, cluster } = parts;
  const { watch = [], maxAttempts = MAX_ATTEMPTS, signal } = options;
  const isWatching = watch.length > 0;
  if (!(Number.isInteger(maxAttempts) && maxAttempts >= 1)) {
    throw new RangeError(
      `Cannot try the transaction as maxAttempts must be an integer of 1 or more: ` +
        `current value is ${maxAttempts}`,
    );
  }
  signal?.throwIfAborted();
  const retry = new TransactionRetry(parts, options);
  const send = (command: IORedisCommand) =>
    client.sendCommand(command) as Promise<unknown>;
  let slot = cluster?.slotOf(watch, []);
  let redirect: TransactionTarget | undefined;
  let redirects = 0;
  let recording: Recording | undefined;
  let lease: TransactionLease | undefined;
  try {
    for (let attempt = 1;;) {
      signal?.throwIfAborted();
      try {
        if (cluster === undefined || isWatching) {
          lease ??= await acquire(parts, redirect ?? { slot }, retry);
        }
        if (isWatching) await lease!.redis.watch(...watch);
        // Those that watch need fresh reads for each attempt.
        const before = isWatching ? undefined : recording;
        const reading = lease ?? { redis: client, send };
        recording = before ?? await record(parts, fill, reading, retry, outcome);
        const { recorder } = recording;
        const commands = before === undefined
          ? recorder.commands
          : recorder.commands.map(copyCommand);
        slot = cluster?.slotOf(watch, commands);
        signal?.throwIfAborted();
        if (commands.length === 0) return { ...recording, replies: [] };
        lease ??= await acquire(parts, redirect ?? { slot }, retry);
        const replies = await execute(parts, lease, commands);
        if (replies !== null) return { ...recording, replies };
      } catch (error) {
        if (lease === undefined) throw error;
        redirect = redirectOf(cluster, error as Error, lease.endpoint);
        // A read of the callback's in another slot is redirected by its own client.
        if (redirect?.slot !== slot || redirects === MAX_REDIRECTS) redirect = undefined;
        redirects = redirect === undefined ? 0 : redirects + 1;
        const delayMs = redirect === undefined ? retry.delayAfter(error) : 0;
        if (delayMs === undefined) throw error;
        lease.forget?.();
        // Others may have it meanwhile, and it may lead to the wrong server.
        lease.release();
        lease = undefined;
        if (redirect === undefined) await retry.pause(delayMs);
        continue;
      }
      if (attempt === maxAttempts) {
        throw new TransactionConflictError(parts.config.name, maxAttempts, watch);
      }
      const pauseMs = conflictPauseMs(attempt++, Math.random());
      await parts.clock.sleep(pauseMs, { signal });
    }
  } finally {
    lease?.release();
  }
}

async function acquire(
  parts: TransactionParts,
  target: TransactionTarget,
  retry: TransactionRetry,
): Promise<TransactionLease> {
  const lease = await parts.acquire(target, retry.wait);
  return target.asking === true ? withAsking(lease) : lease;
}

/** A lease at a node that does not serve the slot yet: ASKING goes before each command, and
 * once before a whole transaction. */
function withAsking(lease: TransactionLease): TransactionLease {
  const { endpoint, redis } = lease;
  let isWithin = false;
  const ask = ({ name }: IORedisCommand) => {
    if (!isWithin) lease.send(new Command("asking")).catch(() => {});
    isWithin = name === "multi" || (isWithin && name !== "exec");
  };
  const sendCommand = (command: IORedisCommand) => {
    ask(command);
    return redis.sendCommand(command);
  };
  return {
    endpoint,
    redis: Object.assign(Object.create(redis) as Redis, { sendCommand }),
    send: (command) => {
      ask(command);
      return lease.send(command);
    },
    release: () => lease.release(),
    forget: () => lease.forget?.(),
  };
}

/** Where an error says that a transaction belongs, which then has run nowhere. */
function redirectOf(
  cluster: ClusterPlacement | undefined,
  error: Error,
  endpoint: string,
): TransactionTarget | undefined {
  if (cluster === undefined) return undefined;
  if (isReplyError(error)) return cluster.redirected(error, endpoint);
  if (!(error instanceof TransactionError) || error.applied) return undefined;
  for (const result of error.results) {
    if (result.ok || !isReplyError(result.error)) continue;
    const target = cluster.redirected(result.error, endpoint);
    if (target !== undefined) return target;
  }
  return undefined;
}

const READING = "the reading side of a transaction";
const READING_ADVICE =
  "it would run at once, and again with each attempt: add it to the " +
  "transaction";

/** Runs the callback, whose reads go to `reading` as long as it runs. */
async function record(
  parts: TransactionParts,
  fill: TransactionFill<unknown>,
  reading: Pick<TransactionLease, "redis" | "send">,
  retry: TransactionRetry,
  outcome: Promise<BatchOutcome>,
): Promise<Recording> {
  const { classify, config: { name: database }, observer } = parts;
  const recorder = new Recorder(parts, "transaction", outcome);
  const failedReads = new WeakSet<Error>();
  let isOver = false;
  const reader = Object.assign(Object.create(reading.redis) as IORedis, {
    sendCommand: (command: IORedisCommand) => {
      if (!isOver && classify(command).class === "read") {
        observer?.command(command);
        const reply = reading.send(command);
        reply.catch((error) => failedReads.add(error));
        return reply;
      }
      command.reject(
        isOver
          ? new LeaseReleasedError(database, "use")
          : new CommandRefusedError(database, command.name, READING_ADVICE, READING),
      );
      return command.promise;
    },
  });
  try {
    const filled = await fill(recorder.chain, reader, recorder.typed);
    return { recorder, chosen: await recorder.finish(filled) };
  } catch (error) {
    recorder.reject(error as Error);
    if (!(error instanceof Error && failedReads.has(error))) retry.giveUpOn(error);
    throw error;
  } finally {
    isOver = true;
    recorder.close();
  }
}

/** Sends MULTI, the commands and EXEC in one go, and reports it as one operation; gives
 * `null` if a watched key has changed. */
async function execute(
  { config, observer }: TransactionParts,
  lease: TransactionLease,
  commands: readonly IORedisCommand[],
): Promise<unknown[] | null> {
  const end = observer?.batch(commands, "MULTI");
  const replies = send(config.name, lease, commands);
  if (end !== undefined) replies.then(() => end(), end);
  return await replies;
}

async function send(
  database: string,
  lease: TransactionLease,
  commands: readonly IORedisCommand[],
): Promise<unknown[] | null> {
  const multi = lease.send(new Command("multi"));
  const exec = new Command("exec", [], { replyEncoding: null });
  const queued = Promise.allSettled([
    multi,
    ...commands.map((command) => lease.send(command)),
  ]);
  let reply: unknown[] | null;
  try {
    reply = await lease.send(exec) as unknown[] | null;
  } catch (error) {
    if (!isReplyError(error)) throw error;
    throw refusalOf(database, await queued, error);
  }
  if (reply === null) return null;
  const results = reply.map((raw, i): BatchResult => {
    if (!(raw instanceof Error)) {
      return { ok: true, value: commands[i]!.transformReply(raw as Buffer) };
    }
    return { ok: false, error: describeReplyError(raw, database), delivery: "rejected" };
  });
  if (results.some(({ ok }) => !ok)) throw new TransactionError(database, true, results);
  return results.map((result) => result.ok ? result.value : undefined);
}

/** The error of a transaction whose EXEC was refused. If MULTI was refused too, a server
 * that let transactions begin before has run each command, or refused it, by itself;
 * otherwise none was run. */
function refusalOf(
  database: string,
  [begun, ...queued]: readonly PromiseSettledResult<unknown>[],
  error: Error,
): TransactionError {
  const cause = begun!.status === "rejected" ? begun!.reason as Error : undefined;
  const isAborted = queued.some(({ status }) => status === "rejected");
  const results = queued.map((result): BatchResult => {
    if (result.status === "rejected") {
      return { ok: false, error: result.reason as Error, delivery: "rejected" };
    }
    if (cause !== undefined) return { ok: true, value: result.value };
    return { ok: false, error, delivery: isAborted ? "never-sent" : "rejected" };
  });
  return new TransactionError(database, results.some(({ ok }) => ok), results, cause);
}
