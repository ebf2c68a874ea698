/**
 * Makes the clients of connections: the library's defaults (reconnecting, queueing, sending
 * again) are switched off in one place.
 */
import { Command, Redis, type RedisOptions, ReplyError } from "./library.ts";
import type { ConnectionStream } from "../transport/stream.ts";
import { writeCommandText } from "./command_text.ts";
import { withoutQuotes } from "./reply_text.ts";
import type { TrackedCommand } from "./tracked.ts";
import { type ClientHolder, hold, PassiveClient } from "./passive_client.ts";
import { shareOptions } from "./shared_options.ts";

export { Command, hold, Redis };
export type { RedisOptions };

/** What a client of the library is made with. */
export interface DriverOptions {
  /** The open stream that it speaks over; it never gets another. */
  readonly stream: ConnectionStream;
  /** Name that the server lists the connection under. */
  readonly connectionName: string;
  /** Database number. */
  readonly db: number;
  /** ACL user. */
  readonly username?: string;
  /** Password. */
  readonly password?: string;
  /** What is put before each key. */
  readonly keyPrefix: string;
  /** The same for all clients whose options are mostly alike. Default: there are no such. */
  readonly siblings?: object;
  /**
   * Told of what the server refused for now, as it is busy with a script: it knows neither
   * the connection's name nor its database number before that was sent again. Default: it
   * fails the handshake.
   */
  readonly postponed?: (send: () => Promise<unknown>) => void;
}

/** Whether an error is the server's own reply. */
export function isReplyError(error: unknown): error is Error & { name: "ReplyError" } {
  return error instanceof ReplyError;
}

/** The library's options that keep every policy out of it. */
const PASSIVE = {
  lazyConnect: true,
  retryStrategy: () => null,
  enableOfflineQueue: false,
  autoResendUnfulfilledCommands: false,
  autoResubscribe: false,
  enableReadyCheck: false,
  maxRetriesPerRequest: null,
  disableClientInfo: true,
  // Our own deadline ends the connecting, our own transport sets TCP_NODELAY.
  connectTimeout: 0,
  noDelay: false,
} satisfies RedisOptions;

/** The library's view of how a connection is made: ours is open already. */
class OpenStreamConnector {
  readonly #stream: ConnectionStream | undefined;

