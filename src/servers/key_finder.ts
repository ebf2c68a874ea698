import { delay } from "@std/async/delay";
import { Command, isReplyError } from "../connection/driver.ts";
import { settleFailed, track, type TrackedCommand } from "../connection/tracked.ts";
import { ConnectionLostError } from "../core/errors/mod.ts";
import type { CommandInfo } from "../resilience/command_class.ts";
import { EXTRA_COMMANDS, type KeyPlaces } from "../resilience/extra_commands.ts";
import { classifyReplyError } from "../resilience/reply_errors.ts";

/** What a finder needs. */
export interface KeyFinderOptions {
  /** Sends a question to any server of the database. */
  readonly send: (question: TrackedCommand) => void;
  /** How long an answer may take, in milliseconds. */
  readonly timeoutMs: number;
}

/** Where keys are by the first, the last and the step, as `COMMAND INFO` has them. */
interface Fixed {
  readonly first: number;
  /** Negative counts from the end. */
  readonly last: number;
  readonly step: number;
}

/** How the keys of one command are found: at fixed places, or by its arguments. */
type Rule = Fixed | "by arguments";

/** Commands, and kinds of arguments, that are remembered at most. */
const MAX_REMEMBERED = 1000;
/** Questions that are asked again after a lost connection. */
const MAX_LOST = 3;

/** Nobody knows where the keys of a command are. */
export class KeysUnknown extends Error {}

/**
 * Finds the keys of commands that the client library does not know: by the table of
 * {@linkcode EXTRA_COMMANDS}, and of the rest by asking the server, once for a command
 * whose keys are at fixed places (`COMMAND INFO`), and once for each kind of arguments of
 * another one (`COMMAND GETKEYS`).
 */
export class KeyFinder {
  readonly #options: KeyFinderOptions;
  readonly #rules = new Map<string, Rule>();
  readonly #shapes = new Map<string, KeyPlaces>();

  /**
   * Asks nobody yet.
   *
   * @param options What it needs.
   */
  constructor(options: KeyFinderOptions) {
    this.#options = options;
  }

  /**
   * Finds the keys of a call without asking.
   *
   * @param info The command.
   * @param args Its arguments.
   * @returns Where they are; `undefined` if the server has to be asked.
   */
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

  /**
   * Asks the server; {@linkcode find} knows afterwards.
   *
   * @param info The command.
   * @param args Its arguments.
   * @throws {KeysUnknown} If the server does not know, or does not tell.
   */
  async ask(info: CommandInfo, args: readonly unknown[]): Promise<void> {
    const [command = ""] = info.name.split("|");
    if (!this.#rules.has(command)) {
      const reply = await this.#question(["INFO", command]);
      remember(this.#rules, command, readRule(reply));
    }
    if (this.find(info, args) !== undefined) return;
    const { text, sample } = shapeOf(command, args);
    remember(this.#shapes, text, await this.#places(command, sample));
  }

  async #places(
    command: string,
    sample: readonly (string | Uint8Array)[],
  ): Promise<KeyPlaces> {
    try {
      const keys = await this.#question(["GETKEYS", command, ...sample]);
      return placesOf(sample, keys);
    } catch (error) {
      if (!(error instanceof KeysUnknown)) throw error;
      // A call with too few arguments is refused whatever its keys are.
      if (/no key arguments|number of arguments/i.test(error.message)) {
        return { keys: [] };
      }
      throw error;
    }
  }

  /** Asks `COMMAND …` until there is an answer. */
  async #question(args: (string | Uint8Array)[]): Promise<unknown> {
    for (let lost = 0, leftMs = this.#options.timeoutMs;;) {
      try {
        return await this.#send(args);
      } catch (error) {
        if (error instanceof ConnectionLostError && lost++ < MAX_LOST) continue;
        if (!isReplyError(error)) throw error;
        const { action, waitMs } = classifyReplyError(error.message).rule;
        if (action !== "wait") throw new KeysUnknown(error.message);
        leftMs -= waitMs;
        if (leftMs <= 0) throw error;
        await delay(waitMs);
      }
    }
  }

  #send(args: (string | Uint8Array)[]): Promise<unknown> {
    const { promise, resolve, reject } = Promise.withResolvers<unknown>();
    const question = new Command("command", args as string[], { replyEncoding: "utf8" });
    const owner = {
      replied: () => {},
      failed: (command: TrackedCommand, error: Error) => settleFailed(command, error),
    };
    const tracked = track(question, owner, this.#options.timeoutMs);
    tracked.promise.then(resolve, reject);
    this.#options.send(tracked);
    return promise;
  }
}

function remember<V>(kept: Map<string, V>, key: string, value: V): void {
  const oldest = kept.size < MAX_REMEMBERED ? undefined : kept.keys().next().value;
  if (oldest !== undefined) kept.delete(oldest);
  kept.set(key, value);
}

/**
 * Reads the reply to `COMMAND INFO`.
 *
 * @param reply The reply.
 * @returns How the keys are found.
 * @throws {KeysUnknown} If the server does not know the command.
 */
function readRule(reply: unknown): Rule {
  const [entry] = Array.isArray(reply) ? reply : [];
  if (!Array.isArray(entry)) {
    throw new KeysUnknown("the server does not know the command either");
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

/** The places by the server's numbers, in which the command itself is 0. */
function fixedPlaces({ first, last, step }: Fixed, count: number): KeyPlaces {
  const keys: number[] = [];
  if (first <= 0 || step <= 0) return { keys };
  const end = last < 0 ? count + last : last - 1;
  for (let i = first - 1; i <= end; i += step) keys.push(i);
  return { keys };
}

/** What may be an option or a number, on which the places of others depend. */
const STRUCTURAL = /^(?:[A-Za-z][\w-]{0,31}|-?\d{1,10}|\W{1,2})$/;

const decoder = new TextDecoder();

/**
 * The kind of a call's arguments: two calls of one kind have their keys at the same
 * places. What may be an option or a number is a part of it; for all else stands a sign.
 */
function shapeOf(command: string, args: readonly unknown[]) {
  const sample = args.map((arg, i) => {
    const text = arg instanceof Uint8Array ? decoder.decode(arg) : String(arg);
    return STRUCTURAL.test(text) ? text : `mooring:${i}`;
  });
  return { sample, text: JSON.stringify([command, ...sample]) };
}

/**
 * Finds the server's keys among the arguments.
 *
 * @param args The arguments.
 * @param reply The keys.
 * @returns Where they are.
 * @throws {KeysUnknown} If a key is equal to another argument.
 */
function placesOf(args: readonly unknown[], reply: unknown): KeyPlaces {
  const wanted = listOf(reply).map(String);
  const keys: number[] = [];
  for (const key of new Set(wanted)) {
    const places = args.flatMap((arg, i) => arg === key ? [i] : []);
    const count = wanted.filter((each) => each === key).length;
    if (places.length !== count) {
      throw new KeysUnknown(`the server calls "${key}" a key, which stands there twice`);
    }
    keys.push(...places);
  }
  // The first one says the slot.
  return { keys: keys.sort((a, b) => a - b) };
}
