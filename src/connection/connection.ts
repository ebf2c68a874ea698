import { blockingTimeoutMs } from "../resilience/command_class.ts";
import type { Clock } from "../core/clock.ts";
import type { OnInvalidation } from "../transport/reply_frames.ts";
import type { OpenReply } from "../transport/reply_types.ts";
import { InvalidReplyError, type ReplyGuard } from "../transport/reply_guard.ts";
import type { ConnectionStream, StreamHooks } from "../transport/stream.ts";
import { writeCommand, writeOrdinary } from "./driver.ts";
import { failExpired, failLost, InFlightLog, lossError } from "./in_flight.ts";
import { Command, isReplyError, type Redis, withoutArguments } from "./ioredis.ts";
import {
  type DeadlineTarget,
  DeadlineWatch,
  IdleDetector,
  LivenessCheck,
  READING_PAUSE_MS,
} from "./liveness.ts";
import { ManagedCommand } from "./managed_command.ts";
import {
  type CloseReason,
  type CommandConnection,
  type PendingCommand,
  type QueryResult,
  settleFailed,
  spentOn,
} from "./pending_command.ts";
import { describeReplyError } from "./reply_error.ts";

/** What went wrong with a connection, for the circuit breaker. */
type ConnectionFault = "silent" | "late" | "reset" | "idle" | "protocol";

/** Observes connections. */
export interface ConnectionObserver {
  /** Commands were answered; the times are on the monotonic clock. */
  answered(sentAt: number, now: number, count: number): void;
  /** A blocking command was answered: its latency says nothing about the server. */
  blockingAnswered(sentAt: number, now: number): void;
  /** Deadlines passed, or the connection was lost: called once for all its commands. */
  troubled(kind: ConnectionFault): void;
}

/** What the connections of a database have in common. */
export interface ConnectionOptions {
  /** Name of the database. */
  readonly database: string;
  /** Silence, in milliseconds, after which a connection that owes replies is dead. */
  readonly silenceLimitMs: number;
  readonly clock: Clock;
  readonly observer: ConnectionObserver;
}

type State =
  | { readonly name: "open" }
  | { readonly name: "closing"; readonly reason: CloseReason }
  | { readonly name: "closed"; readonly reason: CloseReason };

/** The single user of a connection. */
export interface ConnectionUser {
  /** Whether a command continues a transaction: then no internal command may be sent before
   * it. */
  isInTransaction(command: PendingCommand): boolean;
}

/** Shared by all open connections. */
const OPEN: State = Object.freeze({ name: "open" });

/** A command without a deadline may take long; a server that sends nothing for so long, in
 * milliseconds, is taken for dead. */
const ENDLESS_SILENCE_MS = 30_000;

/** Shared by all connections without blocking commands. */
const NO_BLOCKING: readonly number[] = Object.freeze([]);

let lastId = 0;

/** Called when the command with this ordinal number has been answered. */
type Fence = { readonly last: number; readonly fn: () => void };

/** Shared by all connections without fences. */
const NO_FENCES: readonly Fence[] = [];

type EndListener = (reason: CloseReason, connection: Connection) => void;

/** Shared by all connections without listeners. */
const NO_LISTENERS: readonly EndListener[] = [];

/**
 * A connection from its handshake to its end. It never reconnects.
 *
 * ```
 * open ── close(), silence, protocol error ──► closing ── socket gone ──► closed
 *   └──────────────── the server or the network ended it ───────────────────┘
 * ```
 *
 * When it ends, each command in flight fails by whether it was sent: commands that the
 * coalescer still held are never-sent, the others ambiguous.
 */
