import type { Clock, Timer } from "../core/clock.ts";

/** What a deadline watch needs of its connection. */
export interface DeadlineWatchOptions {
  /** Time. */
  readonly clock: Clock;
  /** Whether the connection can still be read from. */
  readonly isOpen: () => boolean;
  /** Bytes received so far. */
  readonly bytesReceived: () => number;
  /** Fails what is over; gives the next deadline, infinite for none. */
  readonly judge: () => number;
}

/** How long a backlog of replies may take to be read before deadlines are judged. */
const MAX_READING_MS = 50;
/** Pause between two looks at a backlog, in milliseconds. */
export const READING_PAUSE_MS = 5;

/**
 * Watches the nearest of one connection's deadlines: one timer, not one a command.
 *
 * What has arrived is read before deadlines are judged: the timers of a process that was
 * frozen or busy are due before its sockets have been looked at.
 */
export class DeadlineWatch {
  readonly #options: DeadlineWatchOptions;
  #timer: Timer | undefined;
  #nearest = Infinity;

  /**
   * Watches nothing yet.
   *
   * @param options What it needs.
   */
  constructor(options: DeadlineWatchOptions) {
    this.#options = options;
  }

  /**
   * A command has to be answered by then. Called for each command: mostly compares.
   *
   * @param deadline On the monotonic clock.
   */
  add(deadline: number): void {
    if (deadline < this.#nearest) this.#armAt(deadline);
  }

  /** Watches no more. */
  stop(): void {
    this.#timer?.cancel();
  }

  #armAt(deadline: number): void {
    const { clock } = this.#options;
    this.#timer?.cancel();
    this.#nearest = deadline;
    this.#timer = clock.setTimer(() => {
      const now = clock.now();
      // Who was kept from reading for long may take as long for what has piled up.
      this.#readFirst(now + Math.max(MAX_READING_MS, now - deadline));
    }, deadline - clock.now());
  }

  /** One look gives one chunk, and the server may have more, so it looks until none comes. */
  #readFirst(until: number, wasQuiet = false): void {
    const { clock, isOpen, bytesReceived } = this.#options;
    const before = bytesReceived();
    clock.afterPoll(() => {
      if (!isOpen()) return;
      const isQuiet = bytesReceived() === before;
      // Quiet twice: the runtime's own sockets may need more than one turn of the loop.
      if ((isQuiet && wasQuiet) || clock.now() >= until) return this.#judge();
      this.#timer = clock.setTimer(
        () => this.#readFirst(until, isQuiet),
        READING_PAUSE_MS,
      );
    });
  }

  #judge(): void {
    this.#nearest = Infinity;
    const next = this.#options.judge();
    this.add(next);
  }
}
