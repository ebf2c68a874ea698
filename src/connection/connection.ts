import type { Clock, Timer } from "../core/clock.ts";
import {
  CommandTimeoutError,
  ConnectionLostError,
  type Delivery,
} from "../core/errors/mod.ts";
import type { KeepaliveTier } from "../transport/channel.ts";
import type { ConnectionStream } from "../transport/stream.ts";
import {
  Command,
  isReplyError,
  type Redis,
  withoutArguments,
  writeCommand,
} from "./driver.ts";
import { InFlightLog } from "./in_flight_log.ts";
import { intercept, settleFailed, type TrackedCommand } from "./tracked.ts";

/** Why a connection ended. */
export interface CloseReason {
  /** Ended by us, by the server or network, or because nothing came any more. */
  readonly kind: "closed" | "lost" | "silent" | "protocol";
  /** In words. */
  readonly text: string;
}

/** What is wrong with a connection, for the circuit breaker. */
export type TroubleKind = "timeout" | "reset" | "protocol";

/** What a connection reports; counted, never acted on by the connection itself. */
export interface ConnectionObserver {
  /** Commands were answered; the times are on the monotonic clock. */
  answered(sentAt: number, now: number, count: number): void;
  /** Deadlines passed, or the connection was lost: once for all commands it met. */
  troubled(kind: TroubleKind): void;
}

/** What a connection is made of. */
export interface ConnectionParts {
  /** Unique in the process. */
  readonly id: number;
  /** Name of the database. */
  readonly database: string;
  /** Where it goes, in words. */
  readonly endpoint: string;
  /** The client library's client, ready. */
  readonly redis: Redis;
  /** Its stream. */
  readonly stream: ConnectionStream;
  /** Silence, in milliseconds, after which a connection that owes replies is dead. */
  readonly silenceLimitMs: number;
  /** Time. */
  readonly clock: Clock;
  /** Who counts. */
  readonly observer: ConnectionObserver;
}

type State =
  | { readonly name: "open" }
  | { readonly name: "closing"; readonly reason: CloseReason }
  | { readonly name: "closed"; readonly reason: CloseReason };

/**
 * One socket's lifetime: opened, used, ended, never opened again.
 *
 * ```
 * open ── close(), silence, protocol error ──► closing ── socket gone ──► closed
 *   └──────────────── the server or the network ended it ───────────────────┘
 * ```
 *
 * Whatever is in flight when it ends is settled then, each command by what is known
 * of it: those still held by the coalescer were never sent, the others are ambiguous.
 */
export class Connection {
  readonly id: number;
  readonly database: string;
  readonly endpoint: string;
  readonly redis: Redis;
  readonly createdAt: number;
  readonly #stream: ConnectionStream;
  readonly #clock: Clock;
  readonly #observer: ConnectionObserver;
  readonly #silenceLimitMs: number;
  readonly #log = new InFlightLog();
  readonly #onEnd: ((reason: CloseReason) => void)[] = [];
  #state: State = { name: "open" };
  #tick = -1;
  #tickTime = 0;
  #lastReceivedAt: number;
  #deadlineTimer: Timer | undefined;
  #deadlineAt = Infinity;
  /** Our own questions in flight: in the library's queue, but not in the log. */
  #unlogged = 0;

  /**
   * Makes a connection out of an open stream and a ready client.
   *
   * @param parts What it is made of.
   */
  constructor(parts: ConnectionParts) {
    this.id = parts.id;
    this.database = parts.database;
    this.endpoint = parts.endpoint;
    this.redis = parts.redis;
    this.#stream = parts.stream;
    this.#clock = parts.clock;
    this.#observer = parts.observer;
    this.#silenceLimitMs = parts.silenceLimitMs;
    this.createdAt = this.#lastReceivedAt = parts.clock.now();
  }

  /** Whether it can take commands. */
  get isOpen(): boolean {
    return this.#state.name === "open";
  }

  /** Commands sent and not answered. */
  get inFlight(): number {
    return this.redis.commandQueue.length;
  }

  /** What keepalive its socket got. */
  get keepalive(): KeepaliveTier {
    return this.#stream.channel.keepalive;
  }

  /** Port of this end; 0 for a Unix socket. */
  get localPort(): number {
    return this.#stream.channel.localPort;
  }

  /** Its stream: byte counters, congestion. */
  get stream(): ConnectionStream {
    return this.#stream;
  }

  /** When bytes came last, on the monotonic clock. */
  get lastReceivedAt(): number {
    return this.#lastReceivedAt;
  }

