import { assertEquals, assertInstanceOf, assertRejects, assertThrows } from "@std/assert";
import {
  CommandRefusedError,
  type IORedis,
  RedisConnectionManager,
} from "../../../mod.ts";
import { ClusterTopology } from "../../../src/testing/cluster_topology.ts";
import { SentinelTopology } from "../../../src/testing/sentinel_topology.ts";
import { waitFor, within } from "../../../src/testing/wait.ts";

/** Resolves at the next time that the client is ready. */
function whenReady(client: IORedis): Promise<void> {
  return new Promise((resolve) => client.once("ready", () => resolve()));
}

Deno.test("sentinel: an owned client follows its primary, with its subscriptions and its database", async () => {
  await using redis = await SentinelTopology.start({ quick: true });
  await using manager = new RedisConnectionManager({
    mode: "sentinel",
    nodes: redis.endpoints,
    sentinelName: redis.name,
    connectRetry: { attempts: 3, minMs: 20, maxMs: 50 },
    databases: { main: { db: 0 } },
  });
  const client = manager.createClient("main");
  await whenReady(client);
  const before = await redis.primary();
  assertEquals([client.options.host, client.options.port], [before.host, before.port]);
  const subscriber = client.duplicate();
  await subscriber.subscribe("a");
  const selected = manager.createClient("main", { db: 2 });
  await selected.set("k", "before");
  const messages: unknown[] = [];
  subscriber.on("message", (...args) => messages.push(args));
  await before.kill();
  // Waits for the new primary; the old one may not have passed on the last writes.
  assertEquals(await client.set("k", "after"), "OK");
  assertEquals(await selected.set("k", "after in 2"), "OK");
  const after = await waitFor(async () => {
    const found = await redis.primary();
    return found.port !== before.port && found;
  });
  await waitFor(async () => await after.cli("PUBLISH", "a", "1") === 1);
  await waitFor(() => messages.length > 0);
  assertEquals(await selected.get("k"), "after in 2");
  assertEquals(await client.get("k"), "after");
  await waitFor(() => client.options.port === after.port);
});

Deno.test("sentinel: createClient() clients learn of a planned failover, subscribed or not", async () => {
  await using redis = await SentinelTopology.start({ quick: true });
  await using manager = new RedisConnectionManager({
    mode: "sentinel",
    nodes: redis.endpoints,
    sentinelName: redis.name,
    databases: { main: { db: 0 } },
  });
  const plain = manager.createClient("main");
  const subscriber = manager.createClient("main");
  const clients = [plain, subscriber];
  await Promise.all(clients.map(whenReady));
  await subscriber.subscribe("a");
  const told = clients.map((client) => {
    const events: string[] = [];
    for (const event of ["close", "reconnecting", "connect", "ready", "end", "error"]) {
      client.on(event, () => events.push(event));
    }
    return events;
  });
  const ready = Promise.all(clients.map(whenReady));
  const after = await redis.failover();
  await within(ready, 30_000, "clients that are ready again");
  for (const [i, client] of clients.entries()) {
    assertEquals(told[i], ["close", "reconnecting", "connect", "ready"]);
    assertEquals([client.options.host, client.options.port], [after.host, after.port]);
  }
  assertEquals(await plain.set("k", "after"), "OK");
});

Deno.test("cluster: an owned client's commands go to the nodes of their keys", async () => {
  await using cluster = await ClusterTopology.start();
  await using manager = new RedisConnectionManager({
    databases: { main: { mode: "cluster", nodes: cluster.endpoints } },
  });
  const client = manager.createClient("main");
  for (const key of ["a", "b", "c", "d", "e"]) {
    assertEquals(await client.set(key, key), "OK");
    await client.watch(key);
    assertEquals(await client.get(key), key);
    assertEquals(await client.multi().set(key, "1").exec(), [[null, "OK"]]);
    await client.rpush(`q${key}`, "v");
    assertEquals(await client.blpop(`q${key}`, 1), [`q${key}`, "v"]);
  }
  const heard = new Promise((resolve) => client.once("message", resolve));
  await client.subscribe("news");
  await client.duplicate().publish("news", "ahoy");
  assertEquals(await heard, "news");
  await client.quit();
});

Deno.test("cluster: what goes another way waits for a command of several slots, and no longer", async () => {
  await using cluster = await ClusterTopology.start({ primaries: 3 });
  await using manager = new RedisConnectionManager({
    databases: { main: { mode: "cluster", nodes: cluster.endpoints } },
  });
  const client = manager.createClient("main");
  const spread = [
    () => client.mset("a", 1, "b", 2, "c", 3),
    () => client.mget("a", "b", "c"),
    () => client.dbsize(),
  ];
  for (const run of spread) {
    await run();
    await within(client.watch("a"), 10_000, "WATCH on the own connection");
    await client.unwatch();
    await run();
    await within(client.blpop("none", 0.01), 10_000, "a blocking command on its lease");
    void run();
    await within(client.watch("a"), 10_000, "WATCH behind it");
    await client.unwatch();
  }
  await client.del("a", "b", "c");
  assertEquals(await within(client.quit(), 10_000, "QUIT"), "OK");
});

Deno.test("cluster: nothing binds an owned client to one node for good", async () => {
  await using cluster = await ClusterTopology.start({ primaries: 3, replicasEach: 0 });
  await using manager = new RedisConnectionManager({
    databases: { main: { mode: "cluster", nodes: cluster.endpoints } },
  });
  const client = manager.createClient("main", { connectionName: "worker:1" });
  const keys = ["a", "b", "c", "d", "e"];
  await client.mset(Object.fromEntries(keys.map((key) => [key, key])));
  // What changes nothing is answered.
  assertEquals(await client.select(0), "OK");
  assertEquals(await client.client("SETNAME", "worker:2"), "OK");
  assertEquals(await client.mget(keys), keys);
  for (const key of keys) assertEquals(await client.get(key), key);
  assertEquals(await client.ssubscribe(...keys), keys.length);
  // What would make it one node's client is refused, and the client goes on.
  const refused = [
    () => client.select(1),
    () => client.call("CLIENT", "TRACKING", "ON"),
    () => client.call("READONLY"),
  ];
  for (const call of refused) {
    await assertRejects(call, CommandRefusedError, "one node");
  }
  for (const [error] of (await client.pipeline().select(1).get("a").exec())!) {
    assertInstanceOf(error, CommandRefusedError);
  }
  assertThrows(() => manager.createClient("main", { db: 1 }), RangeError, "database of");
  await assertRejects(async () => await client.monitor(), RangeError, "monitor");
  assertEquals(await client.mget(keys), keys);
  await client.quit();
});