export class Connection implements StreamHooks, DeadlineTarget, CommandConnection {
  /** Unique in the process. */
  readonly id: number = ++lastId;
  readonly database: string;
  /** Its endpoint, formatted. */
  readonly endpoint: string;
  readonly redis: Redis;
  readonly stream: ConnectionStream;
  readonly createdAt: number;
  readonly #replies: ReplyGuard;
  readonly #idle: IdleDetector;
  readonly #clock: Clock;
  readonly #observer: ConnectionObserver;
  readonly #silenceLimitMs: number;
  /** The same for replies to commands without a deadline. */
  readonly #endlessMs: number;
  readonly #log = new InFlightLog();
  /** How many commands were answered. */
  #answered = 0;
  /** Ordinal numbers of the unanswered commands that block. */
  #blocking = NO_BLOCKING;
  #fences = NO_FENCES;
  /** Replaced, not changed: a list that is pushed to reserves room for sixteen more. */
  #onEnd = NO_LISTENERS;
  #state: State = OPEN;
  #tick = -1;
  #tickTime = 0;
  /** When bytes were received last, on the monotonic clock. */
  lastReceivedAt: number;
  /** Whether anything was answered since the connection was opened. */
  hasAnswered = false;
  /** When a reply, or a part of one, was received last; pushes answer nothing. */
  #lastReplyAt: number;
  #repliesBegun = 0;
  readonly #deadlines: DeadlineWatch;
  /** Internal commands in flight: in the queue of ioredis, but not in the log. */
  #internal = 0;
  #user: ConnectionUser | undefined;
  /** Set while the connection may be dead: until bytes are received. */
  #check: LivenessCheck | undefined;

  /**
   * Makes a connection of an open stream and a client that is ready.
   *
   * @param replies Checks the replies of the stream.
   */
  constructor(
    { clock, database, observer, silenceLimitMs }: ConnectionOptions,
    endpoint: string,
    redis: Redis,
    stream: ConnectionStream,
    replies: ReplyGuard,
  ) {
    this.database = database;
    this.endpoint = endpoint;
    this.redis = redis;
    this.stream = stream;
    this.#replies = replies;
    replies.startCounting();
    this.#idle = new IdleDetector(clock);
    this.#clock = clock;
    this.#observer = observer;
    this.#silenceLimitMs = silenceLimitMs;
    this.#endlessMs = Math.max(ENDLESS_SILENCE_MS, silenceLimitMs);
    this.createdAt = this.lastReceivedAt = this.#lastReplyAt = clock.now();
    this.#deadlines = new DeadlineWatch(clock, this);
  }

  /** Whether it can take commands. */
  get isOpen(): boolean {
    return this.#state.name === "open";
  }

  /** Number of commands sent and not answered, or held back by a liveness check. */
  get inFlight(): number {
    const sent = this.redis.commandQueue.length;
    return this.#check === undefined ? sent : sent + this.#check.held.length;
  }

