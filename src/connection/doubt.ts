import type { Clock, Timer } from "../core/clock.ts";
import type { TrackedCommand } from "./tracked.ts";

/** Silence, in milliseconds, after which a connection is doubted before its next use. */
const QUIET_MS = 1000;
/** Difference of the two clocks, in milliseconds, that shows that the process was frozen:
 * the wall clock goes on while a machine sleeps, the monotonic one may not. */
const CLOCK_JUMP_MS = 5000;

/**
 * Notices that a connection may have died unseen: it was quiet for long, or the process,
 * or its machine, stood still. Middleboxes forget idle connections silently.
 */
export class QuietWatch {
  readonly #clock: Clock;
  #skew: number;

  /**
   * Begins to watch.
   *
   * @param clock Time.
   */
  constructor(clock: Clock) {
    this.#clock = clock;
    this.#skew = clock.wallNow() - clock.now();
  }

  /**
   * Whether the connection is to be doubted.
   *
   * @param now Monotonic time.
   * @param lastReceivedAt When it last showed that it lives.
   * @returns `true` if its next use should be careful.
   */
  isDoubtful(now: number, lastReceivedAt: number): boolean {
    if (now - lastReceivedAt >= QUIET_MS) return true;
    const skew = this.#clock.wallNow() - now;
    const jump = Math.abs(skew - this.#skew);
    this.#skew = skew;
    return jump >= CLOCK_JUMP_MS;
  }
}

/**
 * A connection is doubted until bytes come. Until then, commands that only read go out:
 * if it is dead they are sent again elsewhere. From the first one on that may change
 * something, commands are held back, in order, behind a PING: of a held command it is
 * known that it was not sent.
 */
export class Doubt {
  readonly #held: TrackedCommand[] = [];
  readonly #timer: Timer;

  /**
   * Begins to doubt.
   *
   * @param clock Time.
   * @param limitMs How long the first answer may take, in milliseconds.
   * @param dead Called if nothing came in that time.
   */
  constructor(clock: Clock, limitMs: number, dead: () => void) {
    // What has arrived is read before the connection is judged.
    this.#timer = clock.setTimer(() => clock.afterPoll(dead), limitMs);
  }

  /** Commands that are held back, in order. */
  get held(): readonly TrackedCommand[] {
    return this.#held;
  }

  /**
   * Whether a command may go out now; holds it back if not.
   *
   * @param command The command.
   * @returns `true` if it may.
   */
  lets(command: TrackedCommand): boolean {
    if (this.#held.length === 0 && command.tracking.info?.class === "read") return true;
    this.#held.push(command);
    return false;
  }

  /**
   * The doubt is over, one way or the other.
   *
   * @returns The commands that were held back and are not settled otherwise.
   */
  end(): TrackedCommand[] {
    this.#timer.cancel();
    return this.#held.filter((command) => !command.tracking.settled);
  }
}
