import type { KeepaliveTier } from "../core/address.ts";
import type { Clock } from "../core/clock.ts";
import { blockingTimeoutMs } from "../resilience/command_class.ts";
import type { OpenReply } from "../transport/reply_assembly.ts";
import type { ConnectionStream, StreamHooks } from "../transport/stream.ts";
import {
  type DeadlineBearer,
  DeadlineWatch,
  READING_PAUSE_MS,
} from "./deadline_watch.ts";
import { Doubt, QuietWatch } from "./doubt.ts";
import {
  Command,
  isReplyError,
  type Redis,
  withoutArguments,
  writeCommand,
  writeOrdinary,
} from "./driver.ts";
import { failLost, failOverdue, type Judged, lossOf } from "./failing.ts";
import { InFlightLog } from "./in_flight_log.ts";
import { ManagedCommand } from "./managed_command.ts";
import { type ReplyCheck, ReplyRefused } from "./reply_check.ts";
import { describeReplyError } from "./reply_error.ts";
import { intercept, settleFailed, spentOn, type TrackedCommand } from "./tracked.ts";

/** Why a connection ended. */
export interface CloseReason {
  /** Ended by us, by the server or network, or because nothing came any more. */
  readonly kind: "closed" | "lost" | "silent" | "protocol";
  /** In words. */
  readonly text: string;
}

/** What a server answered to a question of our own. */
export type Answer = { readonly reply: unknown } | { readonly error: Error };

/** What is wrong with a connection, for the circuit breaker. */
export type TroubleKind = "silent" | "late" | "reset" | "idle" | "protocol";

/** What a connection reports; counted, never acted on by the connection itself. */
export interface ConnectionObserver {
  /** Commands were answered; the times are on the monotonic clock. */
  answered(sentAt: number, now: number, count: number): void;
  /** A command that blocks was answered: how long it took is its own doing. */
  blockingAnswered(sentAt: number, now: number): void;
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
  /** What looks at its bytes, and is told what is owed. */
  readonly replies: ReplyCheck;
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

/** What the one holder of a connection decides of it. */
export interface ConnectionHolder {
  /**
   * Whether what is sent now goes on with what must stay together: then no question of
   * our own may come in between.
   *
   * @param command The command.
   */
  isUnbroken(command: TrackedCommand): boolean;
}

/** The state of all that are open: an object for each would be kept for each. */
const OPEN: State = Object.freeze({ name: "open" });

/** Those of a connection on which nothing blocks. */
const NO_BLOCKING: readonly number[] = Object.freeze([]);

/** Told of a connection that has ended. */
type EndListener = (reason: CloseReason, connection: Connection) => void;

/** Who is told where nobody is. */
const NOBODY: readonly EndListener[] = [];

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
export class Connection implements StreamHooks, DeadlineBearer {
  readonly id: number;
  readonly database: string;
  readonly endpoint: string;
  readonly redis: Redis;
  readonly createdAt: number;
  readonly #stream: ConnectionStream;
  readonly #replies: ReplyCheck;
  readonly #quiet: QuietWatch;
  readonly #clock: Clock;
  readonly #observer: ConnectionObserver;
  readonly #silenceLimitMs: number;
  readonly #log = new InFlightLog();
  /** How many commands were answered. */
  #answered = 0;
  /** Which of all commands block that are not answered, by their number. */
  #blocking = NO_BLOCKING;
  /** Made anew for each: a list that is pushed to takes room for sixteen more. */
  #onEnd = NOBODY;
  #state: State = OPEN;
  #tick = -1;
  #tickTime = 0;
  #lastReceivedAt: number;
  /** When a reply, or a part of one, came last: pushes answer nothing. */
  #lastReplyAt: number;
  #repliesBegun = 0;
  readonly #deadlines: DeadlineWatch;
  /** Our own questions in flight: in the library's queue, but not in the log. */
  #unlogged = 0;
  #holder: ConnectionHolder | undefined;
  #hasAnswered = false;
  /** Set while it may be dead: until bytes come, or nothing came for too long. */
  #doubt: Doubt | undefined;

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
    this.#replies = parts.replies;
    this.#replies.begin();
    this.#quiet = new QuietWatch(parts.clock);
    this.#clock = parts.clock;
    this.#observer = parts.observer;
    this.#silenceLimitMs = parts.silenceLimitMs;
    this.createdAt = this.#lastReceivedAt = this.#lastReplyAt = parts.clock.now();
    this.#deadlines = new DeadlineWatch(parts.clock, this);
  }

  /** Whether it can take commands. */
  get isOpen(): boolean {
    return this.#state.name === "open";
  }

  /** Commands sent and not answered, or held back until it has shown that it lives. */
  get inFlight(): number {
    const sent = this.redis.commandQueue.length;
    return this.#doubt === undefined ? sent : sent + this.#doubt.held.length;
  }

