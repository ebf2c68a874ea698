import { CommandRefusedError } from "../core/errors/mod.ts";
import type { OperationObserver } from "../observability/telemetry/operations.ts";
import { blockingTimeoutMs } from "../resilience/command_class.ts";
import { type ClientHandler, setHandler } from "./command_methods.ts";
import type { Connection, ConnectionUser } from "./connection.ts";
import { ClientSnapshot, DirtyState } from "./dirty_state.ts";
import { Command, type Redis } from "./ioredis.ts";
import { type CommandOwner, type PendingCommand, track } from "./pending_command.ts";
import { TransactionGate } from "./transaction_gate.ts";

/** How the commands of a holder are treated. */
export interface SessionTerms {
  /** Receives the outcome of commands. */
  readonly owner: CommandOwner;
  /** Deadline of a command, in milliseconds; infinite if it may wait for ever. */
  readonly timeoutOf: (command: Command) => number;
  /** Whether replies are strings; `false` gives Buffers. */
  readonly decodeResponses: boolean;
  /** Puts the keys of a command in place that ioredis does not know; throws if it cannot.
   * Unset where keys have no prefix. */
  readonly placeKeys?: (command: Command) => void;
  /** Learns which keys the commands may change; unset without a near cache. */
  readonly ownWrites?:
    | { sendsOn(connection: object, command: Command): void }
    | undefined;
}

/** Properties of a session's database. */
export interface SessionOptions extends SessionTerms {
  /** Database number. */
  readonly db: number;
  /** Deadline of the commands of a clean-up, in milliseconds. */
  readonly resetTimeoutMs: number;
  /** Observes the commands that the holder sends by the client, except those of batches. */
  readonly observer: OperationObserver | undefined;
}

/**
 * The use of a leased connection by its holder: its commands get deadlines and are counted,
 * and the state that they leave behind is noted, so that the next holder gets a clean
 * connection.
 *
 * | left behind | what happens to the connection |
 * | --- | --- |
 * | nothing | the next holder gets it, without a round trip |
 * | WATCH, MULTI, SELECT | undone |
 * | CLIENT SETNAME, TRACKING, CACHING, NO-EVICT, NO-TOUCH | undone |
 * | listeners, scripts, options and properties of the client object | removed |
 * | commands in flight | awaited, within a deadline |
 * | a blocking command in flight | destroyed, which ends it on the server too |
 * | subscriptions, MONITOR, AUTH, HELLO, RESET, READONLY, CLIENT REPLY | destroyed |
 */
export class Session implements ClientHandler, ConnectionUser {
  readonly connection: Connection;
  readonly #options: SessionOptions;
  /** How the present holder's commands are treated. */
  #terms: SessionTerms;
  readonly #state = new DirtyState();
  readonly #snapshot: ClientSnapshot;
  readonly #gate: TransactionGate;
  /** Number of the connection on the server; `undefined` until the server has answered,
   * `null` if it refused. */
  clientId: number | null | undefined;
  #identified = false;
  /** Whether the holder has the client, and may change it. */
  #isClientLent = false;

  /** Takes over what a connection's client sends; no other object may send on it. */
  constructor(connection: Connection, options: SessionOptions) {
    this.connection = connection;
    this.#options = options;
    this.#terms = options;
    this.#snapshot = new ClientSnapshot(connection.redis);
    this.#gate = new TransactionGate(connection);
    connection.setUser(this);
    setHandler(connection.redis, this);
  }

  /** Name of the database. */
  get database(): string {
    return this.connection.database;
  }

  /** The client; its options must not be changed. */
  get redis(): Redis {
    this.#isClientLent = true;
    return this.connection.redis;
  }

  /** Returns the client for a holder that may change everything of it, its options too. */
  lend(): Redis {
    const { redis } = this;
    this.#snapshot.copyOptions(redis);
    return redis;
  }

