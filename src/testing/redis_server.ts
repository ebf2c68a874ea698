/**
 * A throw-away Redis server.
 *
 * @module
 */

import { checkIntegers, PORTS } from "./checks.ts";
import { CLUSTER_BUS_OFFSET, freePort } from "./ports.ts";
import {
  KIT_USER,
  type Persistence,
  redisConfigText,
  type RedisServerConfig,
  type RedisServerTls,
} from "./redis_config.ts";
import { findRedisServer } from "./redis_program.ts";
import { type ClientRow, parseClientList, parseInfo } from "./redis_replies.ts";
import { type RespArg, RespClient } from "./resp_client.ts";
import type { RespValue } from "./resp_parser.ts";
import { ServerProcess } from "./server_process.ts";
import { delay, within } from "./wait.ts";

export type { Persistence, RedisServerConfig, RedisServerTls } from "./redis_config.ts";

/** How long a server may take to listen: it may share the machine with many others. */
const START_TIMEOUT_MS = 30_000;

/** Options of {@linkcode startRedis}. */
export interface RedisServerOptions {
  /** Directives of `redis.conf`, which override those that the other options cause. Default:
   * none. */
  config?: RedisServerConfig;
  /** Further arguments of the command line, such as `["--loglevel", "debug"]`. Default:
   * none. */
  args?: readonly string[];
  /** Port, 1 to 65535. Default: a free one. */
  port?: number;
  /** Working folder, which must exist, and is kept. Default: a temporary one, which is removed
   * at the end. */
  dir?: string;
  /** Password of the default user. Default: none. */
  password?: string;
  /** Files for TLS, which the port then speaks instead of plain TCP. Default: plain TCP. */
  tls?: RedisServerTls;
  /** What is left after {@linkcode RedisServer.restart}. Default: `none`. */
  persistence?: Persistence;
  /** The most that the server may take to listen, in milliseconds. Default: 30,000. */
  startTimeoutMs?: number;
  /** The most that it may take to answer {@linkcode RedisServer.cli} and the like, in
   * milliseconds. Default: 15,000. */
  replyTimeoutMs?: number;
}

/**
 * A running `redis-server` or `valkey-server` on 127.0.0.1, with a folder of its own:
 * {@linkcode startRedis} makes one. `await using` ends it and removes the folder, also if the
 * test throws. If the process that started it ends in any other way, SIGKILL included, the
 * server ends too.
 *
 * {@linkcode cli}, {@linkcode clientList} and {@linkcode info} use a Unix socket and a user
 * of their own. So they work while the port is blocked, speaks TLS, or has another password.
 * That connection is open as long as the server runs, and counts towards `maxclients`.
 *
 * @example Usage
 * ```ts
 * import { startRedis } from "@mooring/redis/testing";
 * import { assertEquals } from "@std/assert";
 *
 * await using server = await startRedis({ persistence: "aof" });
 * await server.cli("SET", "k", "v");
 * await server.kill();
 * await server.restart();
 * assertEquals(await server.cli("GET", "k"), "v");
 * ```
 */
export class RedisServer implements AsyncDisposable {
  /** Address that the server listens on. */
  readonly host = "127.0.0.1";
  /** Port of TCP, or of TLS if there is the option `tls`. */
  readonly port: number;
  /** Working folder: configuration, log, dumps, Unix socket. */
  readonly dir: string;
  /** Path of the server's Unix socket. */
  readonly unixSocket: string;
  readonly #options: RedisServerOptions;
  readonly #binary: string;
  #config: RedisServerConfig;
  #process: ServerProcess | undefined;
  #own: Promise<RespClient> | undefined;

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

