/**
 * A Redis server of its own for a test, the demo or a bench.
 *
 * @module
 */

import { freePort } from "./ports.ts";
import { ensureRedisServer } from "./redis_binary.ts";
import {
  JUDGE,
  type Persistence,
  redisConfigText,
  type RedisServerConfig,
  type RedisServerTls,
} from "./redis_config.ts";
import { type ClientRow, parseClientList, parseInfo } from "./redis_replies.ts";
import { type RespArg, RespClient } from "./resp_client.ts";
import type { RespValue } from "./resp_parser.ts";
import { ServerProcess } from "./server_process.ts";
import { loadFactor } from "./stopwatch.ts";
import { delay, within } from "./wait.ts";

export type { Persistence, RedisServerConfig, RedisServerTls } from "./redis_config.ts";

/** Options of {@linkcode RedisServer.start}. */
export interface RedisServerOptions {
  /** Directives of redis.conf on top of the ones that the other options give. */
  config?: RedisServerConfig;
  /** Further arguments of the command line. Default: none. */
  args?: readonly string[];
  /** Port, 1 to 65535. Default: a free one; then a race for it is run again with another. */
  port?: number;
  /** Further ports, as distances from the first, that must be free. Default: none. */
  portOffsets?: readonly number[];
  /** Working folder, kept afterwards. Default: a temporary one, removed afterwards. */
  dir?: string;
  /** Password of the default user. Default: none. */
  password?: string;
  /** TLS on the port, instead of plain TCP. Default: plain TCP. */
  tls?: RedisServerTls;
  /** What a restart finds. Default: `none`. */
  persistence?: Persistence;
  /** How long the server may take to come up, in milliseconds. Default: 10000 or more, by
   * the load. */
  startTimeoutMs?: number;
  /** How long the server may take to answer a question of the tests' own, in milliseconds.
   * Default: 5000 or more, by the load. */
  replyTimeoutMs?: number;
}

/**
 * A running `redis-server` (or `valkey-server`) on loopback, with a folder of its own.
 *
 * The tests' own questions ({@linkcode cli}, {@linkcode clientList}, {@linkcode info}) go
 * over a Unix socket, as an ACL user of their own: they are answered too when the port
 * speaks TLS, is cut off by a packet filter, or has got another password. That connection is
 * open as long as the server runs; it counts towards `maxclients`.
 *
 * @example
 * ```ts
 * await using server = await RedisServer.start({ config: { maxclients: "5" } });
 * await server.cli("SET", "k", "v"); // "OK"
 * await server.restart();
 * await server.cli("GET", "k"); // null
 * ```
 */
export class RedisServer implements AsyncDisposable {
  /** Address that the server listens on. */
  readonly host = "127.0.0.1";
  /** Port of TCP, or of TLS if the options ask for it. */
  readonly port: number;
  /** Working folder: configuration, log, dumps, Unix socket. */
  readonly dir: string;
  /** Path of the server's Unix socket. */
  readonly unixSocket: string;
  readonly #options: RedisServerOptions;
  readonly #binary: string;
  #config: RedisServerConfig;
  #process: ServerProcess | undefined;
  #judge: Promise<RespClient> | undefined;

  private constructor(
    options: RedisServerOptions,
    binary: string,
    dir: string,
    port: number,
  ) {
    this.#options = options;
    this.#binary = binary;
    this.#config = options.config ?? {};
    this.dir = dir;
    this.port = port;
    this.unixSocket = `${dir}/redis.sock`;
  }

  /**
   * Starts a server and waits until it answers (LOADING is an answer too).
   *
   * @throws {Error} If there is no server program, or it ends or stays silent; the message
   * carries the end of its log.
   */
  static async start(options: RedisServerOptions = {}): Promise<RedisServer> {
    const binary = await ensureRedisServer();
    for (let races = 1;; races++) {
      const dir = options.dir ?? await Deno.makeTempDir({ prefix: "mooring-redis-" });
      const port = options.port ?? freePort(options.portOffsets);
      const server = new RedisServer(options, binary, dir, port);
      try {
        await server.#run();
        return server;
      } catch (error) {
        const lostRace = (await server.log()).includes("Address already in use");
        await server[Symbol.asyncDispose]();
        if (!lostRace || options.port !== undefined || races === 5) throw error;
      }
    }
  }

