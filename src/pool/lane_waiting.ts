import type { Clock, Timer } from "../core/clock.ts";
import type { TrackedCommand } from "../connection/tracked.ts";

/**
 * Commands that wait for a lane, in order. One timer watches the nearest deadline; a
 * command whose deadline passes is taken out and never runs.
 */
export class WaitingCommands {
  readonly #clock: Clock;
  readonly #expired: (command: TrackedCommand) => void;
  #commands: TrackedCommand[] = [];
  #timer: Timer | undefined;
  #timerAt = Infinity;

  /**
   * Makes an empty queue.
   *
   * @param clock Time.
   * @param expired Told of each command that was taken out.
   */
  constructor(clock: Clock, expired: (command: TrackedCommand) => void) {
    this.#clock = clock;
    this.#expired = expired;
  }

  /** How many wait. */
  get size(): number {
    return this.#commands.length;
  }

  /** Whether nobody waits for any of them: their callers gave them up. */
  get isForgotten(): boolean {
    return this.#commands.every(({ tracking }) => tracking.settled);
  }

  /**
   * Lets commands wait.
   *
   * @param commands The commands; those that were sent before keep their deadline.
   */
  add(commands: readonly TrackedCommand[]): void {
    const now = this.#clock.now();
    for (const command of commands) {
      const { tracking } = command;
      if (!tracking.waited && tracking.attempts === 0) tracking.startedAt = now;
      tracking.waited = true;
      this.#commands.push(command);
      this.#armFor(tracking.startedAt + tracking.timeoutMs);
    }
  }

  /**
   * Takes all that wait and are not settled otherwise.
   *
   * @returns The commands, in order.
   */
  takeAll(): TrackedCommand[] {
    const commands = this.#commands;
    this.#commands = [];
    this.#timer?.cancel();
    this.#timerAt = Infinity;
    return commands.filter((command) => !command.tracking.settled);
  }

  #armFor(deadline: number): void {
    if (deadline >= this.#timerAt) return;
    this.#timer?.cancel();
    this.#timerAt = deadline;
    const delay = deadline - this.#clock.now();
    this.#timer = this.#clock.setTimer(() => this.#expire(), delay);
  }

  #expire(): void {
    this.#timerAt = Infinity;
    const now = this.#clock.now();
    const isDue = ({ tracking }: TrackedCommand) =>
      tracking.startedAt + tracking.timeoutMs <= now;
    const due = this.#commands.filter(isDue);
    this.#commands = this.#commands.filter((command) => !isDue(command));
    for (const { tracking } of this.#commands) {
      this.#armFor(tracking.startedAt + tracking.timeoutMs);
    }
    for (const command of due) this.#expired(command);
  }
}
