/**
 * A throw-away Redis cluster.
 *
 * @module
 */

import { checkIntegers } from "./checks.ts";
import { RedisServer, type RedisServerConfig } from "./redis_server.ts";
import { parseInfo } from "./redis_replies.ts";
import type { RespArg } from "./resp_client.ts";
import { RespError, type RespValue } from "./resp_parser.ts";
import { delay, waitFor } from "./wait.ts";

/** Options of {@linkcode startCluster}. */
export interface ClusterTopologyOptions {
  /** Number of primaries, 1 or more. Default: 3. */
  primaries?: number;
  /** Number of replicas of each primary, 0 or more. Default: 1. */
  replicasEach?: number;
  /** Silence of a node, in milliseconds, after which the others take it for failed
   * (`cluster-node-timeout`). Default: 1,000. */
  nodeTimeoutMs?: number;
  /** Password of all nodes. Default: none. */
  password?: string;
  /** Directives of `redis.conf` for all nodes. Default: none. */
  config?: RedisServerConfig;
}

/** A slot that is being moved to another node. */
export interface SlotMove {
  /** The node that still owns it. */
  readonly from: RedisServer;
  /** Moves one key. */
  moveKey(key: string): Promise<void>;
  /** Makes the other node its owner. */
  finish(): Promise<void>;
}

const SLOTS = 16_384;
const FORMING_TIMEOUT_MS = 60_000;
/** Keys that one MIGRATE moves. */
const MOVED_AT_ONCE = 100;

/**
 * A running cluster: {@linkcode startCluster} makes one. Which node owns a slot is asked of the
 * nodes each time.
 *
 * @example Usage
 * ```ts
 * import { startCluster } from "@mooring/redis/testing";
 * import { assertEquals } from "@std/assert";
 *
 * await using cluster = await startCluster();
 * const owner = await cluster.ownerOf("user:1");
 * const [replica] = await cluster.replicasOf(owner);
 * await owner.kill();
 * assertEquals(await cluster.untilOwnerIsNot(owner, "user:1"), replica);
 * ```
 */
export class ClusterTopology implements AsyncDisposable {
  readonly #nodes: RedisServer[];
  readonly #announced = new Map<number, RedisServer>();
  readonly #password: string | undefined;
  readonly #stack: AsyncDisposableStack;

  private constructor(
    nodes: RedisServer[],
    password: string | undefined,
    stack: AsyncDisposableStack,
  ) {
    this.#nodes = nodes;
    this.#password = password;
    this.#stack = stack;
  }

  /** What {@linkcode startCluster} does. */
  static async start(options: ClusterTopologyOptions = {}): Promise<ClusterTopology> {
    const { primaries = 3, replicasEach = 1, nodeTimeoutMs, password } = options;
    checkIntegers("start a cluster", { primaries, nodeTimeoutMs }, { least: 1 });
    checkIntegers("start a cluster", { replicasEach });
    await using stack = new AsyncDisposableStack();
    const nodes: RedisServer[] = [];
    while (nodes.length < primaries * (1 + replicasEach)) {
      nodes.push(stack.use(
        await RedisServer.start({
          password,
          config: nodeConfig(options),
        }),
      ));
    }
    await form(nodes, primaries);
    return new ClusterTopology(nodes, password, stack.move());
  }

  /** All nodes: the primaries first, then their replicas, then those that have joined. */
  get nodes(): readonly RedisServer[] {
    return this.#nodes;
  }

  /** Where the nodes listen. */
  get endpoints(): { host: string; port: number }[] {
    return this.nodes.map(({ host, port }) => ({ host, port }));
  }

