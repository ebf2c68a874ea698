import { assert, assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import {
  CommandRefusedError,
  ConnectionState,
  type ManagerOptions,
  PipelineError,
  RedisConnectionManager,
} from "../../../mod.ts";
import { keySlot } from "../../../src/cluster/slots.ts";
import { ClusterTopology } from "../../../src/testing/cluster_topology.ts";
import { FaultProxy } from "../../../src/testing/fault_proxy.ts";
import type { RedisServer } from "../../../src/testing/redis_server.ts";
import { waitFor } from "../../../src/testing/wait.ts";
import { assertNoConnectionsLeft } from "../../support/clients.ts";

/** Runs a test with a manager on a cluster of three primaries without replicas. */
async function onCluster(
  options: ManagerOptions,
  test: (cluster: ClusterTopology, manager: RedisConnectionManager) => Promise<void>,
): Promise<void> {
  await using cluster = await ClusterTopology.start({
    replicasEach: 0,
    // More than a busy machine keeps a node waiting.
    nodeTimeoutMs: 3000,
    config: { "cluster-require-full-coverage": "no" },
  });
  {
    await using manager = managerOf(cluster, options);
    await test(cluster, manager);
  }
  for (const node of cluster.nodes) {
    if (node.running) await assertNoConnectionsLeft(node, "mooring:");
  }
}

function managerOf(
  { endpoints }: Pick<ClusterTopology, "endpoints">,
  options: ManagerOptions = {},
): RedisConnectionManager {
  return new RedisConnectionManager({
    mode: "cluster",
    nodes: endpoints,
    commandTimeoutMs: 5000,
    connectTimeoutMs: 5000,
    connectRetry: { attempts: 2, minMs: 20, maxMs: 50 },
    databases: { main: {} },
    ...options,
  });
}

/** Keys of many slots, so that each node has some. */
const KEYS = Array.from({ length: 60 }, (_, i) => `key:${i}`);

/** A key of each node. */
async function keysByNode(cluster: ClusterTopology): Promise<Map<RedisServer, string>> {
  const found = new Map<RedisServer, string>();
  for (const key of KEYS) {
    const owner = await cluster.ownerOf(key);
    if (!found.has(owner)) found.set(owner, key);
  }
  return found;
}

Deno.test("a database in a cluster reaches every slot, whichever node it starts from", () =>
  onCluster({}, async (cluster, manager) => {
    const client = manager.getClient("main");
    await Promise.all(KEYS.map((key, i) => client.set(key, i)));
    assertEquals(
      await Promise.all(KEYS.map((key) => client.get(key))),
      KEYS.map((_, i) => String(i)),
    );
    let keys = 0;
    for (const node of cluster.nodes) keys += Number(await node.cli("DBSIZE"));
    assertEquals(keys, KEYS.length);
    const stats = manager.getStatistics().databaseStats.main!;
    assertEquals([stats.redirects, stats.failedOperations], [0, 0]);
    assertEquals(stats.successfulOperations, 2 * KEYS.length);
    await using other = managerOf({ endpoints: cluster.endpoints.slice(2) }, {
      keyPrefix: "p:",
    });
    const prefixed = other.getClient("main");
    await Promise.all(KEYS.map((key) => prefixed.set(`${key}{}{x}`, key)));
    const owner = await cluster.ownerOf("p:key:7{}{x}");
    assertEquals(await owner.cli("GET", "p:key:7{}{x}"), "key:7");
    assertEquals(other.getStatistics().databaseStats.main!.redirects, 0);
  }));

Deno.test("pipelines are split by node: replies in order, failures one by one", () =>
  onCluster({}, async (_cluster, manager) => {
    const sets = await manager.pipeline("main", (p) => {
      for (const [i, key] of KEYS.entries()) p.set(key, i);
    });
    assertEquals(sets, KEYS.map(() => "OK"));
    const chained = manager.getClient("main").pipeline();
    for (const key of KEYS) chained.incr(key);
    assertEquals(await chained.exec(), KEYS.map((_, i) => [null, i + 1]));
    const error = await assertRejects(
      () =>
        manager.pipeline("main", (p) => {
          for (const key of KEYS) p.get(key);
          p.lpush(KEYS[5]!, 1);
          p.msetnx(KEYS[0]!, 1, KEYS[1]!, 1);
        }),
      PipelineError,
    );
    assertEquals(error.failed, [60, 61]);
    const [wrong, cross] = error.results.slice(60).map((result) =>
      result.ok ? "" : `${result.delivery} ${result.error.message}`
    );
    assertStringIncludes(wrong!, "rejected WRONGTYPE");
    assertStringIncludes(cross!, "rejected CROSSSLOT");
    assertEquals(
      error.results.slice(0, 60).map((result) => result.ok && result.value),
      KEYS.map((_, i) => String(i + 1)),
    );
  }));

Deno.test("transactions run on the node of their slot, and say which keys are in two", () =>
  onCluster({ keyPrefix: "app:" }, async (cluster, manager) => {
    const client = manager.getClient("main");
    for (const tag of ["{a}", "{b}", "{c}"]) {
      const replies = await manager.transaction("main", async (tx, watched) => {
        assertEquals(await watched.get(`${tag}n`), null);
        tx.incr(`${tag}n`).incr(`${tag}n`).get(`${tag}m`);
      }, { watch: [`${tag}n`, `${tag}m`] });
      assertEquals(replies, [1, 2, null]);
      const unwatched = await manager.transaction("main", async (tx, reader) => {
        tx.set(`${tag}copy`, await reader.get(`${tag}n`) as string).get(`${tag}copy`);
      });
      assertEquals(unwatched, ["OK", "2"]);
      assertEquals(await client.multi().incr(`${tag}n`).get(`${tag}copy`).exec(), [
        [null, 3],
        [null, "2"],
      ]);
    }
    let ran = false;
    for (
      const attempt of [
        () => manager.transaction("main", (tx) => tx.incr("x").incr("y")),
        () =>
          manager.transaction("main", (tx) => void (ran = true, tx.incr("x")), {
            watch: ["x", "y"],
          }),
        () => client.multi().incr("x").incr("y").exec(),
      ]
    ) {
      const error = await assertRejects(attempt, CommandRefusedError);
      assertEquals(error.delivery, "never-sent");
      assertStringIncludes(error.message, `"app:x" is in slot ${keySlot("app:x")}`);
      assertStringIncludes(error.message, `"app:y" in slot ${keySlot("app:y")}`);
    }
    assertEquals([ran, await client.get("x"), await client.get("y")], [
      false,
      null,
      null,
    ]);
    // A transaction that meets a slot on its way to another node follows it.
    const from = await cluster.ownerOf("app:{a}n");
    const to = cluster.nodes.find((node) => node !== from)!;
    await cluster.moveSlot(await cluster.slotOf("app:{a}n"), to);
    assertEquals(await manager.transaction("main", (tx) => tx.incr("{a}n")), [4]);
    assertEquals(manager.getStatistics().databaseStats.main!.redirects, 1);
    // The connection to the slot's old node is cleaned while the caller goes on.
    await waitFor(() => manager.getPoolStatistics("main").leases === 0);
  }));

/** Begins to move the slot of a key to another node, and moves that key. */
async function between(
  cluster: ClusterTopology,
  key: string,
  to: RedisServer,
): Promise<void> {
  const from = await cluster.ownerOf(key);
  const slot = keySlot(key);
  const idOf = (node: RedisServer) => node.cli("CLUSTER", "MYID").then(String);
  assertEquals(
    [
      await to.cli("CLUSTER", "SETSLOT", slot, "IMPORTING", await idOf(from)),
      await from.cli("CLUSTER", "SETSLOT", slot, "MIGRATING", await idOf(to)),
      await from.cli("MIGRATE", to.host, to.port, key, 0, 5000),
    ],
    ["OK", "OK", "OK"],
  );
}

Deno.test("transactions follow a key whose slot is between two nodes, watched or not", () =>
  onCluster({}, async (cluster, manager) => {
    const [key, left] = ["{a}n", "{a}left"];
    const client = manager.getClient("main");
    await client.mset(key, 1, left, "here");
    const from = await cluster.ownerOf(key);
    await between(cluster, key, cluster.nodes.find((node) => node !== from)!);
    assertEquals(await manager.transaction("main", (tx) => tx.incr(key)), [2]);
    const replies = await manager.transaction("main", async (tx, watched) => {
      assertEquals(await watched.get(key), "2");
      tx.incr(key);
    }, { watch: [key] });
    assertEquals(replies, [3]);
    // What has not moved is still where it was.
    const stayed = await manager.transaction("main", async (tx, watched) => {
      tx.append(left, `, ${await watched.get(left)}`);
    }, { watch: [left] });
    assertEquals(stayed, [10]);
    assertEquals(await client.mget(key), ["3"]);
    assertEquals(manager.getPoolStatistics("main").leases, 0);
  }));

Deno.test("blocking commands and transactions follow a slot to a node that serves none yet", () =>
  onCluster({}, async (cluster, manager) => {
    const added = await cluster.join();
    const client = manager.getClient("main");
    const [list, number] = ["{a}list", "{a}n"];
    await client.set(number, 1);
    await between(cluster, number, added);
    const waiting = client.blpop(list, 10);
    await waitFor(
      async () => (await added.clientList()).some(({ cmd }) => cmd === "blpop"),
      {
        what: "a consumer on the new node",
      },
    );
    assertEquals(await client.rpush(list, "job"), 1);
    assertEquals(await waiting, [list, "job"]);
    assertEquals(await manager.transaction("main", (tx) => tx.incr(number)), [2]);
    assertEquals(await client.incr(number), 3);
    await assertRejects(
      () => manager.acquire("main", { node: "127.0.0.1:1" }),
      RangeError,
      "node must be one of",
    );
  }));

Deno.test("acquire() by key or node leads there; a blocking command waits at its node", () =>
  onCluster({}, async (cluster, manager) => {
    const client = manager.getClient("main");
    const byNode = await keysByNode(cluster);
    assertEquals(byNode.size, 3);
    for (const [node, key] of byNode) {
      {
        await using lease = await manager.acquire("main", { key });
        assertEquals(await lease.client.set(key, "mine"), "OK");
        await using named = await manager.acquire("main", {
          node: `${node.host}:${node.port}`,
        });
        assertEquals(await named.client.get(key), "mine");
      }
      const list = `{${key}}list`;
      // A tag puts it beside the key of that name.
      const waiting = client.blpop(list, 0);
      await waitFor(async () => {
        const blocked = await node.clientList("mooring:main:lease");
        return blocked.some(({ cmd }) => cmd === "blpop");
      });
      await client.lpush(list, "value");
      assertEquals(await waiting, [list, "value"]);
    }
    const error = await assertRejects(
      () => manager.acquire("main", { node: "10.9.9.9:1" }),
      RangeError,
    );
    assertStringIncludes(error.message, '"10.9.9.9:1"');
    // Those that wait when the manager is closed are unblocked by their own nodes.
    const left = [...byNode.values()].map((key) =>
      client.blpop(`{${key}}none`, 0).then(() => "value", (error) => error.delivery)
    );
    await waitFor(() => manager.getPoolStatistics("main").leases === 3);
    await waitFor(async () => {
      const rows = await Promise.all(
        cluster.nodes.map((node) => node.clientList("mooring:main:lease")),
      );
      return rows.flat().filter(({ cmd }) => cmd === "blpop").length === 3;
    });
    await manager.closeAll({ drainMs: 5000 });
    assertEquals(await Promise.all(left), ["never-sent", "never-sent", "never-sent"]);
  }));

Deno.test("publish and subscribe work across nodes", () =>
  onCluster({}, async (cluster, manager) => {
    const heard: string[] = [];
    await using _subscription = await manager.subscribe("main", ["news"], (message) => {
      heard.push(message);
    });
    for (const node of cluster.nodes) await node.cli("PUBLISH", "news", node.port);
    await manager.getClient("main").publish("news", "own");
    await waitFor(() => heard.length === 4);
    assertEquals(
      heard.toSorted(),
      [
        ...cluster.nodes.map(({ port }) => String(port)),
        "own",
      ].toSorted(),
    );
    const client = manager.getClient("main");
    assertEquals(await client.ping(), "PONG");
    // EVAL goes where its keys are, and leaves its script there.
    for (const key of KEYS.slice(0, 10)) {
      assertEquals(await client.eval("return KEYS[1]", 1, key), key);
    }
  }));

Deno.test("one lost node of three degrades the database, and the numbers are of all nodes", () =>
  onCluster(
    { maxConnections: 5 },
    async (cluster, manager) => {
      const client = manager.getClient("main");
      const byNode = await keysByNode(cluster);
      const keys = [...byNode.values()];
      await Promise.all(keys.map((key) => client.set(key, "v")));
      const health = () => manager.getHealthStatus().databases.main!;
      assertEquals(health().state, ConnectionState.HEALTHY);
      const pool = manager.getPoolStatistics("main");
      assertEquals([pool.lanes, pool.maxConnections], [3, 15]);
      assertEquals(await opened(cluster), 3);

      const [lost, lostKey] = [...byNode][0]!;
      const endpoint = `${lost.host}:${lost.port}`;
      await lost.kill();
      await assertRejects(() => client.get(lostKey));
      for (const key of keys.slice(1)) {
        assertEquals(await client.get(key).catch(String), "v");
      }
      await manager.healthCheck();
      assertEquals(health().state, ConnectionState.DEGRADED);
      assertStringIncludes(health().reason, endpoint);
      assertStringIncludes(health().reason, "1 of 3 nodes");

      await lost.restart();
      await waitFor(
        () => client.set(lostKey, "again").then(() => true, () => false),
        { timeoutMs: 60_000, everyMs: 100, what: "the node to serve again" },
      );
      assertEquals(manager.getPoolStatistics("main").lanes, 3);
    },
  ));

/** Connections that the manager has on all nodes. */
async function opened(cluster: ClusterTopology): Promise<number> {
  const rows = await Promise.all(
    cluster.nodes.map((node) => node.clientList("mooring:main")),
  );
  return rows.flat().length;
}

Deno.test("maxTotalConnections holds over all nodes of a cluster", () =>
  onCluster({ maxTotalConnections: 6 }, async (cluster, manager) => {
    const client = manager.getClient("main");
    const byNode = await keysByNode(cluster);
    const keys = [...byNode.values()];
    await Promise.all(keys.map((key) => client.set(key, "v")));
    const leases = await Promise.all(keys.map((key) => manager.acquire("main", { key })));
    await assertRejects(() => manager.acquire("main", { key: keys[0]!, timeoutMs: 100 }));
    assertEquals(await opened(cluster), 6);
    for (const lease of leases) lease.release();
    await using again = await manager.acquire("main", { key: keys[0]! });
    assertEquals(await again.client.get(keys[0]!), "v");
  }));

Deno.test("all nodes down at the start fail within the deadlines, and are found once up", async () => {
  await using cluster = await ClusterTopology.start({
    replicasEach: 0,
    nodeTimeoutMs: 3000,
  });
  await Promise.all(cluster.nodes.map((node) => node.kill()));
  {
    await using manager = managerOf(cluster);
    const client = manager.getClient("main");
    const start = performance.now();
    const errors = await Promise.all(
      KEYS.map((key) => client.get(key).then(() => undefined, (error) => error)),
    );
    for (const error of errors) assertEquals(error?.delivery, "never-sent");
    await assertRejects(() => manager.acquire("main", { timeoutMs: 500 }));
    assert(
      performance.now() - start < 25_000,
      `told after ${performance.now() - start} ms`,
    );
    const health = manager.getHealthStatus().databases.main!;
    assertEquals(health.state, ConnectionState.FAILED, health.reason);
    await Promise.all(cluster.nodes.map((node) => node.restart()));
    await waitFor(
      () =>
        Promise.all(KEYS.map((key) => client.set(key, 1))).then(() => true, () => false),
      { timeoutMs: 60_000, everyMs: 100, what: "the cluster to serve" },
    );
    assertEquals(manager.getPoolStatistics("main").lanes, 3);
  }
  for (const node of cluster.nodes) await assertNoConnectionsLeft(node, "mooring:");
});

Deno.test("getAsyncClient() waits for a node that serves, not for one that has left meanwhile", async () => {
  await using cluster = await ClusterTopology.start({ primaries: 1, replicasEach: 0 });
  // Takes connections and says nothing.
  using gone = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const { port } = gone.addr as Deno.NetAddr;
  let asked = 0;
  await using relay = await FaultProxy.start({
    to: cluster.nodes[0]!,
    // The first answer is from before a failover.
    script: ([name, what]) =>
      name?.toLowerCase() === "cluster" && what?.toLowerCase() === "shards" &&
        asked++ === 0
        ? shardsReply("127.0.0.1", port)
        : undefined,
  });
  const { host, port: seed } = relay;
  await using manager = managerOf({ endpoints: [{ host, port: seed }] }, {
    connectRetry: { attempts: 50, minMs: 20, maxMs: 50 },
  });
  const client = await manager.getAsyncClient("main");
  assertEquals(await client.ping(), "PONG");
  assert(asked >= 2, `asked ${asked} times`);
  assertEquals(manager.listDatabases()[0]!.endpoint, addressOf(cluster.nodes[0]!));
});

const addressOf = ({ host, port }: RedisServer) => `${host}:${port}`;

/** What CLUSTER SHARDS says of one node that serves everything. */
function shardsReply(host: string, port: number): string {
  const bulk = (text: string) => `$${text.length}\r\n${text}\r\n`;
  const node = ["id", "x", "ip", host, "endpoint", host, "role", "master"].map(bulk);
  const slots = `${bulk("slots")}*2\r\n:0\r\n:16383\r\n`;
  const nodes = `${bulk("nodes")}*1\r\n*${node.length + 4}\r\n${node.join("")}` +
    `${bulk("port")}:${port}\r\n${bulk("health")}${bulk("online")}`;
  return `*1\r\n*4\r\n${slots}${nodes}`;
}
