import { assert, assertEquals } from "@std/assert";
import { RedisConnectionManager } from "../../../mod.ts";
import { keySlot } from "../../../src/cluster/slots.ts";
import { ClusterTopology } from "../../../src/testing/cluster_topology.ts";
import { RedisServer } from "../../../src/testing/redis_server.ts";
import { waitFor } from "../../../src/testing/wait.ts";
import { assertNothingHeld } from "../../support/left_over.ts";

const PREFIX = "app:";

/** Subscribers that a server has to a shard channel. */
async function subscribersOf(server: RedisServer, channel: string): Promise<number> {
  const reply = await server.cli("PUBSUB", "SHARDNUMSUB", PREFIX + channel);
  return Number((reply as unknown[])[1]);
}

async function withCluster(
  config: Record<string, string>,
  test: (cluster: ClusterTopology, manager: RedisConnectionManager) => Promise<void>,
): Promise<void> {
  await using cluster = await ClusterTopology.start({
    ...{ primaries: 3, replicasEach: 0 },
    config,
  });
  await using manager = new RedisConnectionManager({
    mode: "cluster",
    nodes: cluster.endpoints.slice(0, 1),
    keyPrefix: PREFIX,
    databases: { main: {} },
  });
  await test(cluster, manager);
  await manager.closeAll();
  assertNothingHeld(manager);
}

Deno.test("shard channels: each is subscribed to on the node of its slot, on one connection a node", () =>
  withCluster({}, async (cluster, manager) => {
    const client = manager.getClient("main");
    const shards = Array.from({ length: 12 }, (_, i) => `s${i}`);
    const got: string[] = [];
    const subscription = await manager.subscribe(
      "main",
      { shards, channels: ["plain"] },
      (message, channel) => got.push(`${channel} ${message}`),
    );
    for (const name of shards) {
      const owner = await cluster.ownerOf(keySlot(PREFIX + name));
      assertEquals(await subscribersOf(owner, name), 1);
      assertEquals(await client.spublish(name, "ahoy"), 1);
    }
    // A plain channel is subscribed to once, and reached from every node.
    for (const node of cluster.nodes) await node.cli("PUBLISH", "plain", node.port);
    await waitFor(() => got.length === shards.length + cluster.nodes.length);
    const expected = [
      ...shards.map((name) => `${name} ahoy`),
      ...cluster.nodes.map(({ port }) => `plain ${port}`),
    ];
    assertEquals(got.toSorted(), expected.toSorted());
    const { leases } = manager.getPoolStatistics("main");
    assert(leases <= cluster.nodes.length + 1, `${leases} connections`);
    await subscription.unsubscribe();
    await waitFor(() => manager.getPoolStatistics("main").leases === 0);
  }));

/** A node that has joined a cluster, and serves no slot yet. */
async function joined(cluster: ClusterTopology): Promise<RedisServer> {
  const node = await RedisServer.start({
    config: {
      ...{ "cluster-enabled": "yes", "cluster-config-file": "nodes.conf" },
      "notify-keyspace-events": "KEA",
    },
  });
  const { host, port } = cluster.nodes[0]!;
  await node.cli("CLUSTER", "MEET", host, port);
  const id = String(await node.cli("CLUSTER", "MYID"));
  for (const each of [...cluster.nodes, node]) {
    await waitFor(async () => {
      const nodes = String(await each.cli("CLUSTER", "NODES"));
      return nodes.includes(id) && !nodes.includes("handshake") &&
        nodes.split("\n").filter((line) => line.includes(" connected")).length ===
          cluster.nodes.length + 1;
    }, { timeoutMs: 60_000 });
  }
  await waitFor(async () =>
    String(await node.cli("CLUSTER", "INFO")).includes("cluster_state:ok")
  );
  return node;
}

for (const protocol of ["auto", 2] as const) {
  Deno.test(`shard channels follow their slot, protocol ${protocol}: those alone that moved get a gap`, async () => {
    await using cluster = await ClusterTopology.start({ primaries: 3, replicasEach: 0 });
    await using manager = new RedisConnectionManager({
      ...{ mode: "cluster", nodes: cluster.endpoints, keyPrefix: PREFIX, protocol },
      databases: { main: {} },
    });
    const client = manager.getClient("main");
    const from = await cluster.ownerOf(keySlot(`${PREFIX}a`));
    // Another channel of the same node, of another slot.
    let stays = "";
    for (let i = 0; stays === ""; i++) {
      if (await cluster.ownerOf(keySlot(`${PREFIX}b${i}`)) === from) stays = `b${i}`;
    }
    const items: string[] = [];
    const listen = (name: string) =>
      manager.subscribe("main", { shards: [name] }, (message, channel) => {
        items.push(`${channel} ${message}`);
      }, { onGap: () => items.push(`${name} gap`) });
    await listen("a");
    await listen(stays);
    for (const to of cluster.nodes.filter((node) => node !== from)) {
      items.length = 0;
      await client.spublish("a", "1");
      await client.spublish(stays, "1");
      await cluster.moveSlot(keySlot(`${PREFIX}a`), to);
      await waitFor(() => items.includes("a gap"), { timeoutMs: 30_000 });
      assertEquals(await subscribersOf(to, "a"), 1);
      assertEquals(await client.spublish("a", "2"), 1);
      assertEquals(await client.spublish(stays, "2"), 1);
      await waitFor(() => items.length >= 5);
      assertEquals(items.filter((item) => item.startsWith("a ")), [
        "a 1",
        "a gap",
        "a 2",
      ]);
      assertEquals(items.filter((item) => item.startsWith(stays)), [
        `${stays} 1`,
        `${stays} 2`,
      ]);
    }
    const { state, reason } = manager.getHealthStatus().databases.main!;
    assertEquals([state, reason], ["healthy", "connected"]);
    await manager.closeAll();
    assertNothingHeld(manager);
  });
}

