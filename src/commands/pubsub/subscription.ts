import { OverloadedError } from "../../core/errors/pool.ts";
import { Backlog } from "./backlog.ts";
import type {
  MessageHandler,
  SubscribeOptions,
  SubscriptionGap,
  SubscriptionItem,
} from "./types.ts";

/** What a subscription needs of the hub that feeds it. */
export interface SubscriptionParts<M> {
  /** Name of the database. */
  readonly database: string;
  /** Takes the messages; without it they are iterated. */
  readonly handler: MessageHandler<M> | undefined;
  /** How it goes. */
  readonly options: SubscribeOptions;
  /** Turns a message into what the consumer wants. */
  readonly decode: (message: Uint8Array) => M;
  /** Takes the interest back. */
  readonly leave: () => Promise<void>;
  /** Told of what was dropped, when the consumer gets to it. */
  readonly dropped: (gap: SubscriptionGap) => void;
  /** Told of what the handler threw. */
  readonly handlerFailed: (error: unknown, channel: string) => void;
}

/** Somebody who waits for the next item. */
interface Taker<M> {
  resolve(result: IteratorResult<SubscriptionItem<M>, undefined>): void;
  reject(error: Error): void;
}

type State =
  | { readonly name: "open" }
  | { readonly name: "ended"; readonly error: Error | undefined };

/** Most messages that wait for a slow consumer. */
const MAX_QUEUED = 1000;
/** Most bytes of messages that wait for a slow consumer. */
const MAX_QUEUED_BYTES = 16 * 1024 * 1024;

/**
 * An interest in channels, until it is given up. With a handler, messages go there, one
 * at a time; without one, it is iterated: `for await (const item of subscription)` gives
 * messages, and gaps where some may be missing. Iterating ends when it is unsubscribed, or
 * the manager is closed and what waited has been given.
 *
 * @example Usage
 * ```ts
 * import { RedisConnectionManager } from "@mooring/redis";
 *
 * await using manager = new RedisConnectionManager({
 *   url: Deno.env.get("REDIS_URL") ?? "redis://localhost:6379",
 *   databases: { main: { db: 0 } },
 * });
 * await using subscription = await manager.subscribe("main", ["mooring:news"]);
 * await manager.getClient("main").publish("mooring:news", "ahoy");
 * for await (const item of subscription) {
 *   if (item.kind === "gap") console.warn("messages may be missing", item);
 *   else console.log(item.channel, item.message);
 *   break;
 * }
 * ```
 */
