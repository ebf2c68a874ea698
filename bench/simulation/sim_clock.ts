import { setImmediate } from "node:timers";
import {
  type Clock,
  sleepBy,
  type SleepOptions,
  type Timer,
} from "../../src/core/clock.ts";

/** Promise hops that are waited for after each event; the longest chain, the handshake
 * of a connection, needs about half of them. */
const DRAIN_HOPS = 40;
/** Events after which the host's event loop gets a turn: what WeakRefs lead to is kept
 * until then, and with many instances that is all the memory there is. */
const TURN_EVENTS = 1000;

/** Something that will happen. */
class Event implements Timer {
  /** Set to nothing when it is cancelled: it stays in the heap until it is due. */
  fn: (() => void) | undefined;
  readonly at: number;
  readonly seq: number;

  constructor(at: number, seq: number, fn: () => void) {
    this.at = at;
    this.seq = seq;
    this.fn = fn;
  }

  cancel(): void {
    this.fn = undefined;
  }
}

/**
 * The time of a simulation: stands still while code runs, and jumps from one event to
 * the next. Events at the same time happen in the order in which they were set, so a run
 * is the same each time.
 */
export class SimClock implements Clock {
  readonly #hops: number;
  /** A binary heap: the next one first. */
  readonly #heap: Event[] = [];
  #now = 0;
  #seq = 0;
  #events = 0;

  /**
   * Makes a clock at 0.
   *
   * @param hops Promise hops that are waited for after each event.
   */
  constructor(hops: number = DRAIN_HOPS) {
    this.#hops = hops;
  }

  /** Events that have happened. */
  get events(): number {
    return this.#events;
  }

  now(): number {
    return this.#now;
  }

  wallNow(): number {
    return this.#now;
  }

  setTimer(fn: () => void, ms: number): Timer {
    // The host would run it at once: a sum that went wrong must not pass for "now".
    if (Number.isNaN(ms)) {
      throw new TypeError("Cannot set a timer as ms must be a number");
    }
    const event = new Event(this.#now + Math.max(0, ms), this.#seq++, fn);
    this.#push(event);
    return event;
  }

  sleep(ms: number, options?: SleepOptions): Promise<void> {
    return sleepBy(this, ms, options);
  }

  afterPoll(fn: () => void): void {
    queueMicrotask(fn);
  }

  /**
   * Lets happen what happens until then.
   *
   * @param end When to stop, in milliseconds since the start.
   */
  async runUntil(end: number): Promise<void> {
    for (let i = 0; i < this.#hops; i++) await null;
    for (let next = this.#heap[0]; next !== undefined && next.at <= end;) {
      this.#pop();
      const { fn } = next;
      if (fn !== undefined) {
        this.#now = next.at;
        this.#events++;
        fn();
        for (let i = 0; i < this.#hops; i++) await null;
        if (this.#events % TURN_EVENTS === 0) await turn();
      }
      next = this.#heap[0];
    }
    this.#now = Math.max(this.#now, end);
  }

  #push(event: Event): void {
    const heap = this.#heap;
    let at = heap.length;
    while (at > 0) {
      const parent = (at - 1) >>> 1;
      if (!isBefore(event, heap[parent]!)) break;
      heap[at] = heap[parent]!;
      at = parent;
    }
    heap[at] = event;
  }

  #pop(): void {
    const heap = this.#heap;
    const last = heap.pop()!;
    const { length } = heap;
    if (length === 0) return;
    let at = 0;
    for (;;) {
      let child = 2 * at + 1;
      if (child >= length) break;
      if (child + 1 < length && isBefore(heap[child + 1]!, heap[child]!)) child++;
      if (!isBefore(heap[child]!, last)) break;
      heap[at] = heap[child]!;
      at = child;
    }
    heap[at] = last;
  }
}

function turn(): Promise<void> {
  return new Promise((resolve) => void setImmediate(resolve));
}

function isBefore(a: Event, b: Event): boolean {
  return a.at < b.at || (a.at === b.at && a.seq < b.seq);
}
