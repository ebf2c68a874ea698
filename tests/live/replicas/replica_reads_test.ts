import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import {
  CommandTimeoutError,
  type ManagerOptions,
  RedisConnectionManager,
} from "../../../mod.ts";
import { assertNoConnectionsLeft, waitFor } from "../../support/clients.ts";
import {
  callsOf,
  cutLinks,
  restoreLinks,
  untilCaughtUp,
} from "../../support/replication.ts";
import { assertNothingHeld } from "../../support/left_over.ts";
import type { RedisServer } from "../../../src/testing/redis_server.ts";
import { ClusterTopology } from "../../../src/testing/cluster_topology.ts";
import { SentinelTopology } from "../../../src/testing/sentinel_topology.ts";

/** A primary with two replicas, as a test sees them, and what connects to it. */
interface Stage {
  readonly primary: RedisServer;
  readonly replicas: readonly RedisServer[];
  readonly manager: RedisConnectionManager;
}

type Topology = AsyncDisposable & {
  readonly options: ManagerOptions;
  readonly primary: RedisServer;
  readonly replicas: readonly RedisServer[];
};

/** Nobody is to be missed here: on a busy machine a second of silence means nothing. */
const TOPOLOGIES: Record<string, () => Promise<Topology>> = {
  sentinel: async () => {
    const redis = await SentinelTopology.start({ replicas: 2, downAfterMs: 60_000 });
    return {
      options: { mode: "sentinel", nodes: redis.endpoints, sentinelName: redis.name },
      primary: await redis.primary(),
      replicas: await redis.replicas(),
      [Symbol.asyncDispose]: () => redis[Symbol.asyncDispose](),
    };
  },
  cluster: async () => {
    const cluster = await ClusterTopology.start({
      ...{ primaries: 1, replicasEach: 2, nodeTimeoutMs: 60_000 },
    });
    const [primary, ...replicas] = cluster.nodes;
    return {
      options: { mode: "cluster", nodes: cluster.endpoints.slice(0, 1) },
      primary: primary!,
      replicas,
      [Symbol.asyncDispose]: () => cluster[Symbol.asyncDispose](),
    };
  },
};

async function withReplicas(
  topology: Topology,
  options: ManagerOptions,
  test: (stage: Stage) => Promise<void>,
): Promise<void> {
  const { primary, replicas } = topology;
  for (const server of [primary, ...replicas]) await server.cli("CONFIG", "RESETSTAT");
  const manager = new RedisConnectionManager({
    ...topology.options,
    databases: { main: {} },
    ...options,
  });
  try {
    await test({ primary, replicas, manager });
  } finally {
    await manager.closeAll();
  }
  assertNothingHeld(manager);
  for (const server of [primary, ...replicas].filter(({ running }) => running)) {
    await assertNoConnectionsLeft(server, "mooring:");
  }
}

/** Waits until every replica is known and in sync; what was read until then is not counted. */
async function untilAllServe({ manager, primary, replicas }: Stage): Promise<void> {
  const reader = manager.getClient("main").with({ readFrom: "prefer_replica" });
  await reader.get("k");
  await waitFor(() => {
    const known = manager.getHealthStatus().databases.main!.replicas ?? [];
    return known.filter(({ state }) => state === "in_sync").length === replicas.length;
  }, { timeoutMs: 60_000, what: "replicas that are in sync" });
  for (const server of [primary, ...replicas]) await server.cli("CONFIG", "RESETSTAT");
  manager.getStatistics({ reset: true });
}

