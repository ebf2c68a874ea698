import { delay } from "@std/async/delay";
import type { RedisConfig } from "../../config/mod.ts";
import type { Connection } from "../../connection/connection.ts";
import {
  Command,
  type IORedisCommand,
  isReplyError,
  type Redis,
} from "../../connection/ioredis.ts";
import { startHeartbeat } from "../../connection/liveness.ts";
import type { Clock } from "../../core/clock.ts";
import { CommandTimeoutError, ManagerClosedError } from "../../core/errors/mod.ts";
import type { Emit } from "../../core/events.ts";
import { ASK_AGAIN, backoffMs } from "../../resilience/backoff.ts";
import { type Channel, Channels } from "./channels.ts";
import { Subscription } from "./subscription.ts";
import {
  listTargets,
  type MessageHandler,
  type SubscribeOptions,
  type SubscriptionGap,
  type SubscriptionTargets,
  type Target,
} from "./types.ts";

/** The connection that a hub has alone. */
export interface SubscriberLease {
  /** The connection. */
  readonly connection: Connection;
  /** Sends a command on it. */
  send(command: IORedisCommand): Promise<unknown>;
  /** Closes it. */
  destroy(): void;
}

/** What a hub needs. */
export interface HubOptions {
  /** The database. */
  readonly config: Pick<
    RedisConfig,
    | "name"
    | "keyPrefix"
    | "acquireTimeoutMs"
    | "commandTimeoutMs"
    | "healthCheckIntervalMs"
  >;
  /** Leases a connection. */
  readonly acquire: (signal: AbortSignal) => Promise<SubscriberLease>;
  /** Reports events. */
  readonly emit: Emit;
  /** Time. */
  readonly clock: Clock;
  /** Those that the server has confirmed once, of all hubs of a database. Default: its own. */
  readonly established?: Set<Subscription<unknown>>;
  /** Called where the server refuses a channel; `true` if that is taken care of, as another
   * server has it now, or this one has it later. */
  readonly refused?: (channel: Channel, error: Error, endpoint: string) => boolean;
  /** Called when the server has ended subscriptions to shard channels, as it does not have
   * their slots any more. */
  readonly moved?: (channels: readonly Channel[]) => void;
}

/** What opens a subscription: a hub, or several of them. */
export interface SubscriptionOpener {
  readonly options: Pick<HubOptions, "config" | "emit">;
  readonly established: Set<Subscription<unknown>>;
  /** Resolves when the server has confirmed all targets. */
  join(
    targets: readonly Target[],
    subscription: Subscription<unknown>,
    options: SubscribeOptions,
  ): Promise<void>;
  leave(subscription: Subscription<unknown>): Promise<void>;
}

/** Opens a subscription; resolves when the server has confirmed all targets. Without a handler
 * the subscription is iterated. */
export async function openSubscription<M>(
  opener: SubscriptionOpener,
  targets: SubscriptionTargets,
  handler: MessageHandler<M> | undefined,
  options: SubscribeOptions,
  decode: (message: Uint8Array) => M,
): Promise<Subscription<M>> {
  const list = listTargets(targets);
  const { config: { name: database }, emit } = opener.options;
  options.signal?.throwIfAborted();
  const subscription: Subscription<M> = new Subscription({
    database,
    handler,
    options,
    decode,
    leave: () => opener.leave(member),
    dropped: (gap) => reportGap(opener.options, gap, 1),
    handlerFailed: (error, channel) => emit("handlererror", { database, channel, error }),
  });
  const member = subscription as Subscription<unknown>;
  try {
    await opener.join(list, member, options);
  } catch (error) {
    // It is over for its caller now; the server may take its time to confirm that.
    void subscription.unsubscribe();
    throw error;
  }
  opener.established.add(member);
  return subscription;
}

function reportGap(
  { config, emit }: Pick<HubOptions, "config" | "emit">,
  { reason, lost, downMs }: SubscriptionGap,
  subscriptions: number,
): void {
  emit("gap", {
    database: config.name,
    reason,
    subscriptions,
    ...(lost === undefined ? {} : { lost }),
    ...(downMs === undefined ? {} : { downMs }),
  });
}

/** Pauses before another lease is asked for where that hardly helps, in milliseconds. */
const LONG_PAUSE = { minMs: 50, maxMs: 30_000 };

type State =
  | { readonly name: "idle" }
  | { readonly name: "connecting"; readonly stop: AbortController }
  | { readonly name: "open"; readonly lease: SubscriberLease }
  | { readonly name: "pausing"; readonly stop: AbortController; readonly attempt: number }
  | { readonly name: "closed" };

