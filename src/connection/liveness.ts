import type { Clock, Timer } from "../core/clock.ts";
import type { CloseReason, PendingCommand } from "./pending_command.ts";

/** Silence, in milliseconds, after which a connection is checked before its next use. */
const IDLE_MS = 1000;
/** Difference of the two clocks, in milliseconds, that shows that the process was frozen:
 * the wall clock runs while a machine sleeps, the monotonic one may not. */
const CLOCK_JUMP_MS = 5000;

/**
 * Detects that a connection may have died without notice: it was idle for long, or the
 * process, or its machine, stood still. Middleboxes drop idle connections silently.
 */
export class IdleDetector {
  readonly #clock: Clock;
  #skew: number;

  constructor(clock: Clock) {
    this.#clock = clock;
    this.#skew = clock.wallNow() - clock.now();
  }

  /** Whether the next use of the connection needs a check. */
  needsCheck(now: number, lastReceivedAt: number): boolean {
    if (now - lastReceivedAt >= IDLE_MS) return true;
    const skew = this.#clock.wallNow() - now;
    const jump = Math.abs(skew - this.#skew);
    this.#skew = skew;
    return jump >= CLOCK_JUMP_MS;
  }
}

/**
 * A check whether a connection lives, which ends when bytes are received. Until then reads
 * are sent: if the connection is dead they are resent elsewhere. From the first command on
 * that may change something, commands are held back, in order, behind a PING: a held command
 * is known to be never-sent.
 */
export class LivenessCheck {
  /** Commands that are held back, in order. */
  readonly held: PendingCommand[] = [];
  readonly #timer: Timer;

  /**
   * Begins a check.
   *
   * @param limitMs Time for the first answer, in milliseconds.
   * @param onDead Called if nothing was received in that time.
   */
  constructor(clock: Clock, limitMs: number, onDead: () => void) {
    // What has arrived is read before the connection is declared dead.
    this.#timer = clock.setTimer(() => clock.afterPoll(onDead), limitMs);
  }

  /** Whether a command may be sent now; holds it back if not. */
  admits(command: PendingCommand): boolean {
    if (this.held.length === 0 && command.tracking.info?.class === "read") return true;
    this.held.push(command);
    return false;
  }

