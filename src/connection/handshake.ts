import info from "ioredis/package.json" with { type: "json" };
import type { RedisConfig } from "../config/mod.ts";
import { type Address, formatAddress } from "../core/address.ts";
import { VERSION } from "../core/version.ts";
import type {
  ByteChannel,
  KeepaliveTimes,
  OpenChannel,
  TlsMaterial,
} from "../transport/channel.ts";
import { InvalidReplyError, ReplyGuard } from "../transport/reply_guard.ts";
import type { ReplyLimits } from "../transport/reply_types.ts";
import { ConnectionStream, type StreamHooks } from "../transport/stream.ts";
import { ClosedAtHello, ClosedBeforeReply, HandshakeRefused } from "./connect_failure.ts";
import { Connection, type ConnectionOptions } from "./connection.ts";
import { openClient, shareOptions, writeCommand } from "./driver.ts";
import {
  Command,
  isReplyError,
  type Redis,
  withoutArguments,
  withoutQuotes,
} from "./ioredis.ts";
import { detectProtocol } from "./protocol_detection.ts";

/** What a client is connected with. */
export interface ClientOptions extends Pick<RedisConfig, "db" | "keyPrefix"> {
  /** The open stream that it uses; it never gets another. */
  readonly stream: ConnectionStream;
  /** Name in CLIENT LIST; empty for none. */
  readonly connectionName: string;
  /** ACL user. */
  readonly username?: string | undefined;
  /** Password. */
  readonly password?: string | undefined;
  /** Protocol version: `auto`, the default, is 3 where the server supports it. */
  readonly protocol?: RedisConfig["protocol"] | undefined;
  /** Types of RESP3 replies: `legacy`, the default, gives them as RESP2 would. */
  readonly replyMapping?: RedisConfig["replyMapping"] | undefined;
  /** The same object for all clients whose options are mostly alike: they share one. */
  readonly siblings?: object;
  /** Receives the reply to a PING that is sent behind the handshake, without another round
   * trip. Default: none is sent. */
  readonly onPing?: (reply: Promise<unknown>) => void;
  /**
   * Receives what the server refused for now, as a script keeps it busy: it knows neither
   * the connection's name nor its database number until that was resent. Default: the
   * handshake fails.
   */
  readonly onPostponed?: (resend: () => Promise<unknown>) => void;
}

/** What a server answers while a long script runs, to all but HELLO, AUTH and few more. */
const BUSY = /^BUSY\b/;
/** Replies of Redis to a password that it does not require: since version 6, and before. */
const NO_PASSWORD_SET = /without any password configured|no password is set/;
/** Replies to HELLO that say more than that the server does not know HELLO. */
const NOT_ABOUT_HELLO =
  /^(?:WRONGPASS|LOADING|BUSY|MASTERDOWN|DENIED)\b|max number of clients/;
/** Replies of servers that do not know a command. */
const UNKNOWN = /unknown command|unsupported|not supported|not allowed|invalid command/i;
/** Reply of Redis before version 6, which has no users. */
const NO_USERS = /wrong number of arguments for 'auth'/i;

/** Library name and version, for CLIENT LIST of Redis 7.2 and later. */
const CLIENT_INFO = [
  ["SETINFO", "LIB-NAME", `mooring(ioredis_v${info.version})`],
  ["SETINFO", "LIB-VER", VERSION],
];

/**
 * Makes a client that uses an open stream, and completes its handshake: HELLO, or AUTH
 * where the server does not know HELLO, SELECT, and the connection's name. All of it is sent
 * at once; a server that refuses HELLO costs another round trip.
 *
 * @throws {HandshakeRefused} If the server refuses for good.
 * @throws {Error} What the server answered to HELLO, AUTH or SELECT, or why the stream
 * ended.
 */
export async function connectClient(options: ClientOptions): Promise<Redis> {
  const { connectionName, db, keyPrefix, replyMapping = "legacy", siblings, stream } =
    options;
  const redis = await openClient(stream, keyPrefix, replyMapping);
  try {
    await negotiate(redis, options);
  } catch (error) {
    throw withoutArguments(error);
  }
  if (redis.condition) redis.condition.select = db;
  Object.assign(redis.options, { connectionName, db, openStream: undefined });
  redis.options = shareOptions(redis.options, siblings ?? redis);
  return redis;
}