  /** Commands in flight whose callers wait for them: not those that were given up, nor
   * questions of our own. */
  get awaited(): number {
    const queue = this.redis.commandQueue.toArray().map((item) => item.command);
    const isAwaited = ({ tracking }: Partial<TrackedCommand>) =>
      tracking?.settled === false;
    return [...queue, ...this.#doubt?.held ?? []].filter(isAwaited).length;
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

  /** Bytes received so far. */
  get bytesReceived(): number {
    return this.#stream.bytesReceived;
  }

  /** Whether anything was answered on it since it was opened. */
  get hasAnswered(): boolean {
    return this.#hasAnswered;
  }

  /** When bytes came last, on the monotonic clock. */
  get lastReceivedAt(): number {
    return this.#lastReceivedAt;
  }

  /**
   * Calls back once when it has ended; at once if it has.
   *
   * @param fn Called with the reason and the connection.
   */
  onEnd(fn: EndListener): void {
    if (this.#state.name === "closed") fn(this.#state.reason, this);
    else this.#onEnd = this.#onEnd.concat(fn);
  }

  /**
   * Lets the one holder of the connection say when what it sends must stay together.
   *
   * @param holder Who sends on it.
   */
  heldBy(holder: ConnectionHolder): void {
    this.#holder = holder;
  }

  /**
   * Sends a command; its reply or failure goes to its owner. Once the connection has
   * ended, the command fails at once, as never sent: nothing watches deadlines any more.
   *
   * @param command The command.
   */
  send(command: TrackedCommand): void {
    const { tracking } = command;
    tracking.connection = this;
    if (this.#state.name === "closed") return this.#refuse(command, this.#state.reason);
    tracking.attempts++;
    const { tick } = this.#stream;
    if (tick !== this.#tick || this.#doubt !== undefined) this.#beginTick(tick, command);
    if (tracking.attempts === 1 && !tracking.waited) tracking.startedAt = this.#tickTime;
    this.#deadlines.add(tracking.startedAt + tracking.timeoutMs);
    if (this.#doubt === undefined || this.#isLet(command, this.#doubt)) {
      this.#write(command);
    }
  }

  #write(command: TrackedCommand): void {
    const { redis } = this;
    const { tracking } = command;
    const { info } = tracking;
    tracking.underWay = true;
    if (info !== undefined && (info.class === "read" || info.class === "write")) {
      this.#log.add();
      this.#replies.expectReply();
      return writeOrdinary(redis, this.#stream, command);
    }
    const protocol = redis.condition?.protocol ?? 3;
    const { length } = redis.commandQueue;
    const isBlocking = blockingTimeoutMs(command.name, command.args) !== undefined;
    writeCommand(redis, command);
    // A client that listens takes other commands only to refuse them: nothing is owed.
    if (redis.commandQueue.length === length) return;
    this.#log.add();
    if (isBlocking) {
      this.#blocking = [...this.#blocking, this.#answered + this.#log.total];
    }
    this.#replies.expectReply();
    if (info === undefined) this.#replies.note(command.name, command.args, protocol);
  }

  /** Fails a command that comes too late to be sent. */
  #refuse(command: TrackedCommand, reason: CloseReason): void {
    const { tracking } = command;
    const now = this.#clock.now();
    if (tracking.attempts === 0 && !tracking.waited) tracking.startedAt = now;
    tracking.underWay = false;
    const spent = spentOn(command, now);
    const error = lossOf(this.database, command, "never-sent", reason, spent);
    tracking.owner.failed(command, error, "never-sent");
  }

  #beginTick(tick: number, command: TrackedCommand): void {
    this.#tick = tick;
    const now = this.#tickTime = this.#clock.now();
    this.#log.beginTick(now);
    if (this.#doubt !== undefined || this.redis.commandQueue.length > 0) return;
    if (!this.#quiet.isDoubtful(now, this.#lastReceivedAt)) return;
    // Asked within a transaction, the question would become a part of it.
    if (this.#holder?.isUnbroken(command)) return;
    // Half of a command's time is left for another connection.
    const limitMs = this.#silenceLimitMs / 2;
    this.#doubt = new Doubt(this.#clock, limitMs, () => this.#isDead(now));
  }

  /** Lets a command pass a doubt, or holds it back and asks for a sign of life. */
  #isLet(command: TrackedCommand, doubt: Doubt): boolean {
    if (doubt.lets(command)) return true;
    if (this.redis.commandQueue.length === 0) this.ask(this.#silenceLimitMs, "ping");
    return false;
  }

  /** Nothing came since it was doubted. */
  #isDead(since: number): void {
    if (this.#doubt === undefined) return;
    const ms = Math.round(this.#clock.now() - since);
    this.close({ kind: "silent", text: `no answer for ${ms} ms after a silence` });
  }

  /** Bytes came: what was held back goes out. */
  #trust(now: number): void {
    const held = this.#doubt!.end();
    this.#doubt = undefined;
    this.#log.beginTick(now);
    for (const command of held) this.#write(command);
  }

  /**
   * A command on it got an error; called by the command.
   *
   * @param command The command.
   * @param error What the client library made of it.
   */
  commandFailed(command: TrackedCommand, error: Error): void {
    if (isReplyError(error)) {
      command.tracking.underWay = false;
      const reply = describeReplyError(withoutArguments(error), this.database);
      command.tracking.owner.failed(command, reply, "rejected");
    } else if (this.#state.name === "open" && this.#stream.writable) {
      // The library would not send it: a subscriber of the older protocol takes no such.
      settleFailed(command, error);
    } else {
      const text = this.#state.name === "open" ? "not writable" : this.#state.reason.text;
      this.#refuse(command, { kind: "lost", text });
    }
  }

  /**
   * A transaction was run; called by EXEC. The errors among its replies fail no command.
   *
   * @param reply The replies of its commands; `null` if a watched key had changed.
   */
  execReplied(reply: unknown): void {
    if (!Array.isArray(reply)) return;
    for (const each of reply) {
      if (isReplyError(each)) describeReplyError(withoutArguments(each), this.database);
    }
  }

  /**
   * Asks the server something for ourselves: not counted as anybody's command.
   *
   * @param timeoutMs How long it may take, in milliseconds.
   * @param name Name of the command.
   * @param args Its arguments.
   * @returns The reply or error reply; `undefined` if none came in time. Silence for as
   * long as a command may take ends the connection, unless callers wait for others.
   */
  query(
    timeoutMs: number,
    name: string,
    ...args: (string | number)[]
  ): Promise<Answer | undefined> {
    if (!this.isOpen) return Promise.resolve(undefined);
    return new Promise((resolve) => {
      const command = new Command(name, args, { replyEncoding: "utf8" });
      const askedAt = this.#clock.now();
      // What has arrived is read before the time is judged to be over.
      const timer = this.#clock.setTimer(
        () =>
          this.#clock.afterPoll(() => {
            this.#unanswered(name, timeoutMs, askedAt);
            resolve(undefined);
          }),
        timeoutMs,
      );
      this.#unlogged++;
      this.#replies.expectReply();
      const done = (answer: Answer | undefined) => {
        this.#unlogged--;
        timer.cancel();
        resolve(answer);
      };
      intercept(
        command,
        (reply) => done({ reply }),
        (error) =>
          done(isReplyError(error) ? { error: withoutArguments(error) } : undefined),
      );
      writeCommand(this.redis, command);
    });
  }

  /** A question of our own got no answer. It would stay in flight, which keeps the heartbeat
   * from asking: nothing else would find out that an idle connection is dead. */
  #unanswered(name: string, timeoutMs: number, askedAt: number): void {
    if (timeoutMs < this.#silenceLimitMs || this.#lastReceivedAt > askedAt) return;
    // Commands of callers have deadlines of their own, which may be longer.
    if (this.inFlight > this.#unlogged) return;
    const text = `no answer to ${name.toUpperCase()} within ${timeoutMs} ms`;
    this.close({ kind: "silent", text });
  }

  /**
   * Asks the server for a sign of life.
   *
   * @param timeoutMs How long it may take, in milliseconds.
   * @param name Name of the command.
   * @param args Its arguments.
   * @returns Whether it answered in time; an error reply is an answer too.
   */
  async ask(
    timeoutMs: number,
    name: string,
    ...args: (string | number)[]
  ): Promise<boolean> {
    return await this.query(timeoutMs, name, ...args) !== undefined;
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

  /**
   * Ends it at once, in the middle of what is being read: no reply behind the one that is
   * being settled is given to anybody.
   *
   * @param reason Why.
   */
  abandon(reason: CloseReason): void {
    this.close(reason);
    this.#stream.close(undefined);
  }

  /**
   * Looks at bytes before the parser does. Called by the stream.
   *
   * @param chunk The bytes.
   * @throws {ReplyRefused} If they must not reach it.
   */
  inspect(chunk: Uint8Array): OpenReply | undefined {
    this.#replies.inspect(chunk);
    return this.#replies.openBulk;
  }

  /** Whether the next reply is made text of at once, and its bytes are nobody's after that.
   * Called by the stream. */
  decodesNext(): boolean {
    const next: unknown = this.redis.commandQueue.peekFront();
    return next instanceof ManagedCommand && next.decodesAtOnce;
  }

  /** The parser has seen a chunk: settles latency and counts. Called by the stream. */
  received(): void {
    if (this.#state.name === "closed") return;
    const now = this.#clock.now();
    this.#lastReceivedAt = now;
    const answered = this.#log.total + this.#unlogged - this.redis.commandQueue.length;
    const { begun, isPartial } = this.#replies;
    if (answered > 0 || isPartial || begun !== this.#repliesBegun) {
      this.#lastReplyAt = now;
      this.#repliesBegun = begun;
    }
    if (answered > 0) {
      this.#hasAnswered = true;
      this.#log.settle(answered, (sentAt, count) => {
        this.#answered += count;
        const blocking = this.#blocking.length > 0 ? this.#takeBlocking() : 0;
        for (let i = 0; i < blocking; i++) this.#observer.blockingAnswered(sentAt, now);
        if (count > blocking) this.#observer.answered(sentAt, now, count - blocking);
      });
    }
    if (this.#doubt !== undefined && this.#state.name === "open") this.#trust(now);
  }

  /** How many commands that block are among those that were answered. */
  #takeBlocking(): number {
    const left = this.#blocking.filter((number) => number > this.#answered);
    const taken = this.#blocking.length - left.length;
    this.#blocking = left.length === 0 ? NO_BLOCKING : left;
    return taken;
  }

  /** The socket is gone: settles what was in flight. Called by the stream.
   *
   * @param error The socket's error, if it had one.
   */
  closing(error: Error | undefined): void {
    if (this.#state.name === "closed") return;
    const reason: CloseReason = this.#state.name === "closing" ? this.#state.reason : {
      kind: error instanceof ReplyRefused ? "protocol" : "lost",
      text: error?.message ?? "closed by the server",
    };
    this.#state = { name: "closed", reason };
    this.#deadlines.stop();
    if (reason.kind === "lost") {
      this.#observer.troubled(this.inFlight > 0 ? "reset" : "idle");
    } else if (reason.kind === "protocol") this.#observer.troubled("protocol");
    // First the pool, so that what is tried again is not tried here.
    const told = this.#onEnd;
    this.#onEnd = NOBODY;
    for (const fn of told) fn(reason, this);
    this.#failInFlight(reason);
  }

  #failInFlight(reason: CloseReason): void {
    const queue = this.redis.commandQueue;
    const commands = queue.toArray().map((item) => item.command);
    // The client library would reject them in an order and with errors of its own.
    queue.clear();
    const sent = commands.length - this.#stream.unsentCommands;
    const held = this.#doubt?.end() ?? [];
    this.#doubt = undefined;
    failLost([...commands, ...held], sent, reason, this.#judged(this.#clock.now()));
  }

  /**
   * When a command in flight was sent, on the monotonic clock.
   *
   * @param command The command.
   * @returns The time; `undefined` if it is not in flight here.
   */
  sentAt(command: TrackedCommand): number | undefined {
    const times = this.#log.times();
    for (const item of this.redis.commandQueue.toArray()) {
      const sent = item.command as unknown as TrackedCommand;
      if (sent.tracking === undefined) continue;
      const { value } = times.next();
      if (sent === command) return value;
    }
    return undefined;
  }

  #judged(now: number): Judged {
    return { database: this.database, now, times: this.#log.times() };
  }

  /**
   * Fails what is over, ends a connection that shows no life. Called by the watch.
   *
   * @returns The next deadline; infinite for none.
   */
  judgeDeadlines(): number {
    const now = this.#clock.now();
    const commands = this.redis.commandQueue.toArray().map((item) => item.command);
    const sent = failOverdue(commands, "ambiguous", this.#judged(now));
    const waiting = this.#doubt?.held ?? [];
    const held = failOverdue(waiting, "never-sent", this.#judged(now));
    const isSilent = sent.expired > 0 && this.#isSilent(now);
    if (sent.expired > 0) {
      this.#observer.troubled(isSilent && sent.isAnswerDue ? "silent" : "late");
    }
    if (isSilent) {
      const ms = Math.round(now - Math.max(this.#lastReplyAt, this.#log.oldest));
      this.close({
        kind: "silent",
        text: `no reply for ${ms} ms while some were owed`,
      });
    } else if (sent.expired > 0 && this.#isStuck(now)) {
      this.close({ kind: "silent", text: "a reply began and did not go on" });
    }
    return this.isOpen ? Math.min(sent.next, held.next) : Infinity;
  }

  /** Stands still in the middle of a reply: what comes next would be taken for the rest. */
  #isStuck(now: number): boolean {
    return this.#replies.isPartial && now - this.#lastReceivedAt >= READING_PAUSE_MS;
  }

  /** Owes replies and has been silent for too long. */
  #isSilent(now: number): boolean {
    const since = Math.max(this.#lastReplyAt, this.#log.oldest);
    return now - since >= this.#silenceLimitMs;
  }
}
