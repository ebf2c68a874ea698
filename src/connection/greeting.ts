import info from "ioredis/package.json" with { type: "json" };
import { VERSION } from "../core/version.ts";
import { Command, Redis } from "./library.ts";
import { withoutQuotes } from "./reply_text.ts";

/** Which version of the protocol is spoken: `auto` is 3 where the server knows it. */
export type ProtocolChoice = "auto" | 2 | 3;

/**
 * How replies of RESP3 are given: `legacy` as RESP2 would give them, `resp3` with maps as
 * objects, doubles as numbers and booleans as such.
 */
export type ReplyMapping = "legacy" | "resp3";

/** Who a connection says that it is, and what it asks for. */
export interface Greeting {
  /** Name that the server lists the connection under; empty for none. */
  readonly connectionName: string;
  /** Database number. */
  readonly db: number;
  /** ACL user. */
  readonly username?: string;
  /** Password. */
  readonly password?: string;
  /** Which version of the protocol is spoken. Default `auto`. */
  readonly protocol?: ProtocolChoice;
  /**
   * Told of what the server refused for now, as it is busy with a script: it knows neither
   * the connection's name nor its database number before that was sent again. Default: it
   * fails the greeting.
   */
  readonly postponed?: (send: () => Promise<unknown>) => void;
}

/** A server refuses what a connection begins with: to ask again would not change that. */
export class GreetingRefused extends Error {
  /** Says that no new attempt will change it. */
  readonly code = "EGREETING";
  /** What it refuses. */
  readonly step: "hello" | "auth" | "select";

  /**
   * Makes the error.
   *
   * @param step What it refuses.
   * @param message Why, with what to do.
   */
  constructor(step: GreetingRefused["step"], message: string) {
    super(message);
    this.step = step;
  }
}

/** What a server says while a script runs for long, to all but HELLO, AUTH and few more. */
const BUSY = /^BUSY\b/;
/** Texts of Redis when a password is given that is not asked for: since 6, and before. */
const NO_PASSWORD_SET = /without any password configured|no password is set/;
/** Answers to HELLO that say more of the server than that it does not know HELLO. */
const LAST_WORD = /^(?:WRONGPASS|LOADING|BUSY|MASTERDOWN|DENIED)\b|max number of clients/;
/** Texts of servers that do not know a command. */
const UNKNOWN = /unknown command|unsupported|not supported|not allowed|invalid command/i;
/** Texts of Redis before 6, which knows no users. */
const NO_USERS = /wrong number of arguments for 'auth'/i;

/** What is told of this client to servers that list it, from Redis 7.2 on. */
const CLIENT_INFO = [
  ["SETINFO", "LIB-NAME", `mooring(ioredis_v${info.version})`],
  ["SETINFO", "LIB-VER", VERSION],
] as const;

const librarySend = Redis.prototype.sendCommand;

/**
 * Takes a client over an open stream through what comes before its first command: HELLO,
 * or AUTH where the server does not know HELLO, SELECT, and the connection's name. All of
 * it is sent at once; a server that refuses HELLO costs another round trip.
 *
 * @param redis The client, ready.
 * @param greeting Who it is, and what it asks for.
 * @throws {GreetingRefused} If the server refuses, and will again.
 * @throws {Error} What the server answered to HELLO, AUTH or SELECT, or why the stream
 * ended.
 */
export async function greet(redis: Redis, greeting: Greeting): Promise<void> {
  const { protocol = "auto" } = greeting;
  if (protocol !== 2) {
    let said: unknown;
    const refusal = await greetWith(redis, greeting, async () => {
      said = await hello(redis, greeting);
    });
    if (refusal === undefined) {
      setProtocol(redis, 3);
      return await askForRedirects(redis, said);
    }
    const isLast = !mayLackHello(refusal.message) || isUnauthenticated(refusal, greeting);
    if (isLast) throw refusal;
    if (protocol === 3) {
      const text = `the server does not speak RESP3, which protocol: 3 asks for ` +
        `(it answered HELLO with "${withoutQuotes(refusal.message)}")`;
      throw new GreetingRefused("hello", text);
    }
  }
  // There is nothing to be mapped in RESP2.
  if (redis.condition) redis.condition.replyMapping = "legacy";
  setProtocol(redis, 2);
  const refusal = await greetWith(redis, greeting, () => auth(redis, greeting));
  if (refusal === undefined) return;
  // In whatever words: it was asked for nothing but the password, which it may quote.
  const message = withoutQuotes(refusal.message);
  if (/^(?:LOADING|BUSY|MASTERDOWN)\b/.test(message)) throw refusal;
  throw new GreetingRefused("auth", message);
}

/**
 * Whether an error reply may come of a server that does not know HELLO.
 *
 * @param message The text of the reply.
 * @returns `false` if it says something else of the server.
 */
export function mayLackHello(message: string): boolean {
  return !LAST_WORD.test(message);
}

