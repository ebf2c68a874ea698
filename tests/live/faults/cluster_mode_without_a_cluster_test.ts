import { assert, assertEquals, assertInstanceOf, assertMatch } from "@std/assert";
import {
  ConnectError,
  type ManagerOptions,
  RedisConnectionManager,
} from "../../../mod.ts";
import { ClusterTopology } from "../../../src/testing/cluster_topology.ts";
import { freePort } from "../../../src/testing/ports.ts";
import { RedisServer } from "../../../src/testing/redis_server.ts";
import { waitFor } from "../../support/clients.ts";
import { report } from "./_report.ts";
import { assertTook, timed } from "./_stage.ts";

/** A manager of a cluster, with the defaults. */
function managerOf(
  nodes: readonly { host: string; port: number }[],
  options: ManagerOptions = {},
): RedisConnectionManager {
  return new RedisConnectionManager({
    mode: "cluster",
    nodes: nodes.map(({ host, port }) => ({ host, port })),
    databases: { main: {} },
    ...options,
  });
}

function healthOf(manager: RedisConnectionManager) {
  return manager.getHealthStatus().databases.main!;
}

/** Throws unless commands fail fast with the reason, and the health is failed with it. */
async function assertFailed(manager: RedisConnectionManager, why: RegExp): Promise<void> {
  const client = manager.getClient("main");
  const calls = await Promise.all([
    timed(client.get("k")),
    timed(manager.getAsyncClient("main")),
    timed(manager.acquire("main")),
    timed(client.blpop("jobs", 1)),
  ]);
  for (const call of calls) {
    assertInstanceOf(call.error, ConnectError);
    assertTook(call, { most: 1500 }, call.error.message);
    assertMatch(call.error.message, why);
    assertMatch(call.error.reason, why);
  }
  const health = (await manager.healthCheck()).databases.main!;
  assertEquals(health.state, "failed");
  assertMatch(health.reason, why);
  const ready = await manager.healthResponse(new Request("http://pod/readyz"));
  assertEquals(ready.status, 503);
  const said = (await ready.json()).databases.main;
  assertEquals(said.state, "failed");
  assertMatch(said.reason, why);
}

Deno.test("mode cluster against a server that is none is failed, with the reason", async () => {
  await using server = await RedisServer.start();
  await using manager = managerOf([server]);
  await assertFailed(
    manager,
    /no node of a cluster \(ERR This instance has cluster support disabled\): use mode standalone/,
  );
  await report({
    row: 58,
    fault: "mode cluster, server is none",
    outcome: "health failed, commands fail at once, both say why",
  });
});

Deno.test("a cluster that serves no slot is failed, and found again when it does", async () => {
  await using server = await RedisServer.start({
    config: { "cluster-enabled": "yes", "cluster-config-file": "nodes.conf" },
  });
  await using manager = managerOf([server]);
  await assertFailed(manager, /the cluster serves no slot/);
  const changes: string[] = [];
  manager.addEventListener("statechange", ({ detail }) => changes.push(detail.to));
  await server.cli("CLUSTER", "ADDSLOTSRANGE", "0", "16383");
  // By itself, without a command.
  await waitFor(() => healthOf(manager).state === "healthy", {
    timeoutMs: 30_000,
    what: "the health of a cluster that serves",
  });
  assertEquals(changes.at(-1), "healthy");
  assertEquals(await manager.getClient("main").set("k", "v"), "OK");
});

Deno.test("a cluster that is down is failed, and its errors say so", async () => {
  await using cluster = await ClusterTopology.start({ primaries: 3, replicasEach: 0 });
  const [first, ...others] = cluster.nodes;
  await using manager = managerOf([first!, ...others], { commandTimeoutMs: 3000 });
  const client = manager.getClient("main");
  await client.set("k", "v");
  assertEquals(healthOf(manager).state, "healthy");
  // One slot without an owner: the cluster serves nothing, by its default setting.
  const owner = await cluster.ownerOf("k");
  const slot = String(await client.cluster("KEYSLOT", "unserved"));
  const holder = await cluster.ownerOf("unserved");
  assert(owner !== undefined);
  for (const node of cluster.nodes) await node.cli("CLUSTER", "DELSLOTS", slot);
  await waitFor(async () =>
    String(await holder.cli("CLUSTER", "INFO")).includes("cluster_state:fail")
  );
  const { error } = await timed(client.get("unserved"));
  assertMatch((error as Error).message, /CLUSTERDOWN/);
  await waitFor(() => healthOf(manager).state === "failed", {
    timeoutMs: 20_000,
    what: "the health of a cluster that is down",
  });
  assertMatch(
    healthOf(manager).reason,
    /the cluster is down \(cluster_state:fail.*\): 16383 of 16384 slots are assigned/,
  );
  assertEquals((await manager.healthCheck()).databases.main!.state, "failed");
  await holder.cli("CLUSTER", "ADDSLOTS", slot);
  await waitFor(() => healthOf(manager).state === "healthy", {
    timeoutMs: 30_000,
    what: "the health of a cluster that is up again",
  });
  await report({
    row: 58,
    fault: "cluster is down",
    outcome: "health failed with the reason; healthy again by itself",
  });
});

Deno.test("what waits for a cluster of which no node is there says why", async () => {
  const nodes = [{ host: "127.0.0.1", port: freePort() }];
  await using manager = managerOf(nodes, {
    // A deadline that passes while it is tried again.
    commandTimeoutMs: 400,
    connectRetry: { attempts: 5, minMs: 2000, maxMs: 2000, jitter: 0 },
  });
  const { error } = await timed(manager.getClient("main").get("k"));
  const told = error as Error & { cause: ConnectError };
  assertInstanceOf(told.cause, ConnectError);
  assertMatch(
    told.message,
    /cannot reach 127\.0\.0\.1:\d+ after \d+ attempts?: conn/,
  );
  assertMatch(healthOf(manager).reason, /connection refused/);
});
