import {
  Command,
  type IORedisCommand,
  isReplyError,
  type Redis,
} from "../connection/ioredis.ts";
import { TransactionConflictError, TransactionError } from "../core/errors/mod.ts";
import {
  checkAttempts,
  MAX_ATTEMPTS,
  observed,
  pauseAfter,
  type TransactionFill,
  type TransactionLease,
  type TransactionOptions,
  type TransactionParts,
} from "./transaction.ts";
import { TransactionBody } from "./transaction_body.ts";
import { TransactionRetry } from "./transaction_retry.ts";

/** Where a transaction runs in a cluster: a node, for its slot. */
export interface SlotPlace {
  /** The slot; `undefined` if no key is known. */
  readonly slot?: number;
  /** The node, where a redirect has named it. */
  readonly node?: { readonly host: string; readonly port: number };
  /** Whether that node has to be asked to run it although it does not serve the slot yet. */
  readonly asking?: boolean;
}

/** What a transaction in a cluster needs of its database. */
export interface SlotTransactionParts extends Omit<TransactionParts, "acquire"> {
  /**
   * The slot of all keys.
   *
   * @param watch Watched keys, without the prefix.
   * @param commands The commands.
   * @returns The slot; `undefined` if there is no key.
   * @throws {CommandRefusedError} If they are in several slots.
   */
  readonly slotOf: (
    watch: readonly string[],
    commands: readonly IORedisCommand[],
  ) => number | undefined;
  /** Leases a connection. */
  readonly acquireAt: (
    place: SlotPlace,
    options: { timeoutMs?: number; signal?: AbortSignal },
  ) => Promise<TransactionLease>;
  /** Where a redirect leads; `undefined` for another error. */
  readonly redirected: (error: Error, endpoint: string) => SlotPlace | undefined;
}

/** Most redirects of one transaction: more are a cluster whose nodes disagree. */
const MAX_REDIRECTS = 16;

/**
 * Runs commands at once and all together on the node of a cluster that has their keys;
 * again while a watched key changes, where a node says "not now" and has applied nothing,
 * and on the node that it is redirected to. Without watched keys, what the callback reads
 * is read by the ordinary client: the node is only known when it is over.
 *
 * @param parts What it needs of its database.
 * @param fill Reads and adds the commands; with watched keys called again after a redirect
 * or a "not now" too.
 * @param options What is watched, and how often it is tried.
 * @returns The replies, in order.
 * @throws {CommandRefusedError} If the keys are in several slots; nothing is sent.
 * @throws {TransactionConflictError} If a watched key changed in every attempt.
 * @throws {TransactionError} If the server refused a command.
 * @throws {RangeError} If `maxAttempts` is no positive integer.
 */
export async function runSlotTransaction(
  parts: SlotTransactionParts,
  fill: TransactionFill,
  options: TransactionOptions,
): Promise<unknown[]> {
  const { maxAttempts = MAX_ATTEMPTS, signal, watch = [] } = options;
  checkAttempts(maxAttempts);
  const retry = new TransactionRetry(parts.retry, parts.clock, options);
  const run: Run = {
    body: new TransactionBody(parts, fill, watch, retry),
    retry,
    slot: undefined,
  };
  let place: SlotPlace | undefined;
  let redirects = 0;
  for (let attempt = 1; attempt <= maxAttempts;) {
    signal?.throwIfAborted();
    const mayFollow = redirects < MAX_REDIRECTS;
    const outcome = await tryAt(parts, { place, mayFollow }, run, options);
    if (outcome.kind === "replies") return outcome.replies;
    place = undefined;
    if (outcome.kind === "redirected") {
      redirects++;
      place = outcome.place;
    } else if (outcome.kind === "not now") {
      redirects = 0;
      await retry.pause(outcome.delayMs);
    } else if (attempt++ < maxAttempts) {
      await pauseAfter(attempt - 1, parts.clock, signal);
    }
  }
  throw new TransactionConflictError(parts.database, maxAttempts, watch);
}

type Outcome =
  | { readonly kind: "replies"; readonly replies: unknown[] }
  | { readonly kind: "conflict" }
  | { readonly kind: "not now"; readonly delayMs: number }
  | { readonly kind: "redirected"; readonly place: SlotPlace };

/** Where an attempt goes. */
interface Way {
  /** Where a redirect has led it. */
  readonly place: SlotPlace | undefined;
  /** Whether it may be redirected. */
  readonly mayFollow: boolean;
}

/** What the attempts of one transaction have in common. */
interface Run {
  /** What is sent. */
  readonly body: TransactionBody;
  /** Decides whether it is tried again. */
  readonly retry: TransactionRetry;
  /** The slot of its keys, as far as they are known. */
  slot: number | undefined;
}

async function tryAt(
  parts: SlotTransactionParts,
  { place, mayFollow }: Way,
  run: Run,
  options: TransactionOptions,
): Promise<Outcome> {
  const { watch = [] } = options;
  const { client } = parts;
  run.slot ??= parts.slotOf(watch, []);
  let lease: TransactionLease | undefined;
  const leaseNow = async (): Promise<TransactionLease> => {
    const target = place ?? (run.slot === undefined ? {} : { slot: run.slot });
    const acquired = await parts.acquireAt(target, run.retry.wait);
    lease = target.asking ? askedFirst(acquired) : acquired;
    return lease;
  };
  try {
    if (watch.length > 0) await (await leaseNow()).redis.watch(...watch);
    const commands = await run.body.commands(
      lease ?? {
        redis: client,
        send: (command) => client.sendCommand(command) as Promise<unknown>,
      },
    );
    run.slot = parts.slotOf(watch, commands);
    if (commands.length === 0) return { kind: "replies", replies: [] };
    options.signal?.throwIfAborted();
    const replies = await observed(
      parts,
      lease ?? await leaseNow(),
      commands,
    );
    return replies === null ? { kind: "conflict" } : { kind: "replies", replies };
  } catch (error) {
    const held = lease as TransactionLease | undefined;
    if (held === undefined) throw error;
    const next = redirectOf(parts, error as Error, held.endpoint);
    // What the callback read of another slot is its own business.
    if (next !== undefined && next.slot === run.slot && mayFollow) {
      held.forget?.();
      return { kind: "redirected", place: next };
    }
    const delayMs = run.retry.delayAfter(error);
    if (delayMs === undefined) throw error;
    held.forget?.();
    return { kind: "not now", delayMs };
  } finally {
    lease?.release();
  }
}

/** A lease at a node that does not serve the slot yet: it has to be asked for each
 * command, but for a transaction as a whole. */
function askedFirst(lease: TransactionLease): TransactionLease {
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
    destroy: () => lease.destroy(),
    forget: () => lease.forget?.(),
  };
}

/** Where an error says that the transaction belongs, which then has run nowhere. */
function redirectOf(
  parts: SlotTransactionParts,
  error: Error,
  endpoint: string,
): SlotPlace | undefined {
  if (isReplyError(error)) return parts.redirected(error, endpoint);
  if (!(error instanceof TransactionError) || error.applied) return undefined;
  for (const result of error.results) {
    if (result.ok || !isReplyError(result.error)) continue;
    const place = parts.redirected(result.error, endpoint);
    if (place !== undefined) return place;
  }
  return undefined;
}