  /** Number of commands in flight whose callers still wait for them. */
  get awaited(): number {
    const isAwaited = ({ tracking }: Partial<PendingCommand>) =>
      tracking?.settled === false;
    return [...this.#queued(), ...this.#check?.held ?? []].filter(isAwaited).length;
  }

  /** Bytes received so far. */
  get bytesReceived(): number {
    return this.stream.bytesReceived;
  }

  /** Calls back once when the connection has ended; at once if it has. */
  onEnd(fn: EndListener): void {
    if (this.#state.name === "closed") fn(this.#state.reason, this);
    else this.#onEnd = this.#onEnd.concat(fn);
  }

  /** Calls back with each key whose value the server says has changed, `undefined` for all:
   * before the replies of the same chunk are read. */
  onInvalidation(fn: OnInvalidation): void {
    this.#replies.onInvalidation = fn;
  }

  /** Sets the single user of the connection. */
  setUser(user: ConnectionUser): void {
    this.#user = user;
  }

  /**
   * Sends a command; its outcome goes to its owner. Once the connection has ended, the
   * command fails at once as never-sent: deadlines are no longer watched.
   */
  send(command: PendingCommand): void {
    const { tracking } = command;
    tracking.connection = this;
    if (this.#state.name === "closed") return this.#refuse(command, this.#state.reason);
    tracking.attempts++;
    const { tick } = this.stream;
    if (tick !== this.#tick || this.#check !== undefined) this.#beginTick(tick, command);
    if (tracking.attempts === 1 && !tracking.waited) tracking.startedAt = this.#tickTime;
    const { timeoutMs } = tracking;
    const isEndless = timeoutMs === Infinity && tracking.info?.class !== "blocking";
    this.#deadlines.add(tracking.startedAt + (isEndless ? this.#endlessMs : timeoutMs));
    if (this.#check === undefined || this.#admits(command, this.#check)) {
      this.#write(command);
    }
  }

  /** Sends commands with nothing in between, and few of them in one socket write. */
  sendBatch(commands: readonly PendingCommand[]): void {
    this.stream.writeTogether(() => commands.forEach((command) => this.send(command)));
  }

  /** Calls back when all that was sent has been answered, or the connection has ended. */
  whenAnswered(fn: () => void): void {
    const last = this.#answered + this.#log.total;
    if (this.#state.name === "closed" || last === this.#answered) fn();
    else this.#fences = this.#fences.concat({ last, fn });
  }

  /** Calls those back whose commands have been answered. */
  #passFences(answered: number): void {
    const fences = this.#fences;
    this.#fences = fences.filter(({ last }) => last > answered);
    for (const { fn, last } of fences) if (last <= answered) fn();
  }

  #write(command: PendingCommand): void {
    const { redis } = this;
    const { tracking } = command;
    const { info } = tracking;
    tracking.underWay = true;
    if (info !== undefined && (info.class === "read" || info.class === "write")) {
      this.#log.add();
      this.#replies.expectReply();
      return writeOrdinary(redis, this.stream, command);
    }
    const protocol = redis.condition?.protocol ?? 3;
    const { length } = redis.commandQueue;
    const isBlocking = blockingTimeoutMs(command.name, command.args) !== undefined;
    writeCommand(redis, command);
    // A client in subscriber mode rejects other commands: no reply is expected.
    if (redis.commandQueue.length === length) return;
    this.#log.add();
    if (isBlocking) {
      this.#blocking = [...this.#blocking, this.#answered + this.#log.total];
    }
    this.#replies.expectReply();
    if (info === undefined) {
      this.#replies.noteCommand(command.name, command.args, protocol);
    }
  }

  /** Fails a command that cannot be sent any more. */
  #refuse(command: PendingCommand, reason: CloseReason): void {
    const { tracking } = command;
    const now = this.#clock.now();
    if (tracking.attempts === 0 && !tracking.waited) tracking.startedAt = now;
    tracking.underWay = false;
    const spent = spentOn(command, now);
    const error = lossError(this.database, command.name, "never-sent", reason, spent);
    tracking.owner.failed(command, error, "never-sent");
  }

  #beginTick(tick: number, command: PendingCommand): void {
    this.#tick = tick;
    const now = this.#tickTime = this.#clock.now();
    this.#log.beginTick(now);
    // An internal command that is out has not been answered either.
    const isInUse = this.redis.commandQueue.length > this.#internal;
    if (this.#check !== undefined || isInUse) return;
    if (!this.#idle.needsCheck(now, this.lastReceivedAt)) return;
    // Within a transaction, a PING would become a part of it.
    if (this.#user?.isInTransaction(command)) return;
    // Half of a command's time is left for another connection.
    const limitMs = this.#silenceLimitMs / 2;
    this.#check = new LivenessCheck(this.#clock, limitMs, () => {
      if (this.#check === undefined) return;
      const ms = Math.round(this.#clock.now() - now);
      this.close({ kind: "silent", text: `no answer for ${ms} ms after a silence` });
    });
  }

  /** Whether a command may be sent during a liveness check; if not, it is held behind a
   * PING. */
  #admits(command: PendingCommand, check: LivenessCheck): boolean {
    if (check.admits(command)) return true;
    if (this.redis.commandQueue.length === 0) this.ask(this.#silenceLimitMs, "ping");
    return false;
  }

  /** Handles the error of a command on this connection. Called by the command. */
  commandFailed(command: PendingCommand, error: Error): void {
    if (isReplyError(error)) {
      command.tracking.underWay = false;
      const reply = describeReplyError(withoutArguments(error), this.database);
      command.tracking.owner.failed(command, reply, "rejected");
    } else if (this.#state.name === "open" && this.stream.writable) {
      // ioredis refused it: a RESP2 subscriber takes no other commands.
      settleFailed(command, error);
    } else {
      const text = this.#state.name === "open" ? "not writable" : this.#state.reason.text;
      this.#refuse(command, { kind: "lost", text });
    }
  }

  /**
   * Describes the errors among the replies of a transaction; they fail no command. Called
   * by EXEC.
   *
   * @param reply The replies; `null` if a watched key had changed.
   */
  execReplied(reply: unknown): void {
    if (!Array.isArray(reply)) return;
    for (const each of reply) {
      if (isReplyError(each)) describeReplyError(withoutArguments(each), this.database);
    }
  }

  /**
   * Sends an internal command, which is not counted as a caller's.
   *
   * @returns The reply or error reply; `undefined` if there is none in time. If nothing was
   * received for as long as a command may take, the connection is closed, unless callers
   * wait for other commands.
   */
  query(
    timeoutMs: number,
    name: string,
    ...args: (string | number | Uint8Array)[]
  ): Promise<QueryResult | undefined> {
    if (!this.isOpen) return Promise.resolve(undefined);
    const { promise, resolve } = Promise.withResolvers<QueryResult | undefined>();
    const command = new Command(name, args as string[], { replyEncoding: "utf8" });
    const sentAt = this.#clock.now();
    const expire = () => {
      this.#queryExpired(name, timeoutMs, sentAt);
      resolve(undefined);
    };
    // What has arrived is read before the time is over.
    const timer = this.#clock.setTimer(() => this.#clock.afterPoll(expire), timeoutMs);
    this.#internal++;
    this.#replies.expectReply();
    const settle = (result: QueryResult | undefined) => {
      this.#internal--;
      timer.cancel();
      resolve(result);
    };
    // In place of a promise: within the chunk of replies that answers the command.
    command.resolve = (reply) => settle({ reply });
    command.reject = (error) =>
      settle(isReplyError(error) ? { error: withoutArguments(error) } : undefined);
    writeCommand(this.redis, command);
    return promise;
  }

  /** An internal command was not answered in time. It stays in flight, which keeps the
   * heartbeat from sending a PING: nothing else would detect that the connection is dead. */
  #queryExpired(name: string, timeoutMs: number, sentAt: number): void {
    if (timeoutMs < this.#silenceLimitMs || this.lastReceivedAt > sentAt) return;
    // Commands of callers have deadlines of their own, which may be longer.
    if (this.inFlight > this.#internal) return;
    const text = `no answer to ${name.toUpperCase()} within ${timeoutMs} ms`;
    this.close({ kind: "silent", text });
  }

  /** Sends an internal command; resolves with whether it was answered in time, be it by an
   * error reply. */
  async ask(
    timeoutMs: number,
    name: string,
    ...args: (string | number)[]
  ): Promise<boolean> {
    return await this.query(timeoutMs, name, ...args) !== undefined;
  }

  /** Ends the connection; commands in flight fail. */
  close(reason: CloseReason): void {
    if (this.#state.name !== "open") return;
    this.#state = { name: "closing", reason };
    this.stream.destroy();
  }

  /** Ends the connection in the middle of a chunk: the replies behind the one that is being
   * settled are dropped. */
  abandon(reason: CloseReason): void {
    this.close(reason);
    this.stream.close(undefined);
  }

  /**
   * Checks bytes before they reach the parser. Called by the stream.
   *
   * @throws {InvalidReplyError} If they must not reach it.
   */
  inspect(chunk: Uint8Array): OpenReply | undefined {
    this.#replies.inspect(chunk);
    return this.#replies.openBulk;
  }

  /** Whether the next reply is converted to a string at once, so that its bytes are not
   * kept. Called by the stream. */
  decodesNext(): boolean {
    const next: unknown = this.redis.commandQueue.peekFront();
    return next instanceof ManagedCommand && next.decodesAtOnce;
  }

  /** The parser has read a chunk: notes latency and counts. Called by the stream. */
  received(): void {
    if (this.#state.name === "closed") return;
    const now = this.#clock.now();
    this.lastReceivedAt = now;
    const answered = this.#log.total + this.#internal - this.redis.commandQueue.length;
    const { begun, isPartial } = this.#replies;
    if (answered > 0 || isPartial || begun !== this.#repliesBegun) {
      this.#lastReplyAt = now;
      this.#repliesBegun = begun;
    }
    if (answered > 0) {
      this.hasAnswered = true;
      this.#log.settle(answered, (sentAt, count) => {
        this.#answered += count;
        const blocking = this.#blocking.length > 0 ? this.#takeBlocking() : 0;
        for (let i = 0; i < blocking; i++) this.#observer.blockingAnswered(sentAt, now);
        if (count > blocking) this.#observer.answered(sentAt, now, count - blocking);
      });
      if (this.#fences.length > 0) this.#passFences(this.#answered);
    }
    if (this.#check === undefined || this.#state.name !== "open") return;
    // The connection lives: sends what was held back.
    const held = this.#check.end();
    this.#check = undefined;
    this.#log.beginTick(now);
    for (const command of held) this.#write(command);
  }

  /** How many of the answered commands were blocking. */
  #takeBlocking(): number {
    const left = this.#blocking.filter((number) => number > this.#answered);
    const taken = this.#blocking.length - left.length;
    this.#blocking = left.length === 0 ? NO_BLOCKING : left;
    return taken;
  }

  /** The socket is gone: fails what was in flight. Called by the stream. */
  closing(error: Error | undefined): void {
    if (this.#state.name === "closed") return;
    const reason: CloseReason = this.#state.name === "closing" ? this.#state.reason : {
      kind: error instanceof InvalidReplyError ? "protocol" : "lost",
      text: error?.message ?? "closed by the server",
    };
    this.#state = { name: "closed", reason };
    this.#deadlines.stop();
    if (reason.kind === "lost") {
      this.#observer.troubled(this.inFlight > 0 ? "reset" : "idle");
    } else if (reason.kind === "protocol") this.#observer.troubled("protocol");
    // First the pool, so that retries do not use this connection.
    const listeners = this.#onEnd;
    this.#onEnd = NO_LISTENERS;
    for (const fn of listeners) fn(reason, this);
    this.#passFences(Infinity);
    const queued = this.#queued();
    // ioredis would reject them in an order and with errors of its own.
    this.redis.commandQueue.clear();
    const sent = queued.length - this.stream.unsentCommands;
    const held = this.#check?.end() ?? [];
    this.#check = undefined;
    failLost([...queued, ...held], sent, reason, this.#moment(this.#clock.now()));
  }

  /** When a command in flight was sent, on the monotonic clock; `undefined` if it is not in
   * flight here. */
  sentAt(command: PendingCommand): number | undefined {
    const times = this.#log.times();
    for (const queued of this.#queued()) {
      const { tracking } = queued as PendingCommand;
      if (tracking === undefined) continue;
      const { value } = times.next();
      if (tracking === command.tracking) return value;
    }
    return undefined;
  }

  /** The commands in the queue of ioredis, in order. */
  #queued() {
    return this.redis.commandQueue.toArray().map(({ command }) => command);
  }

  #moment(now: number) {
    return { database: this.database, now, times: this.#log.times() };
  }

  /**
   * Fails expired commands; closes the connection if it is silent. Called by the deadline
   * watch.
   *
   * @returns The next deadline; infinite for none.
   */
  checkDeadlines(): number {
    const now = this.#clock.now();
    const sent = failExpired(this.#queued(), "ambiguous", this.#moment(now));
    const waiting = this.#check?.held ?? [];
    const held = failExpired(waiting, "never-sent", this.#moment(now));
    const silentMs = now - Math.max(this.#lastReplyAt, this.#log.oldest);
    let endlessMs = Infinity;
    if (sent.owesEndless) {
      endlessMs = this.#endlessMs - silentMs;
      const text = `no reply for ${Math.round(silentMs)} ms while some were owed`;
      if (endlessMs <= 0) this.close({ kind: "silent", text });
    }
    if (sent.expired > 0) {
      const isSilent = silentMs >= this.#silenceLimitMs;
      this.#observer.troubled(isSilent && sent.isAnswerDue ? "silent" : "late");
      if (isSilent) {
        const text = `no reply for ${Math.round(silentMs)} ms while some were owed`;
        this.close({ kind: "silent", text });
      } else if (
        this.#replies.isPartial && now - this.lastReceivedAt >= READING_PAUSE_MS
      ) {
        // What comes next would be taken for the rest of that reply.
        this.close({ kind: "silent", text: "a reply began and did not go on" });
      }
    }
    return this.isOpen ? Math.min(sent.next, held.next, now + endlessMs) : Infinity;
  }
}
