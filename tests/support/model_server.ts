/**
 * A Redis server that is no process: it runs a few commands in memory, on the clock of a
 * test, behind byte channels that the test freezes and cuts.
 *
 * @module
 */

import { Buffer } from "node:buffer";
import type { Clock } from "../../src/core/clock.ts";
import { RespParser } from "../../src/testing/resp_parser.ts";
import type {
  ByteChannel,
  ChannelHandlers,
  OpenChannel,
} from "../../src/transport/channel.ts";

const encoder = new TextEncoder();

const OK = "+OK\r\n";
const NULL = "_\r\n";
const bulk = (text: string) => `$${encoder.encode(text).length}\r\n${text}\r\n`;
const array = (...parts: string[]) => `*${parts.length}\r\n${parts.join("")}`;

/** A client that waits for an element. */
interface Blocked {
  readonly channel: ModelChannel;
  readonly key: string | undefined;
  /** Ends the wait; the next command is run. */
  finish(reply: string): void;
}

/** A server of lists, counters and subscriptions. */
export class ModelServer {
  readonly #clock: Clock;
  readonly #channels = new Set<ModelChannel>();
  readonly #lists = new Map<string, string[]>();
  readonly #blocked: Blocked[] = [];
  #lastId = 0;

  /**
   * Starts with no data.
   *
   * @param clock Time, for the timeouts of blocking commands.
   */
  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Opens a channel to it: what `openChannel` of a database wants. */
  readonly open: OpenChannel = () => {
    const channel = new ModelChannel(this, ++this.#lastId);
    this.#channels.add(channel);
    return Promise.resolve(channel);
  };

  /** The open channels. */
  get channels(): readonly ModelChannel[] {
    return [...this.#channels];
  }

  /** Elements of a list. */
  list(key: string): readonly string[] {
    return this.#lists.get(key) ?? [];
  }

  /** Takes nothing more of a channel; for the channel. */
  forget(channel: ModelChannel): void {
    this.#channels.delete(channel);
    const left = this.#blocked.filter((each) => each.channel !== channel);
    this.#blocked.splice(0, Infinity, ...left);
  }

  /**
   * Runs a command; for the channel.
   *
   * @param channel Where it came from.
   * @param command Its name and arguments.
   * @returns The reply; a promise of it if the command blocks.
   */
  run(channel: ModelChannel, [name = "", ...args]: string[]): string | Promise<string> {
    switch (name.toLowerCase()) {
      case "hello":
        return `%1\r\n${bulk("proto")}:3\r\n`;
      case "ping":
        return "+PONG\r\n";
      case "info":
        return bulk("loading:0\r\n");
      case "get":
        return NULL;
      case "incr":
        return ":1\r\n";
      case "scan":
        return array(bulk("0"), array());
      case "eval":
      case "evalsha":
        return ":42\r\n";
      case "client":
        return this.#client(channel, args);
      case "rpush":
        return this.#push(args[0]!, args[1]!);
      case "lpop":
        return popped(this.#lists.get(args[0]!)?.shift());
      case "blpop":
        return this.#take(channel, args[0]!, Number(args[1]) * 1000);
      case "wait":
        return args[0] === "0"
          ? ":0\r\n"
          : this.#block(channel, undefined, Number(args[1]), ":0\r\n");
      case "multi":
        channel.queued = [];
        return OK;
      case "exec":
        return this.#execute(channel);
      case "subscribe":
      case "unsubscribe":
        return args.map((channel, i) =>
          `>3\r\n${bulk(name.toLowerCase())}${bulk(channel)}:${i + 1}\r\n`
        ).join("");
      default:
        return OK;
    }
  }

  #client(channel: ModelChannel, [subcommand = "", id = ""]: string[]): string {
    if (/^id$/i.test(subcommand)) return `:${channel.id}\r\n`;
    if (!/^unblock$/i.test(subcommand)) return OK;
    const blocked = this.#blocked.find((each) => each.channel.id === Number(id));
    blocked?.finish("-UNBLOCKED client unblocked via CLIENT UNBLOCK\r\n");
    return blocked === undefined ? ":0\r\n" : ":1\r\n";
  }

  #execute(channel: ModelChannel): string {
    const queued = channel.queued ?? [];
    channel.queued = undefined;
    return array(...queued.map((command) => this.run(channel, command) as string));
  }

  #push(key: string, element: string): string {
    const taker = this.#blocked.find((each) => each.key === key);
    if (taker !== undefined) taker.finish(array(bulk(key), bulk(element)));
    else this.#lists.set(key, [...this.list(key), element]);
    return ":1\r\n";
  }

