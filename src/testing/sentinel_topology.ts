/**
 * A throw-away primary with replicas, and the sentinels that monitor it.
 *
 * @module
 */

import { checkIntegers } from "./checks.ts";
import { RedisServer, type RedisServerConfig } from "./redis_server.ts";
import { RespError, type RespValue } from "./resp_parser.ts";
import { waitFor } from "./wait.ts";

/** Options of {@linkcode startSentinel}. */
export interface SentinelTopologyOptions {
  /** Name under which the sentinels monitor the primary. Default: `mymaster`. */
  name?: string;
  /** Number of sentinels, 1 or more. Default: 3. */
  sentinels?: number;
  /** Number of replicas, 0 or more. Default: 1. */
  replicas?: number;
  /** How many sentinels must take the primary for down, 1 to all. Default: 2, or 1 if there is
   * one sentinel. */
  quorum?: number;
  /** Silence of a server, in milliseconds, after which a sentinel takes it for down
   * (`down-after-milliseconds`). Default: 1,000. */
  downAfterMs?: number;
  /** The sentinels' `failover-timeout`, in milliseconds. Default: 3,000. */
  failoverTimeoutMs?: number;
  /**
   * Whether the sentinels ask the servers and each other five to ten times as often as usual.
   * Without it they need 10 to 30 s to notice that an old primary is back. Needs Redis 7 or
   * Valkey. Default: `false`.
   */
  quick?: boolean;
  /** Password of primary and replicas. Default: none. */
  password?: string;
  /** Password of the sentinels. Default: none. */
  sentinelPassword?: string;
  /** Directives of `redis.conf` for primary and replicas. Default: none. */
  config?: RedisServerConfig;
}

const DISCOVERY_TIMEOUT_MS = 60_000;
const DECISION_TIMEOUT_MS = 90_000;
/** More than `failover-timeout`: an attempt that was given up is over by then. */
const ASK_AGAIN_MS = 8000;

// In milliseconds. The defaults: 10000, 2000, 1000.
const QUICK_PERIODS = ["INFO-PERIOD", 1000, "PUBLISH-PERIOD", 250, "ASK-PERIOD", 200];

/**
 * Running servers with their sentinels: {@linkcode startSentinel} makes them. Which server is the
 * primary is asked of the sentinels each time.
 *
 * @example Usage
 * ```ts
 * import { startSentinel } from "@mooring/redis/testing";
 * import { assertEquals } from "@std/assert";
 *
 * await using redis = await startSentinel();
 * const [primary, replica] = redis.servers;
 * assertEquals(await redis.primary(), primary);
 * assertEquals(await redis.failover(), replica);
 * ```
 */
export class SentinelTopology implements AsyncDisposable {
  /** Name under which the sentinels monitor the primary. */
  readonly name: string;
  /** Primary and replicas; the first one was the primary at the start. */
  readonly servers: readonly RedisServer[];
  /** The sentinels. */
  readonly sentinels: readonly RedisServer[];
  readonly #stack: AsyncDisposableStack;

  private constructor(
    name: string,
    servers: RedisServer[],
    sentinels: RedisServer[],
    stack: AsyncDisposableStack,
  ) {
    this.name = name;
    this.servers = servers;
    this.sentinels = sentinels;
    this.#stack = stack;
  }

  /** What {@linkcode startSentinel} does. */
  static async start(options: SentinelTopologyOptions = {}): Promise<SentinelTopology> {
    const { name = "mymaster", sentinels = 3, replicas = 1 } = options;
    const { quorum = Math.min(2, sentinels), downAfterMs, failoverTimeoutMs } = options;
    const times = { downAfterMs, failoverTimeoutMs };
    checkIntegers("start sentinels", { sentinels, ...times }, { least: 1 });
    checkIntegers("start sentinels", { replicas });
    checkIntegers("start sentinels", { quorum }, { least: 1, most: sentinels });
    await using stack = new AsyncDisposableStack();
    const servers = await startServers(stack, options, replicas);
    const sentinel = sentinelConfig(name, servers[0]!.port, { ...options, quorum });
    const watchers: RedisServer[] = [];
    while (watchers.length < sentinels) {
      watchers.push(stack.use(await startOne(sentinel, options)));
    }
    await untilKnown(name, watchers, replicas);
    return new SentinelTopology(name, servers, watchers, stack.move());
  }

