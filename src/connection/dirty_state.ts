import { ignoreErrors, type Redis, type RedisOptions } from "./ioredis.ts";

/** A command that undoes a change: its name and arguments. */
type Undo = readonly [name: string, ...args: (string | number)[]];

/** A state of a connection that a holder may leave and a command can undo. */
type Change =
  | "multi"
  | "watch"
  | "select"
  | "name"
  | "tracking"
  | "no-evict"
  | "no-touch";

/** Commands after which a connection cannot be cleaned by a command or two. */
const IRREVERSIBLE: ReadonlySet<string> = new Set([
  "asking",
  "auth",
  "hello",
  "himport",
  "monitor",
  "psync",
  "quit",
  "readonly",
  "readwrite",
  "replconf",
  "reset",
  "sync",
]);

/** Also irreversible, but the connection still serves its present holder. */
const SUBSCRIBES = /^[ps]?subscribe$/;

/** Commands that make a change which another command undoes. */
const MAKES: ReadonlyMap<string, Change> = new Map([
  ["multi", "multi"],
  ["watch", "watch"],
  ["select", "select"],
]);

/** Commands that undo changes, if they succeed. */
const UNDOES: ReadonlyMap<string, readonly Change[]> = new Map([
  ["exec", ["multi", "watch"]],
  ["discard", ["multi", "watch"]],
  ["unwatch", ["watch"]],
]);

/** Subcommands of CLIENT that make a change which can be undone. */
const CLIENT_MAKES: ReadonlyMap<string, Change> = new Map([
  ["caching", "tracking"],
  ["no-evict", "no-evict"],
  ["no-touch", "no-touch"],
  ["setname", "name"],
  ["tracking", "tracking"],
]);

/** Subcommands of CLIENT that do not change the connection. */
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

/** Shared by all clean connections; never added to. */
const CLEAN = new Map<Change, number>();

/**
 * The state that the holder of a connection has left on it, by the commands that were sent.
 *
 * A change is noted when a command is sent, and removed only when a command that undoes it
 * has succeeded and none that makes it was sent meanwhile. In doubt it stays, which costs
 * the next clean-up one more command.
 */
export class DirtyState {
  /** Ordinal number of the command that made each change. */
  #changes = CLEAN;
  #sent = 0;
  /** Whether something was done that no command undoes, other than a subscription. */
  isPoisoned = false;
  #isSubscribed = false;

  /** Whether there is nothing to undo. */
  get isClean(): boolean {
    return this.#changes.size === 0 && !this.isIrreversible;
  }

  /** Whether something was done that no command undoes. */
  get isIrreversible(): boolean {
    return this.isPoisoned || this.#isSubscribed;
  }

  /** Whether a transaction may have begun that is not known to be over. */
  get inTransaction(): boolean {
    return this.#changes.has("multi");
  }

  /**
   * Notes a command that is being sent.
   *
   * @param name Its name, in any case.
   * @returns What to call if it succeeds, where that undoes anything.
   */
  note(name: string, args: readonly unknown[]): (() => void) | undefined {
    const lower = name.toLowerCase();
    const at = ++this.#sent;
    const undone = UNDOES.get(lower);
    if (undone !== undefined) return () => this.#undo(undone, at);
    const subcommand = () => String(args[0]).toLowerCase();
    let change = MAKES.get(lower);
    if (lower === "client") {
      change = CLIENT_MAKES.get(subcommand());
      if (change === undefined && !HARMLESS_CLIENT.has(subcommand())) {
        this.isPoisoned = true;
      }
    }
    if (change !== undefined) {
      if (this.#changes === CLEAN) this.#changes = new Map();
      this.#changes.set(change, at);
    } else if (SUBSCRIBES.test(lower)) this.#isSubscribed = true;
    else if (IRREVERSIBLE.has(lower)) this.isPoisoned = true;
    // SCRIPT DEBUG takes the whole connection over.
    else if (lower === "script" && subcommand() === "debug") this.isPoisoned = true;
    return undefined;
  }

  /**
   * The commands that undo all changes, in order. The changes are forgotten.
   *
   * @param db Database number of a clean connection.
   * @param connectionName Name of a clean connection.
   */
  takeCleanup(db: number, connectionName: string): Undo[] {
    const by: Record<Change, Undo> = {
      // First: within MULTI everything else would be queued.
      multi: ["discard"],
      watch: ["unwatch"],
      select: ["select", db],
      name: ["client", "setname", connectionName],
      tracking: ["client", "tracking", "off"],
      "no-evict": ["client", "no-evict", "off"],
      "no-touch": ["client", "no-touch", "off"],
    };
    const order = Object.keys(by) as Change[];
    const made = order.filter((change) => this.#changes.has(change));
    this.#changes = CLEAN;
    return made.map((change) => by[change]);
  }

  #undo(changes: readonly Change[], before: number): void {
    for (const change of changes) {
      if (this.#changes.get(change)! < before) this.#changes.delete(change);
    }
    if (this.#changes.size === 0) this.#changes = CLEAN;
  }
}

/**
 * A client object as it was before a holder got it. Libraries change the client that they
 * are given: they define commands on it, set options, add listeners, wrap methods.
 */
export class ClientSnapshot {
  readonly #keys: ReadonlySet<string | symbol>;
  readonly #options: RedisOptions;

  constructor(redis: Redis) {
    this.#keys = sharedKeys(Reflect.ownKeys(redis));
    this.#options = redis.options;
  }

  /** Name in CLIENT LIST. */
  get connectionName(): string {
    return this.#options.connectionName ?? "";
  }

  /** Gives the client options that its holder may change; idle clients share theirs. */
  copyOptions(redis: Redis): void {
    redis.options = { ...this.#options };
  }

  /** Removes what a holder has added to the client. */
  restore(redis: Redis): void {
    redis.removeAllListeners();
    redis.on("error", ignoreErrors);
    // Wrapped methods are those of the class again.
    for (const key of Reflect.ownKeys(redis)) {
      if (!this.#keys.has(key)) Reflect.deleteProperty(redis, key);
    }
    // The methods of its scripts went with the other properties.
    (redis as unknown as { scriptsSet: object }).scriptsSet = {};
    redis.options = this.#options;
  }
}

let lastKeys: ReadonlySet<string | symbol> = new Set();

/** A set of the keys: the same one for clients that are alike, as they mostly are. */
function sharedKeys(keys: readonly (string | symbol)[]): ReadonlySet<string | symbol> {
  const isAlike = keys.length === lastKeys.size && keys.every((key) => lastKeys.has(key));
  if (!isAlike) lastKeys = new Set(keys);
  return lastKeys;
}
