/** A command that undoes what a holder left, and whether an error may answer it. */
export interface Undo {
  /** Name of the command. */
  readonly name: string;
  /** Its arguments. */
  readonly args: readonly (string | number)[];
  /** Whether an error reply means that there was nothing to undo. */
  readonly mayFail: boolean;
}

/** How a connection was before anybody held it. */
export interface Unstained {
  /** Number of its database. */
  readonly db: number;
  /** Name that the server lists it under. */
  readonly connectionName: string;
}

/** What a holder may have left on a connection and a command can undo. */
type Stain = "multi" | "watch" | "select" | "name" | "tracking" | "no-evict" | "no-touch";

/** Commands after which a connection cannot be made clean by a command or two. */
const INDELIBLE: ReadonlySet<string> = new Set([
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

/** The same, but the connection is still one that serves its holder and no other. */
const SUBSCRIBES: ReadonlySet<string> = new Set([
  "psubscribe",
  "ssubscribe",
  "subscribe",
]);

/** Commands that leave something that another command takes away. */
const LEAVES: ReadonlyMap<string, Stain> = new Map([
  ["multi", "multi"],
  ["watch", "watch"],
  ["select", "select"],
]);

/** Commands that take something away, if they succeed. */
const TAKES: ReadonlyMap<string, readonly Stain[]> = new Map([
  ["exec", ["multi", "watch"]],
  ["discard", ["multi", "watch"]],
  ["unwatch", ["watch"]],
]);

/** Subcommands of CLIENT that change the connection and can be undone. */
const CLIENT_LEAVES: ReadonlyMap<string, Stain> = new Map([
  ["caching", "tracking"],
  ["no-evict", "no-evict"],
  ["no-touch", "no-touch"],
  ["setname", "name"],
  ["tracking", "tracking"],
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

/** What was left where nothing was: the same for all, and never added to. */
const UNSTAINED = new Map<Stain, number>();

/**
 * What the holder of a connection has left on it, by the commands that were sent.
 *
 * A stain is noted when a command is sent and taken away only when a command that does
 * so has succeeded, and nothing was sent meanwhile that brings it back: in doubt it
 * stays, and costs the next clean-up one command more.
 */
export class Stains {
  /** Number of the command that left each. */
  #left = UNSTAINED;
  #sent = 0;
  #spoilt = false;
  #subscribed = false;

  /** Whether nothing is to be undone. */
  get none(): boolean {
    return this.#left.size === 0 && !this.indelible;
  }

  /** Whether something was left that no command takes away. */
  get indelible(): boolean {
    return this.#spoilt || this.#subscribed;
  }

  /** Whether that is more than subscriptions. */
  get spoilt(): boolean {
    return this.#spoilt;
  }

  /** Whether a transaction may have begun that is not known to be over. */
  get inTransaction(): boolean {
    return this.#left.has("multi");
  }

  /** Something else was done that cannot be undone. */
  spoil(): void {
    this.#spoilt = true;
  }

  /**
   * Notes a command that is being sent.
   *
   * @param name Its name, in any case.
   * @param args Its arguments.
   * @returns What to call if it succeeds, where that changes anything.
   */
  note(name: string, args: readonly unknown[]): (() => void) | undefined {
    const lower = name.toLowerCase();
    const at = ++this.#sent;
    const taken = TAKES.get(lower);
    if (taken !== undefined) return () => this.#take(taken, at);
    const stain = lower === "client" ? this.#noteClient(args) : LEAVES.get(lower);
    if (stain !== undefined) this.#leave(stain, at);
    else if (SUBSCRIBES.has(lower)) this.#subscribed = true;
    else if (INDELIBLE.has(lower) || isDebug(lower, args)) this.#spoilt = true;
    return undefined;
  }

  /**
   * What takes everything away; nothing is noted any more afterwards.
   *
   * @param unstained How the connection was.
   * @returns The commands, in order.
   */
  undo({ db, connectionName }: Unstained): Undo[] {
    const by: Record<Stain, Undo> = {
      multi: { name: "discard", args: [], mayFail: true },
      watch: { name: "unwatch", args: [], mayFail: false },
      select: { name: "select", args: [db], mayFail: false },
      name: { name: "client", args: ["setname", connectionName], mayFail: false },
      tracking: { name: "client", args: ["tracking", "off"], mayFail: false },
      "no-evict": { name: "client", args: ["no-evict", "off"], mayFail: false },
      "no-touch": { name: "client", args: ["no-touch", "off"], mayFail: false },
    };
    // Within MULTI everything else would be queued: DISCARD goes first.
    const order = Object.keys(by) as Stain[];
    const undo = order.filter((stain) => this.#left.has(stain)).map((stain) => by[stain]);
    this.#left = UNSTAINED;
    return undo;
  }

  #leave(stain: Stain, at: number): void {
    const left = this.#left === UNSTAINED ? new Map<Stain, number>() : this.#left;
    this.#left = left.set(stain, at);
  }

  #take(stains: readonly Stain[], before: number): void {
    for (const stain of stains) {
      if (this.#left.get(stain)! < before) this.#left.delete(stain);
    }
    if (this.#left.size === 0) this.#left = UNSTAINED;
  }

  #noteClient(args: readonly unknown[]): Stain | undefined {
    const subcommand = String(args[0]).toLowerCase();
    const stain = CLIENT_LEAVES.get(subcommand);
    if (stain === undefined && !HARMLESS_CLIENT.has(subcommand)) this.#spoilt = true;
    return stain;
  }
}

/** SCRIPT DEBUG takes the whole connection over. */
function isDebug(name: string, args: readonly unknown[]): boolean {
  return name === "script" && String(args[0]).toLowerCase() === "debug";
}