async function negotiate(redis: Redis, options: ClientOptions): Promise<void> {
  const { password, protocol = "auto" } = options;
  if (protocol !== 2) {
    let properties: unknown;
    const refusal = await sendAll(redis, options, async () => {
      properties = await hello(redis, options);
    });
    if (refusal === undefined) {
      if (redis.condition) redis.condition.protocol = 3;
      return await requestRedirects(redis, properties);
    }
    // RESP2 would not change that the server requires a password.
    const lacksPassword = password === undefined && /^NOAUTH\b/.test(refusal.message);
    if (!mayLackHello(refusal.message) || lacksPassword) throw refusal;
    if (protocol === 3) {
      const text = `the server does not speak RESP3, which protocol: 3 asks for ` +
        `(it answered HELLO with "${withoutQuotes(refusal.message)}")`;
      throw new HandshakeRefused("hello", text);
    }
  }
  // RESP2 has no types to be mapped.
  if (redis.condition) {
    Object.assign(redis.condition, { protocol: 2, replyMapping: "legacy" });
  }
  const refusal = await sendAll(redis, options, () => auth(redis, options));
  if (refusal === undefined) return;
  // Whatever the text says, it is about the password, which it may quote.
  const message = withoutQuotes(refusal.message);
  if (/^(?:LOADING|BUSY|MASTERDOWN)\b/.test(message)) throw refusal;
  throw new HandshakeRefused("auth", message);
}

/** Whether an error reply to HELLO may mean that the server does not know HELLO. */
function mayLackHello(message: string): boolean {
  return !NOT_ABOUT_HELLO.test(message);
}

/**
 * Asks a primary of Valkey to name the new primary, should it become a replica: it answers
 * `REDIRECT host:port` in place of `READONLY` from then on. Not a replica: it would answer
 * reads that way as well, and who connects to a replica wants to read there.
 */
async function requestRedirects(redis: Redis, properties: unknown): Promise<void> {
  const { mode, role, server } = fieldsOf(properties);
  if (server !== "valkey" || mode !== "standalone" || role !== "master") return;
  await send(redis, "client", ["CAPA", "redirect"]).catch((error) => {
    // Older versions do not know it, and a user may not be allowed to run it.
    if (!isReplyError(error)) throw error;
  });
}

/** The fields of the reply to HELLO, whatever type ioredis gives it. */
function fieldsOf(reply: unknown): Readonly<Record<string, unknown>> {
  if (reply instanceof Map) return Object.fromEntries(reply);
  if (!Array.isArray(reply)) return Object(reply);
  const pairs = reply.flatMap((value, i) => i % 2 === 0 ? [[value, reply[i + 1]]] : []);
  return Object.fromEntries(pairs);
}

/**
 * Sends all commands of the handshake.
 *
 * @returns The error reply to the first; of the others only SELECT must succeed.
 */
async function sendAll(
  redis: Redis,
  { connectionName, db, onPing, onPostponed }: ClientOptions,
  authenticate: () => Promise<unknown>,
): Promise<Error | undefined> {
  const postponed: (() => Promise<unknown>)[] = [];
  const sendOrPostpone = (name: string, args: (string | number)[]) =>
    send(redis, name, args).catch((error: Error) => {
      if (onPostponed === undefined || !BUSY.test(error.message)) throw error;
      const again = () => redis.call(name, args);
      postponed.push(name === "select" ? again : () => again().catch(() => {}));
    });
  const settling = Promise.allSettled([
    authenticate(),
    db === 0 ? undefined : sendOrPostpone("select", [db]),
    connectionName === ""
      ? undefined
      : sendOrPostpone("client", ["SETNAME", connectionName]),
    ...CLIENT_INFO.map((args) => sendOrPostpone("client", [...args])),
  ]);
  onPing?.(send(redis, "ping", []));
  const [first, select] = await settling;
  if (first.status === "rejected") {
    if (isReplyError(first.reason)) return first.reason;
    throw first.reason;
  }
  if (select.status === "rejected") throw refusedSelect(select.reason, db);
  for (const resend of postponed) onPostponed!(resend);
  return undefined;
}

