import type { Buffer } from "node:buffer";
import { Command, isReplyError, type Redis } from "../connection/driver.ts";
import type {
  IORedis,
  IORedisCommand,
  IORedisPipeline,
} from "../connection/library_types.ts";
import { describeReplyError } from "../connection/reply_error.ts";
import type { Clock } from "../core/clock.ts";
import {
  type BatchResult,
  TransactionConflictError,
  TransactionError,
} from "../core/errors/mod.ts";
import type { OperationObserver } from "../observability/telemetry/operations.ts";
import { backoffMs, type BackoffOptions } from "../resilience/backoff.ts";
import type { CommandInfo } from "../resilience/command_class.ts";
import { TransactionBody } from "./transaction_body.ts";
import { TransactionRetry, type TransactionRetryParts } from "./transaction_retry.ts";

/** What a transaction watches, and how often it is tried. */
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
 * Reads what it needs from `watched` and adds the commands to `tx`; called again when a
 * watched key has changed, when a transaction that watches is tried again, and when a read
 * of its own met a "not now", so that it should do nothing else.
 */
export type TransactionFill = (tx: IORedisPipeline, watched: IORedis) => unknown;

/** A connection that a transaction has alone. */
export interface TransactionLease {
  /** Where it goes, in words. */
  readonly endpoint: string;
  /** Its client. */
  readonly redis: Redis;
  /** Sends a command on it. */
  send(command: IORedisCommand): Promise<unknown>;
  /** Gives it back; it is made clean. */
  release(): void;
  /** Gives it back as one that nobody is to have any more. */
  destroy(): void;
  /** Counts nothing of what was sent on it: it is done again. Default: what is sent is
   * counted at once. */
  forget?(): void;
}

/** What a transaction needs of its database. */
export interface TransactionParts {
  /** Name of the database. */
  readonly database: string;
  /** The database's client. */
  readonly client: Redis;
  /** Whether replies are strings; `false` gives Buffers. */
  readonly decodeResponses: boolean;
  /** What kind of command it is. */
  readonly classify: (command: IORedisCommand) => CommandInfo;
  /** Puts the keys of a command in place that the client library does not know; throws if
   * it cannot. Unset where no keys have to be known. */
  readonly placeKeys?: (command: IORedisCommand) => void;
  /** Leases a connection. */
  readonly acquire: (
    options: { timeoutMs?: number; signal?: AbortSignal },
  ) => Promise<TransactionLease>;
  /** How it is tried again where the server says "not now". */
  readonly retry: TransactionRetryParts;
  /** Is told of each attempt as a whole, and of what its callback reads. */
  readonly observer: OperationObserver | undefined;
  /** Time. */
  readonly clock: Clock;
}

/** Attempts of a transaction that does not say. */
export const MAX_ATTEMPTS = 5;
/** Waits between attempts: those that met once should not meet again. */
const PAUSE: BackoffOptions = { minMs: 4, maxMs: 200, jitter: 1 };

/**
 * Runs commands at once and all together, on a connection of its own; again while a
 * watched key changes, and where the server says "not now" and has applied nothing.
 *
 * @param parts What it needs of its database.
 * @param fill Reads and adds the commands.
 * @param options What is watched, and how often it is tried.
 * @returns The replies, in order.
 * @throws {TransactionConflictError} If a watched key changed in every attempt.
 * @throws {TransactionError} If the server refused a command.
 * @throws {RangeError} If `maxAttempts` is no positive integer.
 */
export async function runTransaction(
  parts: TransactionParts,
  fill: TransactionFill,
  options: TransactionOptions,
): Promise<unknown[]> {
  const { watch = [], maxAttempts = MAX_ATTEMPTS, signal } = options;
  checkAttempts(maxAttempts);
  signal?.throwIfAborted();
  const retry = new TransactionRetry(parts.retry, parts.clock, options);
  const body = new TransactionBody(parts, fill, watch, retry);
  let lease = await parts.acquire(retry.wait);
  try {
    for (let attempt = 1; attempt <= maxAttempts;) {
      signal?.throwIfAborted();
      try {
        if (watch.length > 0) await lease.redis.watch(...watch);
        const commands = await body.commands(lease);
        signal?.throwIfAborted();
        const replies = commands.length === 0
          ? []
          : await observed(parts, lease, commands);
        if (replies !== null) return replies;
      } catch (error) {
        const delayMs = retry.delayAfter(error);
        if (delayMs === undefined) throw error;
        lease.forget?.();
        // Others may have it meanwhile, and it may lead to the wrong server.
        lease.release();
        await retry.pause(delayMs);
        lease = await parts.acquire(retry.wait);
        continue;
      }
      if (attempt++ === maxAttempts) break;
      await pauseAfter(attempt - 1, parts.clock, signal);
    }
    throw new TransactionConflictError(parts.database, maxAttempts, watch);
  } finally {
    lease.release();
  }
}

