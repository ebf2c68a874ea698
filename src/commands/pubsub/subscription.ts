import { OverloadedError } from "../../core/errors/pool.ts";
import type {
  MessageHandler,
  SubscribeOptions,
  SubscriptionGap,
  SubscriptionItem,
} from "./types.ts";

/**
 * What a subscription needs of the hub that feeds it.
 *
 * @internal
 */
export interface SubscriptionParts<M> {
  /** Name of the database. */
  readonly database: string;
  /** Takes the messages; without it they are iterated. */
  readonly handler: MessageHandler<M> | undefined;
  /** The caller's options. */
  readonly options: SubscribeOptions;
  /** Turns a message into what the consumer wants. */
  readonly decode: (message: Uint8Array) => M;
  /** Unsubscribes from the hub. */
  readonly leave: () => Promise<void>;
  /** Called with a gap for dropped messages, when the consumer gets to it. */
  readonly dropped: (gap: SubscriptionGap) => void;
  /** Called with what the handler threw. */
  readonly handlerFailed: (error: unknown, channel: string) => void;
}

type Next<M> = IteratorResult<SubscriptionItem<M>, undefined>;

type State =
  | { readonly name: "open" }
  | { readonly name: "ended"; readonly error: Error | undefined };

/** Most messages that wait for a slow consumer. */
const MAX_QUEUED = 1000;
/** Most bytes of messages that wait for a slow consumer. */
const MAX_QUEUED_BYTES = 16 * 1024 * 1024;

/**
 * A subscription to channels, until it is ended. With a handler, messages go there, one
 * at a time; without one, it is iterated: `for await (const item of subscription)` gives
 * messages, and gaps where some may be missing. Iterating ends when it is unsubscribed, or
 * the manager is closed and the messages that waited have been given.
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
  /** Callers of the iterator that wait for the next item. */
  #waiting: PromiseWithResolvers<Next<M>>[] = [];
  /** Whether the handler is running. */
  #isBusy = false;

  /**
   * Made by {@linkcode RedisConnectionManager.subscribe}.
   *
   * @internal
   */
  constructor(parts: SubscriptionParts<M>) {
    this.#parts = parts;
    this.#backlog = new Backlog(parts.options);
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
   * Ends the subscription; the last one of a database closes their connection. Messages that
   * wait are dropped, and counted in `dropped`. Calling it again does nothing.
   */
  async unsubscribe(): Promise<void> {
    if (this.#state.name === "ended") return;
    this.#end(undefined);
    await this.#parts.leave();
  }

  /** Ends the subscription. */
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
   * Takes a message of the hub.
   *
   * @internal
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
   * Takes a gap of the hub.
   *
   * @internal
   */
  deliverGap(gap: SubscriptionGap): void {
    if (this.#state.name === "open") this.#take(gap, 0);
  }

  /**
   * Ends it because of an error of the hub.
   *
   * @internal
   */
  fail(error: Error): void {
    if (this.#state.name === "ended") return;
    this.#end(error);
    void this.#parts.leave();
  }

  /**
   * Ends it because the manager was closed.
   *
   * @internal
   */
  close(): void {
    // An iterator still gives what waits; a handler is called no more.
    const keeps = this.#parts.handler === undefined;
    if (this.#state.name === "open") this.#end(undefined, keeps);
  }

  #take(item: SubscriptionItem<M>, bytes: number): void {
    this.#backlog.push(item, bytes);
    if (this.#parts.handler !== undefined) {
      if (!this.#isBusy) void this.#handle(this.#parts.handler);
      return;
    }
    this.#waiting.shift()?.resolve({ done: false, value: this.#shift()! });
  }

  #shift(): SubscriptionItem<M> | undefined {
    const item = this.#backlog.shift();
    if (item?.kind === "gap" && item.reason === "overflow") this.#parts.dropped(item);
    return item;
  }

  /** Hands items to the handler until none waits; synchronously, unless it gives a promise. */
  async #handle(handler: MessageHandler<M>): Promise<void> {
    this.#isBusy = true;
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
    this.#isBusy = false;
  }

  #next(): Promise<Next<M>> {
    const item = this.#shift();
    if (item !== undefined) return Promise.resolve({ done: false, value: item });
    if (this.#state.name === "ended") {
      const { error } = this.#state;
      // An error is thrown once.
      this.#state = { name: "ended", error: undefined };
      if (error !== undefined) return Promise.reject(error);
      return Promise.resolve({ done: true, value: undefined });
    }
    const next = Promise.withResolvers<Next<M>>();
    this.#waiting.push(next);
    return next.promise;
  }

  #end(error: Error | undefined, keepsBacklog = false): void {
    if (!keepsBacklog) this.#backlog.clear();
    const [first, ...others] = this.#waiting.splice(0);
    this.#state = { name: "ended", error: first === undefined ? error : undefined };
    if (error === undefined) first?.resolve({ done: true, value: undefined });
    else first?.reject(error);
    for (const next of others) next.resolve({ done: true, value: undefined });
    this.#ended.resolve(error);
  }
}