function refusedSelect(error: Error, db: number): Error {
  if (!isReplyError(error) || !UNKNOWN.test(error.message)) return error;
  const text = `the server has no numbered databases: it answered SELECT ${db} with ` +
    `"${withoutQuotes(error.message)}"; set db to 0`;
  return new HandshakeRefused("select", text);
}

async function hello(
  redis: Redis,
  { username, password }: ClientOptions,
): Promise<unknown> {
  const credentials = password === undefined
    ? []
    : ["AUTH", username ?? "default", password];
  try {
    return await send(redis, "hello", [3, ...credentials]);
  } catch (error) {
    if (!NO_PASSWORD_SET.test((error as Error).message)) throw error;
    return await send(redis, "hello", [3]);
  }
}

async function auth(
  redis: Redis,
  { username, password }: ClientOptions,
): Promise<unknown> {
  if (password === undefined) return undefined;
  const user = username === undefined ? [] : [username];
  try {
    return await send(redis, "auth", [...user, password]);
  } catch (error) {
    const { message } = error as Error;
    if (NO_PASSWORD_SET.test(message)) return undefined;
    // Every server has this user, also one that has no others.
    if (username !== "default" || !NO_USERS.test(message)) throw error;
    return await send(redis, "auth", [password]);
  }
}

function send(redis: Redis, name: string, args: (string | number)[]): Promise<unknown> {
  const command = new Command(name, args, { replyEncoding: "utf8" });
  writeCommand(redis, command);
  return command.promise;
}

/** What sockets and handshakes of one database need. */
export interface HandshakeOptions
  extends
    ConnectionOptions,
    Pick<RedisConfig, "db" | "keyPrefix" | "replyLimits">,
    Partial<Pick<RedisConfig, "password" | "protocol" | "replyMapping" | "username">> {
  /** TCP keepalive. */
  readonly keepalive?: KeepaliveTimes;
  /** Reads certificates and keys; called for each attempt, so that renewed files are used. */
  readonly tls?: (signal: AbortSignal) => Promise<TlsMaterial>;
  /** Called for each connection whose credentials expire; `expiresAt` is in milliseconds
   * since the Unix epoch. */
  readonly expiring?: (connection: Connection, expiresAt: number) => void;
  /** Opens a socket. */
  readonly openChannel: OpenChannel;
}

/** A client that is connected and authenticated; the server may still be loading. */
export interface Link {
  readonly endpoint: Address;
  readonly redis: Redis;
  /** The reply to a PING that was sent with the handshake: whether the server serves. */
  readonly ping: Promise<unknown>;
  /** Aborted when its socket is gone. */
  readonly ended: AbortSignal;
  /** Resends what a busy server refused of the handshake; call it when the server is ready. */
  complete(): Promise<void>;
  /** Turns it into a connection. */
  connect(): Connection;
}

/** Most bytes of the first reply that are kept. */
const MAX_HEAD_BYTES = 512;

/** First byte of an error reply. */
const MINUS = 0x2d;

/** Observes the stream until the handshake is over, to explain its failure. */
class HandshakeMonitor implements StreamHooks {
  readonly stream: ConnectionStream;
  readonly replies: ReplyGuard;
  /** Text of the first error reply that began a chunk. */
  #errorReply: string | undefined;
  /** The first bytes received. */
  #head: Uint8Array | undefined;
  readonly #ended = new AbortController();

  constructor(channel: ByteChannel, limits: ReplyLimits) {
    this.replies = new ReplyGuard(limits);
    this.stream = new ConnectionStream(channel, this);
  }

