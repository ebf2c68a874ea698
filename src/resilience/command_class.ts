import {
  BLOCK_OPTIONS,
  BLOCKING,
  CONTAINERS,
  KEYED_CONTAINERS,
  NIL_MISSES,
  READS,
  SCRIPTS,
  STATEFUL,
  SUBSCRIBING,
  WAIT_ADVICE,
  WAITS,
} from "./command_table.ts";
import { type CommandSpread, spreadOf } from "./command_spread.ts";
import { EXTRA_COMMANDS, textOf } from "./extra_commands.ts";

/** How a command is treated. */
export type CommandClass =
  /** Changes nothing: may be sent again when it is not known whether it ran. */
  | "read"
  /** Changes something, or is not known. */
  | "write"
  /** Holds its connection until something happens: needs one of its own. */
  | "blocking"
  /** Turns its connection into a subscriber. */
  | "subscribe"
  /** Changes what later commands on its connection mean. */
  | "stateful";

/** What is known of a command; frozen, one object for each name. */
export interface CommandInfo {
  /** Its name in lower case, with the subcommand where that was looked at. */
  readonly name: string;
  /** How it is treated; with {@linkcode CommandInfo.isByArgs} the arguments may change it. */
  readonly class: CommandClass;
  /** Whether it changes nothing, whatever its class: a blocking XREAD does not. */
  readonly isRead: boolean;
  /** Whether its class depends on its arguments: {@linkcode CommandClassifier.resolve}. */
  readonly isByArgs: boolean;
  /** Whether it runs a script, whose errors may come after writes. */
  readonly isScript: boolean;
  /** Whether nil is a cache miss and anything else a hit. */
  readonly isNilMiss: boolean;
  /** Who knows where its keys are. */
  readonly keys: KeysKnownBy;
  /** How a cluster runs it, if not on one node. */
  readonly spread: CommandSpread | undefined;
  /** What to do in its place, where a shared connection must not run it. */
  readonly advice?: string;
}

/** Who knows where the keys of a command are. */
export type KeysKnownBy =
  /** The client library, which has put the key prefix before them. */
  | "library"
  /** The table of {@linkcode EXTRA_COMMANDS}. */
  | "table"
  /** Only the server, if at all. */
  | "server";

/** Flags of a command in Redis' own terms, such as `readonly`; `undefined` if unknown. */
export type FlagsOf = (name: string) => readonly string[] | undefined;

/** Names that are remembered at most: callers may make up names. */
const MAX_REMEMBERED = 2000;

/**
 * Classifies commands by name, and by arguments where it takes them. The answer for a
 * name, as it was spelled, is remembered: the hot path is one look-up.
 *
 * @example Usage
 * ```ts
 * import { CommandClassifier } from "./command_class.ts";
 * import { assertEquals } from "@std/assert";
 *
 * const flags: Record<string, string[]> = { get: ["readonly", "fast"] };
 * const commands = new CommandClassifier((name) => flags[name]);
 * assertEquals(commands.lookup("get").class, "read");
 * assertEquals(commands.lookup("client").isByArgs, true);
 * assertEquals(commands.resolve("client", ["TRACKING", "on"]).class, "stateful");
 * ```
 */
export class CommandClassifier {
  readonly #flagsOf: FlagsOf;
  readonly #remembered = new Map<string, CommandInfo>();

  /**
   * Makes a classifier.
   *
   * @param flagsOf Flags of a command, asked for by lower-case name; what this module's
   * own table says goes first.
   */
  constructor(flagsOf: FlagsOf) {
    this.#flagsOf = flagsOf;
  }

  /**
   * What is known of a command by its name alone.
   *
   * @param name The name, in any case.
   * @returns The same object each time.
   */
  lookup(name: string): CommandInfo {
    return this.#remembered.get(name) ?? this.#remember(name);
  }

  /**
   * What is known of a command by its name and arguments.
   *
   * @param name The name, in any case.
   * @param args The arguments, flat.
   * @returns An answer whose class is final.
   */
  resolve(name: string, args: readonly unknown[]): CommandInfo {
    const info = this.lookup(name);
    if (!info.isByArgs) return info;
    if (CONTAINERS.has(info.name)) {
      return this.lookup(`${info.name}|${textOf(args[0]).toLowerCase()}`);
    }
    return blockIndex(args) !== undefined ? this.lookup(`${info.name}|block`) : info;
  }

