import { CommandRefusedError } from "../core/errors/mod.ts";
import type { OperationObserver } from "../observability/telemetry/operations.ts";
import { blockingTimeoutMs } from "../resilience/command_class.ts";
import type { Connection, ConnectionHolder } from "./connection.ts";
import { Command, hold, type Redis } from "./driver.ts";
import type { ClientHolder } from "./passive_client.ts";
import { Keepsake } from "./session_keepsake.ts";
import { Stains, type Undo } from "./session_stains.ts";
import { type CommandOwner, track, type TrackedCommand } from "./tracked.ts";
import { TransactionGate } from "./transaction_gate.ts";

/** What a session needs to know of its database. */
export interface SessionOptions {
  /** Number of the database. */
  readonly db: number;
  /** Deadline of the commands that clean up, in milliseconds. */
  readonly resetTimeoutMs: number;
  /** Who decides when a command fails. */
  readonly owner: CommandOwner;
  /** Deadline of a command, in milliseconds; infinite if it may wait for ever. */
  readonly timeoutOf: (command: Command) => number;
  /** Whether replies are strings; `false` gives Buffers. */
  readonly decodeResponses: boolean;
  /** Puts the keys of a command in place that the client library does not know; throws if
   * it cannot. Unset where nothing is put before keys. */
  readonly placeKeys?: (command: Command) => void;
  /** Is told of what the holder sends by the client; not of what is part of a batch. */
  readonly observer: OperationObserver | undefined;
}

/**
 * What the holder of a leased connection does on it: its commands get deadlines and are
 * counted, and what they leave behind is noted, so that the next holder sees none of it.
 *
 * | left behind | what becomes of the connection |
 * | --- | --- |
 * | nothing | the next holder gets it, without a round trip |
 * | WATCH, MULTI, SELECT | undone |
 * | CLIENT SETNAME, TRACKING, CACHING, NO-EVICT, NO-TOUCH | undone |
 * | listeners, scripts, options and properties of the client object | taken off |
 * | commands in flight | waited for, within a deadline |
 * | a blocking command in flight | destroyed, which ends it on the server too |
 * | subscriptions, MONITOR, AUTH, HELLO, RESET, READONLY, CLIENT REPLY | destroyed |
 */
export class Session implements ClientHolder, ConnectionHolder {
  readonly #connection: Connection;
  readonly #options: SessionOptions;
  /** Who decides when a command of the present holder fails. */
  #owner: CommandOwner;
  readonly #stains = new Stains();
  readonly #keepsake: Keepsake;
  readonly #gate: TransactionGate;
  #clientId: number | null | undefined;
  #identified = false;

  /**
   * Takes over what a connection's client sends.
   *
   * @param connection The connection; nobody else sends on it.
   * @param options What is to be known of its database.
   */
  constructor(connection: Connection, options: SessionOptions) {
    this.#connection = connection;
    this.#options = options;
    this.#owner = options.owner;
    this.#keepsake = new Keepsake(connection.redis);
    this.#gate = new TransactionGate(connection);
    connection.heldBy(this);
    hold(connection.redis, this);
  }

  /** The connection. */
  get connection(): Connection {
    return this.#connection;
  }

  /** Name of the database. */
  get database(): string {
    return this.#connection.database;
  }

  /** The client; its options are not to be changed. */
  get redis(): Redis {
    return this.#connection.redis;
  }

  /**
   * Gives the client to somebody who may change whatever of it, its options too.
   *
   * @returns The client.
   */
  lend(): Redis {
    const { redis } = this;
    this.#keepsake.loosen(redis);
    return redis;
  }

  /**
   * Gives the holder's commands another judge.
   *
   * @param owner The judge. Default: the database's.
   */
  judgedBy(owner: CommandOwner = this.#options.owner): void {
    this.#owner = owner;
  }

  /**
   * Sends a command of the holder.
   *
   * @param command The command.
   * @returns Its promise.
   */
  send(command: Command): Promise<unknown> {
    const { placeKeys, timeoutOf, decodeResponses } = this.#options;
    const owner = this.#owner;
    try {
      placeKeys?.(command);
    } catch (error) {
      command.reject(error as Error);
      return command.promise;
    }
    const cleaned = this.#stains.note(command.name, command.args);
    if (!decodeResponses) {
      (command as unknown as { replyEncoding: null }).replyEncoding = null;
    }
    const judge = cleaned === undefined ? owner : afterReply(owner, cleaned);
    const guarded = this.#gate.guard(command.name, judge);
    const tracked = track(command, guarded, timeoutOf(command));
    if (!tracked.tracking.settled) this.#gate.send(tracked);
    return command.promise;
  }

  /** Number that the server knows the connection by; `undefined` until it has said it,
   * `null` if it does not say it. */
  get clientId(): number | null | undefined {
    return this.#clientId;
  }

