import { assert, assertEquals } from "@std/assert";
import {
  type RedisClient,
  RedisConnectionManager,
  type ScanRestart,
} from "../../../mod.ts";
import { keySlot } from "../../../src/cluster/slots.ts";
import { assertNoConnectionsLeft, delay, waitFor } from "../../support/clients.ts";
import { ClusterTopology } from "../../../src/testing/cluster_topology.ts";
import { SlotMover, waysOf } from "./_cluster_moves.ts";
import { report } from "./_report.ts";
import { IS_FULL } from "./_stage.ts";

const PREFIX = "app:";
/** Keys that are there throughout: some alone in their slots, many in those that move. */
const TAGS = Array.from({ length: 8 }, (_, i) => `{${i}}`);
const KEYS = [
  ...Array.from({ length: 200 }, (_, i) => `k:${i}`),
  ...TAGS.flatMap((tag) => Array.from({ length: 25 }, (_, i) => `${tag}:${i}`)),
];
const SLOTS = TAGS.map((tag) => keySlot(`${PREFIX}${tag}`));
const SCANS = IS_FULL ? 60 : 12;

async function onCluster(
  replicasEach: number,
  row: (cluster: ClusterTopology, manager: RedisConnectionManager) => Promise<void>,
): Promise<void> {
  await using cluster = await ClusterTopology.start({
    replicasEach,
    // Where none is killed, more than a busy machine keeps a node waiting.
    nodeTimeoutMs: replicasEach === 0 ? 30_000 : 2000,
  });
  {
    await using manager = new RedisConnectionManager({
      mode: "cluster",
      nodes: cluster.endpoints,
      keyPrefix: PREFIX,
      databases: { main: {} },
    });
    const client = manager.getClient("main");
    await client.mset(Object.fromEntries(KEYS.map((key) => [key, key])));
    await row(cluster, manager);
  }
  for (const node of cluster.nodes) {
    if (node.running) await assertNoConnectionsLeft(node, "mooring:");
  }
}

/** Other keys that come and go, in the slots that move, too. */
async function churn(client: RedisClient, isOn: () => boolean): Promise<void> {
  for (let n = 0; isOn(); n++) {
    const names = TAGS.map((tag) => `${tag}:other:${n % 40}`);
    if (n % 2 === 0) {
      await client.mset(Object.fromEntries(names.map((name) => [name, n])));
    } else await client.del(names);
    await delay(1);
  }
}

Deno.test("no key that is there throughout is missing from a scan while slots move, and none has a prefix", () =>
  onCluster(0, async (cluster, manager) => {
    const client = manager.getClient("main");
    await client.sadd(`${TAGS[0]}:set`, ...KEYS);
    for (const way of await waysOf(cluster)) {
      let isOn = true;
      const churning = churn(client, () => isOn);
      churning.catch(() => {}); // awaited below
      using mover = new SlotMover(cluster, SLOTS, way, 1);
      let twice = 0;
      let n = 0;
      for (; n < SCANS || mover.moved < SCANS; n++) {
        const count = [3, 10, 40][n % 3]!;
        const found = await Array.fromAsync(client.scanIterator({ count }));
        const once = new Set(found);
        assertEquals(KEYS.filter((key) => !once.has(key)), [], `scan ${n}, moves ${way}`);
        twice += found.length - once.size;
        const members = client.sscanIterator(`${TAGS[0]}:set`, { count });
        assertEquals(new Set(await Array.fromAsync(members)), new Set(KEYS));
      }
      isOn = false;
      await churning;
      await mover.stop();
      assertEquals(await client.mget(KEYS), KEYS);
      await report({
        row: 37,
        fault: `${n} scans of a cluster while ${mover.moved} slots move ${way}`,
        outcome: `no key missing, ${twice} of ${n * KEYS.length} given twice`,
      });
    }
  }));

