import { type Address, formatAddress } from "../core/address.ts";
import type { Clock } from "../core/clock.ts";
import type { Secret } from "../core/secret.ts";
import type {
  ByteChannel,
  ChannelOptions,
  KeepaliveTimes,
  OpenChannel,
} from "../transport/channel.ts";
import type { ReplyLimits } from "../transport/reply_limits.ts";
import { ConnectionStream, type StreamHooks } from "../transport/stream.ts";
import type { TlsMaterial } from "../transport/tls.ts";
import { Connection, type ConnectionObserver } from "./connection.ts";
import { connectDriver, isReplyError, type Redis } from "./driver.ts";
import {
  GreetingRefused,
  mayLackHello,
  type ProtocolChoice,
  type ReplyMapping,
} from "./greeting.ts";
import { ReplyCheck, ReplyRefused } from "./reply_check.ts";
import { withoutQuotes } from "./reply_text.ts";
import { judgeFirstBytes } from "./wrong_speech.ts";

/** What a socket and its handshake need. */
export interface HandshakeOptions {
  /** Name of the database. */
  readonly database: string;
  /** Database number. */
  readonly db: number;
  /** ACL user. */
  readonly username?: string;
  /** Password; asked for each handshake. */
  readonly password?: Secret;
  /** Which version of the protocol is spoken. Default `auto`. */
  readonly protocol?: ProtocolChoice;
  /** How replies of RESP3 are given. Default `legacy`. */
  readonly replyMapping?: ReplyMapping;
  /** What is put before each key by the library's own clients. */
  readonly keyPrefix: string;
  /** Silence after which a connection that owes replies is dead, in milliseconds. */
  readonly silenceLimitMs: number;
  /** How much the server may make this process hold for one reply. */
  readonly replyLimits: ReplyLimits;
  /** TCP keepalive. */
  readonly keepalive?: KeepaliveTimes;
  /** Reads what TLS needs; called for each attempt, so that renewed files count. */
  readonly tls?: () => Promise<TlsMaterial>;
  /**
   * Told of each connection whose credentials cease to be good, with when they do, in
   * milliseconds since the Unix epoch.
   */
  readonly expiring?: (connection: Connection, expiresAt: number) => void;
  /** Opens a socket. */
  readonly openChannel: OpenChannel;
  /** Time. */
  readonly clock: Clock;
  /** Who counts what the connections do. */
  readonly observer: ConnectionObserver;
}

/** A client that is connected and authenticated, not yet known to be served. */
export interface Link {
  /** The client. */
  readonly redis: Redis;
  /** Aborted when its socket is gone. */
  readonly ended: AbortSignal;
  /** Sends again what a busy server refused of the handshake; call it when it serves. */
  complete(): Promise<void>;
  /** Makes it a connection. */
  connect(): Connection;
}

/** The socket ended before the server said anything: the server may have said why. */
export class CutUnheard extends Error {}

/** The server said what may mean that it does not know HELLO, and closed. */
export class CutAtHello extends Error {}

let lastId = 0;
/** Most of an error reply that is kept, in bytes. */
const MAX_ERROR_BYTES = 512;

/** What is needed to open a channel. */
async function channelOptions(
  options: HandshakeOptions,
  endpoint: Address,
  signal: AbortSignal,
): Promise<ChannelOptions> {
  const { keepalive, tls } = options;
  // A certificate is for the name, whatever address was found for it.
  const named = endpoint.path === undefined && endpoint.serverName !== undefined
    ? { serverName: endpoint.serverName }
    : {};
  return {
    signal,
    ...(keepalive === undefined ? {} : { keepalive }),
    ...(tls === undefined ? {} : { tls: { ...named, ...await tls() } }),
  };
}

/** The stream of a connection to be, and who is told of it until there is one. */
class Wire implements StreamHooks {
  readonly stream: ConnectionStream;
  readonly replies: ReplyCheck;
  /** What a server said that then closed; an error, in words. */
  #said: string | undefined;
  /** How what came first begins. */
  #head: Uint8Array | undefined;
  readonly #ended = new AbortController();

  constructor(channel: ByteChannel, limits: ReplyLimits) {
    this.replies = new ReplyCheck(limits);
    this.stream = new ConnectionStream(channel, this);
  }

