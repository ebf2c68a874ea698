import { abortable } from "@std/async/abortable";
import { type Channel, Channels } from "../commands/pubsub/channels.ts";
import {
  type HubOptions,
  openSubscription,
  SubscriptionHub,
  type SubscriptionOpener,
} from "../commands/pubsub/hub.ts";
import type { Subscription } from "../commands/pubsub/subscription.ts";
import type {
  MessageHandler,
  SubscribeOptions,
  SubscriptionTargets,
  Target,
} from "../commands/pubsub/types.ts";
import type { Timer } from "../core/clock.ts";
import { ManagerClosedError } from "../core/errors/mod.ts";
import { classifyReplyError } from "../resilience/reply_errors.ts";
import type { LeaseTarget, ShardSource } from "../server/topology.ts";
import { keySlot } from "./slots.ts";

interface ClusterSubscriptionsOptions
  extends Omit<HubOptions, "acquire" | "established" | "moved" | "refused"> {
  /** Leases a connection to a node; to any, if none is named. */
  readonly acquire: (
    target: LeaseTarget,
    signal: AbortSignal,
  ) => ReturnType<HubOptions["acquire"]>;
  readonly shards: ShardSource;
}

/** Channels of events about keys, which each primary publishes for its own keys alone; and
 * patterns that can mean nothing else. */
