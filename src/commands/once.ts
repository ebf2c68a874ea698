import { createHash } from "node:crypto";
import type { RedisConfig } from "../config/mod.ts";
import { commandText } from "../connection/driver.ts";
import { Command, type IORedisCommand, isReplyError } from "../connection/ioredis.ts";
import type { CommandConnection, PendingCommand } from "../connection/pending_command.ts";
import { describeReplyError } from "../connection/reply_error.ts";
import {
  identifyServer,
  type ServerIdentity,
  whyUnknown,
} from "../connection/server_identity.ts";
import type { Clock } from "../core/clock.ts";
import {
  CommandRefusedError,
  ConnectionLostError,
  type Delivery,
} from "../core/errors/mod.ts";
import type { CommandClassifier, CommandInfo } from "../resilience/command_class.ts";
import type { CallOptions } from "./client.ts";
import { NUMBER_LENGTH, ONCE_SCRIPT } from "./once_script.ts";

/** Shortest default life of a token, in milliseconds. */
const MIN_TTL_MS = 60_000;
/** Arguments that a script can pass to a command: Lua's stack holds 8,000 values. */
const MAX_ARGUMENTS = 7000;

/** Begin of the names of token keys, behind the key prefix. */
export const TOKEN_PREFIX = "mooring:once:";

/**
 * Commands whose lists may hold nil. A script that reads RESP3 types ends a list at the first
 * nil, so these run with RESP2 types, which are the same for them, but for XREADGROUP's map.
 */
const LISTS_WITH_NIL: ReadonlySet<string> = new Set(
  ["bitfield", "hgetdel", "hgetex", "sort", "xautoclaim", "xclaim", "xreadgroup"],
);

const DIGEST = createHash("sha1").update(ONCE_SCRIPT).digest("hex");

/** Where the tokens of a command are, which decides who may run it. */
export interface TokenPlaces {
  /** Begin of the names of tokens that are in one slot with the command's keys. */
  tokenPrefix(command: IORedisCommand): string;
  /** Why no token can be in one slot with its keys; `undefined` if one can be, or that is not
   * known yet. */
  whyUnplaced(command: IORedisCommand): string | undefined;
}

/** What writes that run once need. */
export interface OnceOptions {
  /** The database. */
  readonly config: Pick<RedisConfig, "commandTimeoutMs" | "name">;
  /** What kind of command a name is. */
  readonly classifier: CommandClassifier;
  /** Whether scripts may not run a command. */
  readonly isBarred: (name: string) => boolean;
  readonly places: TokenPlaces;
  /** Time. */
  readonly clock: Clock;
}

/** A command that runs once. */
export interface OnceCommand extends PendingCommand {
  once?: OnceWrite;
}

/** How long a token lives; throws if that is too short for the call. */
export function onceTtlMs(
  { onceTtlMs, timeoutMs = 0 }: Pick<CallOptions, "onceTtlMs" | "timeoutMs">,
  commandTimeoutMs: number,
): number {
  const deadlineMs = timeoutMs || commandTimeoutMs;
  const ttlMs = onceTtlMs ?? Math.max(MIN_TTL_MS, 2 * deadlineMs);
  if (ttlMs >= deadlineMs && Number.isFinite(ttlMs)) return Math.ceil(ttlMs);
  throw new RangeError(
    `Cannot remember a write for onceTtlMs: ${ttlMs}, as it may be sent again for its ` +
      `deadline of ${deadlineMs} ms: give a finite number that is not less`,
  );
}

/** The tokens of one slot: a free one is used again. */
class TokenPool {
  readonly #free: number[] = [];
  #made = 0;

  take(): number {
    return this.#free.pop() ?? this.#made++;
  }

  give(index: number): void {
    this.#free.push(index);
  }
}

/** What is known of the server at the other end of a connection. */
class ServerLine {
  /** `undefined` until the server has said which it is, or where it does not say. */
  known: ServerIdentity | undefined = undefined;
  /** Whether the server has yet to say which it is. */
  isAsked = true;
  /** Whether it has the script; if not, it is sent whole. */
  hasScript = true;
  /** Whether its clock is the one that it had when it said which it is. */
  isClockKnown = true;

  constructor(connection: CommandConnection, timeoutMs: number, now: () => number) {
    connection.query(timeoutMs, "script", "load", ONCE_SCRIPT).then((result) => {
      if (result !== undefined && "error" in result) this.hasScript = false;
    });
    identifyServer(connection, timeoutMs, now).then((identity) => {
      this.known = identity;
      this.isAsked = false;
    });
  }

  /** A moment of this process's monotonic clock, by the server's clock; "0" if that is not
   * known. */
  lastMoment(at: number): string {
    const { epochMs = NaN } = this.known ?? {};
    return this.isClockKnown && epochMs > 0 ? String(Math.floor(epochMs + at)) : "0";
  }
}

