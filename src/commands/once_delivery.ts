import { createHash } from "node:crypto";
import type { RedisConfig } from "../config/mod.ts";
import { commandText } from "../connection/driver.ts";
import { Command, type IORedisCommand, isReplyError } from "../connection/ioredis.ts";
import type { CommandConnection, PendingCommand } from "../connection/pending_command.ts";
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

/**
 * The script that runs writes once. Its reply is the list of theirs, of the run or remembered.
 *
 * The token is a key whose value begins with the number of the last run that used it; the
 * replies follow. A client gives a token that is free to its next run, with a higher number:
 * so a run that comes late, behind the next one, is refused, and there are no more tokens
 * than runs that were in flight at once.
 *
 * Errors of the commands are remembered, too: a lost attempt that comes late must not
 * succeed. What refuses all writes for now (READONLY, OOM …) refuses this as well: then
 * nothing has run, and it may run later.
 *
 * - `KEYS`: the token, then those of the commands.
 * - `ARGV`: the number; the token's time to live in ms; until when it may begin, by the
 *   server's clock in ms ("0": not known), or "recall" to ask only; "3" for a reply of RESP3
 *   types; then the commands. Those in a row with the same name and number of arguments are
 *   written as the name, that number, how many they are, and the arguments of each.
 *
 * @module
 */

/** Length of the number of a run: digits, so that later ones compare higher. */
export const NUMBER_LENGTH = 12;

/** The script. */
export const ONCE_SCRIPT: string = `
local token, number, ttl, till = KEYS[1], ARGV[1], ARGV[2], ARGV[3]
local old = redis.pcall('GET', token)
if old then
  if type(old) == 'table' then return old end
  local last = string.sub(old, 1, ${NUMBER_LENGTH})
  if last > number then return {err = 'ONCE superseded'} end
  if last == number and #old > ${NUMBER_LENGTH} then
    return cmsgpack.unpack(string.sub(old, ${NUMBER_LENGTH + 1}))
  end
end
if till == 'recall' then return {err = 'ONCE unknown'} end
if not old then
  -- The token may have expired since the run was sent again and was made.
  if till ~= '0' then
    local time = redis.call('TIME')
    if time[1] * 1000 + time[2] / 1000 > tonumber(till) then return {err = 'ONCE late'} end
  end
  -- Whether the user may write it; once a write is made, memory is not refused any more.
  local made = redis.pcall('SET', token, number, 'PX', ttl)
  if made.err and not string.find(made.err, 'OOM', 1, true) then return made end
end
if ARGV[4] == '3' then redis.setresp(3) end
local pcall, unpack = redis.pcall, unpack
local replies, count, at, total = {}, 0, 5, #ARGV
while at <= total do
  local name, words = ARGV[at], ARGV[at + 1] - 1
  local upto = count + ARGV[at + 2]
  at = at + 3
  while count < upto do
    count = count + 1
    replies[count] = pcall(name, unpack(ARGV, at, at + words))
    at = at + words + 1
  end
end
local kept = redis.pcall('SET', token, number .. cmsgpack.pack(replies), 'PX', ttl)
if not kept.err then return replies end
for i = 1, count do
  local reply = replies[i]
  if type(reply) ~= 'table' or not reply.err then
    return {err = 'ONCE forgotten ' .. kept.err}
  end
end
return replies[1]
`.trim();

/** Begin of the names of token keys, behind the key prefix. */
export const TOKEN_PREFIX = "mooring:once:";

const DIGEST = createHash("sha1").update(ONCE_SCRIPT).digest("hex");

/** Commands that are run once together, and the command that carries them. */
export interface OnceRun {
  /** What is sent: the script. */
  readonly carrier: PendingCommand;
  /** What it runs. */
  readonly members: readonly IORedisCommand[];
  /** How long it is remembered, in milliseconds. */
  readonly ttlMs: number;
  /** Begin of the name of its token. */
  readonly tokenPrefix: string;
  /** Whether its replies are to have RESP3 types. */
  readonly isTyped: boolean;
}

/** A command that may carry others. */
export interface CarrierCommand extends PendingCommand {
  once?: OnceRunState;
}

/** What becomes of a run that failed. */
export type OnceFailure =
  | "again"
  | { readonly error: Error; readonly delivery: Delivery };

/** The tokens of one slot: a free one is used again, the last one first, as it lives. */
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
  momentOf(at: number): string {
    const { epochMs = NaN } = this.known ?? {};
    return this.isClockKnown && epochMs > 0 ? String(Math.floor(epochMs + at)) : "0";
  }
}

/** The state of a run until it is settled. */
class OnceRunState {
  readonly run: OnceRun;
  readonly number: string;
  readonly token: string;
  /** Servers that may have made it. */
  readonly attempts: ServerLine[] = [];
  /** The server that it was sent to last. */
  line: ServerLine | undefined = undefined;

  constructor(run: OnceRun, number: number, token: string) {
    this.run = run;
    this.number = String(number).padStart(NUMBER_LENGTH, "0");
    this.token = token;
  }

  /** Why the present server may not make it, only say whether it has; `undefined` if it may. */
  whyRecall(): string | undefined {
    const { startedAt } = this.run.carrier.tracking;
    for (const { known } of this.attempts) {
      const why = whyUnknown(known, this.line?.known, startedAt);
      if (why !== undefined) return why;
    }
    return undefined;
  }
}

/**
 * Delivers runs so that each is made once: it may be sent again after a loss, and gets the
 * remembered replies if it had been made.
 *
 * A server without the token may be one that has lost it, and the writes with it, as after a
 * restart. Such a server is only asked, and the run stays ambiguous.
 */