for (const [mode, start] of Object.entries(TOPOLOGIES)) {
  Deno.test(`${mode}: reads go to the replicas in turn, everything else to the primary`, async () => {
    await using topology = await start();
    await withReplicas(
      topology,
      { readFrom: "prefer_replica", keyPrefix: "p:" },
      async (stage) => {
        const { manager, primary, replicas } = stage;
        const client = manager.getClient("main");
        await client.set("k", "v");
        await untilCaughtUp(primary, replicas);
        await untilAllServe(stage);
        for (let i = 0; i < 40; i++) assertEquals(await client.get("k"), "v");
        assertEquals(await client.pipeline().get("k").strlen("k").exec(), [
          [null, "v"],
          [null, 1],
        ]);
        const gets = await Promise.all(replicas.map((each) => callsOf(each, "get")));
        assertEquals(gets.toSorted(), [20, 21]);
        assertEquals(await callsOf(primary, "get"), 0);
        // A batch that writes, a transaction, a cursor, a blocking command, a lease: the primary.
        await client.pipeline().set("k", "w").get("k").exec();
        await client.multi().get("k").exec();
        await client.hscan("h", 0);
        await client.xread("BLOCK", 1, "STREAMS", "s", "$");
        await manager.transaction("main", async (tx, watched) => {
          await watched.get("k");
          tx.get("k");
        }, { watch: ["k"] });
        await using lease = await manager.acquire("main", { key: "k" });
        await lease.client.get("k");
        assertEquals(await callsOf(primary, "get"), 5);
        const { replicaFallbacks, replicaReads } = manager.getStatistics().databaseStats
          .main!;
        assertEquals({ replicaFallbacks, replicaReads }, {
          replicaFallbacks: 0,
          replicaReads: 42,
        });
        const health = manager.getHealthStatus().databases.main!;
        const named = health.replicas!.map(({ endpoint, state }) =>
          `${endpoint} ${state}`
        );
        assertEquals(
          named.toSorted(),
          replicas.map(({ host, port }) => `${host}:${port} in_sync`).toSorted(),
        );
      },
    );
  });

  Deno.test(`${mode}: a call may choose; with primary it reads what was written`, async () => {
    await using topology = await start();
    await withReplicas(topology, {}, async (stage) => {
      const { manager, primary, replicas } = stage;
      const client = manager.getClient("main");
      for (let i = 0; i < 10; i++) {
        await client.set("k", i);
        assertEquals(await client.get("k"), String(i));
      }
      // Who reads from the primary connects to no replica.
      for (const replica of replicas) {
        assertEquals(await replica.clientList("mooring:"), []);
      }
      const replicaReader = client.with({ readFrom: "replica" });
      await untilCaughtUp(primary, replicas);
      assertEquals(await replicaReader.get("k"), "9");
      assertEquals(await replicaReader.with({ timeoutMs: 5000 }).get("k"), "9");
      assertEquals(await callsOf(primary, "get"), 10);
      const fresh = replicaReader.with({ readFrom: "primary" });
      for (let i = 0; i < 10; i++) {
        await fresh.set("k", i);
        assertEquals(await fresh.get("k"), String(i));
      }
      assertEquals(await callsOf(primary, "get"), 20);
      assertThrows(
        () => client.with({ readFrom: "az_affinity" }),
        RangeError,
        "client_az",
      );
      assertThrows(
        () => client.with({ readFrom: "slave" as "replica" }),
        RangeError,
        "prefer_replica",
      );
    });
  });

  Deno.test(`${mode}: without a replica, replica waits within its deadline, prefer_replica reads from the primary`, async () => {
    await using topology = await start();
    await withReplicas(topology, { readFrom: "prefer_replica" }, async (stage) => {
      const { manager, primary, replicas } = stage;
      const client = manager.getClient("main");
      await client.set("k", "v");
      await untilAllServe(stage);
      for (const replica of replicas) replica.pause();
      try {
        assertEquals(await client.with({ timeoutMs: 20_000 }).get("k"), "v");
        await waitFor(() =>
          manager.getHealthStatus().databases.main!.replicas!
            .every(({ state }) => state === "left_out")
        );
        assertEquals(await client.get("k"), "v");
        assert(await callsOf(primary, "get") > 0);
        const only = client.with({ readFrom: "replica", timeoutMs: 500 });
        const error = await assertRejects(() => only.get("k"), CommandTimeoutError);
        assertEquals(error.delivery, "never-sent");
        assert(
          error.message.includes("no replica is in sync") &&
            replicas.every(({ port }) => error.message.includes(`:${port}`)),
          error.message,
        );
      } finally {
        for (const replica of replicas) replica.resume();
      }
      const patient = client.with({ readFrom: "replica", timeoutMs: 60_000 });
      assertEquals(await patient.get("k"), "v");
    });
  });

  Deno.test(`${mode}: a replica whose link is down is left out, and comes back`, async () => {
    await using topology = await start();
    await withReplicas(topology, { readFrom: "replica" }, async (stage) => {
      const { manager, primary, replicas } = stage;
      const client = manager.getClient("main");
      await client.set("k", "old");
      await untilCaughtUp(primary, replicas);
      assertEquals(await client.get("k"), "old");
      const stateOf = (server: RedisServer) =>
        manager.getHealthStatus().databases.main!.replicas!
          .find(({ endpoint }) => endpoint.endsWith(`:${server.port}`))?.state;
      // They go on answering with what they have, without an error.
      await cutLinks(primary, replicas);
      await waitFor(() => replicas.every((each) => stateOf(each) === "left_out"), {
        timeoutMs: 30_000,
        what: "replicas that are left out",
      });
      await client.set("k", "new");
      assertEquals(await client.with({ readFrom: "prefer_replica" }).get("k"), "new");
      await restoreLinks(replicas);
      await waitFor(() => replicas.every((each) => stateOf(each) === "in_sync"), {
        timeoutMs: 60_000,
        what: "replicas that are back",
      });
      await untilCaughtUp(primary, replicas);
      assertEquals(await client.get("k"), "new");
    });
  });

  Deno.test(`${mode}: a client that a library owns reads from replicas, too`, async () => {
    await using topology = await start();
    await withReplicas(topology, { readFrom: "prefer_replica" }, async (stage) => {
      const { manager, primary, replicas } = stage;
      const client = manager.createClient("main");
      await client.set("k", "v");
      await untilCaughtUp(primary, replicas);
      for (let i = 0; i < 10; i++) assertEquals(await client.get("k"), "v");
      assertEquals(await callsOf(primary, "get"), 0);
      await client.multi().get("k").exec();
      assertEquals(await callsOf(primary, "get"), 1);
      await replicas[0]!.kill();
      for (let i = 0; i < 10; i++) assertEquals(await client.get("k"), "v");
      await client.quit();
    });
  });
}