/** A write that runs once, until it is settled. */
class OnceWrite {
  readonly number: string;
  readonly ttlMs: number;
  /** Servers that may have run it. */
  readonly attempts: ServerLine[] = [];
  /** The server that it was sent to last. */
  line: ServerLine | undefined = undefined;
  /** Its token, from when it is sent first. */
  token: string | undefined = undefined;

  constructor(number: number, ttlMs: number) {
    this.number = String(number).padStart(NUMBER_LENGTH, "0");
    this.ttlMs = ttlMs;
  }

  /** Why the present server may not run it; `undefined` if it may. */
  whyRecall(sentAt: number): string | undefined {
    for (const { known } of this.attempts) {
      const why = whyUnknown(known, this.line?.known, sentAt);
      if (why !== undefined) return why;
    }
    return undefined;
  }
}

/** What becomes of a write that failed. */
export type OnceFailure =
  | "again"
  | { readonly error: Error; readonly delivery: Delivery };

/**
 * Makes writes run once: each is sent within a script that remembers its reply under a token.
 * Sent again after a loss, it gets the remembered reply if it had run.
 *
 * A server without the token may be one that has lost it, and the write with it, as after a
 * restart. Such a server is only asked, and the write stays ambiguous.
 */
export class OnceWrites {
  readonly #options: OnceOptions;
  readonly #client = randomId();
  readonly #pools = new Map<string, TokenPool>();
  readonly #lines = new WeakMap<CommandConnection, ServerLine>();
  #lastNumber = 0;

  constructor(options: OnceOptions) {
    this.#options = options;
  }

  /**
   * Makes a command run once. One that only reads stays as it is.
   *
   * @returns Why it cannot.
   */
  attach(command: PendingCommand, call: CallOptions): Error | undefined {
    const { config, classifier } = this.#options;
    const info = classifier.resolve(command.name, command.args);
    if (info.class === "read") return undefined;
    const why = this.#whyNot(command, info);
    if (why !== undefined) return this.#refusal(command, why);
    const once = new OnceWrite(
      ++this.#lastNumber,
      onceTtlMs(call, config.commandTimeoutMs),
    );
    Object.assign(command, { once, toWritable: () => this.#write(command, once) });
    command.tracking.retryWrites = true;
    return undefined;
  }

  /** Decides what becomes of a write that failed, before the retry policy does. */
  failed(command: OnceCommand, error: Error, delivery: Delivery): OnceFailure {
    const once = command.once!;
    const { line } = once;
    if (delivery === "ambiguous" && line !== undefined) once.attempts.push(line);
    if (!isReplyError(error)) return { error, delivery };
    const { message } = error;
    if (message.startsWith("NOSCRIPT")) {
      line!.hasScript = false;
      return "again";
    }
    switch (/^ONCE (\w+)/.exec(message)?.[1]) {
      case "said":
        // No attempt has run or will run.
        command.tracking.uncertain = undefined;
        return { error: this.#translate(command, error), delivery };
      case "unknown": {
        const why = once.whyRecall(command.tracking.startedAt);
        // The answer that decides has come before this one, and is read next.
        if (line!.isAsked || why === undefined) return "again";
        return this.#ambiguous(command, why);
      }
      case "late":
        // Its caller waits for it: the server's clock was set.
        line!.isClockKnown = false;
        return "again";
      case "forgotten":
      case "superseded":
        return this.#ambiguous(command, `the server says "${message}"`);
    }
    if (message.startsWith("NOPERM")) {
      const why = `${message}: ${PERMISSION_ADVICE}`;
      return { error: this.#refusal(command, why, error), delivery };
    }
    return { error, delivery };
  }

  #whyNot(command: PendingCommand, info: CommandInfo): string | undefined {
    const { isBarred, places } = this.#options;
    const { args } = command;
    if (info.isScript) {
      return "a script cannot run within a script: have it remember what it has done";
    }
    if (info.class === "blocking") return "scripts cannot block";
    // What is refused anyway says more.
    if (info.class !== "write") return undefined;
    if (isBarred(info.name.split("|")[0]!)) return BARRED;
    if (args.length > MAX_ARGUMENTS) {
      return `scripts pass ${MAX_ARGUMENTS} arguments at most, and it has ${args.length}`;
    }
    return places.whyUnplaced(command);
  }

  #refusal(command: PendingCommand, why: string, cause?: Error): CommandRefusedError {
    const { name } = this.#options.config;
    const where = "a client that writes once";
    const error = new CommandRefusedError(name, command.name, why, where);
    return cause === undefined ? error : Object.assign(error, { cause });
  }

  /** Its loss, with the reason why it is still ambiguous. */
  #ambiguous(command: PendingCommand, why: string): OnceFailure {
    const { tracking } = command;
    const delivery = "ambiguous";
    tracking.retryWrites = false;
    const loss = tracking.uncertain?.message ?? "";
    const reason = `${/connection was lost \((.*?)\)/.exec(loss)?.[1] ?? loss}; ${why}`;
    const spent = { attempts: tracking.attempts };
    const { name } = this.#options.config;
    const error = new ConnectionLostError(name, command.name, delivery, reason, spent);
    return { error, delivery };
  }

  /** An error reply of a command as it would have had it by itself. */
  #translate(command: PendingCommand, error: Error): Error {
    const message = error.message.replace("ONCE said ", "")
      .replace(/^NOPERM ACL failure in script: /, "NOPERM ");
    const found = SCRIPT_ERRORS.find(([pattern]) => pattern.test(message));
    const [, textOf] = found ?? [undefined, () => message];
    if (textOf === undefined) return this.#refusal(command, BARRED, error);
    error.message = textOf(command.tracking.info!, String(command.args[0]));
    return describeReplyError(error, this.#options.config.name);
  }

  /** Writes the command within the script. */
  #write(command: PendingCommand, once: OnceWrite): string | Uint8Array {
    const { tracking } = command;
    const line = once.line = this.#lineOf(tracking.connection!);
    const token = once.token ??= this.#takeToken(command);
    const isRecall = once.whyRecall(tracking.startedAt) !== undefined;
    const keys = command.getKeys();
    const args = [
      line.hasScript ? DIGEST : ONCE_SCRIPT,
      String(keys.length + 1),
      token,
      ...keys,
      once.number,
      String(once.ttlMs),
      isRecall ? "recall" : line.lastMoment(tracking.startedAt + once.ttlMs),
      wantsTypes(command) ? "3" : "2",
      command.name,
      ...command.args,
    ] as string[];
    const name = line.hasScript ? "evalsha" : "eval";
    line.hasScript = true;
    const isText = args.every((arg) => typeof arg === "string");
    if (isText) return commandText(name, args);
    return new Command(name, args).toWritable(undefined as never) as Uint8Array;
  }

