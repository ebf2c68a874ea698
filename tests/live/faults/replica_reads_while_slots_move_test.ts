import { assert, assertEquals } from "@std/assert";
import { type RedisClient, RedisConnectionManager } from "../../../mod.ts";
import { keySlot } from "../../../src/cluster/slots.ts";
import { assertNoConnectionsLeft, delay, waitFor } from "../../support/clients.ts";
import { assertNothingHeld } from "../../support/left_over.ts";
import { untilCaughtUp } from "../../support/replication.ts";
import { ClusterTopology } from "../../../src/testing/cluster_topology.ts";
import type { RedisServer } from "../../../src/testing/redis_server.ts";
import { primariesOf, SlotMover, waysOf } from "./_cluster_moves.ts";
import { report } from "./_report.ts";
import { IS_FULL } from "./_stage.ts";

const CALLERS = 10;
const MOVES = IS_FULL ? 60 : 12;
/** Keys that are there throughout: many in slots that move, others in slots that stay. */
const TAGS = Array.from({ length: 8 }, (_, i) => `{${i}}`);
const SLOTS = TAGS.map(keySlot);
const MOVING = TAGS.flatMap((tag) => Array.from({ length: 20 }, (_, i) => `${tag}:${i}`));
const STAYING = Array.from({ length: 100 }, (_, i) => `k:${i}`);
const KEYS = [...MOVING, ...STAYING];

/** Reads of keys by GET, MGET over many slots and pipelines, until they are stopped. */
class Readers implements Disposable {
  readonly failures: Error[] = [];
  /** Replies that are neither the value nor nil. */
  readonly wrong: unknown[] = [];
  /** Keys for which the reply was nil, each time. */
  readonly missed: string[] = [];
  read = 0;
  readonly #client: RedisClient;
  readonly #running: Promise<unknown>;
  #isOn = true;

  constructor(client: RedisClient) {
    this.#client = client;
    this.#running = Promise.all(
      Array.from({ length: CALLERS }, (_, caller) => this.#run(caller)),
    );
  }

  async stop(): Promise<void> {
    this.#isOn = false;
    await this.#running;
  }

  [Symbol.dispose](): void {
    this.#isOn = false;
  }

  /** Waits until so many more keys were read. */
  async more(count: number): Promise<void> {
    const enough = this.read + count;
    await waitFor(() => this.read >= enough || this.failures.length > 0, {
      timeoutMs: 60_000,
      what: "more reads",
    });
  }

  async #run(caller: number): Promise<void> {
    for (let n = caller; this.#isOn; n += CALLERS) {
      const keys = Array.from(
        { length: 10 },
        (_, i) => KEYS[(n + i * 31) % KEYS.length]!,
      );
      try {
        const values = await this.#values(keys, n % 3);
        for (const [i, key] of keys.entries()) {
          if (values[i] === null) this.missed.push(key);
          else if (values[i] !== key) this.wrong.push(values[i]);
        }
        this.read += keys.length;
      } catch (error) {
        this.failures.push(error as Error);
      }
      await delay(1);
    }
  }

  async #values(keys: readonly string[], way: number): Promise<unknown[]> {
    if (way === 0) return await this.#client.mget([...keys]);
    if (way === 1) return await Promise.all(keys.map((key) => this.#client.get(key)));
    const pipeline = this.#client.pipeline();
    for (const key of keys) pipeline.get(key);
    return (await pipeline.exec())!.map(([error, value]) => {
      if (error !== null) throw error;
      return value;
    });
  }
}

/** A cluster with the keys on all replicas, and a reader of each kind. */
async function onCluster(
  nodeTimeoutMs: number,
  row: (cluster: ClusterTopology, readers: () => Reading) => Promise<void>,
): Promise<void> {
  await using cluster = await ClusterTopology.start({ replicasEach: 1, nodeTimeoutMs });
  for (const primary of await primariesOf(cluster)) {
    for (const replica of await cluster.replicasOf(primary)) {
      await untilKnown(cluster, primary, replica);
    }
  }
  {
    const managerOf = (readFrom: "prefer_replica" | "replica") =>
      new RedisConnectionManager({
        mode: "cluster",
        nodes: cluster.endpoints,
        readFrom,
        databases: { main: {} },
      });
    await using preferring = managerOf("prefer_replica");
    await using strict = managerOf("replica");
    const managers = [preferring, strict];
    const clients = managers.map((each) => each.getClient("main"));
    await clients[0]!.mset(Object.fromEntries(KEYS.map((key) => [key, key])));
    await untilReplicated(cluster);
    await row(cluster, () => new Reading(clients));
    for (const [i, client] of clients.entries()) {
      assertEquals(await client.mget(KEYS), KEYS, "all keys are seen in the end");
      const { replicaReads } = managers[i]!.getStatistics().databaseStats.main!;
      assert(replicaReads > 0, "replicas were read");
    }
    for (const manager of managers) {
      await manager.closeAll();
      assertNothingHeld(manager);
    }
  }
  for (const node of cluster.nodes) {
    if (node.running) await assertNoConnectionsLeft(node, "mooring:");
  }
}

/** The readers of all clients. */
class Reading implements Disposable {
  readonly #readers: readonly Readers[];

  constructor(clients: readonly RedisClient[]) {
    this.#readers = clients.map((client) => new Readers(client));
  }