  /** The sentinels' addresses. */
  get endpoints(): { host: string; port: number }[] {
    return this.sentinels.map(({ host, port }) => ({ host, port }));
  }

  /**
   * The server that is the primary now, as the first running sentinel knows it.
   *
   * @throws {Error} If none knows it.
   */
  async primary(): Promise<RedisServer> {
    for (const sentinel of this.sentinels.filter(({ running }) => running)) {
      const address = await sentinel.cli(
        "SENTINEL",
        "GET-MASTER-ADDR-BY-NAME",
        this.name,
      );
      const port = Array.isArray(address) ? Number(address[1]) : NaN;
      const server = this.servers.find((server) => server.port === port);
      if (server !== undefined) return server;
    }
    throw new Error(`No sentinel knows the primary "${this.name}"`);
  }

  /** The servers that are not the primary now, also those that do not run. */
  async replicas(): Promise<RedisServer[]> {
    const primary = await this.primary();
    return this.servers.filter((server) => server !== primary);
  }

  /**
   * Waits until another server than `old` is the primary, and says so itself.
   *
   * @param old The primary so far.
   * @param timeoutMs The most to wait, in milliseconds. Default: 90,000.
   * @throws {Error} If none is in time.
   */
  async untilPrimaryIsNot(
    old: RedisServer,
    timeoutMs = DECISION_TIMEOUT_MS,
  ): Promise<RedisServer> {
    return await waitFor(async () => {
      const primary = await this.primary();
      if (primary === old || !primary.running) return undefined;
      const [role] = await primary.cli("ROLE") as RespValue[];
      return role === "master" ? primary : undefined;
    }, { what: "another primary", timeoutMs, everyMs: 50 });
  }

  /**
   * Makes the sentinels fail over to a replica (`SENTINEL FAILOVER`). On a busy machine a
   * sentinel gives up a failover that takes longer than its `failover-timeout`, and does
   * nothing for 30 s after it could not run for 2 s ("tilt"). So it is asked again.
   *
   * @returns The new primary.
   * @throws {Error} If a sentinel refuses, or there is no new primary within about 90 s.
   */
  async failover(): Promise<RedisServer> {
    const old = await this.primary();
    const until = performance.now() + DECISION_TIMEOUT_MS;
    while (true) {
      const reply = await this.sentinels[0].cli("SENTINEL", "FAILOVER", this.name);
      const text = reply instanceof RespError ? reply.message : String(reply);
      if (text !== "OK" && !/^(?:INPROG|NOGOODSLAVE)/.test(text)) {
        throw new Error(`Cannot fail over: the sentinel said ${text}`);
      }
      try {
        return await this.untilPrimaryIsNot(old, ASK_AGAIN_MS);
      } catch (error) {
        if (performance.now() > until) throw error;
      }
    }
  }

