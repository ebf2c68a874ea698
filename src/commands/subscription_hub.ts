import { delay } from "@std/async/delay";
import type { Connection } from "../connection/connection.ts";
import { Command, type IORedisCommand, isReplyError } from "../connection/ioredis.ts";
import { type HeartbeatTimes, startHeartbeat } from "../connection/liveness.ts";
import type { Clock } from "../core/clock.ts";
import { CommandTimeoutError, ManagerClosedError } from "../core/errors/mod.ts";
import type { Emit } from "../core/events.ts";
import { reconnectDelayMs } from "../resilience/backoff.ts";
import { Subscription } from "./subscription.ts";
import { type Interest, Interests } from "./subscription_interest.ts";
import {
  listTargets,
  type MessageHandler,
  type SubscribeOptions,
  type SubscriptionGap,
  type SubscriptionTargets,
  type Target,
} from "./subscription_types.ts";

/** The connection that a hub has alone. */
export interface SubscriberLease {
  /** The connection. */
  readonly connection: Connection;
  /** Sends a command on it. */
  send(command: IORedisCommand): Promise<unknown>;
  /** Gives it back as one that nobody is to have any more. */
  destroy(): void;
}

/** What a hub needs. */
export interface HubOptions {
  /** Name of the database. */
  readonly database: string;
  /** What is put before each key. */
  readonly keyPrefix: string;
  /** Leases a connection. */
  readonly acquire: (signal: AbortSignal) => Promise<SubscriberLease>;
  /** Longest wait for the server's confirmation, in milliseconds; may be infinite. */
  readonly confirmTimeoutMs: number;
  /** When the connection is asked whether it lives; an interval of 0 = never. */
  readonly heartbeat: HeartbeatTimes;
  /** Reports events. */
  readonly emit: Emit;
  /** Time. */
  readonly clock: Clock;
}

