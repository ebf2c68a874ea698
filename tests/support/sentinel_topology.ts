/**
 * A primary, replicas and the sentinels that watch them.
 *
 * @module
 */

import { RedisServer, type RedisServerConfig } from "./redis_server.ts";
import { RespError, type RespValue } from "./resp_parser.ts";
import { waitFor } from "./wait.ts";

/** Options of {@linkcode SentinelTopology.start}. */
export interface SentinelTopologyOptions {
  /** What the sentinels call the primary. Default: `mymaster`. */
  name?: string;
  /** Number of sentinels. Default: 3. */
  sentinels?: number;
  /** Number of replicas. Default: 1. */
  replicas?: number;
  /** How many sentinels must miss the primary. Default: 2. */
  quorum?: number;
  /** Silence of a server, in milliseconds, until a sentinel misses it. Default: 1000. */
  downAfterMs?: number;
  /** The sentinels' `failover-timeout`, in milliseconds. Default: 3000. */
  failoverTimeoutMs?: number;
  /**
   * Whether the sentinels look around five to ten times as often as they do by themselves,
   * where they take 10 to 30 s to notice that an old primary is back. Default: false.
   */
  quick?: boolean;
  /** Password of primary and replicas. Default: none. */
  password?: string;
  /** Password of the sentinels. Default: none. */
  sentinelPassword?: string;
  /** Directives for primary and replicas. */
  config?: RedisServerConfig;
}

const DISCOVERY_TIMEOUT_MS = 60_000;
const DECISION_TIMEOUT_MS = 90_000;
/** More than `failover-timeout`, so that what was given up is over. */
const ASK_AGAIN_MS = 8000;

// In milliseconds. By themselves: 10000, 2000, 1000.
const QUICK_PERIODS = ["INFO-PERIOD", 1000, "PUBLISH-PERIOD", 250, "ASK-PERIOD", 200];

/**
 * A running company of servers. Primary and replicas are known by what they are now, not by
 * what they were at the start.
 *
 * @example
 * ```ts
 * await using redis = await SentinelTopology.start();
 * const primary = await redis.primary();
 * await primary.kill();
 * await redis.untilPrimaryIsNot(primary);
 * ```
 */
export class SentinelTopology implements AsyncDisposable {
  /** What the sentinels call the primary. */
  readonly name: string;
  /** Primary and replicas; the first was the primary at the start. */
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

  /** Starts all, and waits until each sentinel knows all the others and all replicas. */
  static async start(options: SentinelTopologyOptions = {}): Promise<SentinelTopology> {
    const { name = "mymaster", sentinels = 3, replicas = 1 } = options;
    await using stack = new AsyncDisposableStack();
    const servers = await startServers(stack, options, replicas);
    const sentinel = sentinelConfig(name, servers[0].port, options);
    const watchers: RedisServer[] = [];
    while (watchers.length < sentinels) {
      const watcher = await startSentinel(sentinel, options);
      watchers.push(stack.use(watcher));
    }
    const topology = new SentinelTopology(name, servers, watchers, stack.move());
    try {
      await topology.#untilKnown(replicas);
      return topology;
    } catch (error) {
      await topology[Symbol.asyncDispose]();
      throw error;
    }
  }

  /** Where the sentinels listen. */
  get endpoints(): { host: string; port: number }[] {
    return this.sentinels.map(({ host, port }) => ({ host, port }));
  }

  /** The server that the sentinels, the first that answers, call the primary now. */
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

  /** The servers that are not the primary now, dead ones too. */
  async replicas(): Promise<RedisServer[]> {
    const primary = await this.primary();
    return this.servers.filter((server) => server !== primary);
  }

  /** Waits until another server than `old` is the primary, and takes the role itself. */
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
   * Has the sentinels swap roles in order, and gives the new primary. On a busy machine a
   * sentinel may give a failover up that takes longer than its `failover-timeout`, and does
   * nothing for 30 s after it was itself kept from running for 2 s ("tilt"): it is asked
   * again until it has done it.
   *
   * @throws {Error} If a sentinel refuses for another reason than that it is at it.
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

  /** Ends all servers. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#stack.disposeAsync();
  }

  async #untilKnown(replicas: number): Promise<void> {
    for (const sentinel of this.sentinels) {
      await waitFor(async () => {
        const state = pairs(await sentinel.cli("SENTINEL", "MASTER", this.name));
        return state.flags === "master" && Number(state["num-slaves"]) === replicas &&
          Number(state["num-other-sentinels"]) === this.sentinels.length - 1;
      }, { what: "the sentinels to know each other", timeoutMs: DISCOVERY_TIMEOUT_MS });
    }
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

async function startSentinel(
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
  throw new Error(`Cannot make a sentinel quick (Redis 7 can): it said ${reply}`);
}

function sentinelConfig(
  name: string,
  port: number,
  options: SentinelTopologyOptions,
): string[] {
  const { quorum = 2, downAfterMs = 1000, failoverTimeoutMs = 3000 } = options;
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
