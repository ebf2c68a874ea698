import type { Clock, Timer } from "../core/clock.ts";

/** What a deadline watch needs of its connection. */
export interface DeadlineBearer {
  /** Whether the connection can still be read from. */
  readonly isOpen: boolean;
  /** Bytes received so far. */
  readonly bytesReceived: number;
  /** Fails what is over; gives the next deadline, infinite for none. */
  judgeDeadlines(): number;
}

/** How long a backlog of replies may take to be read before deadlines are judged. */
const MAX_READING_MS = 50;
/** Pause between two looks at a backlog, in milliseconds. */
export const READING_PAUSE_MS = 5;
/** Looks in a row that have to find nothing: the runtime's own sockets may need more than
 * one turn of the event loop. */
const QUIET_LOOKS = 2;
/** From this delay of a timer on, in milliseconds, the process was kept from its work. */
const LATE_MS = 50;
/** Looks then: whoever kept this process may have kept the server and the kernel, too. */
const QUIET_LOOKS_IF_LATE = 20;

/** How far the reading before a judgement is. */
interface Reading {
  /** When it ends at the latest; -Infinity before it has begun. */
  readonly until: number;
  /** Looks in a row that have to find nothing. */
  readonly looks: number;
  /** How many of them are left. */
  readonly left: number;
  /** Bytes received at the last look, or when the reading began. */
  readonly bytes: number;
}

/**
 * Watches the nearest of one connection's deadlines: one timer, not one a command.
 *
 * What has arrived is read before deadlines are judged: the timers of a process that was
 * frozen or busy are due before its sockets have been looked at.
 */
export class DeadlineWatch {
  readonly #clock: Clock;
  readonly #bearer: DeadlineBearer;
  #timer: Timer | undefined;
  #nearest = Infinity;

  /**
   * Watches nothing yet.
   *
   * @param clock Time.
   * @param bearer Whose deadlines they are.
   */
  constructor(clock: Clock, bearer: DeadlineBearer) {
    this.#clock = clock;
    this.#bearer = bearer;
  }

  /**
   * A command has to be answered by then. Called for each command: mostly compares.
   *
   * @param deadline On the monotonic clock.
   */
  add(deadline: number): void {
    if (deadline < this.#nearest) this.#armAt(deadline);
  }

  /** Watches no more, whatever is added. */
  stop(): void {
    this.#nearest = -Infinity;
    this.#timer?.cancel();
  }

  #armAt(deadline: number): void {
    this.#nearest = deadline;
    this.#lookAt(deadline, undefined);
  }

  /** Begins to read at some time, or goes on with it. */
  #lookAt(at: number, reading: Reading | undefined): void {
    const clock = this.#clock;
    this.#timer?.cancel();
    this.#timer = clock.setTimer(() => {
      const begun = reading ?? {
        until: clock.now() + MAX_READING_MS,
        looks: QUIET_LOOKS,
        left: QUIET_LOOKS,
        bytes: this.#bearer.bytesReceived,
      };
      clock.afterPoll(() => this.#look(begun, at));
    }, at - clock.now());
  }

  /**
   * One look gives one chunk, and the server may have more, so it looks until none comes.
   * Whoever was kept from it, for the first time or again, gets time for what has piled
   * up: as much as was lost.
   */
  #look(reading: Reading, dueAt: number): void {
    const { isOpen, bytesReceived: bytes } = this.#bearer;
    if (!isOpen) return;
    const now = this.#clock.now();
    const lateMs = now - dueAt;
    const isLate = lateMs >= LATE_MS;
    const looks = isLate ? QUIET_LOOKS_IF_LATE : reading.looks;
    const until = isLate ? now + lateMs : reading.until;
    const left = bytes === reading.bytes && !isLate ? reading.left - 1 : looks;
    if (left === 0 || now >= until) return this.#judge();
    this.#lookAt(now + READING_PAUSE_MS, { until, looks, left, bytes });
  }

  #judge(): void {
    this.#nearest = Infinity;
    const next = this.#bearer.judgeDeadlines();
    this.add(next);
  }
}
