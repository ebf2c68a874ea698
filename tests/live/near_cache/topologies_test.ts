import { assert, assertEquals, assertRejects } from "@std/assert";
import {
  CommandTimeoutError,
  type ManagerOptions,
  PartialError,
  type RedisClient,
  RedisConnectionManager,
} from "../../../mod.ts";
import { ClusterTopology } from "../../../src/testing/cluster_topology.ts";
import { SentinelTopology } from "../../../src/testing/sentinel_topology.ts";
import { delay, waitFor } from "../../../src/testing/wait.ts";
import { SlotMover, waysOf } from "../faults/_cluster_moves.ts";
import { CoherenceChecker, readersOf, untilReplicated } from "../../support/coherence.ts";

/** Settings of all managers: outages are over within a test. */
const BASE: ManagerOptions = {
  commandTimeoutMs: 10_000,
  connectTimeoutMs: 3000,
  connectRetry: { attempts: 20, minMs: 20, maxMs: 200 },
};

function check(base: ManagerOptions): CoherenceChecker {
  return new CoherenceChecker({
    readers: readersOf({ ...BASE, ...base }),
    others: { ...BASE, ...base, databases: { near: { db: 0 } } },
    seed: 1919,
    isStandalone: false,
  });
}

async function assertCoherent(checker: CoherenceChecker): Promise<void> {
  const report = await checker.stop();
  console.log(report);
  assertEquals(report.violations, []);
  assert(report.hits > report.reads / 2 && report.writes > 50, JSON.stringify(report));
}

Deno.test("near caches are coherent while the slots of a cluster move and primaries change", async () => {
  await using cluster = await ClusterTopology.start({ primaries: 3, replicasEach: 1 });
  await using checker = check({ mode: "cluster", nodes: cluster.endpoints });
  checker.start();
  await delay(500);
  for (const key of ["c:0", "c:1", "c:2", "c:3"]) {
    const from = await cluster.ownerOf(key);
    const owners = await Promise.all(
      ["c:0", "c:1", "c:2"].map((k) => cluster.ownerOf(k)),
    );
    const to = owners.find((owner) => owner !== from) ?? owners[0]!;
    if (to !== from) await cluster.moveSlot(await cluster.slotOf(key), to);
    await delay(100);
  }
  await checker.rest();
  await checker.hold();
  const old = await cluster.ownerOf("c:5");
  await untilReplicated(old, await cluster.replicasOf(old));
  await old.kill();
  await cluster.untilOwnerIsNot(old, "c:5");
  checker.goOn();
  await delay(500);
  await checker.rest();
  await assertCoherent(checker);
});

Deno.test("near caches are coherent while slots move without end, key by key and as a whole", async () => {
  await using cluster = await ClusterTopology.start({ primaries: 3, replicasEach: 0 });
  const keys = Array.from({ length: 8 }, (_, i) => `c:${i}`);
  const slots = await Promise.all(keys.map((key) => cluster.slotOf(key)));
  for (const way of await waysOf(cluster)) {
    // Each checker begins with the first version.
    await Promise.all(cluster.nodes.map((node) => node.cli("FLUSHALL")));
    await using checker = check({ mode: "cluster", nodes: cluster.endpoints });
    checker.start();
    const mover = new SlotMover(cluster, slots, way);
    await waitFor(() => mover.moved >= 8, { what: `slots that move ${way}` });
    await mover.stop();
    console.log(`${mover.moved} slots moved ${way}`);
    await checker.rest();
    await assertCoherent(checker);
  }
});

Deno.test("near caches are coherent through the failovers of sentinels", async () => {
  await using topology = await SentinelTopology.start();
  await using checker = check({
    mode: "sentinel",
    sentinelName: topology.name,
    nodes: topology.endpoints,
  });
  checker.start();
  for (let round = 0; round < 2; round++) {
    await delay(500);
    await checker.hold();
    await untilReplicated(await topology.primary(), await topology.replicas());
    await topology.failover();
    checker.goOn();
    await delay(500);
    await checker.rest();
  }
  await assertCoherent(checker);
});