  inspect(chunk: Uint8Array): void {
    this.#head ??= chunk.slice(0, MAX_HEAD_BYTES);
    if (chunk[0] === MINUS && this.#errorReply === undefined) {
      const text = new TextDecoder().decode(chunk.subarray(1, MAX_HEAD_BYTES));
      this.#errorReply = /^[^\r\n]+/.exec(text)?.[0];
    }
    this.replies.inspect(chunk);
  }

  closing(error: Error | undefined): void {
    this.#ended.abort(error ?? new Error("the connection was closed by the server"));
  }

  /** Aborted when the socket is gone. */
  get ended(): AbortSignal {
    return this.#ended.signal;
  }

  /** Why a handshake failed. */
  explain(error: unknown): unknown {
    // The error of ioredis only says that the stream is closed.
    const isAnswer = isReplyError(error) || error instanceof HandshakeRefused;
    if (isAnswer || !this.ended.aborted) return error;
    const { reason } = this.ended;
    if (this.#errorReply !== undefined) {
      const text = withoutQuotes(this.#errorReply);
      return mayLackHello(text) ? new ClosedAtHello(text) : new Error(text);
    }
    if (reason instanceof InvalidReplyError && this.#head !== undefined) {
      return detectProtocol(this.#head) ?? reason;
    }
    return this.stream.bytesReceived === 0
      ? new ClosedBeforeReply(reason.message)
      : reason;
  }
}

/**
 * Opens a socket and completes the handshake.
 *
 * @param name Name in CLIENT LIST.
 * @param signal Aborts it: the socket is closed.
 * @throws {ClosedBeforeReply} If the server closed before it sent anything.
 * @throws {Error} What the server answered, or the socket's error.
 */
export async function performHandshake(
  options: HandshakeOptions,
  endpoint: Address,
  name: string,
  signal: AbortSignal,
  protocol: RedisConfig["protocol"] = options.protocol ?? "auto",
): Promise<Link> {
  const { db, keyPrefix, replyMapping } = options;
  const credentials = await options.password?.credentials();
  const tls = await options.tls?.(signal);
  // The certificate is for the host name, whichever address was found for it.
  const hostName = endpoint.path === undefined ? endpoint.serverName : undefined;
  const serverName = tls?.serverName ?? hostName;
  const channel = await options.openChannel(endpoint, {
    signal,
    keepalive: options.keepalive,
    tls: tls && { ...tls, serverName },
  });
  const monitor = new HandshakeMonitor(channel, options.replyLimits);
  const { ended, replies, stream } = monitor;
  const abort = () => stream.destroy();
  signal.addEventListener("abort", abort, { once: true });
  if (signal.aborted) stream.destroy();
  signal.throwIfAborted();
  const postponed: (() => Promise<unknown>)[] = [];
  let redis: Redis;
  let ping: Promise<unknown>;
  try {
    redis = await connectClient({
      stream,
      connectionName: name,
      db,
      keyPrefix,
      siblings: options,
      protocol,
      replyMapping,
      username: credentials?.username ?? options.username,
      password: credentials?.password,
      onPing: (reply) => {
        ping = reply;
        // If the handshake fails, nobody reads this reply: its error must not stay unhandled.
        reply.catch(() => {});
      },
      onPostponed: (resend) => postponed.push(resend),
    });
    // Without HELLO the server may have answered nothing that must succeed.
    ended.throwIfAborted();
  } catch (error) {
    // Nothing stays on the signal: it may live as long as the server is used.
    signal.removeEventListener("abort", abort);
    const explained = monitor.explain(error);
    stream.destroy();
    throw explained;
  }
  const connect = () => {
    ended.throwIfAborted();
    // From here on the connection is its owner's to end.
    signal.removeEventListener("abort", abort);
    const where = formatAddress(endpoint);
    const connection = new Connection(options, where, redis, stream, replies);
    stream.handTo(connection);
    const { expiresAt = Infinity } = credentials ?? {};
    if (expiresAt < Infinity) options.expiring?.(connection, expiresAt);
    return connection;
  };
  const complete = async () => {
    await Promise.all(postponed.splice(0).map((resend) => resend()));
  };
  return { redis, endpoint, ping: ping!, ended, complete, connect };
}
