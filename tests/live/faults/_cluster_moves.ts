/** Slots of a cluster that move without end, as `redis-cli --cluster reshard` moves them, and
 * where the server can, as a whole. */
import { assert } from "@std/assert";
import { delay, waitFor } from "../../support/clients.ts";
import type { RedisServer } from "../../../src/testing/redis_server.ts";
import { RespError } from "../../../src/testing/resp_parser.ts";
import type { ClusterTopology } from "../../../src/testing/cluster_topology.ts";

/** How a slot moves: key by key, or as a whole (Valkey 9). */
export type MoveWay = "by key" | "as a whole";

/** Moves slots between the primaries until it is stopped. */
export class SlotMover implements Disposable {
  /** Moves that are over. */
  moved = 0;
  readonly #cluster: ClusterTopology;
  readonly #slots: readonly number[];
  readonly #way: MoveWay;
  readonly #pauseMs: 0 | 1;
  readonly #over: Promise<void>;
  #isOn = true;

  /**
   * Begins.
   *
   * @param pauseMs Whether some slots pause after each key: only with few keys.
   */
  constructor(
    cluster: ClusterTopology,
    slots: readonly number[],
    way: MoveWay,
    pauseMs: 0 | 1 = 0,
  ) {
    this.#pauseMs = pauseMs;
    this.#cluster = cluster;
    this.#slots = slots;
    this.#way = way;
    this.#over = this.#run();
    this.#over.catch(() => {}); // stop() tells
  }

  /** Ends it, when the move that is under way is over. */
  async stop(): Promise<void> {
    this.#isOn = false;
    await this.#over;
  }

  [Symbol.dispose](): void {
    this.#isOn = false;
  }

  async #run(): Promise<void> {
    for (let n = 0; this.#isOn; n++) {
      const slot = this.#slots[n % this.#slots.length]!;
      const from = await this.#cluster.ownerOf(slot);
      const others = (await primariesOf(this.#cluster)).filter((node) => node !== from);
      const to = others[Math.floor(Math.random() * others.length)]!;
      if (this.#way === "as a whole") await migrate(slot, from, to);
      else await this.#cluster.moveSlot(slot, to, { pauseMs: this.#pauseMs && n % 3 });
      await this.#agree(slot, to);
      this.moved++;
      await delay(2);
    }
  }

  /** Waits until all know the new owner: servers lose the slots that they do not agree on. */
  async #agree(slot: number, owner: RedisServer): Promise<void> {
    const id = await owner.cli("CLUSTER", "MYID");
    const nodes = this.#cluster.nodes.filter(({ running }) => running);
    for (const node of nodes) {
      if (this.#way === "by key") {
        await node.cli("CLUSTER", "SETSLOT", slot, "NODE", `${id}`);
      }
      await waitFor(async () => await ownerPort(node, slot) === owner.port, {
        timeoutMs: 20_000,
        what: "all nodes to know the owner of a slot",
      });
    }
  }
}

/** The nodes that are primaries now. */
export async function primariesOf(cluster: ClusterTopology): Promise<RedisServer[]> {
  const found: RedisServer[] = [];
  for (const node of cluster.nodes.filter(({ running }) => running)) {
    if ((await node.info("replication")).role === "master") found.push(node);
  }
  return found;
}

async function ownerPort(node: RedisServer, slot: number): Promise<number | undefined> {
  const ranges = await node.cli("CLUSTER", "SLOTS") as [number, number, unknown[]][];
  const range = ranges.find(([first, last]) => first <= slot && slot <= last);
  return range?.[2][1] as number | undefined;
}

async function migrate(slot: number, from: RedisServer, to: RedisServer): Promise<void> {
  const id = String(await to.cli("CLUSTER", "MYID"));
  // Another migration may be under way for a moment.
  await waitFor(async () => {
    const said = await from.cli(
      ...["CLUSTER", "MIGRATESLOTS", "SLOTSRANGE", slot, slot, "NODE", id],
    );
    return !(said instanceof RespError);
  }, { timeoutMs: 20_000, what: "a slot migration to begin" });
  await waitFor(async () => await ownerPort(from, slot) === to.port, {
    timeoutMs: 20_000,
    what: "a slot to move as a whole",
  });
}

/** Whether the nodes move slots as a whole. */
export async function movesWhole({ nodes }: ClusterTopology): Promise<boolean> {
  const [info] = await nodes[0]!.cli(
    "COMMAND",
    "INFO",
    "CLUSTER|MIGRATESLOTS",
  ) as unknown[];
  return info !== null;
}

/** The ways in which the slots of a cluster can move. */
export async function waysOf(cluster: ClusterTopology): Promise<MoveWay[]> {
  assert(cluster.nodes.length > 1);
  return await movesWhole(cluster) ? ["by key", "as a whole"] : ["by key"];
}