const KEY_EVENTS = /^__key(?:space|event|[*?[])/;
/** Wait before a node that refuses a channel for now is asked again, in milliseconds. */
const AGAIN_MS = 200;
/** Time between two looks at which primaries there are, in milliseconds: no message tells of one
 * that is new, or was replaced as planned. */
const LOOK_EVERY_MS = 5000;

/**
 * The subscriptions of a database in a cluster. Channels and patterns are subscribed to on one
 * node, whichever it is, as nodes pass messages on to each other; shard channels on the primary
 * that has their slot; events about keys on every primary. Each node that is needed has one
 * connection, which a hub of its own looks after.
 *
 * A shard channel moves with its slot. Events about keys are subscribed to on new primaries,
 * too. Each time the subscriber gets a gap, as messages may be missing.
 */
export class ClusterSubscriptions implements SubscriptionOpener {
  readonly options: ClusterSubscriptionsOptions;
  readonly established = new Set<Subscription<unknown>>();
  /** For what any node has. */
  readonly #anywhere: SubscriptionHub;
  /** For what certain nodes have, by their names. */
  readonly #nodes = new Map<string, SubscriptionHub>();
  /** Events about keys: what is subscribed to on every primary. */
  readonly #everywhere: Channels;
  readonly #stop = new AbortController();
  /** Listens to changes of the shards no more. */
  readonly #ignore: () => void;
  /** When the primaries were last known to be these, on the monotonic clock. */
  #checkedAt: number;
  #timer: Timer | undefined;

  /** Connects to nothing yet. */
  constructor(options: ClusterSubscriptionsOptions) {
    this.options = options;
    this.#everywhere = new Channels(options.config.keyPrefix);
    this.#anywhere = this.#makeHub({});
    this.#checkedAt = options.clock.now();
    this.#ignore = options.shards.listen(() => this.#place());
  }

  /** Subscribes, as {@linkcode SubscriptionHub.subscribe} does. */
  async subscribe<M>(
    targets: SubscriptionTargets,
    handler: MessageHandler<M> | undefined,
    options: SubscribeOptions,
    decode: (message: Uint8Array) => M,
  ): Promise<Subscription<M>> {
    if (this.#stop.signal.aborted) throw new ManagerClosedError(this.options.config.name);
    return await openSubscription(this, targets, handler, options, decode);
  }

  async join(
    targets: readonly Target[],
    subscription: Subscription<unknown>,
    options: SubscribeOptions,
  ): Promise<void> {
    const { shards } = this.options;
    const isKnown = shards.primaries.length > 0;
    if (!isKnown && targets.some((target) => !isAnywhere(target))) {
      await this.#untilKnown(options);
    }
    const byHub = new Map<SubscriptionHub, Target[]>();
    for (const target of targets) {
      if (isEverywhere(target)) this.#everywhere.add(target, subscription);
      for (const hub of this.#hubsOf(target)) {
        byHub.set(hub, [...byHub.get(hub) ?? [], target]);
      }
    }
    await Promise.all(
      [...byHub].map(([hub, targets]) => hub.join(targets, subscription, options)),
    );
  }

  async leave(subscription: Subscription<unknown>): Promise<void> {
    this.established.delete(subscription);
    this.#everywhere.remove(subscription);
    await Promise.all(this.#hubs.map((hub) => hub.leave(subscription)));
    for (const [name, hub] of this.#nodes) this.#dropIfEmpty(name, hub);
  }

  /** Ends every subscription and connection. */
  close(): void {
    this.#stop.abort();
    this.#timer?.cancel();
    this.#ignore();
    for (const hub of this.#hubs) hub.close();
  }

  get #hubs(): SubscriptionHub[] {
    return [this.#anywhere, ...this.#nodes.values()];
  }

  /** Waits until the slots are known, as long as for a confirmation. */
  async #untilKnown({ signal, timeoutMs }: SubscribeOptions): Promise<void> {
    const { clock, config, shards } = this.options;
    const { acquireTimeoutMs, commandTimeoutMs } = config;
    const late = new AbortController();
    const within = signal ? AbortSignal.any([signal, late.signal]) : late.signal;
    const ready = shards.ready(within);
    const ms = timeoutMs ?? acquireTimeoutMs + commandTimeoutMs;
    if (ms === Infinity) return await ready;
    const timer = clock.setTimer(() => late.abort(), ms);
    try {
      await abortable(ready, within);
    } catch (error) {
      if (!late.signal.aborted) throw error;
      throw this.#anywhere.tooLate(ms);
    } finally {
      timer.cancel();
    }
  }

  #hubsOf(target: Target): SubscriptionHub[] {
    const { shards } = this.options;
    if (isAnywhere(target)) return [this.#anywhere];
    if (isEverywhere(target)) return shards.primaries.map((name) => this.#hubOf(name));
    const slot = keySlot(this.#everywhere.wireOf(target));
    // For a slot that no node serves, any node replies with the reason.
    const owner = shards.ownerOf(slot) ?? shards.primaries[0]!;
    return [this.#hubOf(owner)];
  }

  #hubOf(name: string): SubscriptionHub {
    let hub = this.#nodes.get(name);
    if (hub === undefined) this.#nodes.set(name, hub = this.#makeHub({ node: name }));
    if (this.#timer === undefined) this.#lookLater();
    return hub;
  }

  #dropIfEmpty(name: string, hub: SubscriptionHub): void {
    if (hub.channels.length > 0 || this.#nodes.get(name) !== hub) return;
    this.#nodes.delete(name);
    hub.close();
  }

  #lookLater(): void {
    this.#timer = this.options.clock.setTimer(() => {
      this.#timer = undefined;
      // Looks no more when nothing is bound to a node.
      if (this.#nodes.size === 0) return;
      this.options.shards.refresh();
      this.#lookLater();
    }, LOOK_EVERY_MS);
  }

  #makeHub(target: LeaseTarget): SubscriptionHub {
    const { acquire } = this.options;
    const hub: SubscriptionHub = new SubscriptionHub({
      ...this.options,
      acquire: (signal) => acquire(target, signal),
      established: this.established,
      refused: (channel, error, endpoint) => this.#refused(hub, channel, error, endpoint),
      moved: (channels) => {
        const now = this.options.clock.now();
        for (const channel of channels) {
          channel.lostAt ??= now;
          // The answer says where it is now.
          hub.again(channel);
        }
      },
    });
    return hub;
  }

  /** A node refuses a channel: as another one has its slot, or for now. */
  #refused(
    hub: SubscriptionHub,
    channel: Channel,
    { message }: Error,
    endpoint: string,
  ): boolean {
    const { clock, shards } = this.options;
    const { rule } = classifyReplyError(message);
    const isRedirect = rule.action === "redirect";
    if (!isRedirect && rule.action !== "wait") return false;
    channel.lostAt ??= clock.now();
    // The map changes at once, and with it the place of the channel.
    if (isRedirect) shards.learn(message, endpoint);
    else shards.refresh();
    // Does nothing if another hub has it by then.
    const { signal } = this.#stop;
    clock.sleep(AGAIN_MS, { signal, ref: false })
      .then(() => hub.again(channel), () => {});
    return true;
  }

  /** The slots are elsewhere, or nodes have come or gone: puts every channel where it is now. */
  #place(): void {
    const { clock, shards } = this.options;
    const now = clock.now();
    const primaries = new Set(shards.primaries);
    let since = this.#checkedAt;
    this.#checkedAt = now;
    for (const [name, hub] of [...this.#nodes]) {
      const isGone = !primaries.has(name) && shards.isComplete;
      for (const channel of hub.channels) {
        const { lostAt = now } = channel;
        if (isGone) since = Math.min(since, lostAt);
        if (isEverywhere(channel.target)) {
          if (isGone) hub.release(channel);
          continue;
        }
        const owner = shards.ownerOf(keySlot(channel.wire));
        if (owner === undefined || owner === name) continue;
        hub.release(channel);
        this.#hubOf(owner).adopt(channel, lostAt);
      }
      this.#dropIfEmpty(name, hub);
    }
    for (const channel of this.#everywhere.all) {
      for (const name of primaries) {
        const hub = this.#hubOf(name);
        const isThere = hub.channels.some(({ target, wire }) =>
          target.kind === channel.target.kind && wire === channel.wire
        );
        if (!isThere) hub.adopt(channel, since);
      }
    }
  }
}

function isEverywhere({ kind, name }: Target): boolean {
  return kind !== "ssubscribe" && KEY_EVENTS.test(name);
}

function isAnywhere(target: Target): boolean {
  return target.kind !== "ssubscribe" && !isEverywhere(target);
}
