/** Entries the ring starts with; it doubles when a slow server lets it fill. Most of the
 * connections of a pool are idle, and on a leased one there is mostly one tick in flight. */
const INITIAL_CAPACITY = 2;

/**
 * When the commands in flight were sent: one entry a tick, not one a command, so that
 * latency and deadlines cost a clock read a tick. Replies come in the order of the
 * commands, so the oldest entry is always the next to be settled.
 */
export class InFlightLog {
  // Plain arrays: small ones take less than the buffer of a typed one.
  #times: number[] = new Array(INITIAL_CAPACITY).fill(NaN);
  #counts: number[] = new Array(INITIAL_CAPACITY).fill(0);
  #head = 0;
  #size = 0;
  #total = 0;

  /** Commands in flight. */
  get total(): number {
    return this.#total;
  }

  /** When the oldest command in flight was sent; `NaN` if there is none. */
  get oldest(): number {
    return this.#total === 0 ? NaN : this.#times[this.#head]!;
  }

  /**
   * Begins a tick.
   *
   * @param now The time of its commands.
   */
  beginTick(now: number): void {
    const last = (this.#head + this.#size - 1) & (this.#times.length - 1);
    if (this.#size > 0 && this.#counts[last] === 0) {
      this.#times[last] = now;
      return;
    }
    if (this.#size === this.#times.length) this.#grow();
    const at = (this.#head + this.#size) & (this.#times.length - 1);
    this.#times[at] = now;
    this.#counts[at] = 0;
    this.#size++;
  }

  /** One more command was sent in the tick begun last. */
  add(): void {
    const at = (this.#head + this.#size - 1) & (this.#times.length - 1);
    this.#counts[at]!++;
    this.#total++;
  }

  /**
   * Commands were answered, oldest first.
   *
   * @param count How many.
   * @param each Called with a send time and how many of its commands were answered.
   */
  settle(count: number, each: (sentAt: number, count: number) => void): void {
    this.#total -= count;
    while (count > 0) {
      const inEntry = this.#counts[this.#head]!;
      const taken = inEntry < count ? inEntry : count;
      each(this.#times[this.#head]!, taken);
      count -= taken;
      if (taken < inEntry) {
        this.#counts[this.#head] = inEntry - taken;
        return;
      }
      // The last entry may be of the tick that is still going on: keep it.
      if (this.#size === 1) {
        this.#counts[this.#head] = 0;
        return;
      }
      this.#head = (this.#head + 1) & (this.#times.length - 1);
      this.#size--;
    }
  }

  /**
   * When each command in flight was sent, oldest first.
   *
   * @returns The times.
   */
  *times(): Generator<number, undefined> {
    for (let i = 0; i < this.#size; i++) {
      const at = (this.#head + i) & (this.#times.length - 1);
      for (let n = this.#counts[at]!; n > 0; n--) yield this.#times[at]!;
    }
  }

  #grow(): void {
    const capacity = this.#times.length;
    const times: number[] = new Array(capacity * 2).fill(NaN);
    const counts: number[] = new Array(capacity * 2).fill(0);
    for (let i = 0; i < this.#size; i++) {
      const at = (this.#head + i) & (capacity - 1);
      times[i] = this.#times[at]!;
      counts[i] = this.#counts[at]!;
    }
    this.#times = times;
    this.#counts = counts;
    this.#head = 0;
  }
}
