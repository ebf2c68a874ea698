import type { Subscription } from "./subscription.ts";
import type { Target } from "./types.ts";

/** Whoever waits for the server's confirmation. */
export interface ConfirmationWaiter {
  /** The server has confirmed. */
  resolve(): void;
  /** It will not. */
  reject(error: Error): void;
}

/** A channel, pattern or shard channel that somebody is interested in. */
export interface Interest {
  /** What it is. */
  readonly target: Target;
  /** Its name on the wire. */
  readonly wire: string;
  /** Who is interested. */
  readonly subscriptions: Set<Subscription<unknown>>;
  /** Those among them that wait. */
  waiting: ConfirmationWaiter[];
  /** Whether the server was asked for it, and has not refused it. */
  asked: boolean;
  /** Whether the server has confirmed it on the connection at hand. */
  confirmed: boolean;
}

/** Who is interested in what, counted. */
export class Interests {
  readonly #keyPrefix: string;
  readonly #byKey = new Map<string, Interest>();

  /**
   * Knows of no interest yet.
   *
   * @param keyPrefix What is put before each key: shard channels are keys.
   */
  constructor(keyPrefix: string) {
    this.#keyPrefix = keyPrefix;
  }

  /** How many channels, patterns and shard channels. */
  get size(): number {
    return this.#byKey.size;
  }

  /** All of them. */
  get all(): readonly Interest[] {
    return [...this.#byKey.values()];
  }

  /** Everybody who is interested in anything, each once. */
  get subscriptions(): readonly Subscription<unknown>[] {
    return [...new Set(this.all.flatMap((each) => [...each.subscriptions]))];
  }

  /**
   * Adds somebody's interest.
   *
   * @param target In what.
   * @param subscription Whose.
   * @returns The interest.
   */
  add(target: Target, subscription: Subscription<unknown>): Interest {
    const { kind, name } = target;
    const wire = kind === "ssubscribe" ? this.#keyPrefix + name : name;
    const key = keyOf(kind, wire);
    const known = this.#byKey.get(key);
    const interest: Interest = known ?? {
      target,
      wire,
      subscriptions: new Set(),
      waiting: [],
      asked: false,
      confirmed: false,
    };
    interest.subscriptions.add(subscription);
    this.#byKey.set(key, interest);
    return interest;
  }

  /**
   * Takes somebody's interests back.
   *
   * @param subscription Whose.
   * @returns Those that nobody has any more.
   */
  remove(subscription: Subscription<unknown>): Interest[] {
    const over: Interest[] = [];
    for (const [key, interest] of this.#byKey) {
      if (!interest.subscriptions.delete(subscription)) continue;
      if (interest.subscriptions.size > 0) continue;
      this.#byKey.delete(key);
      over.push(interest);
    }
    return over;
  }

  /**
   * Looks up what a message came by.
   *
   * @param kind The kind of subscription.
   * @param wire Its name on the wire.
   * @returns The interest; `undefined` if it was given up meanwhile.
   */
  find(kind: Target["kind"], wire: string): Interest | undefined {
    return this.#byKey.get(keyOf(kind, wire));
  }
}

function keyOf(kind: string, wire: string): string {
  return `${kind} ${wire}`;
}