  get read(): number {
    return this.#readers.reduce((sum, { read }) => sum + read, 0);
  }

  get missed(): string[] {
    return this.#readers.flatMap(({ missed }) => missed);
  }

  async more(count: number): Promise<void> {
    await Promise.all(this.#readers.map((each) => each.more(count)));
  }

  [Symbol.dispose](): void {
    for (const each of this.#readers) each[Symbol.dispose]();
  }

  /** Stops them: none has failed, and nil was said of keys in slots that move alone: replicas
   * of Redis do not know that a key has left already. */
  async stop(): Promise<void> {
    await Promise.all(this.#readers.map((each) => each.stop()));
    const failures = this.#readers.flatMap((each) => each.failures);
    assertEquals(failures.slice(0, 3).map(String), []);
    assertEquals(this.#readers.flatMap(({ wrong }) => wrong).slice(0, 3), []);
    assertEquals(this.missed.filter((key) => STAYING.includes(key)), []);
  }
}

async function untilReplicated(cluster: ClusterTopology): Promise<void> {
  for (const primary of await primariesOf(cluster)) {
    await untilCaughtUp(primary, await cluster.replicasOf(primary));
  }
}

/** Waits until all nodes know a replica: readers ask any of them where the replicas are, and
 * the nodes hear of one after the other. */
async function untilKnown(
  cluster: ClusterTopology,
  primary: RedisServer,
  replica: RedisServer,
): Promise<void> {
  const [id, own] = [await idOf(primary), await idOf(replica)];
  for (const node of cluster.nodes.filter(({ running }) => running)) {
    await waitFor(async () => {
      const lines = String(await node.cli("CLUSTER", "NODES")).split("\n");
      const line = lines.find((text) => text.startsWith(own));
      return line !== undefined && line.includes(`slave ${id}`);
    }, { timeoutMs: 60_000, what: "all nodes to know a replica" });
  }
}

async function idOf(node: RedisServer): Promise<string> {
  return String(await node.cli("CLUSTER", "MYID"));
}

/** Adds a replica of a primary. */
async function joinAsReplica(
  cluster: ClusterTopology,
  primary: RedisServer,
): Promise<RedisServer> {
  const node = await cluster.join();
  const said = await node.cli("CLUSTER", "REPLICATE", await idOf(primary));
  assertEquals(said, "OK");
  await untilCaughtUp(primary, [node]);
  await untilKnown(cluster, primary, node);
  return node;
}

Deno.test("reads from replicas do not fail while slots move, and see all keys when a move is over", () =>
  onCluster(30_000, async (cluster, start) => {
    for (const way of await waysOf(cluster)) {
      using readers = start();
      using mover = new SlotMover(cluster, SLOTS, way, 1);
      await waitFor(() => mover.moved >= MOVES, { timeoutMs: 300_000, what: "moves" });
      await mover.stop();
      await untilReplicated(cluster);
      await readers.stop();
      using after = start();
      await after.more(2 * KEYS.length);
      await after.stop();
      assertEquals(after.missed, [], `after moves ${way}`);
      await report({
        row: 77,
        fault: `reads from replicas of a cluster while ${mover.moved} slots move ${way}`,
        outcome: `0 of ${readers.read} failed, ${readers.missed.length} were nil`,
      });
    }
  }));

Deno.test("reads from replicas do not fail while a node and its replica join, take slots and leave", () =>
  onCluster(30_000, async (cluster, start) => {
    using readers = start();
    const [first] = cluster.nodes;
    const added = await cluster.join();
    const replica = await joinAsReplica(cluster, added);
    for (const node of [added, first!]) {
      for (const slot of SLOTS) {
        // The first node hears of it from others.
        const from = await cluster.ownerOf(slot);
        if (from !== node) await cluster.moveSlot(slot, node, { pauseMs: 1 });
        await waitFor(async () => await cluster.ownerOf(slot) === node);
      }
      await readers.more(2 * KEYS.length);
    }
    const leaving = [replica, added];
    const ids = await Promise.all(leaving.map(idOf));
    for (const id of ids) {
      for (const node of cluster.nodes.filter((each) => !leaving.includes(each))) {
        assertEquals(await node.cli("CLUSTER", "FORGET", id), "OK");
      }
    }
    for (const node of leaving) await node.kill();
    await readers.more(4 * KEYS.length);
    await readers.stop();
    await report({
      row: 77,
      fault:
        "reads from replicas of a cluster while a node and its replica join and leave",
      outcome: `0 of ${readers.read} failed, ${readers.missed.length} were nil`,
    });
  }));

Deno.test("reads from replicas do not fail, and miss no key, while a primary is killed and replaced", () =>
  onCluster(1000, async (cluster, start) => {
    const primary = await cluster.ownerOf(SLOTS[0]!);
    // A reader of replicas alone has one when the other is a primary.
    await joinAsReplica(cluster, primary);
    using readers = start();
    await readers.more(2 * KEYS.length);
    await primary.kill();
    await cluster.untilOwnerIsNot(primary, TAGS[0]!);
    await readers.more(4 * KEYS.length);
    await primary.restart();
    await untilReplicated(cluster);
    await readers.more(2 * KEYS.length);
    await readers.stop();
    assertEquals(readers.missed, []);
    await report({
      row: 77,
      fault: "primary of a cluster killed under readers of its replicas",
      outcome: `0 of ${readers.read} failed, none was nil`,
    });
  }));
