import { delay } from "@std/async/delay";
import { Command, isReplyError } from "../connection/ioredis.ts";
import {
  type PendingCommand,
  settleFailed,
  track,
} from "../connection/pending_command.ts";
import { ConnectionLostError } from "../core/errors/mod.ts";
import type { CommandInfo } from "../resilience/command_class.ts";
import {
  type CommandSpread,
  isFanOut,
  readTips,
  spreadOf,
} from "../resilience/command_spread.ts";
import { EXTRA_COMMANDS, type KeyPlaces } from "../resilience/extra_commands.ts";
import { classifyReplyError } from "../resilience/reply_errors.ts";

/** Where keys are by first, last and step, as `COMMAND INFO` has them. */
interface FixedKeys {
  readonly first: number;
  /** Negative counts from the end. */
  readonly last: number;
  readonly step: number;
}

/** How the keys of one command are found: at fixed places, or by its arguments. */
type Rule = FixedKeys | "by arguments";

/** Most commands, and shapes of arguments, that are cached. */
const MAX_CACHED = 1000;
/** How often a query is sent again after a lost connection. */
const MAX_LOST = 3;

/** The server does not report where the keys of a command are. */
export class UnknownKeysError extends Error {}

/**
 * Finds the keys of commands that ioredis does not know: by the table of
 * {@linkcode EXTRA_COMMANDS}, and of the rest by asking the server, once for a command
 * whose keys are at fixed places (`COMMAND INFO`), and once for each shape of arguments of
 * another one (`COMMAND GETKEYS`).
 */
export class KeyFinder {
  /** Sends a command to any server of the database. */
  readonly #send: (command: PendingCommand) => void;
  readonly #timeoutMs: number;
  readonly #rules = new Map<string, Rule>();
  /** What the server's tips say of commands and subcommands; `undefined` for nothing. */
  readonly #tips = new Map<string, CommandSpread | undefined>();
  readonly #shapes = new Map<string, KeyPlaces>();

  constructor(send: (command: PendingCommand) => void, timeoutMs: number) {
    this.#send = send;
    this.#timeoutMs = timeoutMs;
  }

  /** Finds the keys of a call; `undefined` if the server has to be asked first. */
  find(info: CommandInfo, args: readonly unknown[]): KeyPlaces | undefined {
    const [command = ""] = info.name.split("|");
    const listed = EXTRA_COMMANDS.get(command)?.places(args);
    if (listed !== undefined) return listed;
    const rule = this.#rules.get(command);
    if (rule === undefined) return undefined;
    return rule === "by arguments"
      ? this.#shapes.get(shapeOf(command, args).text)
      : fixedPlaces(rule, args.length);
  }

  /** Whether the server has to be asked how a cluster runs a command. */
  lacksTips(info: CommandInfo): boolean {
    return isFanOut(info.spread) && !this.#tips.has(info.name);
  }

  /** How a cluster runs a command: as the server says, else as the table does. */
  spreadOf(info: CommandInfo): CommandSpread | undefined {
    return this.#tips.get(info.name) ?? info.spread;
  }

