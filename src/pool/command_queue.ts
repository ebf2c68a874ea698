import { type PendingCommand, spentOn } from "../connection/pending_command.ts";
import type { Clock } from "../core/clock.ts";
import { CommandTimeoutError, type ConnectError } from "../core/errors/mod.ts";
import { DeadlineQueue, type Expiring, firstIndex } from "./wait_queue.ts";

/** Least time between two searches for abandoned commands, in milliseconds. */
const PRUNE_EVERY_MS = 100;

/**
 * Commands that wait for a connection, in order. A command whose deadline passes is removed
 * and never runs.
 */
export class CommandQueue {
  readonly #clock: Clock;
  readonly #deadlines: DeadlineQueue<Expiring & { readonly command: PendingCommand }>;
  #commands: PendingCommand[] = [];
  #prunedAt = -Infinity;

  /** `expired` gets each command whose deadline has passed, after it was removed. */
  constructor(clock: Clock, expired: (command: PendingCommand) => void) {
    this.#clock = clock;
    this.#deadlines = new DeadlineQueue(clock, (entries) => {
      const due = new Set(entries.map(({ command }) => command));
      this.#commands = this.#commands.filter((command) => !due.has(command));
      for (const command of due) expired(command);
    });
  }

  /** Number of commands. */
  get size(): number {
    return this.#commands.length;
  }

  /** Number of commands whose callers have not abandoned them. */
  get awaited(): number {
    let count = 0;
    for (const { tracking } of this.#commands) if (!tracking.settled) count++;
    return count;
  }

  /** Whether `count` more commands may wait; abandoned ones make room for them. */
  hasRoom(count: number, most: number): boolean {
    if (this.#commands.length + count > most) this.#prune();
    return this.#commands.length + count <= most;
  }

  /** Not for each command that is refused: there may be many of both. */
  #prune(): void {
    const now = this.#clock.now();
    if (now - this.#prunedAt < PRUNE_EVERY_MS) return;
    this.#prunedAt = now;
    this.#commands = this.takeAll();
    for (const command of this.#commands) this.#watch(command);
  }

  /**
   * Adds commands. One that was sent before precedes all that were not: it keeps its place and
   * its deadline.
   */
  add(commands: readonly PendingCommand[]): void {
    const now = this.#clock.now();
    for (const command of commands) {
      const { tracking } = command;
      if (!tracking.waited && isUnsent(command)) tracking.startedAt = now;
      tracking.waited = true;
      if (isUnsent(command)) this.#commands.push(command);
      else this.#commands.splice(firstIndex(this.#commands, isUnsent), 0, command);
      this.#watch(command);
    }
  }

  /** Removes all commands, and gives those that are not abandoned, in order. */
  takeAll(): PendingCommand[] {
    const commands = this.#commands;
    this.#commands = [];
    this.#deadlines.clear();
    return commands.filter((command) => !command.tracking.settled);
  }

  #watch(command: PendingCommand): void {
    const { startedAt, timeoutMs } = command.tracking;
    // An abandoned command stays until its deadline, too.
    this.#deadlines.push({ command, deadline: startedAt + timeoutMs, settled: false });
  }
}

function isUnsent({ tracking }: PendingCommand): boolean {
  return tracking.attempts === 0;
}

/** The error of a command whose deadline passed while it waited, perhaps because of `cause`. */
export function waitTimeoutError(
  command: PendingCommand,
  database: string,
  now: number,
  cause?: ConnectError,
): CommandTimeoutError {
  const { name, tracking: { timeoutMs } } = command;
  const spent = spentOn(command, now);
  return new CommandTimeoutError(database, name, timeoutMs, "never-sent", spent, cause);
}
