import { type PendingCommand, spentOn } from "../connection/pending_command.ts";
import type { Clock } from "../core/clock.ts";
import {
  CommandTimeoutError,
  type ConnectError,
  type Delivery,
  OverloadedError,
} from "../core/errors/mod.ts";
import { DeadlineQueue, type Expiring, firstIndex } from "./wait_queue.ts";

/** Least time between two searches for abandoned commands, in milliseconds. */
const PRUNE_EVERY_MS = 100;

interface CommandQueueOptions {
  readonly clock: Clock;
  readonly database: string;
  /** Most commands that may wait. */
  readonly maxWaiting: number;
  /** What waits for what, for messages. */
  readonly what: string;
  /** Why they wait, as far as is known. */
  readonly cause?: (() => ConnectError | undefined) | undefined;
  /** Called after a command whose deadline has passed has failed. */
  readonly expired?: () => void;
}

/**
 * Commands that wait for a connection, or for what has to be known, in order. A command whose
 * deadline passes fails and never runs.
 */
export class CommandQueue {
  readonly #options: CommandQueueOptions;
  readonly #deadlines: DeadlineQueue<Expiring & { readonly command: PendingCommand }>;
  #commands: PendingCommand[] = [];
  #prunedAt = -Infinity;

  constructor(options: CommandQueueOptions) {
    const { cause, clock, database, expired } = this.#options = options;
    this.#deadlines = new DeadlineQueue(clock, (entries) => {
      const due = new Set(entries.map(({ command }) => command));
      this.#commands = this.#commands.filter((command) => !due.has(command));
      for (const command of due) {
        failAll([command], timeoutError(command, database, clock.now(), cause?.()));
        expired?.();
      }
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

  /** Whether so many more commands may wait; abandoned ones make room for them. */
  #hasRoom(count: number): boolean {
    const { maxWaiting } = this.#options;
    if (this.#commands.length + count > maxWaiting) this.#prune();
    return this.#commands.length + count <= maxWaiting;
  }

  /** Not for each command that is refused: there may be many of both. */
  #prune(): void {
    const now = this.#options.clock.now();
    if (now - this.#prunedAt < PRUNE_EVERY_MS) return;
    this.#prunedAt = now;
    this.#commands = this.takeAll();
    for (const command of this.#commands) this.#watch(command);
  }

  /** Adds commands if there is room for all of them; else fails them, and gives `false`. */
  offer(commands: readonly PendingCommand[]): boolean {
    const hasRoom = this.#hasRoom(commands.length);
    if (hasRoom) this.add(commands);
    else {
      const { cause, database, maxWaiting, what } = this.#options;
      const error = new OverloadedError(database, what, this.size, maxWaiting, cause?.());
      failAll(commands, error);
    }
    return hasRoom;
  }

  /**
   * Adds commands. One that was sent before precedes all that were not: it keeps its place and
   * its deadline.
   */
  add(commands: readonly PendingCommand[]): void {
    const now = this.#options.clock.now();
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

/** Fails commands that are not settled. */
export function failAll(
  commands: Iterable<PendingCommand>,
  error: Error,
  delivery: Delivery = "never-sent",
): void {
  for (const command of commands) {
    const { owner, settled } = command.tracking;
    if (!settled) owner.failed(command, error, delivery);
  }
}

/** The error of a command whose deadline passed while it waited, perhaps because of `cause`. */
function timeoutError(
  command: PendingCommand,
  database: string,
  now: number,
  cause: ConnectError | undefined,
): CommandTimeoutError {
  const { name, tracking: { timeoutMs } } = command;
  const spent = spentOn(command, now);
  return new CommandTimeoutError(database, name, timeoutMs, "never-sent", spent, cause);
}