  /** Ends all servers and sentinels and removes their folders. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#stack.disposeAsync();
  }
}

async function untilKnown(
  name: string,
  sentinels: readonly RedisServer[],
  replicas: number,
): Promise<void> {
  for (const sentinel of sentinels) {
    await waitFor(async () => {
      const state = pairs(await sentinel.cli("SENTINEL", "MASTER", name));
      return state.flags === "master" && Number(state["num-slaves"]) === replicas &&
        Number(state["num-other-sentinels"]) === sentinels.length - 1;
    }, { what: "the sentinels to know each other", timeoutMs: DISCOVERY_TIMEOUT_MS });
  }
}

async function startServers(
  stack: AsyncDisposableStack,
  { password, config }: SentinelTopologyOptions,
  replicas: number,
): Promise<RedisServer[]> {
  const common: RedisServerConfig = {
    "repl-diskless-sync-delay": "0", // it would wait 5 s for further replicas
    ...password === undefined ? {} : { masterauth: password },
    ...config,
  };
  const primary = stack.use(await RedisServer.start({ password, config: common }));
  const servers = [primary];
  for (let i = 0; i < replicas; i++) {
    const replicaof = `${primary.host} ${primary.port}`;
    const replica = stack.use(
      await RedisServer.start({ password, config: { ...common, replicaof } }),
    );
    servers.push(replica);
    await waitFor(
      async () => (await replica.info("replication")).master_link_status === "up",
      { what: "the replica's link", timeoutMs: DISCOVERY_TIMEOUT_MS },
    );
  }
  return servers;
}

async function startOne(
  sentinel: string[],
  { sentinelPassword, quick = false }: SentinelTopologyOptions,
): Promise<RedisServer> {
  const server = await RedisServer.start({
    args: ["--sentinel"],
    password: sentinelPassword,
    config: { sentinel },
  });
  if (!quick) return server;
  const reply = await server.cli("SENTINEL", "DEBUG", ...QUICK_PERIODS);
  if (reply === "OK") return server;
  await server[Symbol.asyncDispose]();
  throw new Error(`Cannot make a sentinel quick: it said ${reply}`);
}

function sentinelConfig(
  name: string,
  port: number,
  options: SentinelTopologyOptions & { quorum: number },
): string[] {
  const { quorum, downAfterMs = 1000, failoverTimeoutMs = 3000 } = options;
  const { password, sentinelPassword } = options;
  return [
    `monitor ${name} 127.0.0.1 ${port} ${quorum}`,
    `down-after-milliseconds ${name} ${downAfterMs}`,
    `failover-timeout ${name} ${failoverTimeoutMs}`,
    ...password === undefined ? [] : [`auth-pass ${name} ${password}`],
    ...sentinelPassword === undefined ? [] : [`sentinel-pass ${sentinelPassword}`],
  ];
}

function pairs(reply: RespValue): Record<string, string> {
  const fields: Record<string, string> = {};
  if (!Array.isArray(reply)) return fields;
  for (let i = 0; i + 1 < reply.length; i += 2) {
    fields[String(reply[i])] = String(reply[i + 1]);
  }
  return fields;
}

/**
 * Starts a throw-away primary with replicas, and sentinels that monitor it, on free ports of
 * 127.0.0.1. Waits until every sentinel knows all others and all replicas. With the defaults
 * these are 2 servers and 3 sentinels.
 *
 * @param options How many, and what they are started with.
 * @returns All of them; `await using` ends all.
 * @throws {RangeError} If a number of the options is out of its range.
 * @throws {Error} As {@linkcode startRedis} does, or if the sentinels do not find each other
 * within a minute.
 *
 * @example Usage
 * ```ts
 * import { RedisConnectionManager } from "@mooring/redis";
 * import { startSentinel } from "@mooring/redis/testing";
 * import { assertEquals } from "@std/assert";
 *
 * await using redis = await startSentinel();
 * await using manager = new RedisConnectionManager({
 *   mode: "sentinel",
 *   sentinelName: redis.name,
 *   nodes: redis.endpoints,
 *   databases: { main: { db: 0 } },
 * });
 *
 * const main = manager.getClient("main");
 * await main.set("greeting", "ahoy");
 * await main.wait(1, 5000); // the replica has it
 * await redis.failover();
 * assertEquals(await main.get("greeting"), "ahoy");
 * ```
 */
export function startSentinel(
  options: SentinelTopologyOptions = {},
): Promise<SentinelTopology> {
  return SentinelTopology.start(options);
}
