import type { Subscription } from "./subscription.ts";
import type { Target } from "./types.ts";

/** A channel, pattern or shard channel that has subscribers. */
export interface Channel {
  /** What it is. */
  readonly target: Target;
  /** Its name on the wire. */
  readonly wire: string;
  /** Its subscribers. */
  readonly subscriptions: Set<Subscription<unknown>>;
  /** Callers that wait for the server's confirmation. */
  waiting: PromiseWithResolvers<void>[];
  /** Whether SUBSCRIBE was sent for it, and the server has not refused it. */
  requested: boolean;
  /** Whether the server has confirmed it on the current connection. */
  confirmed: boolean;
  /** Since when its messages are missing, as the connection was lost, or another server has
   * it now; until the gap was delivered. */
  lostAt: number | undefined;
}

/** The channels of one database that have subscribers, counted by subscriber. */
export class Channels {
  readonly #keyPrefix: string;
  readonly #byKey = new Map<string, Channel>();

  constructor(keyPrefix: string) {
    this.#keyPrefix = keyPrefix;
  }

  /** How many channels, patterns and shard channels there are. */
  get size(): number {
    return this.#byKey.size;
  }

  /** All of them. */
  get all(): readonly Channel[] {
    return [...this.#byKey.values()];
  }

  /** All subscribers, each once. */
  get subscriptions(): readonly Subscription<unknown>[] {
    return [...new Set(this.all.flatMap((each) => [...each.subscriptions]))];
  }

  /** The name of a channel on the wire: shard channels are keys. */
  wireOf({ kind, name }: Target): string {
    return kind === "ssubscribe" ? this.#keyPrefix + name : name;
  }

  /** Removes a channel with its subscribers. */
  delete({ target, wire }: Channel): void {
    this.#byKey.delete(`${target.kind} ${wire}`);
  }

  /** Adds a subscriber to a channel. */
  add(target: Target, subscription: Subscription<unknown>): Channel {
    const wire = this.wireOf(target);
    const key = `${target.kind} ${wire}`;
    const channel: Channel = this.#byKey.get(key) ?? {
      target,
      wire,
      subscriptions: new Set(),
      waiting: [],
      requested: false,
      confirmed: false,
      lostAt: undefined,
    };
    channel.subscriptions.add(subscription);
    this.#byKey.set(key, channel);
    return channel;
  }

  /** Removes a subscriber; gives the channels that have none left. */
  remove(subscription: Subscription<unknown>): Channel[] {
    const abandoned: Channel[] = [];
    for (const [key, channel] of this.#byKey) {
      if (!channel.subscriptions.delete(subscription)) continue;
      if (channel.subscriptions.size > 0) continue;
      this.#byKey.delete(key);
      abandoned.push(channel);
    }
    return abandoned;
  }

  /** Finds a channel by its name on the wire; `undefined` if it has no subscriber any more. */
  find(kind: Target["kind"], wire: string): Channel | undefined {
    return this.#byKey.get(`${kind} ${wire}`);
  }
}
