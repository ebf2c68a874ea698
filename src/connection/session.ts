import type { Command, Redis } from "./driver.ts";
import type { Connection } from "./connection.ts";
import { type CommandOwner, track } from "./tracked.ts";

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
}

/** What a holder may have left on a connection and a command can undo. */
type Stain = "watch" | "multi" | "select";

/** Commands after which a connection cannot be made clean by a command or two. */
const INDELIBLE: ReadonlySet<string> = new Set([
  "auth",
  "hello",
  "monitor",
  "psync",
  "psubscribe",
  "quit",
  "readonly",
  "readwrite",
  "reset",
  "script debug",
  "ssubscribe",
  "subscribe",
  "sync",
]);

/** Subcommands of CLIENT that change nothing of the connection. */
const HARMLESS_CLIENT: ReadonlySet<string> = new Set([
  "getname",
  "getredir",
  "help",
  "id",
  "info",
  "kill",
  "list",
  "pause",
  "trackinginfo",
  "unblock",
  "unpause",
]);

/**
 * What the holder of a leased connection does on it: its commands get deadlines and are
 * counted, and what they leave behind is noted, so that the next holder sees none of it.
 */
export class Session {
  readonly #connection: Connection;
  readonly #options: SessionOptions;
  readonly #stains = new Set<Stain>();
  #indelible = false;

  /**
   * Takes over what a connection's client sends.
   *
   * @param connection The connection; nobody else sends on it.
   * @param options What is to be known of its database.
   */
  constructor(connection: Connection, options: SessionOptions) {
    this.#connection = connection;
    this.#options = options;
    // The library's pipelines hand a stream over; the coalescer batches just as well.
    connection.redis.sendCommand = (command) => this.send(command);
  }

  /** The client. */
  get redis(): Redis {
    return this.#connection.redis;
  }

  /**
   * Sends a command of the holder.
   *
   * @param command The command.
   * @returns Its promise.
   */
  send(command: Command): Promise<unknown> {
    const { owner, timeoutOf, decodeResponses } = this.#options;
    this.#note(command);
    if (!decodeResponses) {
      (command as unknown as { replyEncoding: null }).replyEncoding = null;
    }
    this.#connection.send(track(command, owner, timeoutOf(command)));
    return command.promise;
  }

  /**
   * Makes the connection clean for the next holder.
   *
   * @returns Whether it is; at once where nothing was left behind.
   */
  clean(): boolean | Promise<boolean> {
    const { redis } = this.#connection;
    if (this.#indelible || !this.#connection.isOpen) return false;
    forgetListeners(redis);
    if (this.#stains.size === 0 && redis.commandQueue.length === 0) return true;
    return this.#reset();
  }

  /** Undoes what was left; the last answer also says that nothing is in flight. */
  async #reset(): Promise<boolean> {
    const { db, resetTimeoutMs } = this.#options;
    const ask = (name: string, ...args: number[]) =>
      this.#connection.ask(resetTimeoutMs, name, ...args);
    const answers: Promise<boolean>[] = [];
    if (this.#stains.has("multi")) answers.push(ask("discard"));
    if (this.#stains.has("watch")) answers.push(ask("unwatch"));
    if (this.#stains.has("select")) answers.push(ask("select", db));
    answers.push(ask("ping"));
    this.#stains.clear();
    const clean = (await Promise.all(answers)).every((answered) => answered);
    return clean && this.#connection.isOpen && !this.#indelible;
  }

  /** Notes what a command leaves behind. */
  #note(command: Command): void {
    const name = command.name.toLowerCase();
    switch (name) {
      case "watch":
        this.#stains.add("watch");
        break;
      case "multi":
        this.#stains.add("multi");
        break;
      case "exec":
      case "discard":
        this.#stains.delete("multi");
        this.#stains.delete("watch");
        break;
      case "unwatch":
        this.#stains.delete("watch");
        break;
      case "select":
        this.#stains.add("select");
        break;
      case "client":
        this.#indelible ||= !HARMLESS_CLIENT.has(String(command.args[0]).toLowerCase());
        break;
      default:
        this.#indelible ||= INDELIBLE.has(name);
    }
  }
}

/** A holder's listeners go with the holder; ours is the one that swallows errors. */
function forgetListeners(redis: Redis): void {
  redis.removeAllListeners();
  redis.on("error", () => {});
}
