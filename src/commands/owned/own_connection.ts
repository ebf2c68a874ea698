import { delay } from "@std/async/delay";
import type { RedisConfig } from "../../config/mod.ts";
import { classifier } from "../../connection/command_arguments.ts";
import type { Connection } from "../../connection/connection.ts";
import { Command, isReplyError, type Redis } from "../../connection/ioredis.ts";
import { type HeartbeatTarget, startHeartbeat } from "../../connection/liveness.ts";
import {
  type CommandOwner,
  type PendingCommand,
  settleFailed,
} from "../../connection/pending_command.ts";
import type { SessionTerms } from "../../connection/session.ts";
import type { Clock } from "../../core/clock.ts";
import { ConnectionLostError, type Delivery } from "../../core/errors/mod.ts";
import { ASK_AGAIN, backoffMs } from "../../resilience/backoff.ts";

/** A leased connection, as a client that a library owns uses it. */
export interface OwnLease {
  /** The connection. */
  readonly connection: Connection;
  /** Its client; listeners are removed when it is given back. */
  readonly redis: Redis;
  /** Sends a command on it. */
  send(command: Command): Promise<unknown>;
  /** Sets how its commands are treated; without arguments, as for every lease. */
  judgedBy(owner?: CommandOwner, terms?: Partial<SessionTerms>): void;
  /** Runs MONITOR on it. */
  monitor(): Promise<void>;
  /** Gives it back, for another holder. */
  release(): void;
  /** Closes it. */
  destroy(): void;
}

/** What an own connection needs. */
export interface OwnConnectionOptions {
  /** The database. */
  readonly config: Pick<
    RedisConfig,
    "commandTimeoutMs" | "db" | "healthCheckIntervalMs" | "name"
  >;
  /** Leases a connection, in a cluster to the node of the first command; rejects if waiting
   * cannot help. */
  readonly acquire: (
    signal: AbortSignal,
    first: PendingCommand | undefined,
  ) => Promise<OwnLease>;
  /** Whether what may have run is sent again, as ioredis does. */
  readonly resends: boolean;
  /** How its commands are treated. */
  readonly terms: Partial<SessionTerms>;
  /** Whether it reports what the server runs, and nothing else. */
  readonly isMonitor: boolean;
  /** Time. */
  readonly clock: Clock;
}

/** Observes an own connection. */
export interface OwnConnectionOwner {
  /** A command got its reply. */
  replied(command: PendingCommand, reply: unknown): void;
  /** A command failed for good: rejects it. */
  leaseFailed(command: PendingCommand, error: Error): void;
  /** The last command was settled. */
  settled(): void;
  /** The connection was lost; it is opened again by itself, if it is needed. */
  lost(): void;
  /** The connection could not be opened, or its state not be restored. */
  troubled(error: Error): void;
  /** An event of ioredis: a message, or what MONITOR reports. */
  emit(event: string, ...args: unknown[]): void;
}

type State =
  | { readonly name: "idle" }
  | { readonly name: "opening"; readonly stop: AbortController }
  | { readonly name: "restoring" | "open"; readonly lease: OwnLease }
  | { readonly name: "closed" };

const IDLE: State = Object.freeze({ name: "idle" });

type Kind = "subscribe" | "psubscribe" | "ssubscribe";
const KINDS = ["subscribe", "psubscribe", "ssubscribe"] as const;

/** The kind of subscription that a command ends. */
const ENDS: ReadonlyMap<string, Kind> = new Map([
  ["unsubscribe", "subscribe"],
  ["punsubscribe", "psubscribe"],
  ["sunsubscribe", "ssubscribe"],
]);

/** Stateful commands that leave nothing behind, or only until EXEC. */
export const PASSING: ReadonlySet<string> = new Set([
  "watch",
  "unwatch",
  "multi",
  "exec",
  "discard",
]);

/** The message of ioredis' error. */
const MONITORING = "Connection is in monitoring mode, can't process commands.";

/**
 * The connection that a client has alone, for what a shared connection cannot do. It is
 * leased when a command needs it, and kept as long as it has a purpose: subscriptions, a
 * WATCH or MULTI that is not over, or a state that is for good (SELECT, CLIENT SETNAME …).
 *
 * ```
 * idle ── first command ──► opening ──► restoring ──► open ── lost ──► opening
 *   ▲                                                  │
 *   └───────────────── no purpose any more ────────────┘
 * ```
 *
 * After a loss, what is for good and the subscriptions are restored before anything else is
 * sent. Commands that did not run, or may run again, are sent again; a transaction is lost
 * with its connection.
 */
