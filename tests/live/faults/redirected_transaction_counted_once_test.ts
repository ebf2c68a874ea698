import { assertEquals, assertRejects } from "@std/assert";
import { RedisConnectionManager, TransactionError } from "../../../mod.ts";
import { ClusterTopology } from "../../../src/testing/cluster_topology.ts";
import type { RedisServer } from "../../../src/testing/redis_server.ts";
import { report } from "./_report.ts";

/** What the statistics count, and what the server refused, from here to where it is asked. */
function counting(manager: RedisConnectionManager) {
  const take = () => {
    const { failedOperations, redirects, successfulOperations } = manager.getStatistics()
      .databaseStats.main!;
    return [successfulOperations, failedOperations, redirects] as const;
  };
  const before = take();
  return () => take().map((count, i) => count - before[i]!);
}

async function moveAway(cluster: ClusterTopology, key: string): Promise<RedisServer> {
  const from = await cluster.ownerOf(key);
  const to = cluster.nodes.find((node) => node !== from)!;
  await cluster.moveSlot(await cluster.slotOf(key), to);
  return to;
}

Deno.test("a transaction whose slot has moved is counted once, as it ended", async () => {
  await using cluster = await ClusterTopology.start({ primaries: 3, replicasEach: 0 });
  await using manager = new RedisConnectionManager({
    mode: "cluster",
    nodes: cluster.endpoints,
    databases: { main: {} },
  });
  const key = "{a}n";
  await manager.getClient("main").set(key, 1);
  const run = () => manager.transaction("main", (tx) => void tx.incr(key).get(key));
  const watched = () =>
    manager.transaction("main", async (tx, reader) => {
      await reader.get(key);
      tx.incr(key);
    }, { watch: [key] });

  let counted = counting(manager);
  assertEquals(await run(), [2, "2"]);
  const [plain] = counted();
  assertEquals(counted(), [plain!, 0, 0]);
  counted = counting(manager);
  assertEquals(await watched(), [3]);
  const [plainWatched] = counted();

  await moveAway(cluster, key);
  counted = counting(manager);
  assertEquals(await run(), [4, "4"]);
  // As many commands as without the redirect, and none that failed.
  assertEquals(counted(), [plain!, 0, 1]);

  await moveAway(cluster, key);
  counted = counting(manager);
  assertEquals(await watched(), [5]);
  assertEquals(counted(), [plainWatched!, 0, 1]);
  const { lastError, successRate } = manager.getStatistics().databaseStats.main!;
  assertEquals([lastError, successRate], [null, 100]);

  // One that is redirected and then refused has failed, once as well.
  await manager.getClient("main").set("{a}text", "no list");
  const refused = () => manager.transaction("main", (tx) => void tx.lpush("{a}text", 1));
  counted = counting(manager);
  await assertRejects(refused, TransactionError);
  const asEver = counted();
  await moveAway(cluster, key);
  counted = counting(manager);
  await assertRejects(refused, TransactionError);
  assertEquals(counted(), [asEver[0]!, asEver[1]!, 1]);
  await report({
    row: 64,
    fault: "a transaction whose slot has moved",
    outcome: "counted once, as it ended",
  });
});