  /** Asks the server for {@linkcode clientId}, once; the next command need not wait. */
  identify(): void {
    if (this.#identified) return;
    this.#identified = true;
    const owner: CommandOwner = {
      replied: (_command, reply) => this.#clientId = Number(reply),
      failed: () => this.#clientId = null,
    };
    // Without a deadline: judging one, the connection would find that it is silent while
    // the command after this one waits.
    const command = new Command("client", ["id"]);
    this.#connection.send(track(command, owner, Infinity));
  }

  /**
   * Whether a question of our own can be put in between what the holder sends: not within
   * a transaction, which it would become a part of, nor behind a command that may block.
   * Never, where the holder has made the connection something else.
   */
  get interruptible(): "now" | "later" | "never" {
    if (this.#stains.spoilt || this.#isMuted()) return "never";
    return this.#stains.inTransaction || this.#isBlocked() ? "later" : "now";
  }

  /** Nobody is to have the connection after its holder. */
  spoil(): void {
    this.#stains.spoil();
  }

  /** A subscriber of the older protocol takes no other commands. */
  #isMuted(): boolean {
    return this.#stains.indelible && this.redis.condition?.protocol !== 3;
  }

  /**
   * Makes the connection clean for the next holder.
   *
   * @returns Whether it is; at once where nothing was left behind.
   */
  clean(): boolean | Promise<boolean> {
    const { redis, inFlight, isOpen } = this.#connection;
    if (this.#stains.indelible || !isOpen || this.#isBlocked()) return false;
    const { whenOpen } = this.#gate;
    if (whenOpen !== undefined) return whenOpen.then(() => this.clean());
    this.#keepsake.restore(redis);
    if (this.#stains.none && inFlight === 0) return true;
    return this.#reset();
  }

  /** Undoes what was left; the last answer also says that nothing is in flight. */
  async #reset(): Promise<boolean> {
    const { db, resetTimeoutMs } = this.#options;
    const { connectionName } = this.#keepsake;
    const undone = this.#stains.undo({ db, connectionName })
      .map((undo) => this.#undo(undo));
    undone.push(this.#connection.ask(resetTimeoutMs, "ping"));
    const clean = (await Promise.all(undone)).every((done) => done);
    // It may have been spoilt meanwhile.
    return clean && !this.#stains.indelible && this.#connection.isOpen;
  }

  #undo({ name, args, mayFail }: Undo): Promise<boolean> {
    const { promise, resolve } = Promise.withResolvers<boolean>();
    const owner: CommandOwner = {
      replied: () => resolve(true),
      failed: (_command, _error, delivery) => resolve(mayFail && delivery === "rejected"),
    };
    const command = new Command(name, [...args]);
    this.#connection.send(track(command, owner, this.#options.resetTimeoutMs));
    return promise;
  }

  /** Whether a command that may block is in flight, or held back where it is not seen. */
  #isBlocked(): boolean {
    const { redis, inFlight } = this.#connection;
    const queue = redis.commandQueue;
    if (inFlight !== queue.length) return true;
    for (let i = 0; i < queue.length; i++) {
      const { name, args } = queue.peekAt(i)!.command;
      if (blockingTimeoutMs(name, args) !== undefined) return true;
    }
    return false;
  }

  /** Whether a command is a part of a transaction. Called by the connection. */
  isUnbroken({ name }: TrackedCommand): boolean {
    return this.#stains.inTransaction && name.toLowerCase() !== "multi";
  }

  /** Sends what the client is told to. Called by the client. */
  clientSends(command: Command): Promise<unknown> {
    this.#options.observer?.command(command);
    return this.send(command);
  }

  /** Ends the connection. Called by the client. */
  clientDisconnects(): void {
    this.#stains.spoil();
    this.#connection.close({ kind: "closed", text: "ended by the holder of its lease" });
  }

  /** Refuses a copy. Called by the client. */
  refuseDuplicate(): void {
    throw new CommandRefusedError(
      this.#connection.database,
      "duplicate",
      "a copy would be outside of the pool's limit, its statistics and its end: " +
        "acquire another lease",
      "a leased connection",
    );
  }

  /** Listens on this connection: it belongs to its holder. Called by the client. */
  async clientMonitors(): Promise<void> {
    const { owner, resetTimeoutMs } = this.#options;
    const { redis, inFlight } = this.#connection;
    const command = new Command("monitor", [], { replyEncoding: "utf8" });
    // Before anything is waited for: nobody else is to have the connection meanwhile.
    this.#stains.note(command.name, []);
    // Only status lines are understood from then on: what is owed has to come before.
    if (inFlight > 0) await this.#connection.ask(resetTimeoutMs, "ping");
    // At once: what the server reports may be in the same chunk as its OK.
    const judge = afterReply(owner, () => {
      (redis as { status: string }).status = "monitoring";
    });
    this.#connection.send(track(command, judge, resetTimeoutMs));
    await command.promise;
  }
}

/** The same owner, but something is done first when a reply comes. */
function afterReply(owner: CommandOwner, first: () => void): CommandOwner {
  return {
    replied: (command, reply) => {
      first();
      owner.replied(command, reply);
    },
    failed: (command, error, delivery) => owner.failed(command, error, delivery),
  };
}