/**
 * Asks a primary of Valkey to name the new primary, should it become a replica: it answers
 * `REDIRECT host:port` in place of `READONLY` from then on. Not a replica: it would answer
 * so to reads as well, and who connects to a replica wants to read there.
 */
async function askForRedirects(redis: Redis, said: unknown): Promise<void> {
  const { mode, role, server } = fieldsOf(said);
  if (server !== "valkey" || mode !== "standalone" || role !== "master") return;
  await send(redis, "client", ["CAPA", "redirect"]).catch((error) => {
    // Older ones do not know it, and a user may not be allowed to.
    if (!isReply(error)) throw error;
  });
}

/** The reply to HELLO by name, in whatever form the library gives it. */
function fieldsOf(said: unknown): Readonly<Record<string, unknown>> {
  if (said instanceof Map) return Object.fromEntries(said);
  if (!Array.isArray(said)) return Object(said);
  const pairs = said.flatMap((value, i) => i % 2 === 0 ? [[value, said[i + 1]]] : []);
  return Object.fromEntries(pairs);
}

/** The server wants a password, and there is none: RESP2 would not change that. */
function isUnauthenticated({ message }: Error, { password }: Greeting): boolean {
  return password === undefined && /^NOAUTH\b/.test(message);
}

function setProtocol(redis: Redis, protocol: 2 | 3): void {
  if (redis.condition) redis.condition.protocol = protocol;
}

/**
 * Sends all that a connection begins with.
 *
 * @returns The error reply to the first of it; of the rest only SELECT must succeed.
 */
async function greetWith(
  redis: Redis,
  greeting: Greeting,
  authenticate: () => Promise<unknown>,
): Promise<Error | undefined> {
  const { connectionName, db, postponed } = greeting;
  const later = (name: string, args: (string | number)[]) => {
    const reply = send(redis, name, args);
    return reply.catch((error: Error) => {
      if (postponed === undefined || !BUSY.test(error.message)) throw error;
      // Of the rest, only SELECT must succeed.
      const again = () => redis.call(name, args);
      return () => postponed(name === "select" ? again : () => again().catch(() => {}));
    });
  };
  const nothing = Promise.resolve();
  const sent = [
    authenticate(),
    db === 0 ? nothing : later("select", [db]),
    connectionName === "" ? nothing : later("client", ["SETNAME", connectionName]),
    ...CLIENT_INFO.map((args) => later("client", [...args])),
  ];
  const [first, select, ...rest] = await Promise.allSettled(sent);
  if (first!.status === "rejected") {
    if (isReply(first!.reason)) return first!.reason;
    throw first!.reason;
  }
  if (select!.status === "rejected") throw refusedSelect(select!.reason, db);
  for (const result of [select!, ...rest]) {
    if (result.status === "fulfilled" && typeof result.value === "function") {
      result.value();
    }
  }
  return undefined;
}

function refusedSelect(error: Error, db: number): Error {
  if (!isReply(error) || !UNKNOWN.test(error.message)) return error;
  const text = `the server has no numbered databases: it answered SELECT ${db} with ` +
    `"${withoutQuotes(error.message)}"; set db to 0`;
  return new GreetingRefused("select", text);
}

async function hello(redis: Redis, { username, password }: Greeting): Promise<unknown> {
  const credentials = password === undefined ? [] : [
    "AUTH",
    username ?? "default",
    password,
  ];
  try {
    return await send(redis, "hello", [3, ...credentials]);
  } catch (error) {
    if (!NO_PASSWORD_SET.test((error as Error).message)) throw error;
    return await send(redis, "hello", [3]);
  }
}

async function auth(redis: Redis, { username, password }: Greeting): Promise<unknown> {
  if (password === undefined) return undefined;
  const user = username === undefined ? [] : [username];
  try {
    return await send(redis, "auth", [...user, password]);
  } catch (error) {
    const { message } = error as Error;
    if (NO_PASSWORD_SET.test(message)) return undefined;
    // Every server has this user, also one that knows no others.
    if (username !== "default" || !NO_USERS.test(message)) throw error;
    return await send(redis, "auth", [password]);
  }
}

function isReply(error: unknown): error is Error {
  return (error as { name?: string }).name === "ReplyError";
}

/** Commands whose arguments are credentials, as they may be written. */
const SECRET: ReadonlySet<string> = new Set(["auth", "AUTH", "hello", "HELLO"]);

/**
 * Hides the arguments of commands that hold credentials: the library prints what it sends
 * where `DEBUG=ioredis:*` asks for it.
 *
 * @param command The command.
 */
export function hideArguments({ name, args }: Command): void {
  if (!SECRET.has(name)) return;
  const value = () => "***";
  Object.defineProperty(args, Symbol.for("nodejs.util.inspect.custom"), { value });
}

function send(
  redis: Redis,
  name: string,
  args: readonly (string | number)[],
): Promise<unknown> {
  const command = new Command(name, [...args], { replyEncoding: "utf8" });
  hideArguments(command);
  return librarySend.call(redis, command) as Promise<unknown>;
}