Deno.test("CLUSTERSCAN of Valkey follows its slots while they move", async (t) => {
  await onCluster(0, async (cluster, manager) => {
    const [info] = await cluster.nodes[0]!.cli(
      "COMMAND",
      "INFO",
      "CLUSTERSCAN",
    ) as unknown[];
    if (info === null) {
      // So the report counts it as left out, with the reason.
      const name = "needs Valkey 9: this server does not know CLUSTERSCAN";
      return void await t.step({ name, ignore: true, fn() {} });
    }
    const client = manager.getClient("main");
    using mover = new SlotMover(cluster, SLOTS, "as a whole");
    for (let n = 0; n < 5 || mover.moved < 10; n++) {
      const found = new Set<string>();
      let cursor = "0";
      do {
        const reply = await client.call("CLUSTERSCAN", cursor, "COUNT", "40");
        const [next, keys] = reply as [string, string[]];
        for (const key of keys) found.add(key.slice(PREFIX.length));
        cursor = next;
      } while (cursor !== "0");
      assertEquals(KEYS.filter((key) => !found.has(key)), []);
    }
    await mover.stop();
  });
});

Deno.test("a slot that stays between two nodes does not keep a scan from its end", () =>
  onCluster(0, async (cluster, manager) => {
    const client = manager.getClient("main");
    const from = await cluster.ownerOf(SLOTS[0]!);
    const to = cluster.nodes.find((node) => node !== from)!;
    const move = await cluster.beginMove(SLOTS[0]!, to);
    await move.moveKey(`${PREFIX}${TAGS[0]}:3`);
    const scanned = async () =>
      (await Array.fromAsync(client.scanIterator({ count: 20 }))).sort();
    assertEquals(await scanned(), KEYS.toSorted());
    // Its new node has forgotten that it was to take it.
    await move.moveKey(`${PREFIX}${TAGS[0]}:4`);
    const keys = KEYS.filter((key) => !key.startsWith(`${TAGS[0]}:`));
    await to.cli("CLUSTER", "SETSLOT", SLOTS[0]!, "STABLE");
    const found = new Set(await scanned());
    assertEquals(keys.filter((key) => !found.has(key)), []);
    assert(found.has(`${TAGS[0]}:5`));
  }));

Deno.test("nodes that join and leave while a scan goes on make no difference", () =>
  onCluster(0, async (cluster, manager) => {
    const client = manager.getClient("main");
    const found = new Set<string>();
    let pages = 0;
    const added = await cluster.join();
    const [first] = cluster.nodes;
    for await (const key of client.scanIterator({ count: 10 })) {
      found.add(key);
      if (++pages === 50) {
        for (const slot of SLOTS) await cluster.moveSlot(slot, added);
      }
      if (pages !== 250) continue;
      for (const slot of SLOTS) {
        // The first node hears of it from others.
        await waitFor(async () => await cluster.ownerOf(slot) === added);
        await cluster.moveSlot(slot, first!);
      }
    }
    assertEquals(KEYS.filter((key) => !found.has(key)), []);
    const stream: string[] = [];
    for await (const page of client.scanStream({ match: "k:1*", count: 50 })) {
      stream.push(...page);
    }
    assertEquals(stream.sort(), KEYS.filter((key) => key.startsWith("k:1")).sort());
  }));

Deno.test("a primary that is killed while a scan goes on is scanned anew as its replica, and the caller is told", () =>
  onCluster(1, async (cluster, manager) => {
    const client = manager.getClient("main");
    for (const key of KEYS.slice(0, 200)) {
      await using lease = await manager.acquire("main", { key });
      await lease.client.set(key, key);
      assertEquals(await lease.client.wait(1, 10_000), 1);
      if (key === "k:20") break;
    }
    const events: string[] = [];
    manager.addEventListener("scanrestart", ({ detail }) => events.push(detail.endpoint));
    const restarts: ScanRestart[] = [];
    const onRestart = (restart: ScanRestart) => restarts.push(restart);
    const found = new Set<string>();
    let killed: string | undefined;
    // The node that is scanned first has the first slot.
    const primary = await cluster.ownerOf(0);
    for await (const key of client.scanIterator({ count: 5, onRestart })) {
      found.add(key);
      if (killed !== undefined || found.size < 10) continue;
      killed = `${primary.host}:${primary.port}`;
      await primary.kill();
    }
    const there = new Set((await client.mget(KEYS)).filter((value) => value !== null));
    assert(there.size > KEYS.length / 2);
    assertEquals(KEYS.filter((key) => there.has(key) && !found.has(key)), []);
    assert(restarts.length > 0);
    assertEquals(events, restarts.map(({ endpoint }) => endpoint));
    assertEquals(restarts[0]!.endpoint, killed);
    await report({
      row: 37,
      fault: "cluster primary killed while a scan goes on",
      outcome: `told ${restarts.length} times, no key missing of ${there.size}`,
    });
  }));