Deno.test("what replicas answer is kept, and forgotten when they announce a change", async () => {
  await using cluster = await ClusterTopology.start({ primaries: 3, replicasEach: 1 });
  await using manager = new RedisConnectionManager({
    ...BASE,
    mode: "cluster",
    nodes: cluster.endpoints,
    databases: { near: { readFrom: "replica", nearCache: { maxEntries: 100 } } },
  });
  const client = manager.getClient("near");
  const numbers = () => manager.getStatistics().databaseStats.near!;
  for (let i = 0; i < 20; i++) {
    const key = `k:${i}`;
    const owner = await cluster.ownerOf(key);
    await owner.cli("SET", key, "old");
    await waitFor(async () => await client.with({ fresh: true }).get(key) === "old");
    await waitFor(async () => {
      const { nearCacheHits } = numbers();
      await client.get(key);
      return numbers().nearCacheHits > nearCacheHits;
    });
    // Who asks for the primary gets what it has.
    const { nearCacheHits } = numbers();
    assertEquals(await client.with({ readFrom: "primary" }).get(key), "old");
    assertEquals(numbers().nearCacheHits, nearCacheHits);
    await owner.cli("SET", key, "new");
    await waitFor(async () => await client.get(key) === "new");
  }
  assert(numbers().nearCacheInvalidated >= 20);
});

Deno.test("what a call reads from a replica is not kept for those that ask the primary", async () => {
  await using cluster = await ClusterTopology.start({ primaries: 1, replicasEach: 1 });
  await using manager = new RedisConnectionManager({
    ...BASE,
    mode: "cluster",
    nodes: cluster.endpoints,
    databases: { near: { nearCache: { maxEntries: 100 } } },
  });
  const client = manager.getClient("near");
  const replicas = client.with({ readFrom: "replica" });
  const owner = await cluster.ownerOf("k");
  const [replica] = await cluster.replicasOf(owner);
  await client.set("k", "v");
  await untilReplicated(owner, [replica!]);
  const numbers = () => manager.getStatistics().databaseStats.near!;
  const isHit = async (client: RedisClient) => {
    const { nearCacheHits } = numbers();
    assertEquals(await client.get("k"), "v");
    return numbers().nearCacheHits > nearCacheHits;
  };
  for (let i = 0; i < 10; i++) assertEquals(await isHit(replicas), false);
  assertEquals(await isHit(client), false);
  await waitFor(() => isHit(client));
  for (let i = 0; i < 10; i++) assertEquals(await isHit(replicas), false);
});

Deno.test("cluster: an MGET of which every part is late fails once", async () => {
  await using cluster = await ClusterTopology.start({ primaries: 3 });
  await using manager = new RedisConnectionManager({
    ...BASE,
    mode: "cluster",
    nodes: cluster.endpoints,
    databases: { near: { nearCache: { maxEntries: 100 } } },
  });
  const client = manager.getClient("near");
  assertEquals(await client.mget("a", "b", "c"), [null, null, null]);
  for (const node of cluster.nodes) Deno.kill(node.pid, "SIGSTOP");
  try {
    const late = client.with({ timeoutMs: 50, fresh: true });
    await assertRejects(() => late.mget("a", "b", "c"), CommandTimeoutError);
    // An unhandled rejection would have ended the process by now.
    await delay(0);
  } finally {
    for (const node of cluster.nodes) Deno.kill(node.pid, "SIGCONT");
  }
});

Deno.test("cluster: an MGET fails in part as it does without a near cache, and is kept by node", async () => {
  await using cluster = await ClusterTopology.start({ primaries: 3, replicasEach: 0 });
  await using manager = new RedisConnectionManager({
    ...BASE,
    mode: "cluster",
    nodes: cluster.endpoints,
    databases: { near: { nearCache: { maxEntries: 100 } }, plain: {} },
  });
  const near = manager.getClient("near");
  const plain = manager.getClient("plain");
  const keys = ["a", "b", "c", "d"];
  for (const key of keys) await plain.set(key, `${key}!`);
  await Promise.all([near.ping(), near.mget(...keys)]);
  const slow = await cluster.ownerOf("a");
  const failure = async (client: RedisClient, ...keys: string[]) => {
    const late = client.with({ timeoutMs: 200, fresh: true });
    const error = await assertRejects(() => late.mget(...keys));
    return error instanceof PartialError
      ? error.parts.map(({ keys, ok }) => [keys, ok])
      : (error as Error).name;
  };
  slow.pause();
  try {
    assertEquals(await failure(near, ...keys), await failure(plain, ...keys));
    assertEquals(await failure(near, "a"), await failure(plain, "a"));
    assert(Array.isArray(await failure(near, ...keys)));
  } finally {
    slow.resume();
  }
  const numbers = () => manager.getStatistics().databaseStats.near!;
  await waitFor(async () => {
    const { nearCacheHits } = numbers();
    assertEquals(await near.mget(...keys), keys.map((key) => `${key}!`));
    return numbers().nearCacheHits - nearCacheHits === keys.length;
  });
  // What a node answered goes with its connection, and nothing else.
  await slow.cli("CLIENT", "KILL", "TYPE", "normal");
  await waitFor(() => numbers().nearCacheEntries < keys.length);
  assert(numbers().nearCacheEntries > 0);
  assertEquals(await near.mget(...keys), keys.map((key) => `${key}!`));
});
