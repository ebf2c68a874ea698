import { assert, assertEquals } from "@std/assert";
import { ClusterTopology } from "../../../src/testing/cluster_topology.ts";
import { RespClient } from "../../../src/testing/resp_client.ts";
import { RespError } from "../../../src/testing/resp_parser.ts";
import { SentinelTopology } from "../../../src/testing/sentinel_topology.ts";
import { waitFor } from "../../../src/testing/wait.ts";

Deno.test("SentinelTopology.start() gives a primary, a replica and three sentinels", async () => {
  await using redis = await SentinelTopology.start();
  const primary = await redis.primary();
  assertEquals(primary, redis.servers[0]);
  assertEquals(await redis.replicas(), [redis.servers[1]]);
  for (const endpoint of redis.endpoints) {
    using sentinel = await RespClient.connect({
      hostname: endpoint.host,
      port: endpoint.port,
    });
    assertEquals(
      await sentinel.send("SENTINEL", "GET-MASTER-ADDR-BY-NAME", "mymaster"),
      ["127.0.0.1", String(primary.port)],
    );
  }
  await primary.cli("SET", "k", "v");
  await waitFor(async () => await redis.servers[1].cli("GET", "k") === "v");
});

Deno.test("SentinelTopology.failover() swaps the roles", async () => {
  await using redis = await SentinelTopology.start({ quick: true });
  const [old, replica] = redis.servers;
  assertEquals(await redis.failover(), replica);
  assertEquals(await replica.cli("SET", "k", 1), "OK");
  await waitFor(async () => {
    const reply = await old.cli("SET", "k", 1);
    return reply instanceof RespError && reply.code === "READONLY";
  }, { what: "the old primary as a replica", timeoutMs: 60_000 });
});

Deno.test("SentinelTopology replaces a killed primary, also with passwords", async () => {
  await using redis = await SentinelTopology.start({
    name: "cache",
    password: "data",
    sentinelPassword: "watch",
    // Less, and on a busy machine the one that is back is missed time and again.
    downAfterMs: 2000,
    quick: true,
  });
  const old = await redis.primary();
  await old.kill();
  const primary = await redis.untilPrimaryIsNot(old);
  assert(primary !== old);
  assertEquals(await primary.cli("SET", "k", 1), "OK");
  await old.restart();
  await waitFor(async () => (await old.info("replication")).role === "slave", {
    what: "the old primary as a replica",
    timeoutMs: 120_000,
  });
});

Deno.test("ClusterTopology.start() gives three primaries with a replica each", async () => {
  await using cluster = await ClusterTopology.start({ nodeTimeoutMs: 30_000 });
  assertEquals(cluster.nodes.length, 6);
  const owners = new Set([
    await cluster.ownerOf(0),
    await cluster.ownerOf(8000),
    await cluster.ownerOf(16383),
  ]);
  assertEquals(owners, new Set(cluster.nodes.slice(0, 3)));
  for (const [i, primary] of cluster.nodes.slice(0, 3).entries()) {
    assertEquals(await cluster.replicasOf(primary), [cluster.nodes[3 + i]]);
  }
  const owner = await cluster.ownerOf("foo");
  assertEquals(await cluster.slotOf("foo"), 12182);
  assertEquals(await owner.cli("SET", "foo", "bar"), "OK");
  const other = cluster.nodes.find((node) => node !== owner);
  const reply = await other?.cli("GET", "foo");
  assert(reply instanceof RespError);
  assertEquals(reply.message, `MOVED 12182 127.0.0.1:${owner.port}`);
});

Deno.test("ClusterTopology replaces a killed primary, also with a password", async () => {
  await using cluster = await ClusterTopology.start({ password: "secret" });
  const owner = await cluster.ownerOf("foo");
  await owner.cli("SET", "foo", "bar");
  await owner.cli("WAIT", 1, 5000);
  const [replica] = await cluster.replicasOf(owner);
  await owner.kill();
  assertEquals(await cluster.untilOwnerIsNot(owner, "foo"), replica);
  assertEquals(await replica.cli("GET", "foo"), "bar");
});

Deno.test("ClusterTopology.moveSlot() moves keys, with ASK on the way", async () => {
  await using cluster = await ClusterTopology.start({
    replicasEach: 0,
    nodeTimeoutMs: 30_000,
    password: "x",
  });
  const from = await cluster.ownerOf("{t}");
  const to = cluster.nodes.find((node) => node !== from);
  assert(to !== undefined);
  for (let i = 0; i < 20; i++) await from.cli("SET", `{t}${i}`, i);
  const slot = await cluster.slotOf("{t}");
  const moving = cluster.moveSlot(slot, to, { pauseMs: 20 });
  await waitFor(async () => {
    const reply = await from.cli("GET", "{t}none");
    return reply instanceof RespError &&
      reply.message === `ASK ${slot} 127.0.0.1:${to.port}`;
  }, { what: "an ASK" });
  await moving;
  assertEquals(await to.cli("GET", "{t}7"), "7");
  const reply = await from.cli("GET", "{t}7");
  assert(reply instanceof RespError);
  assertEquals(reply.code, "MOVED");
  await waitFor(async () => await cluster.ownerOf(slot) === to);
});
