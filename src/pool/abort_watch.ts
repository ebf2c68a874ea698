/** Who listens to one signal, and how. */
interface Watched<T> {
  readonly members: Set<T>;
  readonly listener: () => void;
}

/**
 * Tells members when their signals abort, with one listener a signal: ten thousand
 * waiters on the signal that ends a service cost no more each than one.
 */
export class AbortWatch<T> {
  readonly #aborted: (member: T, reason: unknown) => void;
  readonly #watched = new Map<AbortSignal, Watched<T>>();

  /**
   * Watches nothing yet.
   *
   * @param aborted Told of each member whose signal aborts; it is not watched any more.
   */
  constructor(aborted: (member: T, reason: unknown) => void) {
    this.#aborted = aborted;
  }

  /** How many signals have a listener. */
  get size(): number {
    return this.#watched.size;
  }

  /**
   * Begins to watch.
   *
   * @param signal The signal; it has not aborted yet.
   * @param member Who is to be told of.
   */
  add(signal: AbortSignal, member: T): void {
    const watched = this.#watched.get(signal);
    if (watched !== undefined) {
      watched.members.add(member);
      return;
    }
    const listener = () => this.#fire(signal);
    this.#watched.set(signal, { members: new Set([member]), listener });
    signal.addEventListener("abort", listener, { once: true });
  }

  /**
   * Ends the watch; harmless if there is none.
   *
   * @param signal The signal.
   * @param member Who is not to be told of any more.
   */
  remove(signal: AbortSignal, member: T): void {
    const watched = this.#watched.get(signal);
    if (watched === undefined) return;
    watched.members.delete(member);
    if (watched.members.size > 0) return;
    this.#watched.delete(signal);
    signal.removeEventListener("abort", watched.listener);
  }

  #fire(signal: AbortSignal): void {
    const watched = this.#watched.get(signal);
    this.#watched.delete(signal);
    for (const member of watched?.members ?? []) this.#aborted(member, signal.reason);
  }
}