export class OwnConnection implements CommandOwner {
  readonly #options: OwnConnectionOptions;
  readonly #owner: OwnConnectionOwner;
  #state: State = IDLE;
  /** Resolves at the next change of the state. */
  #change: PromiseWithResolvers<void> | undefined;
  /** Commands that wait for the connection. */
  #queue: PendingCommand[] = [];
  /** Commands that were sent on it and are not settled. */
  readonly #sent = new Set<Command>();
  /** Commands of this class' own. */
  readonly #internal = new WeakSet<Command>();
  /** What is for good, by the command that made it so: the last one of each. */
  readonly #lasting = new Map<string, readonly [name: string, ...args: unknown[]]>();
  readonly #channels: Readonly<Record<Kind, Map<string, Command["args"][number]>>> = {
    subscribe: new Map(),
    psubscribe: new Map(),
    ssubscribe: new Map(),
  };
  /** The database that its commands are for. */
  #db: number;
  /** Whether something that is for good was sent. */
  #isKept = false;
  #isWatching = false;
  #isInMulti = false;
  /** Whether a WATCH or MULTI was lost with its connection, and the EXEC is still to come. */
  #isBroken = false;
  /** Whether the present connection has subscribed to something. */
  #hasSubscribed = false;

  constructor(options: OwnConnectionOptions, owner: OwnConnectionOwner) {
    this.#options = options;
    this.#owner = owner;
    this.#db = options.config.db;
  }

  /** Whether all further commands have to go by this connection. */
  get isPinned(): boolean {
    return this.#isKept || this.#isWatching || this.#isInMulti || this.#options.isMonitor;
  }

  /** Whether it is open. */
  get isOpen(): boolean {
    return this.#state.name === "open";
  }

  /** Whether a command that was given to it is not settled. */
  get isBusy(): boolean {
    return this.#sent.size > 0 || this.#queue.length > 0;
  }

  /** Resolves when it is open, or nothing opens it. */
  async whenReady(): Promise<void> {
    while (this.#state.name === "opening" || this.#state.name === "restoring") {
      await (this.#change ??= Promise.withResolvers()).promise;
    }
  }

  get #isNeeded(): boolean {
    const isInTransaction = this.#isWatching || this.#isInMulti;
    return this.#isKept || this.#options.isMonitor || this.isBusy || this.#isSubscribed ||
      isInTransaction && !this.#isBroken;
  }

  /** Makes a state last: it is established whenever the connection is opened. */
  keep(name: string, ...args: unknown[]): void {
    this.#isKept = true;
    const { name: key } = classifier.resolve(name, args);
    this.#lasting.set(key, [name, ...args]);
  }

  /** Sends commands with nothing in between. */
  send(commands: readonly Command[]): void {
    const error = this.#refusalOf(commands);
    for (const command of commands as readonly PendingCommand[]) {
      if (error === undefined) this.#queue.push(command);
      else command.reject(error(command));
      if (!this.#options.isMonitor) this.#note(command);
    }
    if (this.#state.name === "open") this.#flush(this.#state.lease);
    else if (this.#state.name === "idle" && this.#queue.length > 0) void this.#open(0);
  }

  /** Gives up a command that was not sent; `false` if there is no such command. */
  withdraw(command: Command): boolean {
    const at = this.#queue.indexOf(command as PendingCommand);
    if (at < 0) return false;
    this.#queue.splice(at, 1);
    this.#forget(command);
    return true;
  }

  /** Ends it: what is not settled fails. */
  close(error: (delivery: Delivery) => Error): void {
    const last = this.#state;
    this.#transition({ name: "closed" });
    const sent = [...this.#sent];
    const queue = this.#queue;
    this.#queue = [];
    this.#sent.clear();
    this.#isWatching = this.#isInMulti = this.#isBroken = false;
    if (last.name === "opening") last.stop.abort();
    for (const command of sent) {
      this.#owner.leaseFailed(command as PendingCommand, error("ambiguous"));
    }
    for (const command of queue) command.reject(error("never-sent"));
    if ("lease" in last) {
      // A clean one may serve another holder.
      if (sent.length > 0 || this.#hasSubscribed || this.#options.isMonitor) {
        last.lease.destroy();
      } else this.#giveBack(last.lease);
    }
  }

  /** Allows it to be opened again after it was closed; opens it, if it had subscriptions. */
  reopen(): void {
    if (this.#state.name === "closed") this.#transition(IDLE);
    const isSubscriber = KINDS.some((kind) => this.#channels[kind].size > 0);
    if (this.#state.name === "idle" && (isSubscriber || this.#options.isMonitor)) {
      void this.#open(0);
    }
  }

  #transition<S extends State>(state: S): S {
    this.#state = state;
    this.#change?.resolve();
    this.#change = undefined;
    return state;
  }

  /** Called by a command. */
  replied(command: PendingCommand, reply: unknown): void {
    const { args, name } = command;
    const lower = name.toLowerCase();
    const info = classifier.resolve(name, args);
    if (info.class === "stateful" && !PASSING.has(lower)) {
      this.#lasting.set(info.name, [name, ...args]);
      if (lower === "select") this.#selected(Number(args[0]));
    }
    if (!this.#internal.has(command)) this.#owner.replied(command, reply);
  }

  #selected(db: number): void {
    if (db === this.#db) return;
    this.#db = db;
    this.#owner.emit("select", db);
  }

  /** Called by a command. */
  failed(command: PendingCommand, error: Error, delivery: Delivery): void {
    if (this.#internal.has(command)) return settleFailed(command, error);
    if (this.#mayRepeat(command, error, delivery)) {
      this.#sent.delete(command);
      this.#queue.push(command);
      return;
    }
    this.#forget(command);
    this.#owner.leaseFailed(command, error);
  }

  /** Does not subscribe again to what a command has failed to subscribe to. */
  #forget({ args, name }: Command): void {
    const kind = this.#channels[name.toLowerCase() as Kind];
    for (const arg of kind === undefined ? [] : args) kind.delete(String(arg));
  }

  /** Whether a command that failed with its connection is sent on the next one. */
  #mayRepeat(command: PendingCommand, error: Error, delivery: Delivery): boolean {
    if (this.#state.name === "closed" || command.tracking.settled) return false;
    if (!(error instanceof ConnectionLostError) || this.#isBroken) return false;
    const { args, inTransaction, name } = command;
    if (inTransaction || PASSING.has(name.toLowerCase())) return false;
    const info = classifier.resolve(name, args);
    // What sets a state may do so twice.
    const isHarmless = info.isRead || info.class === "subscribe" ||
      info.class === "stateful";
    return delivery === "never-sent" || isHarmless || this.#options.resends;
  }

  /** Notes what a command that is being sent makes of the connection. */
  #note(command: Command): void {
    const { args, name } = command;
    const lower = name.toLowerCase();
    if (lower === "watch") this.#isWatching = true;
    else if (lower === "multi") this.#isInMulti = true;
    else if (lower === "unwatch") this.#isWatching = false;
    else if (lower === "exec" || lower === "discard") {
      this.#isWatching = this.#isInMulti = false;
    } else if (classifier.resolve(name, args).class === "stateful") this.#isKept = true;
  }

  /** Whether a command makes sense only with the transaction that was lost. Afterwards that
   * is over. */
  #needsLost(name: string): boolean {
    const lower = name.toLowerCase();
    const isEnd = lower === "exec" || lower === "discard" || lower === "unwatch";
    const isPart = this.#isInMulti || lower === "exec";
    if (isEnd) this.#isBroken = false;
    return isPart;
  }

  #refusalOf(commands: readonly Command[]): ((command: Command) => Error) | undefined {
    if (this.#options.isMonitor) return () => new Error(MONITORING);
    const isLost = this.#isBroken && commands.some(({ name }) => this.#needsLost(name));
    if (!isLost) return undefined;
    const reason = "the connection of its WATCH or MULTI was lost";
    const { name: database } = this.#options.config;
    return ({ name }) => new ConnectionLostError(database, name, "never-sent", reason);
  }

  #noteChannels(name: string, command: Command): void {
    const ended = ENDS.get(name);
    if (ended === undefined) {
      this.#hasSubscribed = true;
      for (const arg of command.args) this.#channels[name as Kind].set(String(arg), arg);
      return;
    }
    const channels = this.#channels[ended];
    // Without arguments ioredis waits for the end of all subscriptions, of whatever kind.
    if (command.args.length === 0 && this.#isSubscribed) {
      command.args = channels.size > 0 ? [...channels.values()] : [""];
    }
    for (const arg of command.args) channels.delete(String(arg));
  }

  get #isSubscribed(): boolean {
    return KINDS.some((kind) => this.#channels[kind].size > 0);
  }

  async #open(attempt: number): Promise<void> {
    const stop = new AbortController();
    const state = this.#transition({ name: "opening", stop });
    let lease: OwnLease;
    try {
      // Not a timer of the clock: a process that only subscribes stays alive meanwhile.
      if (attempt > 0) {
        const pauseMs = backoffMs(attempt, ASK_AGAIN, Math.random());
        await delay(pauseMs, { signal: stop.signal });
      }
      lease = await this.#options.acquire(stop.signal, this.#queue[0]);
    } catch (error) {
      if (this.#state === state) this.#openFailed(error as Error, attempt);
      return;
    }
    if (this.#state !== state) return lease.release();
    await this.#restore(lease);
  }

  #openFailed(error: Error, attempt: number): void {
    const queue = this.#queue;
    this.#queue = [];
    this.#transition(IDLE);
    for (const command of queue) command.reject(error);
    if (this.#isNeeded) {
      this.#owner.troubled(error);
      void this.#open(attempt + 1);
    }
    this.#owner.settled();
  }

  /** Establishes on a new connection what the last one had, and sends what waits. */
  async #restore(lease: OwnLease): Promise<void> {
    const state = this.#transition({ name: "restoring", lease });
    const { connection } = lease;
    const { clock, config, terms } = this.#options;
    lease.judgedBy(this, terms);
    this.#hasSubscribed = false;
    this.#forward(lease.redis);
    const { commandTimeoutMs: timeoutMs, healthCheckIntervalMs: intervalMs } = config;
    if (intervalMs > 0) {
      startHeartbeat(this.#heartbeatTarget(connection), { intervalMs, timeoutMs }, clock);
    }
    connection.onEnd(() => this.#lost(lease));
    for (const [name, args] of this.#toRestore()) {
      try {
        await this.#query(lease, name, args);
      } catch (error) {
        // A lost connection is replaced; what the server refuses is reported.
        if (isReplyError(error)) this.#owner.troubled(error);
      }
      if (this.#state !== state) return;
    }
    try {
      if (this.#options.isMonitor) await lease.monitor();
    } catch (error) {
      if (isReplyError(error)) this.#owner.troubled(error);
    }
    if (this.#state !== state) return;
    this.#transition({ name: "open", lease });
    this.#flush(lease);
    this.#rest();
    this.#owner.settled();
  }

  *#toRestore(): Generator<readonly [name: string, args: unknown[]]> {
    for (const [name, ...args] of this.#lasting.values()) yield [name, args];
    for (const kind of KINDS) {
      const channels = [...this.#channels[kind].values()];
      // Shard channels may be of several slots.
      if (kind === "ssubscribe") { for (const each of channels) yield [kind, [each]]; }
      else if (channels.length > 0) yield [kind, channels];
    }
  }

  #query(lease: OwnLease, name: string, args: unknown[]): Promise<unknown> {
    const command = new Command(name, args as string[]);
    this.#internal.add(command);
    return lease.send(command);
  }

  #flush(lease: OwnLease): void {
    const queue = this.#queue;
    this.#queue = [];
    for (const command of queue) {
      if (command.tracking?.settled) continue;
      const name = command.name.toLowerCase();
      if (name.endsWith("subscribe")) this.#noteChannels(name, command);
      this.#sent.add(command);
      const over = () => this.#over(command);
      command.promise.then(over, over);
      void lease.send(command);
    }
  }

  #over(command: Command): void {
    if (!this.#sent.delete(command) || this.isBusy) return;
    this.#rest();
    this.#owner.settled();
  }

  /** Gives the connection back if it has no purpose any more. */
  #rest(): void {
    if (this.#state.name !== "open" || this.#isNeeded) return;
    const { lease } = this.#state;
    this.#transition(IDLE);
    // A subscriber's connection cannot be cleaned.
    if (this.#hasSubscribed) lease.destroy();
    else this.#giveBack(lease);
  }

  #giveBack(lease: OwnLease): void {
    lease.judgedBy();
    lease.release();
  }

  #lost(lease: OwnLease): void {
    if (!("lease" in this.#state) || this.#state.lease !== lease) return;
    if (this.#isWatching || this.#isInMulti) this.#isBroken = true;
    this.#transition(IDLE);
    lease.release();
    this.#owner.lost();
    // When those in flight have failed, which may be sent again.
    queueMicrotask(() => {
      if (this.#state.name === "idle" && this.#isNeeded) void this.#open(0);
    });
  }

  /** A PING must not become a part of a transaction. */
  #heartbeatTarget(connection: Connection): HeartbeatTarget {
    const inFlight = () =>
      this.#isInMulti || this.#options.isMonitor ? 1 : connection.inFlight;
    return {
      get isOpen() {
        return connection.isOpen;
      },
      get inFlight() {
        return inFlight();
      },
      get lastReceivedAt() {
        return connection.lastReceivedAt;
      },
      ask: (timeoutMs, name) => connection.ask(timeoutMs, name),
      onEnd: (fn) => connection.onEnd(fn),
      close: (reason) => connection.close(reason),
    };
  }

  /** Passes messages on, as text too. */
  #forward(redis: Redis): void {
    const { emit } = this.#owner;
    for (const event of ["message", "pmessage", "smessage"]) {
      redis.on(`${event}Buffer`, (...args: unknown[]) => {
        emit(event, ...args.map(String));
        emit(`${event}Buffer`, ...args);
      });
    }
    redis.on("monitor", (...args: unknown[]) => emit("monitor", ...args));
  }
}