  /** Process id of the run at hand. */
  get pid(): number {
    if (this.#process === undefined) throw new Error("The server was never started");
    return this.#process.pid;
  }

  /** Whether the process runs (paused counts as running). */
  get running(): boolean {
    return this.#process?.running ?? false;
  }

  /** `redis://` or `rediss://` with password, host and port. */
  get url(): string {
    const { password, tls } = this.#options;
    const user = password === undefined ? "" : `:${encodeURIComponent(password)}@`;
    return `${tls ? "rediss" : "redis"}://${user}${this.host}:${this.port}`;
  }

  /** Asks the server to end, as a service manager does: it saves first if it persists. */
  async stop(): Promise<void> {
    await this.#process?.stop();
    await this.#dropJudge();
  }

  /** Ends the server at once, with SIGKILL. */
  async kill(): Promise<void> {
    await this.#process?.kill();
    await this.#dropJudge();
  }

  /** Freezes the process with SIGSTOP: its sockets stay open and nothing answers. */
  pause(): void {
    this.#process?.signal("SIGSTOP");
  }

  /** Lets a paused process go on. */
  resume(): void {
    this.#process?.signal("SIGCONT");
  }

  /**
   * Stops the server if it runs, and starts it on the same port and folder.
   *
   * @param changes Directives to add or to replace from now on.
   */
  async restart(changes: { config?: RedisServerConfig } = {}): Promise<void> {
    await this.stop();
    this.#config = { ...this.#config, ...changes.config };
    await this.#run();
  }

  /**
   * Sends one command over the tests' own connection. An error reply is a value.
   *
   * @throws {Error} If the server is down, or gives no answer for `replyTimeoutMs`.
   */
  async cli(...args: RespArg[]): Promise<RespValue> {
    return (await this.pipeline([args]))[0];
  }

  /** Sends many commands at once over the tests' own connection. */
  async pipeline(commands: readonly (readonly RespArg[])[]): Promise<RespValue[]> {
    return await (await this.#openJudge()).pipeline(commands);
  }

  /** A further connection of the tests' own, for what blocks or changes its state. */
  connect(): Promise<RespClient> {
    const credentials = this.#hasAclFile()
      ? { password: this.#options.password }
      : { username: JUDGE, password: JUDGE };
    const { replyTimeoutMs: timeoutMs } = this.#options;
    return RespClient.connect({ path: this.unixSocket }, {
      ...credentials,
      name: JUDGE,
      ...(timeoutMs === undefined ? {} : { timeoutMs }),
    });
  }

  /** The connections of others whose names begin with `namePrefix` (default: all). */
  async clientList(namePrefix = ""): Promise<ClientRow[]> {
    const rows = parseClientList(await this.#text("CLIENT", "LIST"));
    return rows.filter(({ name }) => name !== JUDGE && name.startsWith(namePrefix));
  }

  /** One section of INFO (default: the usual ones). */
  async info(section = "default"): Promise<Record<string, string>> {
    return parseInfo(await this.#text("INFO", section));
  }

  /** What the server printed so far, over all its runs. */
  async log(): Promise<string> {
    try {
      return await Deno.readTextFile(this.#logFile);
    } catch (error) {
      if (error instanceof Deno.errors.NotFound) return "";
      throw error;
    }
  }

  /** Ends the server and removes its folder, unless the caller named the folder. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.kill();
    if (this.#options.dir !== undefined) return;
    await Deno.remove(this.dir, { recursive: true }).catch((error) => {
      if (!(error instanceof Deno.errors.NotFound)) throw error;
    });
  }

  get #logFile(): string {
    return `${this.dir}/redis.log`;
  }

  #hasAclFile(): boolean {
    return "aclfile" in this.#config;
  }

  async #openJudge(): Promise<RespClient> {
    const known = this.#judge;
    const client = await known?.catch(() => undefined);
    if (client !== undefined && !client.closed) return client;
    // Another caller may have replaced it while this one waited.
    if (this.#judge === known) this.#judge = undefined;
    this.#judge ??= this.connect();
    return await this.#judge;
  }

  async #dropJudge(): Promise<void> {
    const judge = this.#judge;
    this.#judge = undefined;
    await judge?.then((client) => client.close(), () => {});
  }

  async #text(...command: string[]): Promise<string> {
    const reply = await this.cli(...command);
    if (typeof reply === "string") return reply;
    throw new Error(`Cannot read ${command.join(" ")}: the server said ${reply}`);
  }

  async #run(): Promise<void> {
    const configFile = `${this.dir}/redis.conf`;
    const { port, dir, unixSocket } = this;
    await Deno.writeTextFile(
      configFile,
      redisConfigText({
        ...this.#options,
        host: this.host,
        port,
        dir,
        unixSocket,
        config: this.#config,
      }),
    );
    this.#process = ServerProcess.spawn({
      command: this.#binary,
      args: [configFile, ...this.#options.args ?? []],
      logFile: this.#logFile,
      orphanDir: this.#options.dir === undefined ? this.dir : undefined,
    });
    await this.#untilUp(this.#process);
  }

  async #untilUp(process: ServerProcess): Promise<void> {
    const { startTimeoutMs = 10_000 * loadFactor() } = this.#options;
    const deadline = performance.now() + startTimeoutMs;
    while (performance.now() < deadline) {
      if (!process.running) throw await this.#failure("ended");
      if (await this.#isListening()) return await this.#untilAnswer();
      await delay(10);
    }
    throw await this.#failure(`did not listen within ${startTimeoutMs} ms`);
  }

  // Redis opens its Unix socket last: who can connect to it can connect to the port.
  async #isListening(): Promise<boolean> {
    try {
      (await Deno.connect({ transport: "unix", path: this.unixSocket })).close();
      return true;
    } catch {
      return false;
    }
  }

  // A server that loads a large file may be too busy to answer: it is up all the same.
  async #untilAnswer(): Promise<void> {
    this.#judge = this.connect();
    try {
      await within(this.#judge, 500, "The first answer");
    } catch (error) {
      if (!(error instanceof Deno.errors.TimedOut)) throw error;
    }
  }

  async #failure(what: string): Promise<Error> {
    const tail = (await this.log()).trimEnd().split("\n").slice(-8).join("\n");
    return new Error(`The Redis server on port ${this.port} ${what}:\n${tail}`);
  }
}