  /** Sets who receives the outcome of the holder's commands, and what else differs for them.
   * Default: the database's own terms. */
  judgedBy(owner?: CommandOwner, terms: Partial<SessionTerms> = {}): void {
    this.#terms = owner === undefined
      ? this.#options
      : { ...this.#options, ...terms, owner };
  }

  /** Sends a command of the holder; returns its promise. */
  send(command: Command): Promise<unknown> {
    const { decodeResponses, owner, ownWrites, placeKeys, timeoutOf } = this.#terms;
    try {
      placeKeys?.(command);
    } catch (error) {
      command.reject(error as Error);
      return command.promise;
    }
    ownWrites?.sendsOn(this, command);
    const onSuccess = this.#state.note(command.name, command.args);
    if (!decodeResponses) {
      (command as unknown as { replyEncoding: null }).replyEncoding = null;
    }
    const noting = onSuccess === undefined ? owner : afterReply(owner, onSuccess);
    const guarded = this.#gate.guard(command.name, noting);
    const tracked = track(command, guarded, timeoutOf(command));
    if (!tracked.tracking.settled) this.#gate.send(tracked);
    return command.promise;
  }

  /** Asks the server for {@linkcode clientId}, once; the next command need not wait. */
  identify(): void {
    if (this.#identified) return;
    this.#identified = true;
    const owner: CommandOwner = {
      replied: (_command, reply) => this.clientId = Number(reply),
      failed: () => this.clientId = null,
    };
    // Without a deadline: checking one, the connection would find that it is silent while
    // the command after this one blocks.
    const command = new Command("client", ["id"]);
    this.connection.send(track(command, owner, Infinity));
  }

  /**
   * Whether an internal command can be sent between those of the holder: not within a
   * transaction, which it would become a part of, nor behind a command that may block.
   * Never, where the holder has changed the purpose of the connection.
   */
  get interruptible(): "now" | "later" | "never" {
    // A RESP2 subscriber takes no other commands.
    const { condition } = this.connection.redis;
    const isMuted = this.#state.isIrreversible && condition?.protocol !== 3;
    if (this.#state.isPoisoned || isMuted) return "never";
    return this.#state.inTransaction || this.#isBlocked() ? "later" : "now";
  }

  /** Destroys the connection after its present holder. */
  poison(): void {
    this.#state.isPoisoned = true;
  }

  /**
   * Cleans the connection for the next holder.
   *
   * @returns Whether it is clean; at once where nothing was left behind.
   */
  clean(): boolean | Promise<boolean> {
    const { redis, inFlight, isOpen } = this.connection;
    if (this.#state.isIrreversible || !isOpen || this.#isBlocked()) return false;
    const { whenOpen } = this.#gate;
    if (whenOpen !== undefined) return whenOpen.then(() => this.clean());
    if (this.#isClientLent) this.#snapshot.restore(redis);
    this.#isClientLent = false;
    return this.#state.isClean && inFlight === 0 || this.#reset();
  }

  /** Undoes what was left; the answer to PING shows that nothing is in flight. */
  async #reset(): Promise<boolean> {
    const { db, resetTimeoutMs } = this.#options;
    const undone = this.#state.takeCleanup(db, this.#snapshot.connectionName)
      .map(([name, ...args]) => this.#undo(name, args));
    undone.push(this.connection.ask(resetTimeoutMs, "ping"));
    const isClean = (await Promise.all(undone)).every((done) => done);
    // It may have been poisoned meanwhile.
    return isClean && !this.#state.isIrreversible && this.connection.isOpen;
  }

  async #undo(name: string, args: (string | number)[]): Promise<boolean> {
    const { resetTimeoutMs } = this.#options;
    const answer = await this.connection.query(resetTimeoutMs, name, ...args);
    // There may be no transaction to discard.
    return answer !== undefined && ("reply" in answer || name === "discard");
  }

  /** Whether a command that may block is in flight, or held back by a liveness check. */
  #isBlocked(): boolean {
    const { redis, inFlight } = this.connection;
    const queue = redis.commandQueue;
    if (inFlight !== queue.length) return true;
    for (let i = 0; i < queue.length; i++) {
      const { name, args } = queue.peekAt(i)!.command;
      if (blockingTimeoutMs(name, args) !== undefined) return true;
    }
    return false;
  }

  /** Called by the connection. */
  isInTransaction({ name }: PendingCommand): boolean {
    return this.#state.inTransaction && name.toLowerCase() !== "multi";
  }

  /** Called by the client. */
  clientSends(command: Command): Promise<unknown> {
    this.#options.observer?.command(command);
    return this.send(command);
  }

  /** Called by the client. */
  clientDisconnects(): void {
    this.poison();
    this.connection.close({ kind: "closed", text: "ended by the holder of its lease" });
  }

  /** Called by the client. */
  refuseDuplicate(): void {
    throw new CommandRefusedError(
      this.database,
      "duplicate",
      "a copy would be outside of the pool's limit, its statistics and its end: " +
        "acquire another lease",
      "a leased connection",
    );
  }

  /** Runs MONITOR on this connection, which belongs to its holder. Called by the client. */
  async clientMonitors(): Promise<void> {
    const { resetTimeoutMs } = this.#options;
    const { owner } = this.#terms;
    const { redis, inFlight } = this.connection;
    const command = new Command("monitor", [], { replyEncoding: "utf8" });
    // Before anything is awaited: no other holder may get the connection meanwhile.
    this.poison();
    // Only status lines are understood from then on: other replies must come before.
    if (inFlight > 0) await this.connection.ask(resetTimeoutMs, "ping");
    // At once: what the server reports may be in the same chunk as its OK.
    const noting = afterReply(owner, () => {
      (redis as { status: string }).status = "monitoring";
    });
    this.connection.send(track(command, noting, resetTimeoutMs));
    await command.promise;
  }
}

/** The same owner, but `first` is called before it receives a reply. */
function afterReply(owner: CommandOwner, first: () => void): CommandOwner {
  return {
    replied: (command, reply) => {
      first();
      owner.replied(command, reply);
    },
    failed: (command, error, delivery) => owner.failed(command, error, delivery),
  };
}