interface Entry<M> {
  readonly item: SubscriptionItem<M>;
  readonly bytes: number;
}

/**
 * The items that wait for a slow consumer, bounded by count and bytes. Dropped items are
 * replaced by a gap before the item that comes after them.
 */
export class Backlog<M> {
  readonly #maxQueued: number;
  readonly #maxQueuedBytes: number;
  #entries: Entry<M>[] = [];
  #head = 0;
  #bytes = 0;
  /** Messages dropped since the last item was taken; `undefined` if nothing was. */
  #lost: number | undefined;
  #dropped = 0;

  constructor(options: SubscribeOptions) {
    const { maxQueued = MAX_QUEUED, maxQueuedBytes = MAX_QUEUED_BYTES } = options;
    checkLimit("maxQueued", maxQueued);
    checkLimit("maxQueuedBytes", maxQueuedBytes);
    this.#maxQueued = maxQueued;
    this.#maxQueuedBytes = maxQueuedBytes;
  }

  /** Items that wait. */
  get size(): number {
    return this.#entries.length - this.#head;
  }

  /** Bytes of the messages that wait. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Messages dropped so far. */
  get dropped(): number {
    return this.#dropped;
  }

  /** The limit for which an item of this size would have others dropped; `undefined` if
   * there is room for it. */
  excess(bytes: number): { what: string; current: number; limit: number } | undefined {
    const { size } = this;
    if (size === 0) return undefined;
    if (size >= this.#maxQueued) {
      return { what: "messages", current: size, limit: this.#maxQueued };
    }
    const current = this.#bytes + bytes;
    const limit = this.#maxQueuedBytes;
    return current > limit ? { what: "bytes of messages", current, limit } : undefined;
  }

  /** Adds an item, and drops the oldest ones that it leaves no room for. */
  push(item: SubscriptionItem<M>, bytes: number): void {
    while (this.excess(bytes) !== undefined) this.#drop();
    this.#entries.push({ item, bytes });
    this.#bytes += bytes;
  }

  /** Takes the oldest item, or a gap in place of those that were dropped before it;
   * `undefined` if nothing waits. */
  shift(): SubscriptionItem<M> | undefined {
    if (this.#lost !== undefined) {
      const gap: SubscriptionGap = { kind: "gap", reason: "overflow", lost: this.#lost };
      this.#lost = undefined;
      return gap;
    }
    return this.#take()?.item;
  }

  /** Drops all that waits, and counts it as dropped. */
  clear(): void {
    const left = this.#entries.slice(this.#head);
    this.#dropped += left.filter(({ item }) => item.kind === "message").length;
    this.#entries = [];
    this.#head = this.#bytes = 0;
    this.#lost = undefined;
  }

  #drop(): void {
    // A gap that is dropped becomes part of the one that is reported in its place.
    const count = this.#take()!.item.kind === "message" ? 1 : 0;
    this.#lost = (this.#lost ?? 0) + count;
    this.#dropped += count;
  }

  #take(): Entry<M> | undefined {
    const entry = this.#entries[this.#head];
    if (entry === undefined) return undefined;
    this.#head++;
    this.#bytes -= entry.bytes;
    if (this.#head * 2 > this.#entries.length) {
      this.#entries = this.#entries.slice(this.#head);
      this.#head = 0;
    }
    return entry;
  }
}

function checkLimit(name: string, value: number): void {
  if (Number.isInteger(value) && value >= 1) return;
  throw new RangeError(
    `Cannot subscribe as ${name} must be an integer of 1 or more: current value is ${value}`,
  );
}

function isThenable(value: unknown): value is PromiseLike<unknown> {
  return typeof (value as { then?: unknown } | null | undefined)?.then === "function";
}