Deno.test("cluster: the parts of a command over several slots are read from replicas", async () => {
  await using cluster = await ClusterTopology.start({ primaries: 3, replicasEach: 1 });
  await using manager = new RedisConnectionManager({
    ...{ mode: "cluster", nodes: cluster.endpoints, keyPrefix: "p:" },
    databases: { main: {} },
  });
  const client = manager.getClient("main");
  const keys = Array.from({ length: 30 }, (_, i) => `k${i}`);
  await client.mset(Object.fromEntries(keys.map((key, i) => [key, String(i)])));
  const [primaries, replicas] = [cluster.nodes.slice(0, 3), cluster.nodes.slice(3)];
  for (const primary of primaries) {
    await untilCaughtUp(primary, await cluster.replicasOf(primary));
  }
  for (const node of cluster.nodes) await node.cli("CONFIG", "RESETSTAT");
  const reader = client.with({ readFrom: "replica" });
  assertEquals(await reader.mget(keys), keys.map((_, i) => String(i)));
  assertEquals(await reader.exists(...keys), keys.length);
  for (const command of ["mget", "exists"]) {
    for (const node of primaries) assertEquals(await callsOf(node, command), 0);
    for (const node of replicas) assert(await callsOf(node, command) > 0);
  }
  // What means the whole cluster is asked of the primaries.
  assertEquals(await reader.dbsize(), keys.length);
});

Deno.test("cluster: once a replica has missed a key that has left, reads of its slot find it", async () => {
  await using cluster = await ClusterTopology.start({ primaries: 2, replicasEach: 1 });
  await using manager = new RedisConnectionManager({
    ...{ mode: "cluster", nodes: cluster.endpoints, readFrom: "replica" },
    databases: { main: {} },
  });
  const client = manager.getClient("main");
  const keys = ["{k}1", "{k}2"];
  for (const key of keys) await client.set(key, key);
  const from = await cluster.ownerOf("{k}");
  const replicas = await cluster.replicasOf(from);
  await untilCaughtUp(from, replicas);
  for (const key of keys) assertEquals(await client.get(key), key);
  const to = cluster.nodes.slice(0, 2).find((node) => node !== from)!;
  const move = await cluster.beginMove(await cluster.slotOf("{k}"), to);
  for (const key of keys) await move.moveKey(key);
  await untilCaughtUp(from, replicas);
  // Valkey's replicas reply ASK from the first read on.
  await waitFor(async () => await client.get(keys[0]!) === keys[0]);
  const before = await Promise.all(replicas.map((each) => callsOf(each, "get")));
  for (let i = 0; i < 20; i++) {
    for (const key of keys) assertEquals(await client.get(key), key);
    assertEquals(await client.mget(keys), keys);
  }
  const after = await Promise.all(replicas.map((each) => callsOf(each, "get")));
  assertEquals(after, before);
  await move.finish();
  for (const key of keys) assertEquals(await client.get(key), key);
  // A miss of another slot is a miss.
  assertEquals(await client.get("none"), null);
});