export class Subscription<M = string>
  implements AsyncDisposable, AsyncIterable<SubscriptionItem<M>> {
  readonly #parts: SubscriptionParts<M>;
  readonly #backlog: Backlog<M>;
  readonly #ended = Promise.withResolvers<Error | undefined>();
  #state: State = { name: "open" };
  #takers: Taker<M>[] = [];
  /** Whether the handler is at work. */
  #busy = false;

  /**
   * Made by the manager; use {@linkcode RedisConnectionManager.subscribe}.
   *
   * @param parts What it needs of the hub that feeds it.
   * @throws {RangeError} If a limit is no integer of 1 or more.
   */
  constructor(parts: SubscriptionParts<M>) {
    const { maxQueued = MAX_QUEUED, maxQueuedBytes = MAX_QUEUED_BYTES } = parts.options;
    this.#parts = parts;
    this.#backlog = new Backlog({ maxQueued, maxQueuedBytes });
  }

  /** Whether it is over. */
  get isClosed(): boolean {
    return this.#state.name === "ended";
  }

  /**
   * Resolves when it is over: with the error that ended it, if one did.
   */
  get closed(): Promise<Error | undefined> {
    return this.#ended.promise;
  }

  /** Items that wait for the consumer. */
  get queued(): number {
    return this.#backlog.size;
  }

  /** Messages that were dropped: the consumer was too slow, or they still waited when the
   * subscription ended. */
  get dropped(): number {
    return this.#backlog.dropped;
  }

  /**
   * Gives the interest up; the last one to do so closes the connection. What waits is
   * dropped, and counted in `dropped`. Calling it again does nothing.
   */
  async unsubscribe(): Promise<void> {
    if (this.#state.name === "ended") return;
    this.#end(undefined);
    await this.#parts.leave();
  }

  /** Gives the interest up. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.unsubscribe();
  }

  /**
   * Gives the items in order; leaving the loop unsubscribes.
   *
   * @returns An iterator; two of one subscription share its items.
   * @throws {TypeError} If there is a handler, which gets the messages.
   */
  [Symbol.asyncIterator](): AsyncIterator<SubscriptionItem<M>, undefined> {
    if (this.#parts.handler !== undefined) {
      throw new TypeError("Cannot iterate a subscription that has a handler");
    }
    return {
      next: () => this.#next(),
      return: async () => {
        await this.unsubscribe();
        return { done: true, value: undefined };
      },
    };
  }

  /**
   * Takes a message; for the hub.
   *
   * @param message The message.
   * @param channel Its channel.
   * @param pattern The pattern that it came by.
   */
  deliver(message: Uint8Array, channel: string, pattern?: string): void {
    if (this.#state.name === "ended") return;
    const bytes = message.byteLength + channel.length;
    const { database, options, decode } = this.#parts;
    const excess = options.overflow === "close" ? this.#backlog.excess(bytes) : undefined;
    if (excess !== undefined) {
      const what = `${excess.what} that wait for a slow subscriber`;
      this.fail(new OverloadedError(database, what, excess.current, excess.limit));
      return;
    }
    this.#take({
      kind: "message",
      channel,
      ...(pattern === undefined ? {} : { pattern }),
      message: decode(message),
    }, bytes);
  }

  /**
   * Takes a gap; for the hub.
   *
   * @param gap The gap.
   */
  deliverGap(gap: SubscriptionGap): void {
    if (this.#state.name === "open") this.#take(gap, 0);
  }

  /**
   * Ends it because of an error; for the hub.
   *
   * @param error Why.
   */
  fail(error: Error): void {
    if (this.#state.name === "ended") return;
    this.#end(error);
    void this.#parts.leave();
  }

  /** Ends it because the manager was closed; for the hub. */
  close(): void {
    // An iterator still gives what waits; a handler is called no more.
    const keeps = this.#parts.handler === undefined;
    if (this.#state.name === "open") this.#end(undefined, keeps);
  }

  #take(item: SubscriptionItem<M>, bytes: number): void {
    this.#backlog.push(item, bytes);
    if (this.#parts.handler !== undefined) {
      if (!this.#busy) void this.#handle(this.#parts.handler);
      return;
    }
    const taker = this.#takers.shift();
    if (taker !== undefined) taker.resolve({ done: false, value: this.#shift()! });
  }

  #shift(): SubscriptionItem<M> | undefined {
    const item = this.#backlog.shift();
    if (item?.kind === "gap" && item.reason === "overflow") this.#parts.dropped(item);
    return item;
  }

  /** Hands items to the handler until none waits; at once, unless it gives a promise. */
  async #handle(handler: MessageHandler<M>): Promise<void> {
    this.#busy = true;
    for (let item = this.#shift(); item !== undefined; item = this.#shift()) {
      const channel = item.kind === "message" ? item.channel : "";
      try {
        const done = item.kind === "gap"
          ? this.#parts.options.onGap?.(item)
          : handler(item.message, item.channel, item.pattern);
        if (isThenable(done)) await done;
      } catch (error) {
        this.#parts.handlerFailed(error, channel);
      }
    }
    this.#busy = false;
  }

  #next(): Promise<IteratorResult<SubscriptionItem<M>, undefined>> {
    const item = this.#shift();
    if (item !== undefined) return Promise.resolve({ done: false, value: item });
    if (this.#state.name === "ended") {
      const { error } = this.#state;
      // An error is thrown once.
      this.#state = { name: "ended", error: undefined };
      if (error !== undefined) return Promise.reject(error);
      return Promise.resolve({ done: true, value: undefined });
    }
    return new Promise((resolve, reject) => this.#takers.push({ resolve, reject }));
  }

  #end(error: Error | undefined, keepsBacklog = false): void {
    if (!keepsBacklog) this.#backlog.clear();
    const [first, ...others] = this.#takers;
    this.#takers = [];
    this.#state = { name: "ended", error: first === undefined ? error : undefined };
    if (error === undefined) first?.resolve({ done: true, value: undefined });
    else first?.reject(error);
    for (const taker of others) taker.resolve({ done: true, value: undefined });
    this.#ended.resolve(error);
  }
}

function isThenable(value: unknown): value is PromiseLike<unknown> {
  return typeof (value as { then?: unknown } | null | undefined)?.then === "function";
}
