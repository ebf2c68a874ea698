/** What can have a deadline. */
export interface Expiring {
  /** When it is due, on the monotonic clock. */
  readonly deadline: number;
  /** Whether nobody waits for it any more. */
  readonly settled: boolean;
}

/** Below this many entries nothing is thrown out ahead of time. */
const SMALL = 64;

/**
 * Finds the earliest of many deadlines. An entry that is settled otherwise is not looked
 * for, which would cost: it stays until its deadline comes up, or until half of the heap
 * is like it and all of them are thrown out together. So settling is O(1), and what is
 * kept is at most twice what waits.
 *
 * @example Usage
 * ```ts ignore
 * heap.push(waiter);
 * const isDue = heap.first !== undefined && heap.first.deadline <= now;
 * ```
 */
export class DeadlineHeap<T extends Expiring> {
  #entries: T[] = [];
  #settled = 0;

  /** How many entries are kept, the settled ones included. */
  get size(): number {
    return this.#entries.length;
  }

  /**
   * Adds an entry.
   *
   * @param entry The entry.
   */
  push(entry: T): void {
    this.#entries.push(entry);
    this.#siftUp(this.#entries.length - 1);
  }

  /** An entry has been settled; call it once for each. */
  noteSettled(): void {
    this.#settled++;
    const { length } = this.#entries;
    if (length < SMALL || this.#settled * 2 < length) return;
    // A sorted array is a heap.
    this.#entries = this.#entries.filter((entry) => !entry.settled)
      .sort((a, b) => a.deadline - b.deadline);
    this.#settled = 0;
  }

  /** The entry with the earliest deadline among those that are not settled. */
  get first(): T | undefined {
    while (this.#entries[0]?.settled) {
      this.#pop();
      this.#settled--;
    }
    return this.#entries[0];
  }

  #pop(): void {
    const last = this.#entries.pop()!;
    if (this.#entries.length === 0) return;
    this.#entries[0] = last;
    this.#siftDown();
  }

  #siftUp(index: number): void {
    const entries = this.#entries;
    const entry = entries[index]!;
    while (index > 0) {
      const parent = (index - 1) >>> 1;
      if (entries[parent]!.deadline <= entry.deadline) break;
      entries[index] = entries[parent]!;
      index = parent;
    }
    entries[index] = entry;
  }

  #siftDown(): void {
    const entries = this.#entries;
    const entry = entries[0]!;
    let index = 0;
    for (let child = 1; child < entries.length; child = 2 * index + 1) {
      const right = entries[child + 1];
      if (right !== undefined && right.deadline < entries[child]!.deadline) child++;
      if (entries[child]!.deadline >= entry.deadline) break;
      entries[index] = entries[child]!;
      index = child;
    }
    entries[index] = entry;
  }
}