  #take(channel: ModelChannel, key: string, timeoutMs: number): string | Promise<string> {
    const element = this.#lists.get(key)?.shift();
    if (element !== undefined) return array(bulk(key), bulk(element));
    return this.#block(channel, key, timeoutMs, NULL);
  }

  #block(
    channel: ModelChannel,
    key: string | undefined,
    timeoutMs: number,
    inVain: string,
  ): Promise<string> {
    const { promise, resolve } = Promise.withResolvers<string>();
    const blocked: Blocked = {
      channel,
      key,
      finish: (reply) => {
        timer?.cancel();
        this.#blocked.splice(this.#blocked.indexOf(blocked), 1);
        resolve(reply);
      },
    };
    const timer = timeoutMs > 0
      ? this.#clock.setTimer(() => {
        if (this.#blocked.includes(blocked)) blocked.finish(inVain);
      }, timeoutMs)
      : undefined;
    this.#blocked.push(blocked);
    return promise;
  }
}

function popped(element: string | undefined): string {
  return element === undefined ? NULL : bulk(element);
}

/** One connection to a {@linkcode ModelServer}. */
export class ModelChannel implements ByteChannel {
  readonly keepalive = "heartbeat";
  readonly kernelKeepalive = null;
  readonly tls = null;
  readonly bufferedBytes = 0;
  readonly localPort = 0;
  bytesWritten = 0;
  /** Number that the server knows it by. */
  readonly id: number;
  /** Commands of a transaction that has begun. */
  queued: string[][] | undefined;
  readonly #server: ModelServer;
  readonly #parser = new RespParser();
  #handlers: ChannelHandlers | undefined;
  /** What has not been run, and what has not been delivered. */
  #commands: string[][] = [];
  #replies: string[] = [];
  #frozen: "neither" | "both" | "replies" = "neither";
  #isBusy = false;
  #isClosed = false;

  constructor(server: ModelServer, id: number) {
    this.#server = server;
    this.id = id;
  }

  start(handlers: ChannelHandlers): void {
    this.#handlers = handlers;
  }

  write(data: string | Uint8Array): void {
    const bytes = typeof data === "string" ? encoder.encode(data) : data;
    this.bytesWritten += bytes.length;
    for (const { value } of this.#parser.push(bytes)) {
      this.#commands.push((value as string[]).map(String));
    }
    queueMicrotask(() => void this.#work());
  }

  /**
   * Lets nothing through any more.
   *
   * @param what Commands and replies, or replies alone: then commands still run.
   */
  freeze(what: "both" | "replies"): void {
    this.#frozen = what;
  }

  /** Lets everything through again, in order. */
  thaw(): void {
    this.#frozen = "neither";
    queueMicrotask(() => void this.#work());
    this.#deliver();
  }

  /**
   * Ends it, as the network does: what has not been delivered is lost.
   *
   * @param error Why.
   */
  cut(error: Error | undefined = new Error("reset")): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#server.forget(this);
    queueMicrotask(() => this.#handlers?.close(error));
  }

  end(): void {
    this.cut(undefined);
  }

  destroy(): void {
    this.cut(undefined);
  }

  async #work(): Promise<void> {
    if (this.#isBusy) return;
    this.#isBusy = true;
    while (this.#commands.length > 0 && this.#frozen !== "both" && !this.#isClosed) {
      const command = this.#commands.shift()!;
      const isQueued = this.queued !== undefined && !/^exec$/i.test(command[0]!);
      if (isQueued) this.queued!.push(command);
      const reply = isQueued ? "+QUEUED\r\n" : this.#server.run(this, command);
      this.#replies.push(typeof reply === "string" ? reply : await reply);
      this.#deliver();
      if (/^quit$/i.test(command[0]!)) this.cut(undefined);
    }
    this.#isBusy = false;
  }

  #deliver(): void {
    if (this.#frozen !== "neither" || this.#replies.length === 0) return;
    const text = this.#replies.splice(0).join("");
    queueMicrotask(() => {
      // The library knows bytes as Buffers only, as sockets give them.
      if (!this.#isClosed) this.#handlers?.data(Buffer.from(text));
    });
  }
}
