import { type PendingCommand, spentOn } from "../connection/pending_command.ts";
import type { Clock, Timer } from "../core/clock.ts";
import { CommandTimeoutError, type ConnectError } from "../core/errors/mod.ts";

/** Least time between two searches for what was given up, in milliseconds. */
const SORT_OUT_EVERY_MS = 100;

/**
 * Commands that wait for a lane, in order. One timer watches the nearest deadline; a
 * command whose deadline passes is taken out and never runs.
 */
export class WaitingCommands {
  readonly #clock: Clock;
  readonly #expired: (command: PendingCommand) => void;
  #commands: PendingCommand[] = [];
  #sortedOutAt = -Infinity;
  #timer: Timer | undefined;
  #timerAt = Infinity;

  /**
   * Makes an empty queue.
   *
   * @param clock Time.
   * @param expired Told of each command that was taken out.
   */
  constructor(clock: Clock, expired: (command: PendingCommand) => void) {
    this.#clock = clock;
    this.#expired = expired;
  }

  /** How many wait. */
  get size(): number {
    return this.#commands.length;
  }

  /** How many of them somebody waits for: the callers of the others gave them up. */
  get awaited(): number {
    let count = 0;
    for (const { tracking } of this.#commands) if (!tracking.settled) count++;
    return count;
  }

  /**
   * Whether more may wait. Those that their callers gave up make room for others.
   *
   * @param count How many more.
   * @param most How many may wait at most.
   * @returns `true` if there is room for all of them.
   */
  hasRoom(count: number, most: number): boolean {
    if (this.#commands.length + count > most) this.#sortOut();
    return this.#commands.length + count <= most;
  }

  /** Not for each command that is refused: there may be many of both. */
  #sortOut(): void {
    const now = this.#clock.now();
    if (now - this.#sortedOutAt < SORT_OUT_EVERY_MS) return;
    this.#sortedOutAt = now;
    this.#commands = this.#commands.filter(({ tracking }) => !tracking.settled);
  }

  /**
   * Lets commands wait. Those that were sent before came before all that were not: they
   * keep their place and their deadline.
   *
   * @param commands The commands.
   */
  add(commands: readonly PendingCommand[]): void {
    const now = this.#clock.now();
    for (const command of commands) {
      const { tracking } = command;
      if (!tracking.waited && tracking.attempts === 0) tracking.startedAt = now;
      tracking.waited = true;
      if (tracking.attempts === 0) this.#commands.push(command);
      else this.#commands.splice(this.#firstNeverSent(), 0, command);
      this.#armFor(tracking.startedAt + tracking.timeoutMs);
    }
  }

  /**
   * Takes all that wait and are not settled otherwise.
   *
   * @returns The commands, in order.
   */
  takeAll(): PendingCommand[] {
    const commands = this.#commands;
    this.#commands = [];
    this.#timer?.cancel();
    this.#timerAt = Infinity;
    return commands.filter((command) => !command.tracking.settled);
  }

  /** Where those begin that were never sent: behind all others. */
  #firstNeverSent(): number {
    let low = 0;
    for (let high = this.#commands.length; low < high;) {
      const middle = (low + high) >> 1;
      if (this.#commands[middle]!.tracking.attempts === 0) high = middle;
      else low = middle + 1;
    }
    return low;
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
    const isDue = ({ tracking }: PendingCommand) =>
      tracking.startedAt + tracking.timeoutMs <= now;
    const due = this.#commands.filter(isDue);
    this.#commands = this.#commands.filter((command) => !isDue(command));
    for (const { tracking } of this.#commands) {
      this.#armFor(tracking.startedAt + tracking.timeoutMs);
    }
    for (const command of due) this.#expired(command);
  }
}

/**
 * The error for a command whose deadline passed while it waited for a connection.
 *
 * @param command The command.
 * @param database Name of the database.
 * @param now Time, on the monotonic clock.
 * @param cause Why there was no connection, as far as is known.
 * @returns The error.
 */
export function waitedInVain(
  command: PendingCommand,
  database: string,
  now: number,
  cause: ConnectError | undefined,
): CommandTimeoutError {
  const { name, tracking: { timeoutMs } } = command;
  const spent = spentOn(command, now);
  return new CommandTimeoutError(database, name, timeoutMs, "never-sent", spent, cause);
}
