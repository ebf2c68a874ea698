import { assert, assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { CommandRefusedError, RedisConnectionManager } from "../../../mod.ts";
import { ClusterTopology } from "../../../src/testing/cluster_topology.ts";
import { FaultProxy } from "../../../src/testing/fault_proxy.ts";
import { delay } from "../../../src/testing/wait.ts";
import { acknowledged, startReplicated } from "../../support/replicated.ts";

Deno.test("client.wait() on a used lease speaks of the writes of the client, made elsewhere", async () => {
  await using servers = await startReplicated();
  const { primary: { host, port }, replica } = servers;
  await using manager = new RedisConnectionManager({
    host,
    port,
    databases: { main: { db: 0 } },
  });
  const client = manager.getClient("main");
  await client.set("k", 1);
  assertEquals(await client.wait(1, 30_000), 1);
  replica.pause();
  try {
    // The lease that is handed out again knows of the first write only.
    await client.set("k", 2);
    assertEquals(await client.wait(1, 200), 0);
    // And of one that nobody has waited for: it was sent before.
    const written = client.set("k", 3);
    assertEquals([await client.wait(1, 200), await written], [0, "OK"]);
  } finally {
    replica.resume();
  }
  assertEquals(await client.wait(1, 30_000), 1);
  assertEquals(await replica.cli("GET", "k"), "3");
  // One connection waited all the time.
  const { idleConnections, createdConnections } = manager.getPoolStatistics("main");
  assertEquals([idleConnections, createdConnections], [1, 2]);
});

Deno.test("client.wait() lets writes pass before it that have not reached the server yet", async () => {
  await using servers = await startReplicated();
  const { primary, replica } = servers;
  await using relay = await FaultProxy.start({ to: primary });
  await using manager = new RedisConnectionManager({
    host: relay.host,
    port: relay.port,
    databases: { main: { db: 0 } },
  });
  const client = manager.getClient("main");
  await client.set("k", 1);
  assertEquals(await client.wait(1, 30_000), 1);
  await acknowledged(servers);
  replica.pause();
  try {
    relay.connections[0]!.set({ toServer: { kind: "stall" } });
    const written = client.set("k", 2);
    const waited = client.wait(1, 200);
    await delay(100);
    relay.connections[0]!.set({ toServer: { kind: "pass" } });
    // Sent at once, it would have been told of the first write.
    assertEquals([await waited, await written], [0, "OK"]);
  } finally {
    replica.resume();
  }
});

Deno.test("client.wait() is refused in a cluster, where one node has a part of the writes", async () => {
  await using cluster = await ClusterTopology.start();
  await using manager = new RedisConnectionManager({
    mode: "cluster",
    nodes: cluster.endpoints,
    databases: { main: { db: 0 } },
  });
  const client = manager.getClient("main");
  await client.set("k", 1);
  const error = await assertRejects(() => client.wait(1, 100), CommandRefusedError);
  assertStringIncludes(error.message, "manager.acquire(database, { key })");
  await using lease = await manager.acquire("main", { key: "k" });
  // The number is that of the node's replicas which have it by then.
  assert(await lease.client.wait(0, 100) >= 0);
});