  /** Asks the server for its tips, once; those of servers that give none are empty. */
  async askTips(info: CommandInfo): Promise<void> {
    const [command = ""] = info.name.split("|");
    try {
      this.#learnTips(await this.#query(["INFO", command]));
    } catch (error) {
      if (!(error instanceof UnknownKeysError)) throw error;
    }
    if (!this.#tips.has(info.name)) cache(this.#tips, info.name, undefined);
  }

  #learnTips(reply: unknown): void {
    for (const entry of listOf(reply)) {
      if (!Array.isArray(entry)) continue;
      const [given, , , , , , , tips, , subcommands] = entry;
      const name = String(given);
      cache(this.#tips, name, readTips(listOf(tips), spreadOf(name)));
      this.#learnTips(subcommands);
    }
  }

  /**
   * Asks the server, so that {@linkcode find} finds the keys.
   *
   * @throws {UnknownKeysError} If the server does not report them.
   */
  async ask(info: CommandInfo, args: readonly unknown[]): Promise<void> {
    const [command = ""] = info.name.split("|");
    if (!this.#rules.has(command)) {
      const reply = await this.#query(["INFO", command]);
      cache(this.#rules, command, readRule(reply));
      this.#learnTips(reply);
    }
    if (this.find(info, args) !== undefined) return;
    const { text, sample } = shapeOf(command, args);
    const keys = await this.#query(["GETKEYS", command, ...sample]).catch((error) => {
      // A call with too few arguments is refused whatever its keys are.
      const hasNone = error instanceof UnknownKeysError &&
        /no key arguments|number of arguments/i.test(error.message);
      if (hasNone) return [];
      throw error;
    });
    cache(this.#shapes, text, placesOf(sample, keys));
  }

  /** Sends `COMMAND …`; again if the connection is lost, or the server says "not now". */
  async #query(args: (string | Uint8Array)[]): Promise<unknown> {
    const owner = { replied: () => {}, failed: settleFailed };
    for (let lost = 0, leftMs = this.#timeoutMs;;) {
      const command = new Command("command", args as string[], { replyEncoding: "utf8" });
      const tracked = track(command, owner, this.#timeoutMs);
      this.#send(tracked);
      try {
        return await tracked.promise;
      } catch (error) {
        if (error instanceof ConnectionLostError && lost++ < MAX_LOST) continue;
        if (!isReplyError(error)) throw error;
        const { action, waitMs } = classifyReplyError(error.message).rule;
        if (action !== "wait") throw new UnknownKeysError(error.message);
        leftMs -= waitMs;
        if (leftMs <= 0) throw error;
        await delay(waitMs);
      }
    }
  }
}

function cache<V>(kept: Map<string, V>, key: string, value: V): void {
  const oldest = kept.size < MAX_CACHED ? undefined : kept.keys().next().value;
  if (oldest !== undefined) kept.delete(oldest);
  kept.set(key, value);
}

/** Reads the reply to `COMMAND INFO`. */
function readRule(reply: unknown): Rule {
  const [entry] = Array.isArray(reply) ? reply : [];
  if (!Array.isArray(entry)) {
    throw new UnknownKeysError("the server does not know the command either");
  }
  const [, , flags, first, last, step, , , specs, subcommands] = entry;
  const isFixed = !listOf(flags).includes("movablekeys") &&
    listOf(subcommands).length === 0 && !/not_key|incomplete/.test(JSON.stringify(specs));
  return isFixed
    ? { first: Number(first), last: Number(last), step: Number(step) }
    : "by arguments";
}

function listOf(value: unknown): unknown[] {
  if (value instanceof Set) return [...value];
  return Array.isArray(value) ? value : [];
}

/** The places by the server's positions, which count the command itself as 0. */
function fixedPlaces({ first, last, step }: FixedKeys, count: number): KeyPlaces {
  const keys: number[] = [];
  if (first <= 0 || step <= 0) return { keys };
  const end = last < 0 ? count + last : last - 1;
  for (let i = first - 1; i <= end; i += step) keys.push(i);
  return { keys };
}

/** What may be an option or a number, which the places of keys may depend on. */
const STRUCTURAL = /^(?:[A-Za-z][\w-]{0,31}|-?\d{1,10}|\W{1,2})$/;

const decoder = new TextDecoder();

/**
 * The shape of a call: two calls of one shape have their keys at the same places. What may
 * be an option or a number is part of it; a placeholder stands for everything else.
 */
function shapeOf(command: string, args: readonly unknown[]) {
  const sample = args.map((arg, i) => {
    const text = arg instanceof Uint8Array ? decoder.decode(arg) : String(arg);
    return STRUCTURAL.test(text) ? text : `mooring:${i}`;
  });
  return { sample, text: JSON.stringify([command, ...sample]) };
}

/** Finds the keys that the server listed among the arguments. */
function placesOf(args: readonly unknown[], reply: unknown): KeyPlaces {
  const listed = listOf(reply).map(String);
  const keys: number[] = [];
  for (const key of new Set(listed)) {
    const places = args.flatMap((arg, i) => arg === key ? [i] : []);
    if (places.length !== listed.filter((each) => each === key).length) {
      throw new UnknownKeysError(
        `the server calls "${key}" a key, which stands there twice`,
      );
    }
    keys.push(...places);
  }
  // The first one determines the slot.
  return { keys: keys.sort((a, b) => a - b) };
}