  constructor(options: { readonly openStream?: ConnectionStream }) {
    this.#stream = options.openStream;
  }
  connect(): Promise<ConnectionStream> {
    // Who makes a client with the options of another has no stream for it.
    return this.#stream === undefined
      ? Promise.reject(new Error("a connection's client opens no other connection"))
      : Promise.resolve(this.#stream);
  }
  check(): boolean {
    return true;
  }
  disconnect(): void {
    this.#stream?.end();
  }
}

/** What a server says while a script runs for long, to all but HELLO, AUTH and few more. */
const BUSY = /^BUSY\b/;

/** Text of Redis 6 and later when a password is given that is not asked for. */
const NO_PASSWORD_SET = "without any password configured";

/**
 * Makes a client that speaks over one open stream and ends with it, and takes it
 * through the handshake: HELLO (with credentials), SELECT, CLIENT SETNAME.
 *
 * @param options Stream, name, database, credentials.
 * @returns The client, ready.
 * @throws {Error} What the server answered to HELLO or SELECT, or why the stream ended.
 */
export async function connectDriver(options: DriverOptions): Promise<Redis> {
  const redis = new PassiveClient({
    ...PASSIVE,
    Connector: OpenStreamConnector as unknown as RedisOptions["Connector"],
    // Handed to the connector with the other options.
    ...{ openStream: options.stream },
    connectionName: options.connectionName,
    db: options.db,
    keyPrefix: options.keyPrefix,
    username: options.username,
    password: options.password,
  });
  let failure: Error | undefined;
  // The library reports what fails here and nowhere else; without a listener it prints.
  const { postponed } = options;
  const failed = (error: Error) => {
    if (postponed === undefined || !BUSY.test(error.message)) {
      failure ??= withoutArguments(error);
    }
  };
  redis.on("error", failed);
  hold(redis, { database: "", ...guardHandshake(redis, failed, postponed) });
  try {
    await redis.connect();
  } catch (error) {
    throw failure ?? error;
  } finally {
    hold(redis, undefined);
    letGo(redis, options.siblings ?? redis);
  }
  if (failure !== undefined) throw failure;
  return redis;
}

/**
 * While the handshake lasts: a SELECT that fails must fail the connection (the library
 * would go on with database 0), and a password that the server does not ask for must
 * not leave the connection half negotiated. What a busy server refuses is for later.
 */
function guardHandshake(
  redis: Redis,
  failed: (error: Error) => void,
  postponed: DriverOptions["postponed"],
): Pick<ClientHolder, "clientSends"> {
  const send = (command: Command) => librarySend.call(redis, command) as Promise<unknown>;
  const clientSends = (command: Command) => {
    hideArguments(command);
    const reply = send(command);
    if (command.name === "select") reply.catch(failed);
    if (command.name !== "hello") {
      const { name, args } = command;
      reply.catch((error: Error) => {
        if (!BUSY.test(error.message)) return;
        postponed?.(() => redis.call(name, args as string[]));
      });
      return reply;
    }
    return reply.catch((error: Error) => {
      if (!error.message.includes(NO_PASSWORD_SET)) throw error;
      return send(new Command("hello", ["3"]));
    });
  };
  return { clientSends };
}

/**
 * Takes off what only the opening needed: the client never connects again. The password
 * stands where `console.log` of a client shows it, and the listener of errors knows all
 * that the opening knew.
 */
function letGo(redis: Redis, siblings: object): void {
  if (redis.condition) redis.condition.auth = undefined;
  redis.removeAllListeners("error");
  redis.on("error", ignoreErrors);
  Object.assign(redis.options, { password: undefined, openStream: undefined });
  redis.options = shareOptions(redis.options, siblings);
}

/** Listens to a client's errors: without a listener the library prints them. */
export function ignoreErrors(): void {}

/** Commands whose arguments are credentials, as they may be written. */
const SECRET: ReadonlySet<string> = new Set(["auth", "AUTH", "hello", "HELLO"]);

/** The library prints what it sends where `DEBUG=ioredis:*` asks for it. */
function hideArguments({ name, args }: Command): void {
  if (!SECRET.has(name)) return;
  const value = () => "***";
  Object.defineProperty(args, Symbol.for("nodejs.util.inspect.custom"), { value });
}

const librarySend = Redis.prototype.sendCommand;

/**
 * Writes a command by the library's own way, whatever a client's `sendCommand` has been
 * replaced with.
 *
 * @param redis The client.
 * @param command The command.
 */
export function writeCommand(redis: Redis, command: Command): void {
  hideArguments(command);
  librarySend.call(redis, command);
}

/** What the library keeps of how a command is written. */
interface Written {
  /** Whether some of its arguments are Buffers; all others are texts by now. */
  readonly bufferMode?: boolean;
  readonly args: readonly unknown[];
  readonly toWritable: unknown;
}

const { toWritable: libraryWrite } = Command.prototype;

type Queued = Parameters<Redis["commandQueue"]["push"]>[0];

/**
 * Writes a command that changes nothing of its connection: does what the library's own
 * way does for such a command, without asking what is known.
 *
 * @param redis The client.
 * @param stream Its stream.
 * @param command The command.
 */
export function writeOrdinary(
  redis: Redis,
  stream: ConnectionStream,
  command: TrackedCommand,
): void {
  const { condition } = redis;
  if (redis.status !== "ready" || !stream.writable || condition === null) {
    return writeCommand(redis, command);
  }
  command.setReplyContext(condition);
  const { bufferMode, args, toWritable } = command as unknown as Written;
  // A script writes itself: by its digest, or whole.
  const isText = bufferMode !== true && toWritable === libraryWrite;
  stream.write(
    isText
      ? writeCommandText(command.name, args as string[])
      : command.toWritable(stream),
  );
  // What else an entry has is for sending again, which is switched off.
  redis.commandQueue.push(command as unknown as Queued);
}

/**
 * Takes the arguments off an error of the library: they hold what the caller wrote,
 * passwords among it.
 *
 * @param error The error.
 * @returns The same error.
 */
export function withoutArguments<E>(error: E): E {
  const command = (error as { command?: { name: string } }).command;
  if (command !== undefined) {
    Object.assign(error as object, { command: { name: command.name, args: [] } });
  }
  if (isReplyError(error)) unquote(error);
  return error;
}

/** The stack begins with the message. */
function unquote(error: Error): void {
  const { message, stack } = error;
  const text = withoutQuotes(message);
  if (text === message) return;
  error.message = text;
  if (stack !== undefined) error.stack = stack.replace(message, () => text);
}
