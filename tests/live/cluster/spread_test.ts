import { Buffer } from "node:buffer";
import {
  assert,
  assertEquals,
  assertMatch,
  assertRejects,
  assertStringIncludes,
} from "@std/assert";
import {
  CommandRefusedError,
  type ManagerOptions,
  PartialError,
  PipelineError,
  RedisConnectionManager,
  ReplyError,
} from "../../../mod.ts";
import { ClusterTopology } from "../../../src/testing/cluster_topology.ts";
import type { RedisServer } from "../../../src/testing/redis_server.ts";
import { assertNoConnectionsLeft, delay, waitFor } from "../../support/clients.ts";

async function onCluster(
  options: ManagerOptions,
  test: (cluster: ClusterTopology, manager: RedisConnectionManager) => Promise<void>,
): Promise<void> {
  await using cluster = await ClusterTopology.start({
    replicasEach: 0,
    // More than a busy machine keeps a node waiting.
    nodeTimeoutMs: 30_000,
    config: { "cluster-require-full-coverage": "no" },
  });
  {
    await using manager = new RedisConnectionManager({
      mode: "cluster",
      nodes: cluster.endpoints.slice(0, 1),
      databases: { main: {} },
      ...options,
    });
    await test(cluster, manager);
  }
  for (const node of cluster.nodes) {
    if (node.running) await assertNoConnectionsLeft(node, "mooring:");
  }
}

/** Keys of many slots, so that each node has some. */
const KEYS = Array.from({ length: 60 }, (_, i) => `key:${i}`);
const PAIRS = Object.fromEntries(KEYS.map((key, i) => [key, String(i)]));

Deno.test("commands with keys in several slots are split by slot, and replies are put together in order", () =>
  onCluster({ keyPrefix: "app:" }, async (cluster, manager) => {
    const client = manager.getClient("main");
    assertEquals(await client.mset(PAIRS), "OK");
    const owner = await cluster.ownerOf("app:key:7");
    assertEquals(await owner.cli("GET", "app:key:7"), "7");
    const order = [...KEYS.toReversed(), "none", ...KEYS.slice(0, 3)];
    assertEquals(
      await client.mget(order),
      order.map((key) => PAIRS[key] ?? null),
    );
    assertEquals(await client.mgetBuffer("key:1", Buffer.from("key:2")), [
      Buffer.from("1"),
      Buffer.from("2"),
    ]);
    assertEquals(await client.exists("key:1", "key:1", "key:2", "none"), 3);
    assertEquals(await client.touch("key:1", "key:2", "none"), 2);
    assertEquals(await client.del("key:1", "key:2", "none"), 2);
    assertEquals(await client.unlink(...KEYS), 58);
    assertEquals(await client.call("EXISTS", ...KEYS), 0);
    // What the server makes of a call stays its own.
    await assertRejects(() => client.mset("a", 1, "b"), Error, "CROSSSLOT");
    for (
      const call of [
        () => client.msetnx("a", 1, "b", 2),
        () => client.rename("a", "b"),
        () => client.blpop("a", "b", 1),
        () => client.pfcount("a", "b"),
      ]
    ) {
      const error = await assertRejects(call, ReplyError);
      assertEquals(error.replyCode, "CROSSSLOT");
      assertMatch(
        error.message,
        /^CROSSSLOT .*: its keys have to be in one slot, but "app:a" is in slot 16169 and "app:b" in slot 3914; a common \{tag\}/,
      );
      assertStringIncludes(error.stack!, error.message);
    }
    const many = Array.from({ length: 3000 }, (_, i) => `many:${i}`);
    await client.mset(new Map(many.map((key) => [key, key])));
    assertEquals(await client.mget(many), many);
    assertEquals(await client.with({ timeoutMs: 10_000 }).del(many), many.length);
  }));

