import { sizeOfReply, sizeOfText } from "./reply_values.ts";

/** Bytes of an entry and its place in the map, without key and value. */
const ENTRY_BYTES = 232;
/** A reply that takes more than this share of all bytes is not kept: it would put out too
 * many others. */
const MAX_SHARE = 1 / 8;

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
  /** Another call that reads the same key. */
  sibling: Entry<W> | undefined = undefined;
  newer: Entry<W> | undefined = undefined;
  older: Entry<W> | undefined = undefined;

  constructor(key: string, form: string, isShared: boolean) {
    this.key = key;
    this.form = form;
    this.isShared = isShared;
  }
}

/** The entry of a call among those of its key, kept or pending. Hot path. */
export function ofForm<W>(
  first: Entry<W> | undefined,
  form: string,
): Entry<W> | undefined {
  let entry = first;
  while (entry !== undefined && entry.form !== form) entry = entry.sibling;
  return entry;
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
  readonly #byKey = new Map<string, Entry<W>>();
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

  /** The first of the entries of a key, from which {@linkcode ofForm} goes on. Hot path. */
  ofKey(key: string): Entry<W> | undefined {
    return this.#byKey.get(key);
  }

  /**
   * Adds a pending entry.
   *
   * @param first What {@linkcode ofKey} gives; none of them is of the same call.
   */
  add(entry: Entry<W>, first: Entry<W> | undefined): void {
    entry.sibling = first;
    this.#byKey.set(entry.key, entry);
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
    const first = this.#byKey.get(entry.key);
    if (first === entry) {
      if (entry.sibling === undefined) this.#byKey.delete(entry.key);
      else this.#byKey.set(entry.key, entry.sibling);
    } else {
      let before = first;
      while (before!.sibling !== entry) before = before!.sibling;
      before!.sibling = entry.sibling;
    }
    this.#end(entry);
  }

  /** Forgets all that is known of a key; returns how many replies were kept. */
  forget(key: string): number {
    let entry = this.#byKey.get(key);
    if (entry === undefined) return 0;
    this.#byKey.delete(key);
    const before = this.kept;
    for (; entry !== undefined; entry = entry.sibling) this.#end(entry);
    return before - this.kept;
  }

  /** Forgets the entries of which something is true; returns how many replies were kept. */
  forgetWhere(isMeant: (entry: Entry<W>) => boolean): number {
    const before = this.kept;
    for (let entry of [...this.#byKey.values()] as (Entry<W> | undefined)[]) {
      for (; entry !== undefined; entry = entry.sibling) {
        if (isMeant(entry)) this.drop(entry);
      }
    }
    return before - this.kept;
  }

  /** Forgets everything; returns how many replies were kept. */
  clear(): number {
    const { kept } = this;
    for (let entry of this.#byKey.values() as Iterable<Entry<W> | undefined>) {
      for (; entry !== undefined; entry = entry.sibling) entry.state = "gone";
    }
    this.#byKey.clear();
    this.#newest = this.#oldest = this.#hand = undefined;
    this.kept = this.bytes = 0;
    return kept;
  }

  #enqueue(entry: Entry<W>): void {
    entry.older = this.#newest;
    if (this.#newest === undefined) this.#oldest = entry;
    else this.#newest.newer = entry;
    this.#newest = entry;
    this.kept++;
    this.bytes += entry.bytes;
  }

  #end(entry: Entry<W>): void {
    if (entry.state === "kept") {
      const { newer, older } = entry;
      if (this.#hand === entry) this.#hand = newer;
      if (newer === undefined) this.#newest = older;
      else newer.older = older;
      if (older === undefined) this.#oldest = newer;
      else older.newer = newer;
      this.kept--;
      this.bytes -= entry.bytes;
    }
    entry.state = "gone";
    entry.leader = undefined;
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
