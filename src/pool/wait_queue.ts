import type { Clock, Timer } from "../core/clock.ts";

/** A member of a {@linkcode LinkedList}; it is in one list at a time. */
export interface Linked<T> {
  /** The member before it; set by the list alone. */
  previous: T | undefined;
  /** The member after it; set by the list alone. */
  next: T | undefined;
}

/**
 * A doubly linked list whose members carry the links: any of them is removed in O(1), and
 * nothing is allocated. The caller knows which list a member is in: removing it from another
 * one breaks both.
 */
export class LinkedList<T extends Linked<T>> implements Iterable<T> {
  #head: T | undefined;
  #tail: T | undefined;
  #length = 0;

  /** The member that was added first. */
  get head(): T | undefined {
    return this.#head;
  }

  /** The member that was added last. */
  get tail(): T | undefined {
    return this.#tail;
  }

  /** Number of members. */
  get length(): number {
    return this.#length;
  }

  /** Adds a member, which is in no list, at the tail. */
  push(member: T): void {
    const tail = this.#tail;
    member.previous = tail;
    if (tail === undefined) this.#head = member;
    else tail.next = member;
    this.#tail = member;
    this.#length++;
  }

  /** Removes a member of this list, wherever it is. */
  remove(member: T): void {
    const { previous, next } = member;
    if (previous === undefined) this.#head = next;
    else previous.next = next;
    if (next === undefined) this.#tail = previous;
    else next.previous = previous;
    member.previous = undefined;
    member.next = undefined;
    this.#length--;
  }

  /** From head to tail; the current member may be removed during the iteration. */
  *[Symbol.iterator](): Iterator<T> {
    for (let member = this.#head; member !== undefined;) {
      const { next } = member;
      yield member;
      member = next;
    }
  }
}

/** An entry of a {@linkcode DeadlineQueue}. */
export interface Expiring {
  /** When it expires, on the monotonic clock; infinite for never. */
  readonly deadline: number;
  /** Whether it no longer waits, so that it must not expire. */
  readonly settled: boolean;
}

/** A {@linkcode DeadlineQueue} with fewer entries than this is never compacted. */
const SMALL = 64;

/**
 * Calls back when deadlines pass: one timer, set for the earliest of a sorted list. Most
 * deadlines are later than all others, and go to its end.
 *
 * An entry that is settled stays in the list until its deadline comes up or
 * {@linkcode DeadlineQueue.compact} removes it: to settle an entry costs O(1), and to remove
 * the timer each time would cost more than one that finds nothing to do.
 */
export class DeadlineQueue<T extends Expiring> {
  readonly #clock: Clock;
  readonly #expired: (entries: T[], now: number) => void;
  #entries: T[] = [];
  #timer: Timer | undefined;
  #timerAt = Infinity;
  /** Counts the calls of `clear`, so that a timer that has already fired is ignored. */
  #generation = 0;

  /** `expired` gets the entries whose deadline has passed, the earliest first. */
  constructor(clock: Clock, expired: (entries: T[], now: number) => void) {
    this.#clock = clock;
    this.#expired = expired;
  }

  /** Number of entries, settled ones included. */
  get size(): number {
    return this.#entries.length;
  }

  /** Adds an entry, unless it never expires. */
  push(entry: T): void {
    const { deadline } = entry;
    if (deadline === Infinity) return;
    const last = this.#entries.at(-1);
    if (last === undefined || last.deadline <= deadline) this.#entries.push(entry);
    else this.#entries.splice(this.#endOf(deadline), 0, entry);
    this.#setTimer(deadline);
  }

  /** Removes settled entries once they are more than half; `waiting` is the number of others. */
  compact(waiting: number): void {
    if (this.#entries.length < Math.max(SMALL, 2 * waiting)) return;
    this.#entries = this.#entries.filter((entry) => !entry.settled);
  }

  /** Removes all entries. */
  clear(): void {
    this.#entries = [];
    this.#timer?.cancel();
    this.#timerAt = Infinity;
    this.#generation++;
  }

  /** The index behind the entries that expire at a time or before. */
  #endOf(time: number): number {
    return firstIndex(this.#entries, ({ deadline }) => deadline > time);
  }

  #setTimer(at: number): void {
    if (at >= this.#timerAt) return;
    this.#timer?.cancel();
    this.#timerAt = at;
    const generation = this.#generation;
    // Rounded up: a timer that fires a fraction of a millisecond early finds nothing expired.
    const delay = Math.ceil(at - this.#clock.now());
    this.#timer = this.#clock.setTimer(() => {
      this.#timerAt = Infinity;
      // After a process was frozen or busy, timers fire before its sockets are read. What
      // has arrived is read before deadlines are judged.
      this.#clock.afterPoll(() => {
        if (generation === this.#generation) this.#expire();
      });
    }, delay);
  }

  #expire(): void {
    const now = this.#clock.now();
    const due = this.#entries.splice(0, this.#endOf(now)).filter(isWaiting);
    if (due.length > 0) this.#expired(due, now);
    const next = this.#entries.find(isWaiting);
    if (next !== undefined) this.#setTimer(next.deadline);
  }
}

function isWaiting({ settled }: Expiring): boolean {
  return !settled;
}

/**
 * The index of the first item that has a property, by binary search: all items behind it have
 * the property, too. The length if none has it.
 */
export function firstIndex<T>(items: readonly T[], has: (item: T) => boolean): number {
  let low = 0;
  for (let high = items.length; low < high;) {
    const middle = (low + high) >>> 1;
    if (has(items[middle]!)) high = middle;
    else low = middle + 1;
  }
  return low;
}

/** Where a call was made: an object with a captured stack, formatted when it is read. */
export interface CallSite {
  /** The stack. */
  readonly stack?: string;
}

