import type { SpentOptions } from "../core/errors/base.ts";
import {
  CommandTimeoutError,
  ConnectionLostError,
  type Delivery,
  ProtocolError,
} from "../core/errors/mod.ts";
import { blockingTimeoutMs } from "../resilience/command_class.ts";
import { type CloseReason, type PendingCommand, spentOn } from "./pending_command.ts";

/** Initial entries of the ring, which doubles when it is full. Most connections of a pool are
 * idle, and a leased one mostly has one tick in flight. */
const INITIAL_CAPACITY = 2;

/**
 * Send times of the commands in flight: one entry per tick, not per command, so that
 * latency and deadlines cost one clock read per tick. Replies come in the order of the
 * commands, so the oldest entry is always the next to be settled.
 */
export class InFlightLog {
  // Plain arrays: small ones take less memory than typed ones.
  #times: number[] = new Array(INITIAL_CAPACITY).fill(NaN);
  #counts: number[] = new Array(INITIAL_CAPACITY).fill(0);
  #head = 0;
  #size = 0;
  /** Number of commands in flight. */
  total = 0;

  /** When the oldest command in flight was sent; `NaN` if there is none. */
  get oldest(): number {
    return this.total === 0 ? NaN : this.#times[this.#head]!;
  }

  /** Begins a tick whose commands are sent at `now`. */
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

  /** A command was sent in the current tick. */
  add(): void {
    const at = (this.#head + this.#size - 1) & (this.#times.length - 1);
    this.#counts[at]!++;
    this.total++;
  }

  /**
   * The oldest `count` commands were answered.
   *
   * @param each Called with a send time and how many of its commands were answered.
   */
  settle(count: number, each: (sentAt: number, count: number) => void): void {
    this.total -= count;
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

  /** The send time of each command in flight, oldest first. */
  *times(): Generator<number, undefined> {
    for (let i = 0; i < this.#size; i++) {
      const at = (this.#head + i) & (this.#times.length - 1);
      for (let n = this.#counts[at]!; n > 0; n--) yield this.#times[at]!;
    }
  }

  /** Doubles the ring, which is full. */
  #grow(): void {
    const head = this.#head;
    const grown = (list: number[], fill: number) => [
      ...list.slice(head),
      ...list.slice(0, head),
      ...new Array<number>(list.length).fill(fill),
    ];
    this.#times = grown(this.#times, NaN);
    this.#counts = grown(this.#counts, 0);
    this.#head = 0;
  }
}

/** A command in the queue of ioredis: a tracked one, or an internal one. */
interface QueuedCommand {
  readonly name: string;
  readonly tracking?: unknown;
  reject(error: Error): void;
}

/** A moment in the life of a connection whose commands are failed. */
interface Moment {
  /** Name of the database. */
  readonly database: string;
  /** Monotonic time. */
  readonly now: number;
  /** Send times of the tracked commands, in order; those held back have none. */
  readonly times: Iterator<number, undefined>;
}

/** The error of a command whose connection has ended. */
export function lossError(
  database: string,
  name: string,
  delivery: Delivery,
  { kind, text }: CloseReason,
  spent: SpentOptions,
): Error {
  return kind === "protocol" && delivery === "ambiguous"
    ? new ProtocolError(database, text, delivery, spent)
    : new ConnectionLostError(database, name, delivery, text, spent);
}

/**
 * Fails the commands of a connection that has ended, each by whether it was sent.
 *
 * @param commands The commands, in order; those held back after those sent.
 * @param sent How many of them reached the socket.
 */
export function failLost(
  commands: readonly QueuedCommand[],
  sent: number,
  reason: CloseReason,
  { database, now, times }: Moment,
): void {
  commands.forEach((queued, i) => {
    const delivery: Delivery = i < sent ? "ambiguous" : "never-sent";
    const { name } = queued;
    if (queued.tracking === undefined) {
      return queued.reject(lossError(database, name, delivery, reason, {}));
    }
    const command = queued as PendingCommand;
    const { tracking } = command;
    const sentAt = times.next().value;
    tracking.underWay = false;
    if (tracking.settled) return;
    const spent = spentOn(command, now, i < sent ? sentAt : undefined);
    const error = lossError(database, name, delivery, reason, spent);
    tracking.owner.failed(command, error, delivery);
  });
}

/**
 * Fails the commands whose deadline has passed.
 *
 * @param delivery The same for all of them.
 * @returns How many were failed, whether the server should have answered one of them, the
 * next deadline, infinite for none, and whether a reply is owed to one that has none.
 */
export function failExpired(
  commands: readonly { readonly name: string }[],
  delivery: Delivery,
  { database, now, times }: Moment,
): { expired: number; isAnswerDue: boolean; next: number; owesEndless: boolean } {
  let expired = 0;
  let owesEndless = false;
  let isAnswerDue = false;
  let next = Infinity;
  for (const command of commands as readonly PendingCommand[]) {
    const { tracking } = command;
    if (tracking === undefined) continue;
    const sentAt = times.next().value;
    if (tracking.settled) continue;
    const { startedAt, timeoutMs } = tracking;
    if (startedAt + timeoutMs > now) {
      next = Math.min(next, startedAt + timeoutMs);
      owesEndless ||= timeoutMs === Infinity && !mayBlock(command);
      continue;
    }
    expired++;
    // A blocking command that was sent late in its caller's time need not be answered yet.
    const dueAt = sentAt! + (tracking.info?.class === "blocking" ? timeoutMs : 0);
    isAnswerDue ||= dueAt <= now;
    const spent = spentOn(command, now, delivery === "ambiguous" ? sentAt : undefined);
    const { name } = command;
    const error = new CommandTimeoutError(database, name, timeoutMs, delivery, spent);
    tracking.owner.failed(command, error, delivery);
  }
  return { expired, isAnswerDue, next, owesEndless };
}

function mayBlock({ args, name }: PendingCommand): boolean {
  return blockingTimeoutMs(name, args) !== undefined;
}