  /**
   * Calls back once when it has ended; at once if it has.
   *
   * @param fn Called with the reason.
   */
  onEnd(fn: (reason: CloseReason) => void): void {
    if (this.#state.name === "closed") fn(this.#state.reason);
    else this.#onEnd.push(fn);
  }

  /**
   * Sends a command; its reply or failure goes to its owner.
   *
   * @param command The command.
   */
  send(command: TrackedCommand): void {
    const { tracking } = command;
    tracking.connection = this;
    tracking.attempts++;
    const { tick } = this.#stream;
    if (tick !== this.#tick) {
      this.#tick = tick;
      this.#tickTime = this.#clock.now();
      this.#log.beginTick(this.#tickTime);
    }
    this.#log.add();
    if (tracking.attempts === 1 && !tracking.waited) tracking.startedAt = this.#tickTime;
    const deadline = tracking.startedAt + tracking.timeoutMs;
    if (deadline < this.#deadlineAt) this.#armAt(deadline);
    writeCommand(this.redis, command);
  }

  /**
   * A command on it got an error; called by the command.
   *
   * @param command The command.
   * @param error What the client library made of it.
   */
  commandFailed(command: TrackedCommand, error: Error): void {
    if (isReplyError(error)) {
      command.tracking.owner.failed(command, withoutArguments(error), "rejected");
    } else if (this.#state.name === "open" && this.#stream.writable) {
      // The reply came and could not be turned into what the caller asked for.
      settleFailed(command, error);
    } else {
      const reason = this.#state.name === "open"
        ? "not writable"
        : this.#state.reason.text;
      command.tracking.owner.failed(
        command,
        new ConnectionLostError(this.database, command.name, "never-sent", reason),
        "never-sent",
      );
    }
  }

  /**
   * Asks the server something for ourselves: not counted as anybody's command.
   *
   * @param timeoutMs How long it may take, in milliseconds.
   * @param name Name of the command.
   * @param args Its arguments.
   * @returns Whether it answered in time; an error reply is an answer too.
   */
  ask(timeoutMs: number, name: string, ...args: (string | number)[]): Promise<boolean> {
    if (!this.isOpen) return Promise.resolve(false);
    return new Promise((resolve) => {
      const command = new Command(name, args);
      const timer = this.#clock.setTimer(() => resolve(false), timeoutMs);
      this.#unlogged++;
      const done = (alive: boolean) => {
        this.#unlogged--;
        timer.cancel();
        resolve(alive);
      };
      intercept(command, () => done(true), (error) => done(isReplyError(error)));
      writeCommand(this.redis, command);
    });
  }

  /**
   * Ends it at once; what is in flight fails.
   *
   * @param reason Why.
   */
  close(reason: CloseReason): void {
    if (this.#state.name !== "open") return;
    this.#state = { name: "closing", reason };
    this.#stream.destroy();
  }

  /** The parser has seen a chunk: settles latency and counts. Called by the stream. */
  received(): void {
    const now = this.#clock.now();
    this.#lastReceivedAt = now;
    const answered = this.#log.total + this.#unlogged - this.redis.commandQueue.length;
    if (answered > 0) {
      this.#log.settle(answered, (sentAt, count) => {
        this.#observer.answered(sentAt, now, count);
      });
    }
  }

  /** The socket is gone: settles what was in flight. Called by the stream.
   *
   * @param error The socket's error, if it had one.
   */
  ended(error: Error | undefined): void {
    if (this.#state.name === "closed") return;
    const reason: CloseReason = this.#state.name === "closing"
      ? this.#state.reason
      : { kind: "lost", text: error?.message ?? "closed by the server" };
    this.#state = { name: "closed", reason };
    this.#deadlineTimer?.cancel();
    if (reason.kind === "lost") this.#observer.troubled("reset");
    else if (reason.kind === "protocol") this.#observer.troubled("protocol");
    // First the pool, so that what is tried again is not tried here.
    for (const fn of this.#onEnd.splice(0)) fn(reason);
    this.#failInFlight(reason);
  }

  #failInFlight(reason: CloseReason): void {
    const queue = this.redis.commandQueue;
    const commands = queue.toArray().map((item) => item.command);
    // The client library would reject them in an order and with errors of its own.
    queue.clear();
    const sent = commands.length - this.#stream.unsentCommands;
    commands.forEach((command, i) => {
      const delivery: Delivery = i < sent ? "ambiguous" : "never-sent";
      const error = new ConnectionLostError(
        this.database,
        command.name,
        delivery,
        reason.text,
      );
      const tracked = command as TrackedCommand;
      if (tracked.tracking === undefined) command.reject(error);
      else if (!tracked.tracking.settled) {
        tracked.tracking.owner.failed(tracked, error, delivery);
      }
    });
  }

  #armAt(deadline: number): void {
    this.#deadlineTimer?.cancel();
    this.#deadlineAt = deadline;
    this.#deadlineTimer = this.#clock.setTimer(() => {
      // What has arrived is read before deadlines are judged: the timers of a process
      // that was frozen or busy are due before its sockets have been looked at.
      this.#clock.afterPoll(() => this.#judgeDeadlines());
    }, deadline - this.#clock.now());
  }

  #judgeDeadlines(): void {
    this.#deadlineAt = Infinity;
    if (this.#state.name !== "open") return;
    const now = this.#clock.now();
    let next = Infinity;
    let expired = 0;
    const queue = this.redis.commandQueue;
    for (let i = 0; i < queue.length; i++) {
      const command = queue.peekAt(i)!.command as TrackedCommand;
      const { tracking } = command;
      if (tracking === undefined || tracking.settled) continue;
      const deadline = tracking.startedAt + tracking.timeoutMs;
      if (deadline > now) next = Math.min(next, deadline);
      else {
        expired++;
        this.#expire(command);
      }
    }
    if (expired > 0) this.#observer.troubled("timeout");
    if (this.#isSilent(now)) {
      const ms = Math.round(now - Math.max(this.#lastReceivedAt, this.#log.oldest));
      this.close({
        kind: "silent",
        text: `no bytes for ${ms} ms while replies were owed`,
      });
    } else if (next < Infinity) this.#armAt(next);
  }

  #expire(command: TrackedCommand): void {
    const { owner, timeoutMs } = command.tracking;
    const { database } = this;
    owner.failed(
      command,
      new CommandTimeoutError(database, command.name, timeoutMs, "ambiguous"),
      "ambiguous",
    );
  }

  /** Owes replies and has been silent for too long. */
  #isSilent(now: number): boolean {
    const since = Math.max(this.#lastReceivedAt, this.#log.oldest);
    return now - since >= this.#silenceLimitMs;
  }
}
