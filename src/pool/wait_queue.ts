import { AbortWatch } from "./abort_watch.ts";
import { DeadlineHeap } from "./deadline_heap.ts";
import { LinkedQueue } from "./linked_queue.ts";
import { Waiter, type WaiterOptions } from "./waiter.ts";

/**
 * Callers that wait for the same thing, in the order in which they came. Each leaves in
 * O(1), whether it is served, fails, is aborted or expires.
 */
export class WaitQueue<T> implements Iterable<Waiter<T>> {
  readonly #waiters = new LinkedQueue<Waiter<T>>();
  readonly #deadlines: DeadlineHeap<Waiter<T>>;
  readonly #signals: AbortWatch<Waiter<T>>;

  /**
   * Makes an empty queue.
   *
   * @param aborted Told of each waiter whose signal ended the wait, after it has left.
   * @param deadlines Where the deadlines are kept. Default: a heap of its own.
   */
  constructor(
    aborted: (waiter: Waiter<T>) => void,
    deadlines: DeadlineHeap<Waiter<T>> = new DeadlineHeap(),
  ) {
    this.#deadlines = deadlines;
    this.#signals = new AbortWatch((waiter, reason) => {
      this.fail(waiter, reason);
      aborted(waiter);
    });
  }

  /** Who came first. */
  get head(): Waiter<T> | undefined {
    return this.#waiters.head;
  }

  /** How many wait. */
  get length(): number {
    return this.#waiters.length;
  }

  /** When the first of them will have waited for too long; infinite if none ever will. */
  get nextDeadline(): number {
    return this.#deadlines.first?.deadline ?? Infinity;
  }

  /** In the order in which they came. */
  [Symbol.iterator](): Iterator<Waiter<T>> {
    return this.#waiters[Symbol.iterator]();
  }

  /**
   * Lets a caller wait.
   *
   * @param options Since when, how long, and what ends it.
   * @returns What the caller gets: settled when the wait ends.
   */
  add(options: WaiterOptions): Promise<T> {
    const { promise, resolve, reject } = Promise.withResolvers<T>();
    const waiter = new Waiter<T>(options, { resolve, reject });
    this.#waiters.push(waiter);
    if (waiter.timeoutMs < Infinity) this.#deadlines.push(waiter);
    if (waiter.signal !== undefined) this.#signals.add(waiter.signal, waiter);
    return promise;
  }

  /**
   * Ends a wait well.
   *
   * @param waiter The waiter; it is in the queue.
   * @param value What it waited for.
   */
  serve(waiter: Waiter<T>, value: T): void {
    waiter.resolve(value);
    this.#leave(waiter);
  }

  /**
   * Ends a wait badly.
   *
   * @param waiter The waiter; it is in the queue.
   * @param error Why.
   */
  fail(waiter: Waiter<T>, error: unknown): void {
    waiter.reject(error);
    this.#leave(waiter);
  }

  /**
   * The next one that has waited for too long; it is still in the queue, and has to be
   * failed.
   *
   * @param now The time, on the monotonic clock.
   * @returns The waiter, if there is one.
   */
  expired(now: number): Waiter<T> | undefined {
    const { first } = this.#deadlines;
    return first !== undefined && first.deadline <= now ? first : undefined;
  }

  #leave(waiter: Waiter<T>): void {
    this.#waiters.remove(waiter);
    if (waiter.timeoutMs < Infinity) this.#deadlines.noteSettled();
    if (waiter.signal !== undefined) this.#signals.remove(waiter.signal, waiter);
  }
}