/** The two ends of a promise, without the promise. */
type Ends<T> = Pick<PromiseWithResolvers<T>, "resolve" | "reject">;

/** How a caller waits. */
export interface WaitOptions {
  /** When the wait began, on the monotonic clock. */
  readonly startedAt: number;
  /** Longest wait, in milliseconds. Default: no limit. */
  readonly timeoutMs?: number;
  /** Ends the wait; it has not aborted yet. */
  readonly signal?: AbortSignal | undefined;
  /** Where the call was made, if leak detection is on. */
  readonly site?: CallSite | undefined;
}

/** A caller in a {@linkcode WaitQueue}. */
export class Waiter<T> implements Linked<Waiter<T>>, Expiring {
  previous: Waiter<T> | undefined;
  next: Waiter<T> | undefined;
  readonly deadline: number;
  /** Aborts the opening of the connection that was begun for this caller. */
  opening: AbortController | undefined;
  /** Without the promise, and only until it settles: it would keep a lost lease alive. */
  #ends: Ends<T> | undefined;

  constructor(readonly options: WaitOptions, { resolve, reject }: Ends<T>) {
    this.deadline = options.startedAt + (options.timeoutMs ?? Infinity);
    this.#ends = { resolve, reject };
  }

  get settled(): boolean {
    return this.#ends === undefined;
  }

  /** Gives the ends of the caller's promise, once; called by the queue alone. */
  take(): Ends<T> | undefined {
    const ends = this.#ends;
    this.#ends = undefined;
    return ends;
  }
}

/** What a {@linkcode WaitQueue} needs. */
export interface WaitQueueOptions<T> {
  /** Time. */
  readonly clock: Clock;
  /** Makes the error of a caller whose time is up and who is still in the queue. */
  readonly timeoutError?: (timeoutMs: number, now: number) => unknown;
  /** Called after a waiter has left because its signal aborted. */
  readonly aborted?: (waiter: Waiter<T>) => void;
}

/**
 * Callers that wait for the same thing, first come, first served. A caller leaves in O(1)
 * when it is served, fails, is aborted or expires. There is one listener per signal: ten
 * thousand waiters on the signal that stops a service cost no more each than one.
 */
export class WaitQueue<T> implements Iterable<Waiter<T>> {
  readonly #options: WaitQueueOptions<T>;
  readonly #waiters = new LinkedList<Waiter<T>>();
  readonly #deadlines: DeadlineQueue<Waiter<T>>;
  readonly #signals = new Map<AbortSignal, Set<Waiter<T>>>();
  readonly #onAbort = ({ target }: Event): void => {
    const signal = target as AbortSignal;
    for (const waiter of this.#signals.get(signal)!) {
      this.fail(waiter, signal.reason);
      this.#options.aborted?.(waiter);
    }
  };

  constructor(options: WaitQueueOptions<T>) {
    this.#options = options;
    this.#deadlines = new DeadlineQueue(options.clock, (waiters, now) => {
      for (const waiter of waiters) {
        const { timeoutMs = Infinity } = waiter.options;
        this.fail(waiter, options.timeoutError?.(timeoutMs, now));
      }
    });
  }

  /** The caller that came first. */
  get head(): Waiter<T> | undefined {
    return this.#waiters.head;
  }

  /** Number of callers that wait. */
  get length(): number {
    return this.#waiters.length;
  }

  /** Number of deadlines that are kept. */
  get deadlines(): number {
    return this.#deadlines.size;
  }

  /** In the order in which the callers came. */
  [Symbol.iterator](): Iterator<Waiter<T>> {
    return this.#waiters[Symbol.iterator]();
  }

  /** Adds a caller; the promise settles when its wait ends. */
  add(options: WaitOptions): Promise<T> {
    const ends = Promise.withResolvers<T>();
    const waiter = new Waiter<T>(options, ends);
    this.#waiters.push(waiter);
    this.#deadlines.push(waiter);
    if (options.signal !== undefined) this.#listen(options.signal, waiter);
    return ends.promise;
  }

  /** Resolves a waiter of this queue. */
  serve(waiter: Waiter<T>, value: T): void {
    waiter.take()?.resolve(value);
    this.#remove(waiter);
  }

  /** Rejects a waiter of this queue. */
  fail(waiter: Waiter<T>, error: unknown): void {
    waiter.take()?.reject(error);
    this.#remove(waiter);
  }

  /** Resolves all waiters. */
  serveAll(value: T): void {
    for (const waiter of this) this.serve(waiter, value);
    this.#deadlines.clear();
  }

  /** Rejects all waiters, each with an error of its own. */
  failAll(makeError: () => unknown): void {
    for (const waiter of this) this.fail(waiter, makeError());
    this.#deadlines.clear();
  }

  #remove(waiter: Waiter<T>): void {
    this.#waiters.remove(waiter);
    this.#deadlines.compact(this.#waiters.length);
    const { signal } = waiter.options;
    if (signal !== undefined) this.#unlisten(signal, waiter);
  }

  #listen(signal: AbortSignal, waiter: Waiter<T>): void {
    const waiters = this.#signals.get(signal);
    if (waiters !== undefined) return void waiters.add(waiter);
    this.#signals.set(signal, new Set([waiter]));
    // Not once: Deno keeps the process alive for the other sources of a combined signal.
    signal.addEventListener("abort", this.#onAbort);
  }

  #unlisten(signal: AbortSignal, waiter: Waiter<T>): void {
    const waiters = this.#signals.get(signal);
    if (waiters === undefined) return;
    waiters.delete(waiter);
    if (waiters.size > 0) return;
    this.#signals.delete(signal);
    signal.removeEventListener("abort", this.#onAbort);
  }
}