  inspect(chunk: Uint8Array): void {
    this.#said ??= errorIn(chunk);
    this.#head ??= chunk.slice(0, MAX_ERROR_BYTES);
    this.replies.inspect(chunk);
  }

  closing(error: Error | undefined): void {
    this.#ended.abort(error ?? new Error("the connection was closed by the server"));
  }

  /** Aborted when the socket is gone. */
  get ended(): AbortSignal {
    return this.#ended.signal;
  }

  /** What a failed handshake failed for. */
  explain(error: unknown): unknown {
    // The library says no more than that it is closed.
    const isAnswer = isReplyError(error) || error instanceof GreetingRefused;
    if (isAnswer || !this.ended.aborted) return error;
    const { reason } = this.ended;
    if (this.#said !== undefined) {
      const text = withoutQuotes(this.#said);
      return mayLackHello(text) ? new CutAtHello(text) : new Error(text);
    }
    if (reason instanceof ReplyRefused && this.#head !== undefined) {
      return judgeFirstBytes(this.#head) ?? reason;
    }
    return this.stream.bytesReceived === 0 ? new CutUnheard(reason.message) : reason;
  }
}

/**
 * Opens a socket and takes the client library through its handshake.
 *
 * @param options What it needs.
 * @param endpoint Where to connect.
 * @param name Name that the server lists the connection under.
 * @param signal Ends it: the socket is closed.
 * @param protocol Which version of the protocol is spoken.
 * @returns The link.
 * @throws {CutUnheard} If the server ended it before it said anything.
 * @throws {Error} What the server answered, or the socket's error.
 */
export async function shakeHands(
  options: HandshakeOptions,
  endpoint: Address,
  name: string,
  signal: AbortSignal,
  protocol: ProtocolChoice = options.protocol ?? "auto",
): Promise<Link> {
  const { database, db, keyPrefix, replyMapping } = options;
  const given = await options.password?.credentials();
  const { password } = given ?? {};
  const username = given?.username ?? options.username;
  const wire = new Wire(
    await options.openChannel(endpoint, await channelOptions(options, endpoint, signal)),
    options.replyLimits,
  );
  const { ended, replies, stream } = wire;
  const abort = () => stream.destroy();
  signal.addEventListener("abort", abort, { once: true });
  if (signal.aborted) stream.destroy();
  signal.throwIfAborted();
  const postponed: (() => Promise<unknown>)[] = [];
  // Who fails leaves nothing on the signal: it may live as long as the server is used.
  const failed = (error: unknown) => {
    signal.removeEventListener("abort", abort);
    const explained = wire.explain(error);
    stream.destroy();
    return explained;
  };
  const redis = await connectDriver({
    stream,
    connectionName: name,
    db,
    keyPrefix,
    siblings: options,
    protocol,
    ...(replyMapping === undefined ? {} : { replyMapping }),
    postponed: (send) => postponed.push(send),
    ...(username === undefined ? {} : { username }),
    ...(password === undefined ? {} : { password }),
  }).catch((error) => {
    throw failed(error);
  });
  // Without HELLO nothing may have been asked whose answer counts.
  if (ended.aborted) throw failed(ended.reason);
  const connect = () => {
    ended.throwIfAborted();
    // From here on the connection is its owner's to end.
    signal.removeEventListener("abort", abort);
    const { silenceLimitMs, clock, observer } = options;
    const connection = new Connection({
      id: ++lastId,
      database,
      endpoint: formatAddress(endpoint),
      redis,
      stream,
      replies,
      silenceLimitMs,
      clock,
      observer,
    });
    stream.handTo(connection);
    const { expiresAt = Infinity } = given ?? {};
    if (expiresAt < Infinity) options.expiring?.(connection, expiresAt);
    return connection;
  };
  const complete = async () => {
    await Promise.all(postponed.splice(0).map((send) => send()));
  };
  return { redis, ended, complete, connect };
}

/** The text of an error reply that a chunk begins with. */
function errorIn(chunk: Uint8Array): string | undefined {
  const text = new TextDecoder().decode(chunk.subarray(0, MAX_ERROR_BYTES));
  return /^-([^\r\n]+)/.exec(text)?.[1];
}
