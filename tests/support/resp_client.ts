/**
 * A small Redis client of the tests' own: RESP2, one command after the other, no retries.
 * It judges what the client under test did, so it shares nothing with it.
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
import { loadFactor } from "./stopwatch.ts";
import { within } from "./wait.ts";

/** Where a {@linkcode RespClient} connects to. */
export type RespTarget = { hostname: string; port: number } | { path: string };

/** Options of {@linkcode RespClient.connect}. */
export interface RespClientOptions {
  /** ACL user. Default: Redis' `default` user. */
  username?: string;
  /** Password; no AUTH is sent without one. */
  password?: string;
  /** Name of the connection in CLIENT LIST. Default: none. */
  name?: string;
  /** How long one reply may take, in milliseconds. Default: 5000 or more, by the load. */
  timeoutMs?: number;
}

/** One argument of a command. */
export type RespArg = string | number | Uint8Array;

/**
 * A connection to one Redis server.
 *
 * @example
 * ```ts
 * using client = await RespClient.connect({ hostname: "127.0.0.1", port: 6379 });
 * await client.send("SET", "k", 1); // "OK"
 * await client.send("LPUSH", "k", 1); // a RespError with code "WRONGTYPE"
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
   * @throws {Error} If the server refuses the connection or the password.
   */
  static async connect(
    target: RespTarget,
    options: RespClientOptions = {},
  ): Promise<RespClient> {
    const conn = "path" in target
      ? await Deno.connect({ transport: "unix", path: target.path })
      : await Deno.connect(target);
    const client = new RespClient(conn, options.timeoutMs ?? 5000 * loadFactor());
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
   * Sends one command and gives its reply; an error reply is a {@linkcode RespError} value.
   *
   * @throws {Error} If the connection ends or no reply comes in time. The connection is
   * closed then: a late reply must not become the next command's.
   */
  async send(...args: RespArg[]): Promise<RespValue> {
    return (await this.pipeline([args]))[0];
  }

  /** Sends all commands at once and gives the replies in order. */
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

  [Symbol.dispose](): void {
    this.close();
  }

  async #introduce({ username, password, name }: RespClientOptions): Promise<void> {
    const commands: RespArg[][] = [];
    if (password !== undefined) {
      commands.push(
        username === undefined ? ["AUTH", password] : [
          "AUTH",
          username,
          password,
        ],
      );
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