  #lineOf(connection: CommandConnection): ServerLine {
    let line = this.#lines.get(connection);
    if (line === undefined) {
      const { clock, config } = this.#options;
      line = new ServerLine(connection, config.commandTimeoutMs, () => clock.now());
      this.#lines.set(connection, line);
    }
    return line;
  }

  /** Takes a token for a command until it is settled. */
  #takeToken(command: PendingCommand): string {
    const prefix = this.#options.places.tokenPrefix(command);
    let pool = this.#pools.get(prefix);
    if (pool === undefined) this.#pools.set(prefix, pool = new TokenPool());
    const index = pool.take();
    const give = () => pool.give(index);
    command.promise.then(give, give);
    return `${prefix}${this.#client}:${index}`;
  }
}

const BARRED = "scripts may not run it";

const PERMISSION_ADVICE = "a write that runs once is sent in a script: allow the user " +
  `EVALSHA, EVAL and SCRIPT LOAD, GET and SET, and the keys "${TOKEN_PREFIX}*"`;

/** How a command converts its reply, which ioredis has as private. */
interface ReplyContext {
  protocol: 2 | 3;
  replyMapping: "legacy" | "resp3";
}

/** Whether the script is to give RESP3 types; else the command takes its reply as one of
 * RESP2. */
function wantsTypes(command: PendingCommand): boolean {
  const context = command as unknown as ReplyContext;
  if (context.protocol !== 3) return false;
  if (context.replyMapping === "legacy") context.protocol = 2;
  else if (!LISTS_WITH_NIL.has(command.name)) return true;
  else if (command.name === "xreadgroup") command.resolve = resolveMap;
  return false;
}

/** Resolves a command with the map that RESP2 has as a list of pairs. */
function resolveMap(this: PendingCommand, reply: unknown): void {
  const pairs = reply as [Uint8Array, unknown][] | null;
  const map = pairs && Object.fromEntries(pairs.map(([key, value]) => [`${key}`, value]));
  Object.getPrototypeOf(this).resolve.call(this, map);
}

/** What scripts say of a command, and how the server says it of the command by itself;
 * `undefined` where scripts alone may not run it. */
const SCRIPT_ERRORS: readonly [RegExp, ((info: CommandInfo, arg: string) => string)?][] =
  [
    [
      /^ERR Wrong number of args calling (?:\w+ )?command from script/,
      ({ name }) =>
        `ERR wrong number of arguments for '${name.replace(/\|$/, "")}' command`,
    ],
    [
      /^ERR Unknown (?:\w+ )?command called from script/,
      ({ name }, arg) => {
        const [command, subcommand] = name.split("|");
        return subcommand === undefined
          ? `ERR unknown command '${name}'`
          : `ERR unknown subcommand '${arg}'. Try ${command!.toUpperCase()} HELP.`;
      },
    ],
    [/^ERR This (?:\w+ )?command is not allowed from script/],
  ];

/** Names the client among all that write to the server. */
function randomId(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(9));
  return btoa(String.fromCharCode(...bytes));
}
