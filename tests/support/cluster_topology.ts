/**
 * A Redis cluster.
 *
 * @module
 */

import { CLUSTER_BUS_OFFSET } from "./ports.ts";
import { RedisServer, type RedisServerConfig } from "./redis_server.ts";
import { parseInfo } from "./redis_replies.ts";
import type { RespArg } from "./resp_client.ts";
import { RespError, type RespValue } from "./resp_parser.ts";
import { delay, waitFor } from "./wait.ts";

/** Options of {@linkcode ClusterTopology.start}. */
export interface ClusterTopologyOptions {
  /** Number of primaries. Default: 3. */
  primaries?: number;
  /** Number of replicas of each primary. Default: 1. */
  replicasEach?: number;
  /** Silence of a node, in milliseconds, until it counts as failed. Default: 1000. */
  nodeTimeoutMs?: number;
  /** Password of all nodes. Default: none. */
  password?: string;
  /** Directives for all nodes. */
  config?: RedisServerConfig;
}

/** A slot that is being moved. */
export interface SlotMove {
  /** The node that has it still. */
  readonly from: RedisServer;
  /** Moves one key. */
  moveKey(key: string): Promise<void>;
  /** Gives the slot to its new node. */
  finish(): Promise<void>;
}

const SLOTS = 16_384;
const FORMING_TIMEOUT_MS = 60_000;

/**
 * A running cluster. Who serves which slot is asked of the nodes, not remembered.
 *
 * @example
 * ```ts
 * await using cluster = await ClusterTopology.start();
 * const owner = await cluster.ownerOf("user:1");
 * await owner.kill();
 * await cluster.untilOwnerIsNot(owner, "user:1"); // its replica took over
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

  /** Starts all nodes and waits until each calls the cluster ok and each replica is in step. */
  static async start(options: ClusterTopologyOptions = {}): Promise<ClusterTopology> {
    const { primaries = 3, replicasEach = 1, password } = options;
    await using stack = new AsyncDisposableStack();
    const nodes: RedisServer[] = [];
    while (nodes.length < primaries * (1 + replicasEach)) {
      nodes.push(stack.use(
        await RedisServer.start({
          password,
          portOffsets: [CLUSTER_BUS_OFFSET],
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
        portOffsets: [CLUSTER_BUS_OFFSET],
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

  /** The primary that serves a slot, or a key's slot, as the first living node sees it. */
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

  /** The replicas of a node that are there now. */
  async replicasOf(primary: RedisServer): Promise<RedisServer[]> {
    const found: RedisServer[] = [];
    for (const node of this.nodes.filter(({ running }) => running)) {
      const { role, master_port } = await node.info("replication");
      if (role === "slave" && Number(master_port) === primary.port) found.push(node);
    }
    return found;
  }

  /**
   * Has a node name another port to clients, such as that of a relay, and waits until all
   * nodes do. The nodes themselves still talk over the node's own port (Valkey 9.1).
   */
  async announceToClients(node: RedisServer, port: number): Promise<void> {
    this.#announced.set(port, node);
    await must(node, "CONFIG", "SET", "cluster-announce-client-port", port);
    await untilAll([...this.nodes], "the announced port", async (each) => {
      const ranges = await must(each, "CLUSTER", "SLOTS") as RespValue[][];
      return ranges.some((range) => (range[2] as RespValue[])[1] === port);
    });
  }

  /** Waits until another node than `old` serves the key's slot and the cluster is ok. */
  async untilOwnerIsNot(old: RedisServer, key: string): Promise<RedisServer> {
    return await waitFor(async () => {
      const owner = await this.ownerOf(key);
      return owner !== old && await isOk(owner) && owner;
    }, { what: "another owner", timeoutMs: FORMING_TIMEOUT_MS, everyMs: 50 });
  }

  /**
   * Moves a slot with its keys to another primary, key by key.
   *
   * @param options.pauseMs Pause after each key, in milliseconds; meanwhile the old owner
   * answers ASK for keys that are gone. Default: 0.
   */
  async moveSlot(
    slot: number,
    to: RedisServer,
    options: { pauseMs?: number } = {},
  ): Promise<void> {
    const move = await this.beginMove(slot, to);
    for (;;) {
      const keys = await must(move.from, "CLUSTER", "GETKEYSINSLOT", slot, 1);
      if (!Array.isArray(keys) || keys.length === 0) break;
      await move.moveKey(String(keys[0]));
      if (options.pauseMs) await delay(options.pauseMs);
    }
    await move.finish();
  }

  /**
   * Begins to move a slot to another primary: the keys stay until they are moved.
   *
   * @returns What goes on with it, step by step.
   */
  async beginMove(slot: number, to: RedisServer): Promise<SlotMove> {
    const from = await this.ownerOf(slot);
    const [fromId, toId] = [await idOf(from), await idOf(to)];
    await must(to, "CLUSTER", "SETSLOT", slot, "IMPORTING", fromId);
    await must(from, "CLUSTER", "SETSLOT", slot, "MIGRATING", toId);
    return {
      from,
      moveKey: (key) => this.#moveKey(key, from, to),
      finish: async () => {
        // The new owner first: a crash in between must not leave the slot without one.
        await must(to, "CLUSTER", "SETSLOT", slot, "NODE", toId);
        await must(from, "CLUSTER", "SETSLOT", slot, "NODE", toId);
      },
    };
  }

  /** Ends all nodes. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#stack.disposeAsync();
  }

  async #moveKey(key: string, from: RedisServer, to: RedisServer): Promise<void> {
    const auth = this.#password === undefined ? [] : ["AUTH", this.#password];
    await must(from, "MIGRATE", to.host, to.port, key, 0, 5000, ...auth);
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

// What `redis-cli --cluster create` does, but with replicas where we want them.
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
    return inStep && await isOk(node) &&
      await knowsReplicas(node, nodes.length - primaries);
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

async function knowsReplicas(node: RedisServer, count: number): Promise<boolean> {
  const text = await must(node, "CLUSTER", "NODES");
  return String(text).split("\n").filter((line) => line.includes("slave ")).length ===
    count;
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