Deno.test("events about keys come from every primary, also from one that gets its first slots", () =>
  withCluster({ "notify-keyspace-events": "KEA" }, async (cluster, manager) => {
    const client = manager.getClient("main");
    const got: string[] = [];
    let gaps = 0;
    await manager.subscribe(
      "main",
      { patterns: ["__keyevent@0__:se*"], channels: [`__keyspace@0__:${PREFIX}k0`] },
      (message, channel) => got.push(`${channel} ${message}`),
      { onGap: () => gaps++ },
    );
    const keys = Array.from({ length: 30 }, (_, i) => `k${i}`);
    const owners = new Set<RedisServer>();
    for (const key of keys) {
      await client.set(key, 1);
      owners.add(await cluster.ownerOf(keySlot(PREFIX + key)));
    }
    assertEquals(owners.size, 3);
    await waitFor(() => got.length >= keys.length + 1);
    const expected = [
      ...keys.map((key) => `__keyevent@0__:set ${PREFIX}${key}`),
      `__keyspace@0__:${PREFIX}k0 set`,
    ];
    assertEquals(got.toSorted(), expected.toSorted());
    assertEquals(gaps, 0);
    await using node = await joined(cluster);
    const slot = keySlot(`${PREFIX}k1`);
    await cluster.moveSlot(slot, node);
    // The redirect tells of the node; what is published there before is told as a gap.
    await client.set("k1", 2);
    await waitFor(() => gaps > 0);
    got.length = 0;
    await client.set("k1", 3);
    await waitFor(() => got.length > 0);
    assertEquals(got, [`__keyevent@0__:set ${PREFIX}k1`]);
  }));

Deno.test("a client that a library owns subscribes in a cluster as with one server", () =>
  withCluster({ "notify-keyspace-events": "KEA" }, async (cluster, manager) => {
    const client = manager.createClient("main");
    const publisher = manager.createClient("main");
    const got: string[] = [];
    client.on("smessage", (channel, message) => got.push(`s ${channel} ${message}`));
    client.on("message", (channel, message) => got.push(`m ${channel} ${message}`));
    client.on(
      "pmessage",
      (by, channel, message) => got.push(`p ${by} ${channel} ${message}`),
    );
    const shards = Array.from({ length: 6 }, (_, i) => `s${i}`);
    assertEquals(await client.ssubscribe(...shards), shards.length);
    assertEquals(await client.subscribe("plain"), 1);
    assertEquals(await client.psubscribe("__keyevent@0__:set"), 2);
    for (const name of shards) assertEquals(await publisher.spublish(name, "ahoy"), 1);
    await publisher.publish("plain", "hello");
    for (const name of shards) await publisher.set(name, 1);
    const expected = [
      ...shards.map((name) => `s ${PREFIX}${name} ahoy`),
      "m plain hello",
      ...shards.map((name) => `p __keyevent@0__:set __keyevent@0__:set ${PREFIX}${name}`),
    ];
    await waitFor(() => got.length >= expected.length);
    assertEquals(got.toSorted(), expected.toSorted());
    // A channel follows its slot.
    const slot = keySlot(`${PREFIX}s0`);
    const from = await cluster.ownerOf(slot);
    await cluster.moveSlot(slot, cluster.nodes.find((node) => node !== from)!);
    got.length = 0;
    await waitFor(async () => {
      await publisher.spublish("s0", "again");
      return got.length > 0;
    });
    assertEquals(got[0], `s ${PREFIX}s0 again`);
    assertEquals(await client.sunsubscribe("s0"), shards.length - 1);
    assertEquals(await publisher.spublish("s0", "nobody"), 0);
    assertEquals(await client.sunsubscribe(), 0);
    // It goes on as an ordinary client, and begins anew after its end.
    await client.set("k", "v");
    client.disconnect();
    await waitFor(() => client.status === "end");
    await client.connect();
    await waitFor(async () => await publisher.publish("plain", "back") > 0);
    await client.quit();
    await publisher.quit();
    await waitFor(() => manager.getPoolStatistics("main").leases === 0);
  }));