  /** What {@linkcode startRedis} does. */
  static async start(options: RedisServerOptions = {}): Promise<RedisServer> {
    const { port, startTimeoutMs, replyTimeoutMs } = options;
    checkIntegers("start a server", { port }, PORTS);
    checkIntegers("start a server", { startTimeoutMs, replyTimeoutMs }, { least: 1 });
    // Redis changes to the folder, so that a relative one would mean another.
    const given = options.dir === undefined
      ? undefined
      : await Deno.realPath(options.dir);
    const binary = await findRedisServer();
    for (let races = 1;; races++) {
      const dir = given ?? await Deno.makeTempDir({ prefix: "mooring-redis-" });
      const port = options.port ?? freePort(portOffsets(options));
      const server = new RedisServer(options, binary, dir, port);
      try {
        await server.#run();
        return server;
      } catch (error) {
        const log = await server.log().catch(() => "");
        const lostRace = log.includes("Address already in use");
        await server[Symbol.asyncDispose]();
        if (!lostRace || options.port !== undefined || races === 5) throw error;
      }
    }
  }

  /** Process id; another one after {@linkcode restart}. */
  get pid(): number {
    if (this.#process === undefined) throw new Error("The server was not started");
    return this.#process.pid;
  }

  /** Whether the process runs; a paused one does. */
  get running(): boolean {
    return this.#process?.running ?? false;
  }

  /** `redis://` or `rediss://` URL with password, host and port. */
  get url(): string {
    const { password, tls } = this.#options;
    const user = password === undefined ? "" : `:${encodeURIComponent(password)}@`;
    return `${tls ? "rediss" : "redis"}://${user}${this.host}:${this.port}`;
  }

  /** Ends the server in order, with SIGTERM: it saves first if it persists. After 10 s it is
   * killed. */
  async stop(): Promise<void> {
    await this.#process?.stop();
    await this.#closeOwn();
  }

  /** Ends the server at once, with SIGKILL. */
  async kill(): Promise<void> {
    await this.#process?.kill();
    await this.#closeOwn();
  }

  /** Freezes the process (SIGSTOP): its sockets stay open and nothing answers. */
  pause(): void {
    this.#process?.signal("SIGSTOP");
  }

  /** Continues a paused process. */
  resume(): void {
    this.#process?.signal("SIGCONT");
  }

  /**
   * Stops the server if it runs, and starts it with the same port and folder.
   *
   * @param changes Directives that are added or replaced from now on.
   * @throws {Error} If it does not start; see {@linkcode startRedis}.
   */
  async restart(changes: { config?: RedisServerConfig } = {}): Promise<void> {
    await this.stop();
    this.#config = { ...this.#config, ...changes.config };
    await this.#run();
  }

  /**
   * Sends one command over the kit's own connection. An error reply is returned as a
   * {@linkcode RespError}.
   *
   * @param args The command and its arguments.
   * @returns The reply.
   * @throws {Error} If the server is down, or does not answer within `replyTimeoutMs`.
   */
  async cli(...args: RespArg[]): Promise<RespValue> {
    return (await this.pipeline([args]))[0];
  }

  /**
   * Sends commands together over the kit's own connection.
   *
   * @param commands The commands, each with its arguments.
   * @returns The replies, in order.
   */
  async pipeline(commands: readonly (readonly RespArg[])[]): Promise<RespValue[]> {
    return await (await this.#openOwn()).pipeline(commands);
  }

  /** Opens a further connection of the kit, for commands that block or change its state. */
  connect(): Promise<RespClient> {
    const credentials = this.#hasAclFile()
      ? { password: this.#options.password }
      : { username: KIT_USER, password: KIT_USER };
    const { replyTimeoutMs: timeoutMs } = this.#options;
    return RespClient.connect(
      { path: this.unixSocket },
      { ...credentials, name: KIT_USER, timeoutMs },
    );
  }

  /**
   * The connections of others, as `CLIENT LIST` has them.
   *
   * @param namePrefix How their names begin. Default: all.
   */
  async clientList(namePrefix = ""): Promise<ClientRow[]> {
    const rows = parseClientList(await this.#text("CLIENT", "LIST"));
    return rows.filter(({ name }) => name !== KIT_USER && name.startsWith(namePrefix));
  }

  /**
   * The fields of `INFO`.
   *
   * @param section The section, such as `replication`. Default: those that the server gives
   * without one.
   */
  async info(section = "default"): Promise<Record<string, string>> {
    return parseInfo(await this.#text("INFO", section));
  }

  /** The server's log, of all its runs. */
  async log(): Promise<string> {
    try {
      return await Deno.readTextFile(this.#logFile);
    } catch (error) {
      if (error instanceof Deno.errors.NotFound) return "";
      throw error;
    }
  }

  /** Ends the server and removes its folder, but a folder that the option `dir` named. */
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

  async #openOwn(): Promise<RespClient> {
    const known = this.#own;
    const client = await known?.catch(() => undefined);
    if (client !== undefined && !client.closed) return client;
    // Another caller may have replaced it while this one waited.
    if (this.#own === known) this.#own = undefined;
    this.#own ??= this.connect();
    return await this.#own;
  }

  async #closeOwn(): Promise<void> {
    const own = this.#own;
    this.#own = undefined;
    await own?.then((client) => client.close(), () => {});
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
      ...this.#options.dir === undefined ? { orphanDir: this.dir } : {},
    });
    await this.#untilUp(this.#process);
  }

  async #untilUp(process: ServerProcess): Promise<void> {
    const { startTimeoutMs = START_TIMEOUT_MS } = this.#options;
    const deadline = performance.now() + startTimeoutMs;
    while (performance.now() < deadline) {
      if (!process.running) throw await this.#failure("ended");
      if (await this.#isListening()) return await this.#untilAnswer();
      await delay(10);
    }
    throw await this.#failure(`did not listen within ${startTimeoutMs} ms`);
  }

  // Redis opens its Unix socket last: when that is there, the port is.
  async #isListening(): Promise<boolean> {
    try {
      (await Deno.connect({ transport: "unix", path: this.unixSocket })).close();
      return true;
    } catch (error) {
      if (error instanceof Deno.errors.NotCapable) throw error;
      return false;
    }
  }

  // A server that loads a large file may be too busy to answer: it is up nevertheless.
  async #untilAnswer(): Promise<void> {
    this.#own = this.connect();
    try {
      await within(this.#own, 500, "The first answer");
    } catch (error) {
      if (!(error instanceof Deno.errors.TimedOut)) throw error;
    }
  }

  async #failure(what: string): Promise<Error> {
    const tail = (await this.log()).trimEnd().split("\n").slice(-8).join("\n");
    return new Error(`The Redis server on port ${this.port} ${what}:\n${tail}`);
  }
}

/** A node of a cluster listens on a second port, for the other nodes. */
function portOffsets({ config }: RedisServerOptions): number[] {
  return config?.["cluster-enabled"] === "yes" ? [CLUSTER_BUS_OFFSET] : [];
}

/**
 * Starts a throw-away server on a free port of 127.0.0.1, and waits until it answers.
 *
 * The program is the one that `REDIS_SERVER` names, else `redis-server` or `valkey-server`
 * on `PATH`.
 *
 * @param options What it is started with.
 * @returns The server; `await using` ends it and removes what it wrote.
 * @throws {RangeError} If a number of the options is out of its range.
 * @throws {Error} If there is no server program; the message says how to get one. If the
 * server ends at once or does not listen in time; the message has the end of its log.
 *
 * @example Usage
 * ```ts
 * import { RedisConnectionManager } from "@mooring/redis";
 * import { startRedis } from "@mooring/redis/testing";
 * import { assertEquals } from "@std/assert";
 *
 * await using server = await startRedis({ password: "secret" });
 * await using manager = new RedisConnectionManager({
 *   url: server.url,
 *   databases: { main: { db: 0 } },
 * });
 *
 * await manager.getClient("main").set("greeting", "ahoy");
 * assertEquals(await server.cli("GET", "greeting"), "ahoy");
 * ```
 */
export function startRedis(options: RedisServerOptions = {}): Promise<RedisServer> {
  return RedisServer.start(options);
}