const UNDO = {
  subscribe: "unsubscribe",
  psubscribe: "punsubscribe",
  ssubscribe: "sunsubscribe",
} as const;

/**
 * The subscriptions of one database, on one connection that all of them share.
 *
 * ```
 * idle ── first channel ──► connecting ──► open ── lost ──► connecting
 *   ▲                           │ failed ──► pausing ──► connecting
 *   └──── last channel gone ────┴── from any
 * ```
 *
 * After a loss everything is subscribed to again. Earlier subscribers get a gap, as
 * messages that were published meanwhile are gone.
 */
export class SubscriptionHub implements SubscriptionOpener {
  readonly options: HubOptions;
  readonly #channels: Channels;
  /** Those that the server has confirmed once: they outlive a failed attempt. */
  readonly established: Set<Subscription<unknown>>;
  #state: State = { name: "idle" };
  /** How often the server has ended subscriptions to shard channels. */
  #moves = 0;
  /** Messages of lost channels that came before their gap was delivered: they follow it. */
  #early: (() => void)[] = [];

  constructor(options: HubOptions) {
    this.options = options;
    this.established = options.established ?? new Set();
    this.#channels = new Channels(options.config.keyPrefix);
  }

  /** Subscribes; resolves when the server has confirmed all targets. Without a handler the
   * subscription is iterated. */
  async subscribe<M>(
    targets: SubscriptionTargets,
    handler: MessageHandler<M> | undefined,
    options: SubscribeOptions,
    decode: (message: Uint8Array) => M,
  ): Promise<Subscription<M>> {
    if (this.#state.name === "closed") {
      throw new ManagerClosedError(this.options.config.name);
    }
    return await openSubscription(this, targets, handler, options, decode);
  }

  /** The channels that have subscribers here. */
  get channels(): readonly Channel[] {
    return this.#channels.all;
  }

