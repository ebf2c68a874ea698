import { assert, assertEquals, assertRejects } from "@std/assert";
import { ConnectError, RedisConnectionManager } from "../../../mod.ts";
import { ClusterTopology } from "../../../src/testing/cluster_topology.ts";
import { RedisServer } from "../../../src/testing/redis_server.ts";

/** Whether a server has a command, or a setting. */
async function knows(...question: string[]): Promise<boolean> {
  await using server = await RedisServer.start();
  const reply = await server.cli(...question) as unknown[];
  return reply.length > 0 && reply[0] !== null;
}

const isNumbered = await knows("CONFIG", "GET", "cluster-databases");
const canScan = await knows("COMMAND", "INFO", "CLUSTERSCAN");

function managerOf(cluster: ClusterTopology): RedisConnectionManager {
  return new RedisConnectionManager({
    mode: "cluster",
    nodes: cluster.endpoints,
    databases: { main: { db: 0 }, five: { db: 5 } },
  });
}

Deno.test({
  name:
    "a cluster with numbered databases keeps them apart, on leases and in transactions too",
  ignore: !isNumbered,
  fn: async () => {
    const config = { "cluster-databases": "16" };
    await using cluster = await ClusterTopology.start({ replicasEach: 0, config });
    await using manager = managerOf(cluster);
    const [main, five] = [manager.getClient("main"), manager.getClient("five")];
    for (let i = 0; i < 20; i++) {
      await main.set(`k:${i}`, "main");
      await five.set(`k:${i}`, "five");
    }
    assertEquals([await main.get("k:1"), await five.get("k:1")], ["main", "five"]);
    await using lease = await manager.acquire("five", { key: "k:2" });
    assertEquals(await lease.client.get("k:2"), "five");
    const replies = await manager.transaction("five", (tx) => void tx.get("k:3"));
    assertEquals(replies, ["five"]);
    // A slot moves with the keys of all databases.
    const slot = await cluster.slotOf("k:4");
    const from = await cluster.ownerOf(slot);
    const to = cluster.nodes.slice(0, 3).find((node) => node !== from)!;
    const id = String(await to.cli("CLUSTER", "MYID"));
    await from.cli("CLUSTER", "MIGRATESLOTS", "SLOTSRANGE", slot, slot, "NODE", id);
    await cluster.untilOwnerIsNot(from, "k:4");
    assertEquals([await main.get("k:4"), await five.get("k:4")], ["main", "five"]);
  },
});

Deno.test("a cluster without numbered databases says so at once", async () => {
  await using cluster = await ClusterTopology.start({ replicasEach: 0 });
  await using manager = managerOf(cluster);
  const error = await assertRejects(
    () => manager.getClient("five").get("k"),
    ConnectError,
  );
  const said = /ERR (?:DB index is out of range|SELECT is not allowed in cluster mode)/;
  assert(said.test(error.message), error.message);
  assertEquals(error.attempts, 1, error.message);
  assertEquals(await manager.getClient("main").get("k"), null);
});

Deno.test({
  name:
    "CLUSTERSCAN goes by its cursor to the node of its slot, and gives every key once",
  ignore: !canScan,
  fn: async () => {
    await using cluster = await ClusterTopology.start({ replicasEach: 0 });
    await using manager = managerOf(cluster);
    const client = manager.getClient("main");
    const keys = Array.from({ length: 200 }, (_, i) => `key:${i}`);
    await Promise.all(keys.map((key) => client.set(key, 1)));
    const found: string[] = [];
    let cursor = "0";
    do {
      const reply = await client.call("CLUSTERSCAN", cursor, "COUNT", "50");
      const [next, some] = reply as [string, string[]];
      found.push(...some);
      cursor = next;
    } while (cursor !== "0");
    assertEquals(found.sort(), keys.toSorted());
    assertEquals(manager.getStatistics().databaseStats.main!.redirects, 0);
  },
});