  #remember(name: string): CommandInfo {
    const lower = name.toLowerCase();
    const known = name === lower ? undefined : this.#remembered.get(lower);
    const info = known ?? classify(lower, this.#flagsOf);
    if (this.#remembered.size < MAX_REMEMBERED) this.#remembered.set(name, info);
    return info;
  }
}

/**
 * How long a blocking command may block.
 *
 * @param name The name, in any case.
 * @param args The arguments, flat.
 * @returns Milliseconds, `Infinity` for one without end; `undefined` if it does not
 * block, or the server will refuse its timeout.
 *
 * @example Usage
 * ```ts
 * import { blockingTimeoutMs } from "./command_class.ts";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(blockingTimeoutMs("blpop", ["jobs", "1.5"]), 1500);
 * assertEquals(blockingTimeoutMs("xread", ["BLOCK", 0, "STREAMS", "s", "$"]), Infinity);
 * ```
 */
export function blockingTimeoutMs(
  name: string,
  args: readonly unknown[],
): number | undefined {
  const lower = name.toLowerCase();
  if (isReader(lower)) {
    const at = blockIndex(args);
    return at === undefined ? undefined : durationMs(args[at], 1);
  }
  const at = BLOCKING.get(lower);
  return at === undefined
    ? undefined
    : durationMs(args.at(at), WAITS.has(lower) ? 1 : 1000);
}

function classify(name: string, flagsOf: FlagsOf): CommandInfo {
  const [command = "", subcommand] = name.split("|");
  const flags = flagsOf(command);
  const [isBlocking, isRead] = traits(name, flags);
  const isSubscribing = SUBSCRIBING.has(name);
  const advice = STATEFUL.get(name) ?? SUBSCRIBING.get(name) ??
    (WAITS.has(name) ? WAIT_ADVICE : undefined);
  let kind: CommandClass = isRead ? "read" : "write";
  if (isBlocking) kind = "blocking";
  else if (isSubscribing) kind = "subscribe";
  else if (STATEFUL.has(name)) kind = "stateful";
  return Object.freeze({
    name,
    class: kind,
    isRead: isRead && kind !== "subscribe" && kind !== "stateful",
    isByArgs: CONTAINERS.has(name) || isReader(name),
    isScript: SCRIPTS.has(name),
    isNilMiss: NIL_MISSES.has(name),
    keys: keysKnownBy(command, subcommand, flags),
    spread: spreadOf(name),
    ...(advice === undefined ? {} : { advice }),
  });
}

/** Whether a command blocks, and whether it only reads. */
function traits(
  name: string,
  flags: readonly string[] = [],
): [isBlocking: boolean, isRead: boolean] {
  if (isReader(name)) return [false, name === "xread"];
  if (name.endsWith("|block")) return [true, name === "xread|block"];
  const isRead = READS.has(name) || WAITS.has(name);
  if (BLOCKING.has(name)) return [true, isRead];
  // A container by itself is refused by the server, and its metadata has no
  // subcommand.
  if (isRead || CONTAINERS.has(name) || name.includes("|")) return [false, isRead];
  const extra = EXTRA_COMMANDS.get(name);
  if (extra !== undefined) return [false, extra.isRead];
  return [flags.includes("blocking"), flags.includes("readonly")];
}

function keysKnownBy(
  command: string,
  subcommand: string | undefined,
  flags: readonly string[] | undefined,
): KeysKnownBy {
  if (EXTRA_COMMANDS.has(command)) return "table";
  const known = subcommand === undefined ? undefined : KEYED_CONTAINERS.get(command);
  // Of a subcommand that it does not know the library finds no key.
  const isKnown = known === undefined ? flags !== undefined : known.has(subcommand!);
  return isKnown ? "library" : "server";
}

/** The commands that block only if asked to. */
function isReader(name: string): boolean {
  return name === "xread" || name === "xreadgroup";
}

/** Index of the milliseconds behind BLOCK; what follows STREAMS are keys and ids. */
function blockIndex(args: readonly unknown[]): number | undefined {
  for (let i = 0; i < args.length;) {
    const option = textOf(args[i]).toLowerCase();
    if (option === "block") return i + 1;
    if (option === "streams") return undefined;
    i += BLOCK_OPTIONS.get(option) ?? 1;
  }
  return undefined;
}

function durationMs(value: unknown, unitMs: number): number | undefined {
  const text = textOf(value);
  const duration = text === "" ? NaN : Number(text) * unitMs;
  if (!(duration >= 0)) return undefined;
  return duration === 0 ? Infinity : duration;
}