export class OnceDelivery {
  readonly #config: Pick<RedisConfig, "commandTimeoutMs" | "name">;
  readonly #clock: Clock;
  readonly #client = randomId();
  readonly #pools = new Map<string, TokenPool>();
  readonly #lines = new WeakMap<CommandConnection, ServerLine>();
  #lastNumber = 0;

  constructor(config: Pick<RedisConfig, "commandTimeoutMs" | "name">, clock: Clock) {
    this.#config = config;
    this.#clock = clock;
  }

  /** Prepares the carrier of a run; it is dispatched like any command. */
  prepare(run: OnceRun): void {
    const { carrier, tokenPrefix } = run;
    let pool = this.#pools.get(tokenPrefix);
    if (pool === undefined) this.#pools.set(tokenPrefix, pool = new TokenPool());
    const index = pool.take();
    const give = () => pool.give(index);
    carrier.promise.then(give, give);
    const token = `${tokenPrefix}${this.#client}:${index}`;
    const once = new OnceRunState(run, ++this.#lastNumber, token);
    Object.assign(carrier, { once, toWritable: () => this.#write(once) });
  }

  /** Decides what becomes of a run that failed, before the retry policy does. */
  failed(carrier: CarrierCommand, error: Error, delivery: Delivery): OnceFailure {
    const once = carrier.once!;
    const { line } = once;
    if (delivery === "ambiguous" && line !== undefined) once.attempts.push(line);
    if (!isReplyError(error)) return { error, delivery };
    const { message } = error;
    if (message.startsWith("NOSCRIPT")) {
      line!.hasScript = false;
      return "again";
    }
    if (message.startsWith("NOPERM")) {
      const why = `${message}: ${PERMISSION_ADVICE}`;
      const refusal = new CommandRefusedError(
        this.#config.name,
        carrier.name,
        why,
        WHERE,
      );
      return { error: Object.assign(refusal, { cause: error }), delivery };
    }
    switch (/^ONCE (\w+)/.exec(message)?.[1]) {
      case "unknown": {
        const why = once.whyRecall();
        // The answer that decides has come before this one, and is read next.
        if (line!.isAsked || why === undefined) return "again";
        return this.#ambiguous(carrier, why);
      }
      case "late":
        // Its caller waits for it: the server's clock was set.
        line!.isClockKnown = false;
        return "again";
      case "forgotten":
      case "superseded":
        return this.#ambiguous(carrier, `the server says "${message}"`);
    }
    return { error, delivery };
  }

  /** Its loss, with the reason why it is still ambiguous. */
  #ambiguous({ name, tracking }: PendingCommand, why: string): OnceFailure {
    // Asking again would bring the same answer.
    tracking.retryWrites = false;
    const delivery = "ambiguous";
    const loss = tracking.uncertain?.message ?? "";
    const reason = `${/connection was lost \((.*?)\)/.exec(loss)?.[1] ?? loss}; ${why}`;
    const spent = { attempts: tracking.attempts };
    const error = new ConnectionLostError(
      this.#config.name,
      name,
      delivery,
      reason,
      spent,
    );
    return { error, delivery };
  }

  /** Writes the script with its commands. */
  #write(once: OnceRunState): string | Uint8Array {
    const { carrier, isTyped, members, ttlMs } = once.run;
    const { tracking } = carrier;
    const line = once.line = this.#lineOf(tracking.connection!);
    const isRecall = once.whyRecall() !== undefined;
    const keys = carrier.getKeys();
    const args: unknown[] = [
      line.hasScript ? DIGEST : ONCE_SCRIPT,
      String(keys.length + 1),
      once.token,
      ...keys,
      once.number,
      String(ttlMs),
      isRecall ? "recall" : line.momentOf(tracking.startedAt + ttlMs),
      isTyped ? "3" : "2",
    ];
    const isText = writeMembers(args, members);
    const name = line.hasScript ? "evalsha" : "eval";
    line.hasScript = true;
    if (isText && keys.every((key) => typeof key === "string")) {
      return commandText(name, args as string[]);
    }
    const command = new Command(name, args as string[]);
    return command.toWritable(undefined as never) as Uint8Array;
  }

  #lineOf(connection: CommandConnection): ServerLine {
    let line = this.#lines.get(connection);
    if (line === undefined) {
      const { commandTimeoutMs } = this.#config;
      line = new ServerLine(connection, commandTimeoutMs, () => this.#clock.now());
      this.#lines.set(connection, line);
    }
    return line;
  }
}

/** Adds commands to the arguments of the script; gives whether they are all text. */
function writeMembers(args: unknown[], members: readonly IORedisCommand[]): boolean {
  let isText = true;
  let last: IORedisCommand | undefined;
  let countAt = 0;
  let count = 0;
  for (const member of members) {
    const { args: words, name } = member;
    if (last?.name === name && last.args.length === words.length) count++;
    else {
      if (last !== undefined) args[countAt] = String(count);
      countAt = args.push(name, String(words.length), "") - 1;
      count = 1;
    }
    last = member;
    for (const word of words) {
      args.push(word);
      isText &&= typeof word === "string";
    }
  }
  args[countAt] = String(count);
  return isText;
}

/** Where a command is refused that cannot run once, for messages. */
export const WHERE = "a client that writes once";

const PERMISSION_ADVICE = "a write that runs once is sent in a script: allow the user " +
  `EVALSHA, EVAL and SCRIPT LOAD, GET and SET, and the keys "${TOKEN_PREFIX}*"`;

/** Names the client among all that write to the server. */
function randomId(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(9));
  return btoa(String.fromCharCode(...bytes));
}
