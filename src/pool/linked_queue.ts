/** What can sit in a {@linkcode LinkedQueue}: in one at a time. */
export interface Linked<T> {
  /** Who came before it; set by the queue alone. */
  previous: T | undefined;
  /** Who came after it; set by the queue alone. */
  next: T | undefined;
}

/**
 * A queue whose members carry its links, so that any of them leaves in O(1) and nothing
 * is allocated. The head came first, the tail last.
 *
 * The caller keeps track of which queue a member sits in: removing it from another one
 * breaks both.
 *
 * @example Usage
 * ```ts ignore
 * const queue = new LinkedQueue<Waiter>();
 * queue.push(waiter);
 * queue.remove(waiter);
 * ```
 */
export class LinkedQueue<T extends Linked<T>> implements Iterable<T> {
  #head: T | undefined;
  #tail: T | undefined;
  #length = 0;

  /** The member that came first. */
  get head(): T | undefined {
    return this.#head;
  }

  /** The member that came last. */
  get tail(): T | undefined {
    return this.#tail;
  }

  /** How many members there are. */
  get length(): number {
    return this.#length;
  }

  /**
   * Adds a member at the tail.
   *
   * @param member The member; it sits in no queue.
   */
  push(member: T): void {
    const tail = this.#tail;
    member.previous = tail;
    if (tail === undefined) this.#head = member;
    else tail.next = member;
    this.#tail = member;
    this.#length++;
  }

  /**
   * Takes a member out, wherever it is.
   *
   * @param member The member; it sits in this queue.
   */
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

  /** From head to tail; the member just given may be removed meanwhile. */
  *[Symbol.iterator](): Iterator<T> {
    for (let member = this.#head; member !== undefined;) {
      const { next } = member;
      yield member;
      member = next;
    }
  }
}
