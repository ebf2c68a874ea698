import type { SubscriptionGap, SubscriptionItem } from "./types.ts";

/** What a further item would be too much for. */
export interface Excess {
  /** What there is too much of, in words. */
  readonly what: string;
  /** How many wait, or how many bytes would with the item. */
  readonly current: number;
  /** How much there may be. */
  readonly limit: number;
}

/** How much may wait. */
export interface BacklogLimits {
  /** Most messages, 1 or more. */
  readonly maxQueued: number;
  /** Most bytes of messages, 1 or more. */
  readonly maxQueuedBytes: number;
}

interface Entry<M> {
  readonly item: SubscriptionItem<M>;
  readonly bytes: number;
}

/**
 * What waits for a slow consumer, bounded by count and bytes. What is dropped is told in
 * its place: as a gap, before the message that comes after.
 */
export class Backlog<M> {
  readonly #limits: BacklogLimits;
  #entries: Entry<M>[] = [];
  #head = 0;
  #bytes = 0;
  /** Messages dropped since the last item was taken; `undefined` if nothing was. */
  #lost: number | undefined;
  #dropped = 0;

  /**
   * Makes an empty backlog.
   *
   * @param limits How much may wait.
   * @throws {RangeError} If a limit is no integer of 1 or more.
   */
  constructor(limits: BacklogLimits) {
    checkLimit("maxQueued", limits.maxQueued);
    checkLimit("maxQueuedBytes", limits.maxQueuedBytes);
    this.#limits = limits;
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

  /**
   * What an item would be too much for: something else would have to be dropped for it.
   *
   * @param bytes Its size.
   * @returns The limit that it would break, or `undefined` if there is room for it.
   */
  excess(bytes: number): Excess | undefined {
    const { size } = this;
    if (size === 0) return undefined;
    const { maxQueued, maxQueuedBytes } = this.#limits;
    if (size >= maxQueued) {
      return { what: "messages", current: size, limit: maxQueued };
    }
    const current = this.#bytes + bytes;
    return current > maxQueuedBytes
      ? { what: "bytes of messages", current, limit: maxQueuedBytes }
      : undefined;
  }

  /**
   * Adds an item, and drops the oldest ones that it leaves no room for.
   *
   * @param item The item.
   * @param bytes Its size.
   */
  push(item: SubscriptionItem<M>, bytes: number): void {
    while (this.excess(bytes) !== undefined) this.#drop();
    this.#entries.push({ item, bytes });
    this.#bytes += bytes;
  }

  /**
   * Takes the oldest item.
   *
   * @returns The item, or a gap in place of those that were dropped before it;
   * `undefined` if nothing waits.
   */
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
    // A gap that is dropped goes up in the one that is reported in its place.
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