Deno.test("pipelines split commands at their places; a transaction never does", () =>
  onCluster({}, async (_cluster, manager) => {
    const client = manager.getClient("main");
    assertEquals(
      await client.pipeline().mset(PAIRS).set("key:1", "new").mget("key:1", "key:2")
        .set("key:1", "newer").mget("key:3", "key:1").dbsize().exec(),
      [
        [null, "OK"],
        [null, "OK"],
        [null, ["new", "2"]],
        [null, "OK"],
        [null, ["3", "newer"]],
        [null, 60],
      ],
    );
    const replies = await manager.pipeline("main", (_, typed) => [
      typed.mget("key:5", "key:6"),
      typed.exists("key:5", "none", "key:6"),
    ]);
    assertEquals(replies, [["5", "6"], 2]);
    const error = await assertRejects(
      () =>
        manager.pipeline("main", (p) => {
          p.mget(KEYS);
          p.lpush("key:1", 1);
        }),
      PipelineError,
    );
    assertEquals(error.failed, [1]);
    for (
      const attempt of [
        () => client.multi().mget("key:1", "key:2").exec(),
        () => manager.transaction("main", (tx) => tx.del("key:1", "key:2")),
      ]
    ) {
      const refused = await assertRejects(attempt as () => Promise<unknown>);
      assert(refused instanceof CommandRefusedError, String(refused));
    }
  }));

Deno.test("commands that mean the whole cluster run on every node, and give one reply", () =>
  onCluster({}, async (cluster, manager) => {
    const client = manager.getClient("main");
    const onNodes = (...command: string[]) =>
      Promise.all(cluster.nodes.map((node) => node.cli(...command)));
    assertEquals(await client.randomkey(), null);
    await client.mset(PAIRS);
    assertEquals(await client.dbsize(), KEYS.length);
    assertEquals((await client.keys("key:*")).sort(), KEYS.toSorted());
    assertEquals(await client.keysBuffer("key:7"), [Buffer.from("key:7")]);
    const random = new Set<string | null>();
    for (let i = 0; i < 60; i++) random.add(await client.randomkey());
    const owners = new Set<RedisServer>();
    for (const key of random) owners.add(await cluster.ownerOf(key!));
    assertEquals(owners.size, 3);

    const sha = String(await client.script("LOAD", "return 7"));
    assertEquals(await onNodes("SCRIPT", "EXISTS", sha), [[1], [1], [1]]);
    await cluster.nodes[1]!.cli("SCRIPT", "FLUSH");
    assertEquals(await client.script("EXISTS", sha, sha), [0, 0]);
    assertEquals(await client.script("FLUSH"), "OK");
    const library = "#!lua name=lib\nredis.register_function('f', function() end)";
    assertEquals(await client.function("LOAD", library), "lib");
    assertEquals(
      (await onNodes("FUNCTION", "LIST")).map((list) => (list as unknown[]).length),
      [1, 1, 1],
    );
    // Any node has them all.
    assertEquals((await client.function("LIST") as unknown[]).length, 1);
    assertEquals(await client.function("DELETE", "lib"), "OK");
    assertEquals(await client.function("FLUSH"), "OK");
    assertEquals(await client.config("SET", "slowlog-log-slower-than", "0"), "OK");
    assertEquals(
      (await onNodes("CONFIG", "GET", "slowlog-log-slower-than")).map(String),
      Array(3).fill("slowlog-log-slower-than,0"),
    );
    const length = await client.slowlog("LEN") as number;
    assert(length > 3, `${length} entries`);
    // Each command of ours is in there, too.
    assert((await client.slowlog("GET", 100) as unknown[]).length > 3);
    await assertRejects(() => client.script("KILL"), Error, "NOTBUSY");

    const error = await assertRejects(() => client.memory("STATS"), CommandRefusedError);
    assertStringIncludes(error.message, 'manager.acquire(database, { node: "host:port"');
    assertEquals(await client.flushall(), "OK");
    assertEquals(await onNodes("DBSIZE"), [0, 0, 0]);
    assertEquals(await client.dbsize(), 0);
  }));