  /** Ends the check. Returns the held commands that are not settled. */
  end(): PendingCommand[] {
    this.#timer.cancel();
    return this.held.filter((command) => !command.tracking.settled);
  }
}

/** The connection of a heartbeat. */
export interface HeartbeatTarget {
  readonly isOpen: boolean;
  /** Number of commands in flight. */
  readonly inFlight: number;
  /** When bytes were received last, on the monotonic clock. */
  readonly lastReceivedAt: number;
  /** Sends an internal command; resolves with whether it was answered in time. */
  ask(timeoutMs: number, name: string): Promise<boolean>;
  onEnd(fn: () => void): void;
  close(reason: CloseReason): void;
}

/** Times of a heartbeat, in milliseconds. */
export interface HeartbeatTimes {
  /** Silence after which a PING is sent. */
  readonly intervalMs: number;
  /** Time for its answer. */
  readonly timeoutMs: number;
}

/**
 * Sends a PING on a connection that has received nothing for a while, so that middleboxes
 * keep it, and closes the connection if there is no answer. Commands in flight have their
 * own deadlines: meanwhile no PING is sent. Ends with its connection.
 */
export function startHeartbeat(
  connection: HeartbeatTarget,
  { intervalMs, timeoutMs }: HeartbeatTimes,
  clock: Clock,
): void {
  let timer: Timer | undefined;
  const arm = (ms: number) => {
    timer = clock.setTimer(() => beat(), ms);
  };
  const beat = async () => {
    const idleMs = clock.now() - connection.lastReceivedAt;
    if (idleMs < intervalMs) return arm(intervalMs - idleMs);
    if (connection.inFlight === 0 && !await connection.ask(timeoutMs, "ping")) {
      const text = `no answer to a heartbeat within ${timeoutMs} ms`;
      connection.close({ kind: "silent", text });
    }
    if (connection.isOpen) arm(intervalMs);
  };
  arm(intervalMs);
  // Last: it calls back at once where the connection has ended.
  connection.onEnd(() => timer?.cancel());
}

/** The connection of a {@linkcode DeadlineWatch}. */
export interface DeadlineTarget {
  readonly isOpen: boolean;
  readonly bytesReceived: number;
  /** Fails the commands whose deadline has passed; returns the next deadline, infinite for
   * none. */
  checkDeadlines(): number;
}

/** How long a backlog of replies may take to be read before deadlines are checked. */
const MAX_READING_MS = 50;
/** Pause between two looks at a backlog, in milliseconds. */
export const READING_PAUSE_MS = 5;
/** Looks in a row that must find nothing: sockets of Deno may need more than one turn of the
 * event loop. */
const EMPTY_LOOKS = 2;
/** Delay of a timer, in milliseconds, which shows that the process was blocked. */
const LATE_MS = 50;
/** Looks in that case: the server and the kernel may have been blocked, too. */
const EMPTY_LOOKS_IF_LATE = 20;

/** Progress of the reading before a check. */
interface Reading {
  /** When it ends at the latest. */
  readonly until: number;
  /** Looks in a row that must find nothing. */
  readonly looks: number;
  /** How many of them are left. */
  readonly left: number;
  /** Bytes received at the last look. */
  readonly bytes: number;
}

/**
 * Watches the nearest deadline of one connection: one timer, not one per command.
 *
 * What has arrived is read before deadlines are checked: the timers of a process that was
 * frozen or blocked are due before its sockets have been read.
 */
export class DeadlineWatch {
  readonly #clock: Clock;
  readonly #target: DeadlineTarget;
  #timer: Timer | undefined;
  #nearest = Infinity;

  constructor(clock: Clock, target: DeadlineTarget) {
    this.#clock = clock;
    this.#target = target;
  }

  /** Adds a deadline on the monotonic clock. Called for each command: hot path. */
  add(deadline: number): void {
    if (deadline >= this.#nearest) return;
    this.#nearest = deadline;
    this.#lookAt(deadline, undefined);
  }

  /** Stops for good; later deadlines are ignored. */
  stop(): void {
    this.#nearest = -Infinity;
    this.#timer?.cancel();
  }

  /** Begins a reading at some time, or continues one. */
  #lookAt(at: number, reading: Reading | undefined): void {
    const clock = this.#clock;
    this.#timer?.cancel();
    this.#timer = clock.setTimer(() => {
      const begun = reading ?? {
        until: clock.now() + MAX_READING_MS,
        looks: EMPTY_LOOKS,
        left: EMPTY_LOOKS,
        bytes: this.#target.bytesReceived,
      };
      clock.afterPoll(() => this.#look(begun, at));
    }, at - clock.now());
  }

  /**
   * One look finds one chunk, and the server may have sent more, so it looks until there is
   * none. A process that was blocked, for the first time or again, gets as much time for
   * what has piled up as it lost.
   */
  #look(reading: Reading, dueAt: number): void {
    const { isOpen, bytesReceived: bytes } = this.#target;
    if (!isOpen) return;
    const now = this.#clock.now();
    const lateMs = now - dueAt;
    const isLate = lateMs >= LATE_MS;
    const looks = isLate ? EMPTY_LOOKS_IF_LATE : reading.looks;
    const until = isLate ? now + lateMs : reading.until;
    const left = bytes === reading.bytes && !isLate ? reading.left - 1 : looks;
    if (left > 0 && now < until) {
      return this.#lookAt(now + READING_PAUSE_MS, { until, looks, left, bytes });
    }
    this.#nearest = Infinity;
    this.add(this.#target.checkDeadlines());
  }
}
