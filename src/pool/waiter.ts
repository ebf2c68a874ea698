import type { Linked } from "./linked_queue.ts";

/** Where a call was made. */
export interface CallSite {
  /** The stack; put into words when it is read, which is what costs. */
  readonly stack?: string;
}

/** What a waiter is made of. */
export interface WaiterOptions {
  /** When it began to wait, on the monotonic clock. */
  readonly startedAt: number;
  /** How long it may wait, in milliseconds; infinite for no limit. */
  readonly timeoutMs: number;
  /** Ends the wait. */
  readonly signal?: AbortSignal | undefined;
  /** Where the call was made, if leak detection is on. */
  readonly site?: CallSite | undefined;
}

/** The two ends of a promise. */
export interface Settle<T> {
  /** Fulfils it. */
  resolve(value: T): void;
  /** Rejects it. */
  reject(error: unknown): void;
}

/** One caller that waits; settled once, by the queue that it waits in. */
export class Waiter<T> implements Linked<Waiter<T>> {
  previous: Waiter<T> | undefined;
  next: Waiter<T> | undefined;
  readonly startedAt: number;
  readonly timeoutMs: number;
  readonly signal: AbortSignal | undefined;
  readonly site: CallSite | undefined;
  /** Ends the opening of a connection that was begun for it. */
  opening: AbortController | undefined;
  #settle: Settle<T> | undefined;

  /**
   * Begins to wait.
   *
   * @param options What it is made of.
   * @param settle The two ends of the promise that the caller has. The promise itself is
   * not kept here: it would keep a lease alive that nobody else does.
   */
  constructor(options: WaiterOptions, settle: Settle<T>) {
    this.startedAt = options.startedAt;
    this.timeoutMs = options.timeoutMs;
    this.signal = options.signal;
    this.site = options.site;
    this.#settle = settle;
  }

  /** When it has waited for too long, on the monotonic clock. */
  get deadline(): number {
    return this.startedAt + this.timeoutMs;
  }

  /** Whether it waits no more. */
  get settled(): boolean {
    return this.#settle === undefined;
  }

  /**
   * Ends the wait well.
   *
   * @param value What was waited for.
   */
  resolve(value: T): void {
    this.#settle?.resolve(value);
    this.#settle = undefined;
  }

  /**
   * Ends the wait badly.
   *
   * @param error Why.
   */
  reject(error: unknown): void {
    this.#settle?.reject(error);
    this.#settle = undefined;
  }
}