Deno.test("what every node keeps for itself reaches replicas, but for those that are away; MGET reads from them", async () => {
  await using cluster = await ClusterTopology.start({
    primaries: 2,
    nodeTimeoutMs: 30_000,
  });
  await using manager = new RedisConnectionManager({
    mode: "cluster",
    nodes: cluster.endpoints.slice(0, 1),
    databases: { main: {} },
  });
  const client = manager.getClient("main");
  const all = (...command: string[]) =>
    Promise.all(
      cluster.nodes.filter(({ running }) => running).map((node) => node.cli(...command)),
    );
  // A cluster that has just formed may not list its replicas yet.
  await waitFor(async () => {
    const sha = String(await client.script("LOAD", "return 7"));
    return String(await all("SCRIPT", "EXISTS", sha)) === "1,1,1,1";
  }, { timeoutMs: 30_000, everyMs: 200, what: "a script on every node" });
  await cluster.nodes[3]!.kill();
  const second = String(await client.script("LOAD", "return 8"));
  assertEquals(await all("SCRIPT", "EXISTS", second), Array(3).fill([1]));
  assertEquals(await client.config("SET", "maxmemory-samples", "7"), "OK");
  assertEquals(
    (await all("CONFIG", "GET", "maxmemory-samples")).map(String),
    Array(3).fill("maxmemory-samples,7"),
  );
  // Keys are on primaries, and counted once.
  await client.mset(PAIRS);
  assertEquals(await client.dbsize(), KEYS.length);
  const reader = client.with({ readFrom: "prefer_replica" });
  const values = KEYS.map((key) => PAIRS[key]!);
  await waitFor(async () => {
    assertEquals(
      (await reader.mget(KEYS)).filter((value) => value !== null).sort(),
      values.toSorted(),
    );
    return manager.getStatistics().databaseStats.main!.replicaReads > KEYS.length / 4;
  }, { timeoutMs: 30_000, what: "parts that are read from a replica" });
});

Deno.test("a command for the whole cluster keeps its place among others, the first one of all", () =>
  onCluster({}, async (cluster, manager) => {
    await Promise.all(
      KEYS.map(async (key) => (await cluster.ownerOf(key)).cli("SET", key, "old")),
    );
    const client = manager.getClient("main");
    const sizes = [client.dbsize(), client.flushall(), client.mset(PAIRS)] as const;
    const last = client.dbsize();
    assertEquals(await Promise.all([...sizes, last]), [60, "OK", "OK", 60]);
  }));

Deno.test("a command for the whole cluster reaches a node that has come, and that no redirect has named", () =>
  onCluster({}, async (cluster, manager) => {
    const client = manager.getClient("main");
    await client.mset(PAIRS);
    const added = await cluster.join();
    await cluster.moveSlot(await cluster.slotOf(KEYS[0]!), added);
    // Until all nodes know of it, and the map of the client is old enough.
    for (const node of cluster.nodes) {
      await waitFor(async () =>
        String(await node.cli("CLUSTER", "SLOTS")).includes(String(added.port))
      );
    }
    await delay(1000);
    const { redirects } = manager.getStatistics().databaseStats.main!;
    assertEquals(await client.dbsize(), KEYS.length);
    assertEquals((await client.keys("*")).sort(), KEYS.toSorted());
    assertEquals(await client.flushall(), "OK");
    assertEquals(await added.cli("DBSIZE"), 0);
    assertEquals(manager.getStatistics().databaseStats.main!.redirects, redirects);
    // Its slot goes back, and it leaves.
    await cluster.moveSlot(await cluster.slotOf(KEYS[0]!), cluster.nodes[0]!);
    await delay(1000);
    await client.dbsize();
    await added.cli("CONFIG", "RESETSTAT");
    await delay(1000);
    assertEquals(await client.dbsize(), 0);
    const seen = String(await added.cli("INFO", "commandstats"));
    assert(!seen.includes("dbsize"), seen);
  }));