  /** Gives a channel up, with its subscribers: another hub has it now. */
  release(channel: Channel): void {
    this.#channels.delete(channel);
    if (this.#state.name === "closed") return;
    if (this.#channels.size === 0) return this.#becomeIdle();
    if (this.#state.name === "open" && channel.requested) {
      const { kind } = channel.target;
      const undo = new Command(UNDO[kind], [channel.wire]) as IORedisCommand;
      this.#state.lease.send(undo).catch(() => {});
    }
  }

  /**
   * Takes a channel over, with its subscribers, who get a gap once the server has confirmed it.
   *
   * @param lostAt Since when messages may be missing, on the monotonic clock.
   */
  adopt(
    { subscriptions, target, waiting }: Pick<
      Channel,
      "subscriptions" | "target" | "waiting"
    >,
    lostAt: number,
  ): void {
    let taken: Channel | undefined;
    for (const subscription of subscriptions) {
      const channel = this.#channels.add(target, subscription);
      channel.lostAt = Math.min(channel.lostAt ?? Infinity, lostAt);
      channel.waiting.push(...waiting.splice(0));
      channel.confirmed = false;
      taken = channel;
    }
    if (taken !== undefined) this.again(taken);
  }

  /** Subscribes to a channel once more, if there is a connection. */
  again(channel: Channel): void {
    if (this.#channels.find(channel.target.kind, channel.wire) !== channel) return;
    if (this.#state.name === "open") void this.#request(this.#state.lease, [channel]);
    else this.#connectNow();
  }

  /** Ends every subscription and the connection. */
  close(): void {
    const error = new ManagerClosedError(this.options.config.name);
    this.#transition({ name: "closed" });
    this.#rejectWaiting(error);
    for (const subscription of this.#channels.subscriptions) {
      subscription.close();
      this.#channels.remove(subscription);
    }
  }

  /** Waits until the server has confirmed every target, but not for longer than the caller
   * wants to. */
  async join(
    targets: readonly Target[],
    subscription: Subscription<unknown>,
    { signal, timeoutMs = this.#confirmTimeoutMs }: SubscribeOptions,
  ): Promise<void> {
    const confirmations: Promise<void>[] = [];
    for (const target of targets) {
      const channel = this.#channels.add(target, subscription);
      if (channel.confirmed) continue;
      const confirmation = Promise.withResolvers<void>();
      channel.waiting.push(confirmation);
      confirmations.push(confirmation.promise);
      if (this.#state.name === "open" && !channel.requested) {
        void this.#request(this.#state.lease, [channel]);
      }
    }
    this.#connectNow();
    const end = Promise.withResolvers<never>();
    const abort = () => end.reject(signal!.reason);
    const timer = timeoutMs === Infinity ? undefined : this.options.clock.setTimer(
      () => end.reject(this.tooLate(timeoutMs)),
      timeoutMs,
    );
    signal?.addEventListener("abort", abort);
    try {
      await Promise.race([Promise.all(confirmations), end.promise]);
    } finally {
      timer?.cancel();
      signal?.removeEventListener("abort", abort);
    }
  }

  /** A new subscriber does not wait for a pause to be over. */
  #connectNow(): void {
    if (this.#state.name === "idle") void this.#connect(0);
    else if (this.#state.name === "pausing") void this.#connect(this.#state.attempt);
  }

  get #confirmTimeoutMs(): number {
    const { acquireTimeoutMs, commandTimeoutMs } = this.options.config;
    return acquireTimeoutMs + commandTimeoutMs;
  }

  /** The error of a subscriber whose time is over. */
  tooLate(timeoutMs: number): CommandTimeoutError {
    const delivery = this.#state.name === "open" ? "ambiguous" : "never-sent";
    const { name } = this.options.config;
    return new CommandTimeoutError(name, "subscribe", timeoutMs, delivery);
  }

  async leave(subscription: Subscription<unknown>): Promise<void> {
    this.established.delete(subscription);
    const abandoned = this.#channels.remove(subscription);
    if (this.#state.name === "closed") return;
    if (this.#channels.size === 0) return this.#becomeIdle();
    if (this.#state.name !== "open") return;
    const { lease } = this.#state;
    await Promise.allSettled(
      abandoned.map(({ target, wire }) =>
        lease.send(new Command(UNDO[target.kind], [wire]) as IORedisCommand)
      ),
    );
  }

  #becomeIdle(): void {
    this.#early = [];
    this.#transition({ name: "idle" });
  }

  /** Releases what the current state holds, and enters another. */
  #transition(next: State): void {
    const last = this.#state;
    this.#state = next;
    if (last.name === "connecting" || last.name === "pausing") last.stop.abort();
    else if (last.name === "open") last.lease.destroy();
  }

  async #connect(attempt: number): Promise<void> {
    const stop = new AbortController();
    const state: State = { name: "connecting", stop };
    this.#transition(state);
    try {
      const lease = await this.options.acquire(stop.signal);
      if (this.#state === state) this.#opened(lease);
      else lease.destroy();
    } catch (error) {
      if (this.#state === state) this.#connectFailed(error as Error, attempt);
    }
  }

  #opened(lease: SubscriberLease): void {
    // The transition away from "connecting" aborts what is over by now.
    this.#transition({ name: "open", lease });
    const { connection } = lease;
    const { redis } = connection;
    redis.on("messageBuffer", (channel: Uint8Array, message: Uint8Array) => {
      this.#deliver("subscribe", channel, channel, message);
    });
    redis.on("smessageBuffer", (channel: Uint8Array, message: Uint8Array) => {
      this.#deliver("ssubscribe", channel, channel, message);
    });
    redis.on("pmessageBuffer", (pattern: unknown, channel: Uint8Array, message) => {
      this.#deliver("psubscribe", pattern, channel, message);
    });
    const { clock, config, moved } = this.options;
    if (moved !== undefined) {
      // The library's event does not say which channels.
      redis.on("moved" as "close", () => {
        this.#moves++;
        moved(this.#endedByServer(redis));
      });
    }
    const { commandTimeoutMs: timeoutMs, healthCheckIntervalMs: intervalMs } = config;
    if (intervalMs > 0) startHeartbeat(connection, { intervalMs, timeoutMs }, clock);
    connection.onEnd(() => this.#lost(lease));
    void this.#request(lease, this.channels);
  }

  /** The shard channels that were confirmed, and that the library has no more. */
  #endedByServer(redis: Redis): Channel[] {
    const { subscriber } = redis.condition as unknown as {
      subscriber: false | { channels(kind: string): string[] };
    };
    const left = new Set(subscriber ? subscriber.channels("ssubscribe") : []);
    return this.channels.filter(({ confirmed, target, wire }) =>
      target.kind === "ssubscribe" && confirmed && !left.has(wire)
    );
  }

  /** Subscribes to channels. Those who were subscribed before to what was lost get a gap. */
  async #request(lease: SubscriberLease, channels: readonly Channel[]): Promise<void> {
    const before = this.#channels.subscriptions.filter((each) =>
      this.established.has(each)
    );
    await Promise.all(channels.map((each) => this.#requestOne(lease, each)));
    if (!this.#isOn(lease)) return;
    const found = channels.filter(({ confirmed, lostAt }) =>
      confirmed && lostAt !== undefined
    );
    if (found.length === 0) return;
    const lostAt = Math.min(...found.map(({ lostAt }) => lostAt!));
    for (const channel of found) channel.lostAt = undefined;
    const downMs = Math.round(this.options.clock.now() - lostAt);
    const gap: SubscriptionGap = { kind: "gap", reason: "reconnected", downMs };
    const missed = before.filter((each) =>
      found.some(({ subscriptions }) => subscriptions.has(each))
    );
    for (const subscription of missed) subscription.deliverGap(gap);
    for (const deliver of this.#early.splice(0)) deliver();
    if (missed.length > 0) reportGap(this.options, gap, missed.length);
  }

  /** Subscribes to one channel; never rejects. */
  async #requestOne(lease: SubscriberLease, channel: Channel): Promise<void> {
    const { target, wire } = channel;
    const moves = this.#moves;
    channel.requested = true;
    try {
      await lease.send(new Command(target.kind, [wire]) as IORedisCommand);
    } catch (error) {
      // A new subscriber that comes before the refused ones have left requests it again.
      channel.requested = channel.confirmed = false;
      // After a lost connection it is requested on the next one.
      if (this.#isOn(lease)) this.#refused(lease, channel, error as Error);
      return;
    }
    if (!this.#isOn(lease)) return;
    channel.confirmed = true;
    if (moves !== this.#moves) {
      // It may have been ended in the same chunk as it was confirmed.
      const ended = this.#endedByServer(lease.connection.redis);
      if (ended.includes(channel)) return this.options.moved?.(ended);
    }
    for (const confirmation of channel.waiting.splice(0)) confirmation.resolve();
  }

  /** The server refuses a channel, or does not answer. */
  #refused(lease: SubscriberLease, channel: Channel, error: Error): void {
    const { endpoint } = lease.connection;
    if (isReplyError(error) && this.options.refused?.(channel, error, endpoint)) return;
    for (const confirmation of channel.waiting.splice(0)) confirmation.reject(error);
    if (!isReplyError(error)) {
      lease.connection.close({ kind: "silent", text: "no answer to a SUBSCRIBE" });
      return;
    }
    for (const subscription of [...channel.subscriptions]) {
      if (this.established.has(subscription)) subscription.fail(error);
    }
  }

  #deliver(
    kind: Target["kind"],
    by: unknown,
    channel: Uint8Array,
    message: Uint8Array,
  ): void {
    const found = this.#channels.find(kind, String(by));
    if (found === undefined) return;
    if (found.lostAt !== undefined) {
      // In the same chunk as the confirmations, or between two of them.
      this.#early.push(() => this.#deliver(kind, by, channel, message));
      return;
    }
    const { target, subscriptions } = found;
    const isPattern = kind === "psubscribe";
    const name = isPattern ? String(channel) : target.name;
    for (const subscription of subscriptions) {
      subscription.deliver(message, name, isPattern ? target.name : undefined);
    }
  }

  #lost(lease: SubscriberLease): void {
    if (!this.#isOn(lease)) return;
    const now = this.options.clock.now();
    this.#early = [];
    for (const each of this.#channels.all) {
      each.confirmed = false;
      each.lostAt ??= now;
    }
    void this.#connect(0);
  }

  #rejectWaiting(error: Error): void {
    for (const { waiting } of this.#channels.all) {
      for (const confirmation of waiting.splice(0)) confirmation.reject(error);
    }
  }

  /** Rejects those who wait for a confirmation; the channels are tried again later. */
  #connectFailed(error: Error, attempt: number): void {
    this.#rejectWaiting(error);
    const stop = new AbortController();
    this.#transition({ name: "pausing", stop, attempt: attempt + 1 });
    const { retryable } = error as { retryable?: boolean };
    const pause = retryable === true ? ASK_AGAIN : LONG_PAUSE;
    const delayMs = backoffMs(attempt + 1, pause, Math.random());
    // Not a timer of the clock: a process that only subscribes stays alive meanwhile.
    delay(delayMs, { signal: stop.signal }).then(
      () => void this.#connect(attempt + 1),
      () => {},
    );
  }

  #isOn(lease: SubscriberLease): boolean {
    return this.#state.name === "open" && this.#state.lease === lease;
  }
}
