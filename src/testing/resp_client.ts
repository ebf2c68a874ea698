/**
 * A small Redis client: RESP2, one command after the other, no retries. Tests check with it
 * what the client under test did, so it shares no code with that.
 *
 * @module
 */

import {
  concatBytes,
  encodeCommand,
  RespError,
  RespParser,
  type RespValue,
} from "./resp_parser.ts";
import { within } from "./wait.ts";

/** Where a {@linkcode RespClient} connects to. */
export type RespTarget = { hostname: string; port: number } | { path: string };

/** Options of {@linkcode RespClient.connect}. */
export interface RespClientOptions {
  /** ACL user. Default: the server's `default` user. */
  username?: string;
  /** Password. Default: none, and no AUTH is sent. */
  password?: string;
  /** Name of the connection in CLIENT LIST. Default: none. */
  name?: string;
  /** The most that a reply may take, in milliseconds. Default: 15,000. */
  timeoutMs?: number;
}

/** How long a reply may take: the server may share the machine with many others. */
const REPLY_TIMEOUT_MS = 15_000;

/** One argument of a command. */
export type RespArg = string | number | Uint8Array;

/**
 * A connection to one Redis server.
 *
 * @example Usage
 * ```ts
 * import { RespClient, RespError, startRedis } from "@mooring/redis/testing";
 * import { assert, assertEquals } from "@std/assert";
 *
 * await using server = await startRedis();
 * using client = await RespClient.connect({ hostname: server.host, port: server.port });
 * assertEquals(await client.send("SET", "k", 1), "OK");
 * const reply = await client.send("LPUSH", "k", 1);
 * assert(reply instanceof RespError && reply.code === "WRONGTYPE");
 * ```
 */
export class RespClient implements Disposable {
  readonly #conn: Deno.Conn;
  readonly #timeoutMs: number;
  readonly #parser = new RespParser();
  readonly #chunk = new Uint8Array(64 * 1024);
  readonly #replies: RespValue[] = [];
  #queue: Promise<unknown> = Promise.resolve();
  #closed = false;

  private constructor(conn: Deno.Conn, timeoutMs: number) {
    this.#conn = conn;
    this.#timeoutMs = timeoutMs;
  }

  /**
   * Connects and authenticates.
   *
   * @param target Where the server is.
   * @param options Credentials, name, and deadline.
   * @returns The connection.
   * @throws {Error} If the server refuses the connection or the password.
   */
  static async connect(
    target: RespTarget,
    options: RespClientOptions = {},
  ): Promise<RespClient> {
    const conn = "path" in target
      ? await Deno.connect({ transport: "unix", path: target.path })
      : await Deno.connect(target);
    const client = new RespClient(conn, options.timeoutMs ?? REPLY_TIMEOUT_MS);
    try {
      await client.#introduce(options);
      return client;
    } catch (error) {
      client.close();
      throw error;
    }
  }

  /** Whether {@linkcode close} was called or the connection broke. */
  get closed(): boolean {
    return this.#closed;
  }

  /**
   * Sends one command. An error reply is returned as a {@linkcode RespError}.
   *
   * @param args The command and its arguments.
   * @returns The reply.
   * @throws {Error} If the connection ends, or no reply comes in time. Then the connection is
   * closed: a late reply must not become that of the next command.
   */
  async send(...args: RespArg[]): Promise<RespValue> {
    return (await this.pipeline([args]))[0];
  }

  /**
   * Sends commands together.
   *
   * @param commands The commands, each with its arguments.
   * @returns The replies, in order.
   * @throws {Error} As {@linkcode send} does.
   */
  pipeline(commands: readonly (readonly RespArg[])[]): Promise<RespValue[]> {
    const result = this.#queue.then(() => this.#exchange(commands));
    this.#queue = result.catch(() => {});
    return result;
  }

  /** Closes the connection. Calling it again does nothing. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    // On Deno 2.8.3 a pending read keeps a closed socket open: this ends it all the same.
    if (Deno.version.deno === "2.8.3") this.#conn.closeWrite().catch(() => {});
    this.#conn.close();
  }

  /** Closes the connection. */
  [Symbol.dispose](): void {
    this.close();
  }

  async #introduce({ username, password, name }: RespClientOptions): Promise<void> {
    const commands: RespArg[][] = [];
    if (password !== undefined) {
      commands.push(["AUTH", ...username === undefined ? [] : [username], password]);
    }
    if (name !== undefined) commands.push(["CLIENT", "SETNAME", name]);
    if (commands.length === 0) return;
    for (const reply of await this.pipeline(commands)) {
      if (reply instanceof RespError) throw new Error(reply.message);
    }
  }

  async #exchange(commands: readonly (readonly RespArg[])[]): Promise<RespValue[]> {
    if (this.#closed) throw new Error("Cannot send a command: the connection is closed");
    const what = `The reply to ${commands[0]?.slice(0, 2).join(" ")}`;
    try {
      return await within(
        this.#writeAndRead(commands),
        this.#timeoutMs,
        what,
        () => this.close(),
      );
    } catch (error) {
      this.close();
      throw error;
    }
  }

  async #writeAndRead(commands: readonly (readonly RespArg[])[]): Promise<RespValue[]> {
    // Written beside reading: a batch larger than both kernels' buffers would wait for ever.
    const writing = this.#write(concatBytes(commands.map(encodeCommand)));
    writing.catch(() => {});
    const replies: RespValue[] = [];
    while (replies.length < commands.length) {
      const reply = this.#replies.shift();
      if (reply === undefined) await this.#read();
      else replies.push(reply);
    }
    await writing;
    return replies;
  }

  async #write(bytes: Uint8Array): Promise<void> {
    for (let at = 0; at < bytes.length;) {
      at += await this.#conn.write(bytes.subarray(at));
    }
  }

  async #read(): Promise<void> {
    const length = await this.#conn.read(this.#chunk);
    if (length === null) throw new Error("The server closed the connection");
    for (const frame of this.#parser.push(this.#chunk.subarray(0, length))) {
      this.#replies.push(frame.value);
    }
  }
}