Deno.test("what became of each part is told: keys with their delivery, nodes with theirs", () =>
  onCluster({
    commandTimeoutMs: 1500, // a node is stopped, and the test waits for that deadline
    keyPrefix: "p:",
  }, async (cluster, manager) => {
    const client = manager.getClient("main");
    await client.mset(PAIRS);
    const owners = new Map<string, RedisServer>();
    for (const key of KEYS) owners.set(key, await cluster.ownerOf(`p:${key}`));
    const stopped = owners.get(KEYS[0]!)!;
    const onStopped = new Set(KEYS.filter((key) => owners.get(key) === stopped));
    assert(onStopped.size > 3 && onStopped.size < 50);
    // A connection that was idle is checked first, and nothing is sent on it.
    await client.mget(KEYS);
    stopped.pause();
    let error: PartialError;
    try {
      error = await assertRejects(() => client.mset(PAIRS), PartialError);
      const read = await assertRejects(() => client.mget(KEYS), PartialError);
      const values = new Map(
        read.parts.flatMap((part) =>
          part.ok ? part.keys!.map((key, i) => [key, (part.value as string[])[i]]) : []
        ),
      );
      assertEquals(values.size, KEYS.length - onStopped.size);
      for (const [key, value] of values) {
        assertEquals(value, String(PAIRS[key as string]));
      }
      const size = await assertRejects(() => client.dbsize(), PartialError);
      assertEquals(
        size.parts.filter(({ ok }) => !ok).map(({ node }) => node),
        [`${stopped.host}:${stopped.port}`],
      );
      assertEquals(size.parts.length, 3);
    } finally {
      stopped.resume();
    }
    assertEquals([error.code, error.command, error.delivery], [
      "PARTIAL",
      "mset",
      "ambiguous",
    ]);
    const values = error.parts.flatMap((part) => part.ok ? [part.value] : []);
    assertEquals(new Set(values), new Set(["OK"]));
    const failed = error.parts.filter((part) => !part.ok);
    assertEquals(new Set(failed.flatMap(({ keys }) => keys!)), onStopped);
    assertEquals(new Set(failed.map(({ delivery }) => delivery)), new Set(["ambiguous"]));
    assertStringIncludes(
      error.message,
      `${failed.length} of ${error.parts.length} parts`,
    );
    // It points to the code that called.
    assertStringIncludes(error.stack!, "spread_test.ts");
    // All parts failed in one way: no part is told apart.
    await manager.closeAll();
    const closed = await client.mget(KEYS).catch((error) => error.code);
    assertEquals(closed, "MANAGER_CLOSED");
  }));

Deno.test("a signal withdraws the parts that were not sent, and tells which may have run", () =>
  onCluster({}, async (cluster, manager) => {
    const client = manager.getClient("main");
    await client.mset(PAIRS);
    const reason = new Error("enough");
    const aborted = client.with({ signal: AbortSignal.abort(reason) });
    assertEquals(await aborted.mset(PAIRS).catch((error) => error), reason);
    assertEquals(await aborted.dbsize().catch((error) => error), reason);
    const node = await cluster.ownerOf(KEYS[0]!);
    node.pause();
    try {
      const stop = new AbortController();
      const scoped = client.with({ signal: stop.signal });
      const outcomes = Promise.all(
        [scoped.mget(KEYS), scoped.mset(PAIRS)].map((call) =>
          call.catch((error) => error)
        ),
      );
      await client.get(KEYS.find((key) => key !== KEYS[0])!).catch(() => {});
      stop.abort(reason);
      const [read, written] = await outcomes;
      assertEquals(read, reason);
      assert(written instanceof PartialError, String(written));
      assertEquals(written.delivery, "ambiguous");
    } finally {
      node.resume();
    }
  }));
