import { sizeOfReply, sizeOfText } from "./reply_values.ts";

/** Bytes of an entry and its place in the map, without key and value. */
const ENTRY_BYTES = 232;
/** A reply that takes more than this share of all bytes is not kept: it would put out too
 * many others. */
const MAX_SHARE = 1 / 8;
const MIN_BUCKETS = 16;

/** Where an entry stands in its life. */
type State =
  /** Its reply is awaited. */
  | "pending"
  /** Its reply is kept. */
  | "kept"
  /** It was forgotten; its reply, if it still comes, is not kept. */
  | "gone";

/** The reply of one call that reads one key: kept, or awaited. */
export class Entry<W = unknown> {
  readonly key: string;
  /** Hash of the key. */
  readonly hash: number;
  /** The call: command and other arguments. */
  readonly form: string;
  state: State = "pending";
  value: unknown = undefined;
  /** The connection that read it. */
  source: object | undefined = undefined;
  /** The call whose reply is awaited. */
  leader: W | undefined = undefined;
  /** Who waits for the reply; unset as long as nobody does, and for an entry that nobody
   * may wait for. */
  waiters: W[] | undefined = undefined;
  /** Whether others may wait for its reply. */
  readonly isShared: boolean;
  bytes = 0;
  /** When it has to be asked for anew, on the monotonic clock. */
  expiresAt = Infinity;
  /** Whether it was used since the hand passed. */
  isUsed = false;
  /** The next one in its bucket. */
  next: Entry<W> | undefined = undefined;
  newer: Entry<W> | undefined = undefined;
  older: Entry<W> | undefined = undefined;

  constructor(key: string, hash: number, form: string, isShared: boolean) {
    this.key = key;
    this.hash = hash;
    this.form = form;
    this.isShared = isShared;
  }
}

/** The seed of the hash, random for each process: who chooses keys cannot know which of them
 * fall into one bucket. */
const SEED = crypto.getRandomValues(new Int32Array(1))[0]!;

/**
 * The hash of a text, from 0 to 2^31 - 1. Hot path: V8 computes that of a text that it has
 * not met before by a call into its runtime, which takes ten times as long.
 */
export function hashOf(text: string): number {
  let hash = SEED;
  for (let i = 0; i < text.length; i++) {
    hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193);
  }
  hash ^= hash >>> 15;
  return hash & 0x7fffffff;
}

/** How much may be kept. */
export interface EntryLimits {
  readonly maxEntries: number;
  readonly maxBytes: number;
}

/**
 * The entries of a near cache by key, bounded by number and bytes.
 *
 * What has to go is chosen by SIEVE: a queue in the order of arrival, and a hand that goes
 * from old to new, spares what was used since it passed, and takes the first that was not.
 * A hit sets one field and moves nothing; what is read once goes soon, so that a scan does
 * not put out what is read often. From: Zhang, Yang, Yue, Vigfusson, Rashmi, "SIEVE is
 * Simpler than LRU: an Efficient Turn-Key Eviction Algorithm for Web Caches", NSDI 2024.
 */
export class Entries<W = unknown> {
  readonly #limits: EntryLimits;
  /** The first entry of each bucket; as many as a power of two. */
  #buckets: (Entry<W> | undefined)[] = new Array(MIN_BUCKETS).fill(undefined);
  /** Number of entries, pending ones included. */
  #size = 0;
  #newest: Entry<W> | undefined;
  #oldest: Entry<W> | undefined;
  #hand: Entry<W> | undefined;
  /** Number of replies that are kept. */
  kept = 0;
  /** Bytes that they take. */
  bytes = 0;
  /** How many were put out for want of room. */
  evicted = 0;

  constructor(limits: EntryLimits) {
    this.#limits = limits;
  }

  /** The entry of a call that reads a key, kept or pending. Hot path. */
  find(key: string, hash: number, form: string): Entry<W> | undefined {
    const buckets = this.#buckets;
    let entry = buckets[hash & (buckets.length - 1)];
    while (
      entry !== undefined &&
      (entry.hash !== hash || entry.form !== form || entry.key !== key)
    ) entry = entry.next;
    return entry;
  }

