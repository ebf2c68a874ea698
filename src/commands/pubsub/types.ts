/** What to subscribe to: channels, or each kind by its name. */
export type SubscriptionTargets = readonly string[] | {
  /** Channels, by their exact names. */
  readonly channels?: readonly string[];
  /** Patterns of channel names, such as `news.*`. */
  readonly patterns?: readonly string[];
  /** Shard channels; they are keys, so that the database's key prefix applies to them. */
  readonly shards?: readonly string[];
};

/** A message that was published. */
export interface SubscriptionMessage<M = string> {
  /** What kind of item it is. */
  readonly kind: "message";
  /** Channel that it was published on. */
  readonly channel: string;
  /** Pattern that the channel matches, if it came by one. */
  readonly pattern?: string;
  /** The message. */
  readonly message: M;
}

/** Messages may be missing, or were dropped. */
export interface SubscriptionGap {
  /** What kind of item it is. */
  readonly kind: "gap";
  /** `reconnected`: the connection was lost and is there again. `overflow`: the consumer was
   * too slow. */
  readonly reason: "reconnected" | "overflow";
  /** How many messages were dropped; unknown, and left out, after a lost connection. */
  readonly lost?: number;
  /** How long the subscription was interrupted, in milliseconds, after a lost connection. */
  readonly downMs?: number;
}

/** What iterating a subscription gives, in order. */
export type SubscriptionItem<M = string> = SubscriptionMessage<M> | SubscriptionGap;

/**
 * Takes a message. If it gives a promise, the next message waits for it.
 */
export type MessageHandler<M = string> = (
  message: M,
  channel: string,
  pattern?: string,
) => unknown;

/** Options of a subscription: how much may wait for a slow consumer, and what happens to more. */
export interface SubscribeOptions {
  /** Most messages that wait for a slow consumer, 1 or more. Default 1,000. */
  maxQueued?: number;
  /** Most bytes of messages that wait, 1 or more; one larger message waits alone.
   * Default 16,777,216 (16 MiB). */
  maxQueuedBytes?: number;
  /** When more would wait: `drop` drops the oldest and reports a gap, `close` ends the
   * subscription with an `OverloadedError`. Default `drop`. */
  overflow?: "drop" | "close";
  /** Called for each gap, in order with the handler's messages; without a handler, gaps
   * are items of the iterator. */
  onGap?: (gap: SubscriptionGap) => void;
  /** Longest wait for the server's confirmation, in milliseconds; then it rejects with a
   * `CommandTimeoutError`. Default: `acquireTimeoutMs` and `commandTimeoutMs` together. */
  timeoutMs?: number;
  /** Ends the wait for the server's confirmation. */
  signal?: AbortSignal;
  /** `true` gives messages as bytes. Default `false`: as text. */
  binary?: boolean;
}

/** One thing to subscribe to. */
export interface Target {
  /** The command that subscribes to it. */
  readonly kind: "subscribe" | "psubscribe" | "ssubscribe";
  /** Name or pattern, as the caller gave it. */
  readonly name: string;
}

/** Lists what to subscribe to, each once; throws a `TypeError` if that is nothing, or a name
 * is no string. */
export function listTargets(targets: SubscriptionTargets): Target[] {
  const named = isList(targets) ? { channels: targets } : targets;
  const { channels = [], patterns = [], shards = [] } = named;
  const list: Target[] = [
    ...[...new Set(channels)].map((name) => ({ kind: "subscribe", name }) as const),
    ...[...new Set(patterns)].map((name) => ({ kind: "psubscribe", name }) as const),
    ...[...new Set(shards)].map((name) => ({ kind: "ssubscribe", name }) as const),
  ];
  for (const { kind, name } of list) {
    if (typeof name === "string") continue;
    const found = name === null ? "null" : typeof name;
    throw new TypeError(`Cannot ${kind} to a name that is ${found}: give a string`);
  }
  if (list.length > 0) return list;
  throw new TypeError("Cannot subscribe to nothing: name a channel, pattern or shard");
}

function isList(targets: SubscriptionTargets): targets is readonly string[] {
  return Array.isArray(targets);
}