/** Longest pause before another lease is asked for where that may help, in milliseconds. */
const MAX_PAUSE_MS = 500;

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
 * idle ── first interest ──► connecting ──► open ── lost ──► connecting
 *   ▲                            │ failed ──► pausing ──► connecting
 *   └──── last interest gone ────┴── from any
 * ```
 *
 * After a loss everything is subscribed to again, and whoever was subscribed before is
 * told of the gap: what was published meanwhile is gone.
 */
export class SubscriptionHub {
  readonly #options: HubOptions;
  readonly #interests: Interests;
  /** Those that the server has confirmed once: they outlive a failed attempt. */
  readonly #established = new Set<Subscription<unknown>>();
  #state: State = { name: "idle" };
  #lostAt: number | undefined;
  /** What came on a new connection before the gap could be told: it belongs behind it. */
  #early: (() => void)[] = [];

  /**
   * Makes a hub; opens nothing.
   *
   * @param options What it needs.
   */
  constructor(options: HubOptions) {
    this.#options = options;
    this.#interests = new Interests(options.keyPrefix);
  }

  /**
   * Subscribes.
   *
   * @param targets To what.
   * @param handler Takes the messages; without it they are iterated.
   * @param options How it goes.
   * @param decode Turns a message into what the consumer wants.
   * @returns The subscription, once the server has confirmed all of it.
   */
  async subscribe<M>(
    targets: SubscriptionTargets,
    handler: MessageHandler<M> | undefined,
    options: SubscribeOptions,
    decode: (message: Uint8Array) => M,
  ): Promise<Subscription<M>> {
    const list = listTargets(targets);
    if (this.#state.name === "closed") {
      throw new ManagerClosedError(this.#options.database);
    }
    options.signal?.throwIfAborted();
    const subscription = this.#make(handler, options, decode);
    const member = subscription as Subscription<unknown>;
    try {
      await this.#confirm(list, member, options);
    } catch (error) {
      // It is over now, for its caller; the server may take its time to say so.
      void subscription.unsubscribe();
      throw error;
    }
    this.#established.add(member);
    return subscription;
  }

  /** Ends every subscription and the connection. */
  close(): void {
    const error = new ManagerClosedError(this.#options.database);
    this.#transition({ name: "closed" });
    for (const { waiting } of this.#interests.all) {
      for (const waiter of waiting) waiter.reject(error);
    }
    for (const subscription of this.#interests.subscriptions) {
      subscription.close();
      this.#interests.remove(subscription);
    }
  }

  #make<M>(
    handler: MessageHandler<M> | undefined,
    options: SubscribeOptions,
    decode: (message: Uint8Array) => M,
  ): Subscription<M> {
    const { database, emit } = this.#options;
    const subscription: Subscription<M> = new Subscription({
      database,
      handler,
      options,
      decode,
      leave: () => this.#leave(subscription as Subscription<unknown>),
      dropped: (gap) => this.#report(gap, 1),
      handlerFailed: (error, channel) =>
        emit("handlererror", { database, channel, error }),
    });
    return subscription;
  }

  /** Waits until the server has confirmed every target. */
  async #confirm(
    targets: readonly Target[],
    subscription: Subscription<unknown>,
    options: SubscribeOptions,
  ): Promise<void> {
    const confirmations: Promise<void>[] = [];
    for (const target of targets) {
      const interest = this.#interests.add(target, subscription);
      if (interest.confirmed) continue;
      const { promise, resolve, reject } = Promise.withResolvers<void>();
      interest.waiting.push({ resolve, reject });
      confirmations.push(promise);
      if (this.#state.name === "open" && !interest.asked) {
        void this.#ask(this.#state.lease, interest);
      }
    }
    // Whoever waits does not wait for a pause to be over.
    if (this.#state.name === "idle") void this.#connect(0);
    else if (this.#state.name === "pausing") void this.#connect(this.#state.attempt);
    const { confirmTimeoutMs: timeoutMs } = this.#options;
    await withEnd(Promise.all(confirmations), { timeoutMs, ...options }, {
      clock: this.#options.clock,
      tooLate: (timeoutMs) => this.#tooLate(timeoutMs),
    });
  }

  #tooLate(timeoutMs: number): CommandTimeoutError {
    const delivery = this.#state.name === "open" ? "ambiguous" : "never-sent";
    const { database } = this.#options;
    return new CommandTimeoutError(database, "subscribe", timeoutMs, delivery);
  }

  async #leave(subscription: Subscription<unknown>): Promise<void> {
    this.#established.delete(subscription);
    const over = this.#interests.remove(subscription);
    if (this.#state.name === "closed") return;
    if (this.#interests.size === 0) {
      this.#lostAt = undefined;
      this.#early = [];
      this.#transition({ name: "idle" });
      return;
    }
    if (this.#state.name !== "open") return;
    const { lease } = this.#state;
    await Promise.allSettled(
      over.map(({ target, wire }) =>
        lease.send(new Command(UNDO[target.kind], [wire]) as IORedisCommand)
      ),
    );
  }

  /** Ends what the state at hand has, and begins another. */
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
      const lease = await this.#options.acquire(stop.signal);
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
    redis.on("pmessageBuffer", (pattern: unknown, channel: Uint8Array, message) => {
      this.#deliver("psubscribe", pattern, channel, message);
    });
    redis.on("smessageBuffer", (channel: Uint8Array, message: Uint8Array) => {
      this.#deliver("ssubscribe", channel, channel, message);
    });
    const { clock, heartbeat } = this.#options;
    if (heartbeat.intervalMs > 0) startHeartbeat(connection, heartbeat, clock);
    connection.onEnd(() => this.#lost(lease));
    void this.#askForAll(lease);
  }

  /** Subscribes to everything; tells those who were subscribed before of the gap. */
  async #askForAll(lease: SubscriberLease): Promise<void> {
    const told = [...this.#established];
    await Promise.all(this.#interests.all.map((interest) => this.#ask(lease, interest)));
    if (!this.#isOn(lease) || this.#lostAt === undefined) return;
    const downMs = Math.round(this.#options.clock.now() - this.#lostAt);
    this.#lostAt = undefined;
    const gap: SubscriptionGap = { kind: "gap", reason: "reconnected", downMs };
    for (const subscription of told) subscription.deliverGap(gap);
    for (const deliver of this.#early.splice(0)) deliver();
    this.#report(gap, told.length);
  }

  /** Subscribes to one thing; never rejects. */
  async #ask(lease: SubscriberLease, interest: Interest): Promise<void> {
    const { target, wire } = interest;
    interest.asked = true;
    try {
      await lease.send(new Command(target.kind, [wire]) as IORedisCommand);
    } catch (error) {
      // Who comes before those that were refused have left asks anew.
      interest.asked = false;
      // Of a lost connection it is subscribed to again on the next one.
      if (this.#isOn(lease)) this.#refused(lease, interest, error as Error);
      return;
    }
    if (!this.#isOn(lease)) return;
    interest.confirmed = true;
    for (const waiter of interest.waiting.splice(0)) waiter.resolve();
  }

  /** The server does not let anybody subscribe to it, or does not answer. */
  #refused(lease: SubscriberLease, interest: Interest, error: Error): void {
    for (const waiter of interest.waiting.splice(0)) waiter.reject(error);
    if (!isReplyError(error)) {
      lease.connection.close({ kind: "silent", text: "no answer to a SUBSCRIBE" });
      return;
    }
    for (const subscription of [...interest.subscriptions]) {
      if (this.#established.has(subscription)) subscription.fail(error);
    }
  }

  #deliver(
    kind: Target["kind"],
    by: unknown,
    channel: Uint8Array,
    message: Uint8Array,
  ): void {
    const interest = this.#interests.find(kind, String(by));
    if (interest === undefined) return;
    if (this.#lostAt !== undefined) {
      // In the same chunk as the confirmations, or between two of them.
      this.#early.push(() => this.#deliver(kind, by, channel, message));
      return;
    }
    const { target, subscriptions } = interest;
    const isPattern = kind === "psubscribe";
    const name = isPattern ? String(channel) : target.name;
    for (const subscription of subscriptions) {
      subscription.deliver(message, name, isPattern ? target.name : undefined);
    }
  }

  #lost(lease: SubscriberLease): void {
    if (!this.#isOn(lease)) return;
    this.#lostAt ??= this.#options.clock.now();
    this.#early = [];
    for (const interest of this.#interests.all) interest.confirmed = false;
    void this.#connect(0);
  }

  /** Fails those who wait for their first confirmation; the others are tried for again. */
  #connectFailed(error: Error, attempt: number): void {
    for (const interest of this.#interests.all) {
      for (const waiter of interest.waiting.splice(0)) waiter.reject(error);
    }
    const stop = new AbortController();
    this.#transition({ name: "pausing", stop, attempt: attempt + 1 });
    // Attempts to connect keep their own distance, for all who want a connection.
    const { retryable } = error as { retryable?: boolean };
    const delayMs = reconnectDelayMs(
      attempt + 1,
      Math.random(),
      retryable ? { maxMs: MAX_PAUSE_MS } : {},
    );
    // Not a timer of the clock: a process that only subscribes stays alive meanwhile.
    delay(delayMs, { signal: stop.signal }).then(
      () => void this.#connect(attempt + 1),
      () => {},
    );
  }

  #isOn(lease: SubscriberLease): boolean {
    return this.#state.name === "open" && this.#state.lease === lease;
  }

  #report({ reason, lost, downMs }: SubscriptionGap, subscriptions: number): void {
    const { database, emit } = this.#options;
    emit("gap", {
      database,
      reason,
      subscriptions,
      ...(lost === undefined ? {} : { lost }),
      ...(downMs === undefined ? {} : { downMs }),
    });
  }
}

/** Waits, but not for longer than the caller wants to. */
function withEnd(
  confirmed: Promise<unknown>,
  { signal, timeoutMs = Infinity }: SubscribeOptions,
  { clock, tooLate }: { clock: Clock; tooLate: (timeoutMs: number) => Error },
): Promise<void> {
  return new Promise((resolve, reject) => {
    const abort = () => done(() => reject(signal!.reason));
    const timer = timeoutMs === Infinity
      ? undefined
      : clock.setTimer(() => done(() => reject(tooLate(timeoutMs))), timeoutMs);
    const done = (settle: () => void) => {
      timer?.cancel();
      signal?.removeEventListener("abort", abort);
      settle();
    };
    signal?.addEventListener("abort", abort, { once: true });
    confirmed.then(() => done(resolve), (error) => done(() => reject(error)));
  });
}