  /** Adds a pending entry; there is none of the same call. */
  add(entry: Entry<W>): void {
    if (this.#size++ === this.#buckets.length) this.#grow();
    const buckets = this.#buckets;
    const at = entry.hash & (buckets.length - 1);
    entry.next = buckets[at];
    buckets[at] = entry;
  }

  /**
   * Keeps the reply of a pending entry, unless it is too large.
   *
   * @param source The connection that read it.
   * @returns Whether it is kept.
   */
  keep(entry: Entry<W>, value: unknown, source: object, expiresAt: number): boolean {
    if (entry.state !== "pending") return false;
    const { maxBytes, maxEntries } = this.#limits;
    const bytes = ENTRY_BYTES + sizeOfText(entry.key) + sizeOfReply(value) +
      // That of a call with no other arguments is shared.
      (entry.form.includes(":") ? sizeOfText(entry.form) : 0);
    if (bytes > maxBytes * MAX_SHARE) {
      this.drop(entry);
      return false;
    }
    while (this.kept >= maxEntries || this.bytes + bytes > maxBytes) this.#evict();
    entry.state = "kept";
    entry.value = value;
    entry.source = source;
    entry.leader = undefined;
    entry.bytes = bytes;
    entry.expiresAt = expiresAt;
    this.#enqueue(entry);
    return true;
  }

  /** Forgets an entry. */
  drop(entry: Entry<W>): void {
    if (entry.state === "gone") return;
    const buckets = this.#buckets;
    const at = entry.hash & (buckets.length - 1);
    let before = buckets[at]!;
    if (before === entry) buckets[at] = entry.next;
    else {
      while (before.next !== entry) before = before.next!;
      before.next = entry.next;
    }
    this.#size--;
    entry.next = undefined;
    if (entry.state === "kept") this.#dequeue(entry);
    entry.state = "gone";
    entry.leader = undefined;
  }

  /** Forgets all that is known of a key; returns how many replies were kept. */
  forget(key: string): number {
    const before = this.kept;
    const hash = hashOf(key);
    let entry = this.#buckets[hash & (this.#buckets.length - 1)];
    while (entry !== undefined) {
      const { next } = entry as Entry<W>;
      if (entry.hash === hash && entry.key === key) this.drop(entry);
      entry = next;
    }
    return before - this.kept;
  }

  /** Forgets the entries of which something is true; returns how many replies were kept. */
  forgetWhere(isMeant: (entry: Entry<W>) => boolean): number {
    const before = this.kept;
    for (let entry of this.#buckets) {
      while (entry !== undefined) {
        const { next } = entry as Entry<W>;
        if (isMeant(entry)) this.drop(entry);
        entry = next;
      }
    }
    return before - this.kept;
  }

  /** Forgets everything; returns how many replies were kept. */
  clear(): number {
    return this.forgetWhere(() => true);
  }

  #grow(): void {
    const old = this.#buckets;
    const buckets: typeof old = new Array(old.length * 2).fill(undefined);
    for (let entry of old) {
      while (entry !== undefined) {
        const { next } = entry as Entry<W>;
        const at = entry.hash & (buckets.length - 1);
        entry.next = buckets[at];
        buckets[at] = entry;
        entry = next;
      }
    }
    this.#buckets = buckets;
  }

  #enqueue(entry: Entry<W>): void {
    entry.older = this.#newest;
    if (this.#newest === undefined) this.#oldest = entry;
    else this.#newest.newer = entry;
    this.#newest = entry;
    this.kept++;
    this.bytes += entry.bytes;
  }

  #dequeue(entry: Entry<W>): void {
    const { newer, older } = entry;
    if (this.#hand === entry) this.#hand = newer;
    if (newer === undefined) this.#newest = older;
    else newer.older = older;
    if (older === undefined) this.#oldest = newer;
    else older.newer = newer;
    // A dead entry of the old generation would keep all that came behind it alive.
    entry.newer = entry.older = undefined;
    this.kept--;
    this.bytes -= entry.bytes;
  }

  #evict(): void {
    let entry = this.#hand ?? this.#oldest!;
    while (entry.isUsed) {
      entry.isUsed = false;
      entry = entry.newer ?? this.#oldest!;
    }
    this.#hand = entry.newer;
    this.evicted++;
    this.drop(entry);
  }
}
