/**
 * Makes the clients of connections: the library's defaults (reconnecting, queueing, sending
 * again) are switched off in one place.
 */
import { greet, type Greeting, hideArguments, type ReplyMapping } from "./greeting.ts";
import { Command, Redis, type RedisOptions, ReplyError } from "./library.ts";
import type { ConnectionStream } from "../transport/stream.ts";
import { writeCommandText } from "./command_text.ts";
import { withoutQuotes } from "./reply_text.ts";
import type { TrackedCommand } from "./tracked.ts";
import { hold, PassiveClient } from "./passive_client.ts";
import { shareOptions } from "./shared_options.ts";

export { Command, hold, Redis, ReplyError as LibraryReplyError };
export type { RedisOptions };

/** What a client of the library is made with. */
export interface DriverOptions extends Greeting {
  /** The open stream that it speaks over; it never gets another. */
  readonly stream: ConnectionStream;
  /** How replies of RESP3 are given. Default `legacy`. */
  readonly replyMapping?: ReplyMapping;
  /** What is put before each key. */
  readonly keyPrefix: string;
  /** The same for all clients whose options are mostly alike. Default: there are no such. */
  readonly siblings?: object;
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
  // What comes before the first command is our own business: the library says nothing.
  protocol: 2,
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

/**
 * Makes a client that speaks over one open stream and ends with it, and takes it through
 * what comes before the first command.
 *
 * @param options Stream, name, database, credentials.
 * @returns The client, ready.
 * @throws {GreetingRefused} If the server refuses, and will again.
 * @throws {Error} What the server answered, or why the stream ended.
 */
export async function connectDriver(options: DriverOptions): Promise<Redis> {
  const { connectionName, db, keyPrefix, replyMapping = "legacy", siblings, stream } =
    options;
  const redis = new PassiveClient({
    ...PASSIVE,
    Connector: OpenStreamConnector as unknown as RedisOptions["Connector"],
    // Handed to the connector with the other options.
    ...{ openStream: stream },
    keyPrefix,
  });
  redis.on("error", ignoreErrors);
  // Who leases it may have many listeners: that is no leak, as they go with the lease.
  redis.setMaxListeners(0);
  const connecting = redis.connect();
  // Its parser is made with this when the library has its stream.
  if (redis.condition) redis.condition.replyMapping = replyMapping;
  await connecting;
  try {
    await greet(redis, options);
  } catch (error) {
    throw withoutArguments(error);
  }
  if (redis.condition) redis.condition.select = db;
  Object.assign(redis.options, { connectionName, db, openStream: undefined });
  redis.options = shareOptions(redis.options, siblings ?? redis);
  return redis;
}

/** Listens to a client's errors: without a listener the library prints them. */
export function ignoreErrors(): void {}

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
