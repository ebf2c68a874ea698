import { Buffer } from "node:buffer";
import type { PendingCommand } from "../../connection/pending_command.ts";
import { openSubscription, type SubscriptionOpener } from "../pubsub/hub.ts";
import type { Subscription } from "../pubsub/subscription.ts";
import type { MessageHandler } from "../pubsub/types.ts";

/** Opens subscriptions on every node of a cluster that they need. */
export interface SubscriptionSpread extends SubscriptionOpener {
  close(): void;
}

/** What a subscriber of a cluster needs. */
export interface ClusterSubscriberParts {
  /** Makes what opens them; names are as they are on the wire. */
  readonly open: () => SubscriptionSpread;
  /** Emits an event of ioredis. */
  readonly emit: (event: string, ...args: unknown[]) => void;
  /** Longest wait for a confirmation, in milliseconds; `Infinity` for no limit. */
  readonly timeoutMs: number;
}

type Held = Map<string, Promise<Subscription<Uint8Array>>>;

/** By the command that subscribes: how the hub calls them, and the event of a message. */
const KINDS = {
  subscribe: { targets: "channels", event: "message" },
  psubscribe: { targets: "patterns", event: "pmessage" },
  ssubscribe: { targets: "shards", event: "smessage" },
} as const;

type Kind = keyof typeof KINDS;

/** By the command that ends them. */
const ENDS: ReadonlyMap<string, Kind> = new Map([
  ["unsubscribe", "subscribe"],
  ["punsubscribe", "psubscribe"],
  ["sunsubscribe", "ssubscribe"],
]);

/** Whether a command subscribes, or ends a subscription. */
export function isAboutSubscriptions(name: string): boolean {
  const lower = name.toLowerCase();
  return lower in KINDS || ENDS.has(lower);
}

const asBytes = (message: Uint8Array) => message;

/**
 * The subscriptions of one client that a library owns, in a cluster: one connection would reach
 * one node alone. It answers the commands as ioredis does, with how many there are.
 */
export class ClusterSubscriber {
  readonly #parts: ClusterSubscriberParts;
  #spread: SubscriptionSpread | undefined;
  readonly #held: Readonly<Record<Kind, Held>> = {
    subscribe: new Map(),
    psubscribe: new Map(),
    ssubscribe: new Map(),
  };

  constructor(parts: ClusterSubscriberParts) {
    this.#parts = parts;
  }

  /**
   * Runs a command.
   *
   * @returns How many subscriptions there are then: shard channels, or all others.
   */
  async run({ args, name }: Pick<PendingCommand, "args" | "name">): Promise<number> {
    const lower = name.toLowerCase();
    const ended = ENDS.get(lower);
    const kind = ended ?? lower as Kind;
    const held = this.#held[kind];
    const names = args.map(String);
    if (ended === undefined) {
      await Promise.all(names.map((each) => held.get(each) ?? this.#begin(kind, each)));
    } else {
      const all = names.length > 0 ? names : [...held.keys()];
      await Promise.all(all.map((each) => this.#end(held, each)));
    }
    const { psubscribe, ssubscribe, subscribe } = this.#held;
    return kind === "ssubscribe" ? ssubscribe.size : subscribe.size + psubscribe.size;
  }

  /** Ends all of them; {@linkcode reopen} begins them anew. */
  close(): void {
    this.#spread?.close();
    this.#spread = undefined;
  }

  reopen(): void {
    if (this.#spread !== undefined) return;
    for (const kind of Object.keys(KINDS) as Kind[]) {
      for (const name of this.#held[kind].keys()) this.#begin(kind, name).catch(() => {});
    }
  }

  async #begin(kind: Kind, name: string): Promise<unknown> {
    const { emit, open, timeoutMs } = this.#parts;
    const { event, targets } = KINDS[kind];
    const handler: MessageHandler<Uint8Array> = (message, channel) => {
      const bytes = Buffer.from(message.buffer, message.byteOffset, message.byteLength);
      const by = kind === "psubscribe" ? [name] : [];
      emit(event, ...by, channel, String(bytes));
      emit(`${event}Buffer`, ...by, Buffer.from(channel), bytes);
    };
    const spread = this.#spread ??= open();
    const opening = openSubscription(
      spread,
      { [targets]: [name] },
      handler,
      { timeoutMs },
      asBytes,
    );
    const held = this.#held[kind];
    held.set(name, opening);
    return await opening.catch((error) => {
      if (held.get(name) === opening) held.delete(name);
      throw error;
    });
  }

  async #end(held: Held, name: string): Promise<void> {
    const opening = held.get(name);
    held.delete(name);
    const subscription = await opening?.catch(() => undefined);
    await subscription?.unsubscribe();
  }
}
