import type { ByteChannel, ChannelHandlers } from "../../src/transport/channel.ts";

/** What a channel needs of its server. */
export interface ChannelServer {
  /** Serves commands of a channel, of which so many are not of its handshake, and calls
   * back when the answer has arrived. */
  serve(channel: ModelChannel, commands: Sent, answered: () => void): void;
  /** The client has hung up. */
  hungUp(channel: ModelChannel): void;
}

/** Commands that were sent together. */
export interface Sent {
  /** How many. */
  readonly count: number;
  /** Those that are a caller's, and no part of a handshake. */
  readonly calls: number;
}

/** The name of each command; a simulation sends no argument that looks like one. */
const COMMAND = /\*\d+\r\n\$\d+\r\n([A-Za-z]+)\r\n/g;
/** What commands are answered; a key is never there. */
const REPLIES: Readonly<Record<string, string>> = {
  hello: "%2\r\n$6\r\nserver\r\n$5\r\nredis\r\n$5\r\nproto\r\n:3\r\n",
  ping: "+PONG\r\n",
  get: "_\r\n",
};

const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** One connection to a {@linkcode ModelServer}: takes RESP, answers RESP. */
export class ModelChannel implements ByteChannel {
  readonly keepalive = "on";
  readonly kernelKeepalive = null;
  readonly tls = null;
  readonly bufferedBytes = 0;
  readonly localPort = 0;
  readonly #server: ChannelServer;
  #bytesWritten = 0;
  #handlers: ChannelHandlers | undefined;
  /** What was sent before the server has accepted. */
  #early: string[] | undefined = [];
  /** What came before the client listens. */
  #unread = "";
  #lost = false;
  #hungUp = false;
  #isReported = false;

  /**
   * Makes a channel that the kernel has answered and the server has not accepted.
   *
   * @param server The server.
   */
  constructor(server: ChannelServer) {
    this.#server = server;
  }

  get bytesWritten(): number {
    return this.#bytesWritten;
  }

  /** Whether the client has hung up. */
  get ended(): boolean {
    return this.#hungUp;
  }

  start(handlers: ChannelHandlers): void {
    this.#handlers = handlers;
    queueMicrotask(() => {
      if (this.#unread !== "") handlers.data(encoder.encode(this.#unread));
      if (this.#lost) this.#reportClose();
    });
  }

  write(data: string | Uint8Array): void {
    const text = typeof data === "string" ? data : decoder.decode(data);
    this.#bytesWritten += text.length;
    if (this.#lost || this.#hungUp) return;
    if (this.#early === undefined) this.#send(text);
    else this.#early.push(text);
  }

  end(): void {
    this.destroy();
  }

  destroy(): void {
    if (this.#hungUp) return;
    this.#hungUp = true;
    this.#server.hungUp(this);
    queueMicrotask(() => this.#reportClose());
  }

  /** The server has accepted it. */
  accepted(): void {
    const early = this.#early ?? [];
    this.#early = undefined;
    for (const text of early) this.#send(text);
  }

  /**
   * The server says something and hangs up.
   *
   * @param words What it says.
   */
  refuse(words: string): void {
    if (this.#hungUp) return;
    this.#receive(words);
    this.lose();
  }

  /** The server is gone. */
  lose(): void {
    this.#lost = true;
    if (this.#handlers !== undefined) queueMicrotask(() => this.#reportClose());
  }

  #send(text: string): void {
    const names = Array.from(text.matchAll(COMMAND), ([, name]) => name!.toLowerCase());
    const reply = names.map((name) => REPLIES[name] ?? "+OK\r\n").join("");
    const sent = {
      count: names.length,
      calls: names.filter((name) => name === "get").length,
    };
    this.#server.serve(this, sent, () => {
      if (!this.#lost && !this.#hungUp) this.#receive(reply);
    });
  }

  #receive(text: string): void {
    if (this.#handlers === undefined) this.#unread += text;
    else this.#handlers.data(encoder.encode(text));
  }

  #reportClose(): void {
    if (this.#isReported) return;
    this.#isReported = true;
    this.#handlers?.close(undefined);
  }
}