/**
 * Sends MULTI, the commands and EXEC in one go, and reports it as one operation.
 *
 * @param parts What the transaction needs of its database.
 * @param lease The connection.
 * @param commands The commands.
 * @returns The replies; `null` if a watched key has changed.
 */
export async function observed(
  { database, observer }: Pick<TransactionParts, "database" | "observer">,
  lease: TransactionLease,
  commands: readonly IORedisCommand[],
): Promise<unknown[] | null> {
  const end = observer?.batch(commands, "MULTI");
  try {
    const replies = await execute(database, lease, commands);
    end?.();
    return replies;
  } catch (error) {
    end?.(error);
    throw error;
  }
}

/** Sends them, and makes what the caller is told of what came. */
async function execute(
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
  const results = reply.map((raw, i) => resultOf(database, commands[i]!, raw));
  if (results.some(({ ok }) => !ok)) throw new TransactionError(database, true, results);
  return results.map((result) => result.ok ? result.value : undefined);
}

/** What became of a command that was run. */
function resultOf(
  database: string,
  command: IORedisCommand,
  raw: unknown,
): BatchResult {
  if (raw instanceof Error) {
    const error = describeReplyError(raw, database);
    return { ok: false, error, delivery: "rejected" };
  }
  return { ok: true, value: command.transformReply(raw as Buffer) };
}

/** None was run: the server had refused one before, or refuses them all now. */
function refusalOf(
  database: string,
  [begun, ...queued]: readonly PromiseSettledResult<unknown>[],
  error: Error,
): TransactionError {
  if (begun!.status === "rejected") return tornApart(database, queued, begun!.reason);
  const isAborted = queued.some(({ status }) => status === "rejected");
  const results = queued.map((result): BatchResult => {
    if (result.status === "rejected") {
      return { ok: false, error: result.reason as Error, delivery: "rejected" };
    }
    return { ok: false, error, delivery: isAborted ? "never-sent" : "rejected" };
  });
  return new TransactionError(database, false, results);
}

/** The server refused MULTI, and with it, the first time, all commands; if it let
 * transactions begin before, each ran, or was refused, by itself. */
function tornApart(
  database: string,
  queued: readonly PromiseSettledResult<unknown>[],
  refusal: Error,
): TransactionError {
  const results = queued.map((result): BatchResult =>
    result.status === "fulfilled"
      ? { ok: true, value: result.value }
      : { ok: false, error: result.reason as Error, delivery: "rejected" }
  );
  const isApplied = results.some(({ ok }) => ok);
  return new TransactionError(database, isApplied, results, refusal);
}

/**
 * Waits before an attempt that follows one which met another writer.
 *
 * @param attempt The number of the attempt that failed, from 1.
 * @param clock Time.
 * @param signal Ends the wait.
 */
export function pauseAfter(
  attempt: number,
  clock: Clock,
  signal: AbortSignal | undefined,
): Promise<void> {
  return pause(backoffMs(attempt, PAUSE, Math.random()), clock, signal);
}

function pause(
  ms: number,
  clock: Clock,
  signal: AbortSignal | undefined,
): Promise<void> {
  return new Promise((resolve, reject) => {
    const abort = () => {
      timer.cancel();
      reject(signal!.reason);
    };
    const timer = clock.setTimer(() => {
      signal?.removeEventListener("abort", abort);
      resolve();
    }, ms);
    signal?.addEventListener("abort", abort, { once: true });
  });
}

/**
 * Checks how often a transaction is to be tried.
 *
 * @param maxAttempts Attempts altogether.
 * @throws {RangeError} If it is no positive integer.
 */
export function checkAttempts(maxAttempts: number): void {
  if (Number.isInteger(maxAttempts) && maxAttempts >= 1) return;
  throw new RangeError(
    `Cannot try the transaction as maxAttempts must be an integer of 1 or more: ` +
      `current value is ${maxAttempts}`,
  );
}