  /** Starts a node that joins, and serves no slot yet; waits until all nodes know it. */
  async join(): Promise<RedisServer> {
    const node = this.#stack.use(
      await RedisServer.start({
        // It stays a primary when its last slot has left.
        config: nodeConfig({ config: { "cluster-allow-replica-migration": "no" } }),
      }),
    );
    const { host, port } = this.#anyNode();
    this.#nodes.push(node);
    const living = this.#nodes.filter(({ running }) => running);
    await must(node, "CLUSTER", "MEET", host, port);
    await untilAll(living, "a node that all know", async (each) => {
      const { cluster_state } = await clusterInfo(each);
      const known = String(await must(each, "CLUSTER", "NODES"));
      return known.includes(`:${node.port}@`) && !known.includes("handshake") &&
        cluster_state === "ok";
    });
    return node;
  }

  /** The slot of a key, 0 to 16383. */
  async slotOf(key: string): Promise<number> {
    return Number(await this.#anyNode().cli("CLUSTER", "KEYSLOT", key));
  }

  /**
   * The primary that serves a slot, or the slot of a key, as the first running node knows it.
   *
   * @throws {Error} If none serves it.
   */
  async ownerOf(slotOrKey: number | string): Promise<RedisServer> {
    const slot = typeof slotOrKey === "number" ? slotOrKey : await this.slotOf(slotOrKey);
    const ranges = await this.#anyNode().cli("CLUSTER", "SLOTS");
    for (const range of Array.isArray(ranges) ? ranges : []) {
      const [first, last, owner] = range as [number, number, RespValue[]];
      if (slot < first || slot > last) continue;
      const node = this.#announced.get(owner[1] as number) ??
        this.nodes.find(({ port }) => port === owner[1]);
      if (node !== undefined) return node;
    }
    throw new Error(`No node serves slot ${slot}`);
  }

  /** The running replicas of a node. */
  async replicasOf(primary: RedisServer): Promise<RedisServer[]> {
    const found: RedisServer[] = [];
    for (const node of this.nodes.filter(({ running }) => running)) {
      const { role, master_port } = await node.info("replication");
      if (role === "slave" && Number(master_port) === primary.port) found.push(node);
    }
    return found;
  }

  /**
   * Makes a node announce another port to clients, such as that of a proxy, and waits until
   * all nodes do. The nodes themselves still use its own port. Needs Valkey 9.1.
   */
  async announceToClients(node: RedisServer, port: number): Promise<void> {
    this.#announced.set(port, node);
    await must(node, "CONFIG", "SET", "cluster-announce-client-port", port);
    await untilAll([...this.nodes], "the announced port", async (each) => {
      const ranges = await must(each, "CLUSTER", "SLOTS") as RespValue[][];
      return ranges.some((range) => (range[2] as RespValue[])[1] === port);
    });
  }

  /** Waits until another node than `old` serves the slot of a key, and the cluster is ok. */
  async untilOwnerIsNot(old: RedisServer, key: string): Promise<RedisServer> {
    return await waitFor(async () => {
      const owner = await this.ownerOf(key);
      return owner !== old && await isOk(owner) && owner;
    }, { what: "another owner", timeoutMs: FORMING_TIMEOUT_MS, everyMs: 50 });
  }

  /**
   * Moves a slot with its keys to another primary, a hundred keys at once, as `redis-cli` does.
   *
   * @param slot The slot.
   * @param to Its new owner.
   * @param options `pauseMs`: moves key by key, and pauses after each, in milliseconds, in which the old owner
   * answers ASK for keys that it has no more. Default: 0.
   */
  async moveSlot(
    slot: number,
    to: RedisServer,
    options: { pauseMs?: number } = {},
  ): Promise<void> {
    const { pauseMs = 0 } = options;
    const { finish, from } = await this.beginMove(slot, to);
    const most = pauseMs > 0 ? 1 : MOVED_AT_ONCE;
    for (;;) {
      const keys = await must(from, "CLUSTER", "GETKEYSINSLOT", slot, most);
      if (!Array.isArray(keys) || keys.length === 0) break;
      await this.#moveKeys(keys.map(String), from, to);
      if (pauseMs > 0) await delay(pauseMs);
    }
    await finish();
  }

  /**
   * Begins to move a slot to another primary; its keys stay until they are moved.
   *
   * @param slot The slot.
   * @param to Its new owner.
   * @returns The further steps.
   */
  async beginMove(slot: number, to: RedisServer): Promise<SlotMove> {
    const from = await this.ownerOf(slot);
    const [fromId, toId] = [await idOf(from), await idOf(to)];
    await must(to, "CLUSTER", "SETSLOT", slot, "IMPORTING", fromId);
    await must(from, "CLUSTER", "SETSLOT", slot, "MIGRATING", toId);
    return {
      from,
      moveKey: (key) => this.#moveKeys([key], from, to),
      finish: async () => {
        // The new owner first: a crash in between must not leave the slot without one.
        await must(to, "CLUSTER", "SETSLOT", slot, "NODE", toId);
        await must(from, "CLUSTER", "SETSLOT", slot, "NODE", toId);
      },
    };
  }

  /** Ends all nodes and removes their folders. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#stack.disposeAsync();
  }

  async #moveKeys(
    keys: readonly string[],
    from: RedisServer,
    to: RedisServer,
  ): Promise<void> {
    const auth = this.#password === undefined ? [] : ["AUTH", this.#password];
    const which = [...auth, "KEYS", ...keys];
    await must(from, "MIGRATE", to.host, to.port, "", 0, 5000, ...which);
  }

  #anyNode(): RedisServer {
    const node = this.nodes.find(({ running }) => running);
    if (node === undefined) throw new Error("No node of the cluster is running");
    return node;
  }
}

function nodeConfig(options: ClusterTopologyOptions): RedisServerConfig {
  const { nodeTimeoutMs = 1000, password, config } = options;
  return {
    "cluster-enabled": "yes",
    "cluster-config-file": "nodes.conf",
    "cluster-node-timeout": String(nodeTimeoutMs),
    "cluster-replica-validity-factor": "0", // a replica may always take over
    "repl-diskless-sync-delay": "0",
    ...password === undefined ? {} : { masterauth: password },
    ...config,
  };
}

// What `redis-cli --cluster create` does, but replica i follows primary i.
async function form(nodes: RedisServer[], primaries: number): Promise<void> {
  for (const [i, node] of nodes.entries()) {
    await must(node, "CLUSTER", "SET-CONFIG-EPOCH", i + 1);
    if (i < primaries) {
      const [first, end] = [i, i + 1].map((part) => Math.floor(SLOTS * part / primaries));
      const slots = Array.from({ length: end - first }, (_, slot) => first + slot);
      await must(node, "CLUSTER", "ADDSLOTS", ...slots);
    }
    for (const other of nodes.slice(0, i)) {
      await must(node, "CLUSTER", "MEET", other.host, other.port);
    }
  }
  await untilAll(nodes, "all nodes to know each other", async (node) => {
    const { cluster_known_nodes } = await clusterInfo(node);
    return Number(cluster_known_nodes) === nodes.length;
  });
  for (const [i, replica] of nodes.slice(primaries).entries()) {
    await must(replica, "CLUSTER", "REPLICATE", await idOf(nodes[i % primaries]));
  }
  await untilAll(nodes, "a cluster that is ok", async (node) => {
    const { role, master_link_status } = await node.info("replication");
    const inStep = role === "master" || master_link_status === "up";
    // Without full coverage, one that has not heard of all slots is ok, too.
    const { cluster_slots_assigned } = await clusterInfo(node);
    return inStep && Number(cluster_slots_assigned) === SLOTS && await isOk(node) &&
      (await countReplicas(node)) === nodes.length - primaries;
  });
}

async function untilAll(
  nodes: RedisServer[],
  what: string,
  holds: (node: RedisServer) => Promise<boolean>,
): Promise<void> {
  for (const node of nodes) {
    await waitFor(() => holds(node), {
      what,
      timeoutMs: FORMING_TIMEOUT_MS,
      everyMs: 20,
    });
  }
}

async function countReplicas(node: RedisServer): Promise<number> {
  return String(await must(node, "CLUSTER", "NODES")).split("slave ").length - 1;
}

async function clusterInfo(node: RedisServer): Promise<Record<string, string>> {
  return parseInfo(String(await must(node, "CLUSTER", "INFO")));
}

async function isOk(node: RedisServer): Promise<boolean> {
  return (await clusterInfo(node)).cluster_state === "ok";
}

async function idOf(node: RedisServer): Promise<string> {
  return String(await must(node, "CLUSTER", "MYID"));
}

async function must(node: RedisServer, ...command: RespArg[]): Promise<RespValue> {
  const reply = await node.cli(...command);
  if (!(reply instanceof RespError)) return reply;
  throw new Error(
    `${command.slice(0, 3).join(" ")} on port ${node.port} gave ${reply.message}`,
  );
}

/**
 * Starts a throw-away cluster on free ports of 127.0.0.1. Waits until every node says that the
 * cluster is ok, and every replica is in step. With the defaults it has 6 nodes.
 *
 * @param options Its size, and what its nodes are started with.
 * @returns The cluster; `await using` ends all nodes.
 * @throws {RangeError} If a number of the options is out of its range.
 * @throws {Error} As {@linkcode startRedis} does, or if the nodes do not join within a minute.
 *
 * @example Usage
 * ```ts
 * import { RedisConnectionManager } from "@mooring/redis";
 * import { startCluster } from "@mooring/redis/testing";
 * import { assertEquals } from "@std/assert";
 *
 * await using cluster = await startCluster({ replicasEach: 0 });
 * await using manager = new RedisConnectionManager({
 *   mode: "cluster",
 *   nodes: cluster.endpoints,
 *   databases: { main: {} },
 * });
 *
 * await manager.getClient("main").set("user:1", "ann");
 * const owner = await cluster.ownerOf("user:1");
 * assertEquals(await owner.cli("GET", "user:1"), "ann");
 * ```
 */
export function startCluster(
  options: ClusterTopologyOptions = {},
): Promise<ClusterTopology> {
  return ClusterTopology.start(options);
}
