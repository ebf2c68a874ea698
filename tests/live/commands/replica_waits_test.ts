import { assert, assertEquals, assertInstanceOf, assertThrows } from "@std/assert";
import { DurabilityError, RedisConnectionManager } from "../../../mod.ts";
import { ClusterTopology } from "../../../src/testing/cluster_topology.ts";
import { waitFor } from "../../support/clients.ts";
import { assertNothingHeld } from "../../support/left_over.ts";
import { FaultProxy } from "../../../src/testing/fault_proxy.ts";
import { startReplicated } from "../../support/replicated.ts";

const MAIN = { databases: { main: {} } };

async function waits(server: { info(section: string): Promise<Record<string, string>> }) {
  const { cmdstat_wait = "calls=0" } = await server.info("commandstats");
  return Number(/calls=(\d+)/.exec(cmdstat_wait)![1]);
}

Deno.test("a write resolves when replicas have it, and says so if they do not", async () => {
  await using servers = await startReplicated();
  const { primary, replica } = servers;
  const { host, port } = primary;
  const manager = new RedisConnectionManager({ host, port, ...MAIN });
  await using _closing = manager;
  const client = manager.getClient("main");
  const durable = client.with({ waitReplicas: 1, waitMs: 30_000 });
  assertEquals(await durable.incr("n"), 1);
  assertEquals(await replica.cli("GET", "n"), "1");
  replica.pause();
  try {
    const before = performance.now();
    const hasty = client.with({ waitReplicas: 1, waitMs: 100 });
    const error = await hasty.incr("n").catch((error) => error);
    assertInstanceOf(error, DurabilityError);
    const { code, command, delivery, reply, replicas, wanted } = error;
    assertEquals(
      [code, command, delivery, reply, replicas, wanted],
      ["DURABILITY", "incr", "ambiguous", 2, 0, 1],
    );
    assert(performance.now() - before >= 100);
    // Reads, and what fails, do not wait.
    assertEquals(await hasty.get("n"), "2");
    const refused = await hasty.lpush("n", "x").catch((error) => error);
    assertEquals(refused.replyCode, "WRONGTYPE");
    const batch = await hasty.pipeline().incr("n").get("n").exec();
    assertEquals([batch![0]![0]?.name, batch![1]], ["DurabilityError", [null, "3"]]);
    const once = await hasty.with({ once: true, waitReplicas: 1, waitMs: 50 }).incr("n")
      .catch((error) => error);
    assertEquals([once.code, once.reply], ["DURABILITY", 4]);
  } finally {
    replica.resume();
  }
  assertEquals(await durable.incr("n"), 5);
  const two = await client.with({ waitReplicas: 2, waitMs: 50 }).incr("n").catch((
    error,
  ) => error);
  assertEquals([two.replicas, two.wanted], [1, 2]);
  await manager.closeAll();
  assertNothingHeld(manager);
});

Deno.test("writes that are answered together share a WAIT", async () => {
  await using servers = await startReplicated();
  const { primary, replica } = servers;
  const { host, port } = primary;
  await using manager = new RedisConnectionManager({ host, port, ...MAIN });
  const durable = manager.getClient("main").with({ waitReplicas: 1, waitMs: 30_000 });
  await durable.incr("n");
  const before = await waits(primary);
  for (let round = 0; round < 20; round++) {
    await Promise.all(Array.from({ length: 200 }, () => durable.incr("n")));
  }
  assertEquals(await replica.cli("GET", "n"), "4001");
  assertEquals(await waits(primary) - before, 20);
});

Deno.test("a write is confirmed although its lane is lost before those behind it are answered", async () => {
  await using servers = await startReplicated();
  await using relay = await FaultProxy.start({ to: servers.primary });
  await using manager = new RedisConnectionManager({
    host: relay.host,
    port: relay.port,
    ...MAIN,
  });
  const durable = manager.getClient("main").with({ waitReplicas: 1, waitMs: 30_000 });
  assertEquals(await durable.incr("n"), 1);
  const [lane] = relay.connections;
  lane!.set({ toClient: { kind: "cut", afterBytes: ":2\r\n".length, how: "end" } });
  const [first, second] = await Promise.allSettled([
    durable.incr("n"),
    durable.incr("n"),
  ]);
  assertEquals(first, { status: "fulfilled", value: 2 });
  assert(second.status === "rejected");
  assertEquals([second.reason.code, second.reason.delivery], [
    "CONNECTION_LOST",
    "ambiguous",
  ]);
});

Deno.test("a write whose server is gone is not confirmed by another", async () => {
  await using servers = await startReplicated();
  await using others = await startReplicated();
  await using relay = await FaultProxy.start({ to: servers.primary });
  await using manager = new RedisConnectionManager({
    host: relay.host,
    port: relay.port,
    ...MAIN,
  });
  const client = manager.getClient("main");
  const durable = client.with({ waitReplicas: 1, waitMs: 5000 });
  await client.incr("n");
  // The lane stays where it is; the connection for the WAIT leads to another server.
  relay.to = others.primary;
  const error = await durable.incr("n").catch((error) => error);
  assertInstanceOf(error, DurabilityError);
  assertEquals([error.reply, error.replicas], [2, 0]);
  assert(error.message.includes("another server"), error.message);
});

Deno.test("a user that may not publish is told what to allow", async () => {
  await using servers = await startReplicated();
  const { primary } = servers;
  await primary.cli("ACL", "SETUSER", "writer", "on", ">pw", "~*", "+@all", "-publish");
  const { host, port } = primary;
  const login = { username: "writer", password: "pw" };
  await using manager = new RedisConnectionManager({ host, port, ...login, ...MAIN });
  const durable = manager.getClient("main").with({ waitReplicas: 1, waitMs: 1000 });
  const error = await durable.incr("n").catch((error) => error);
  assertEquals([error.code, error.reply], ["DURABILITY", 1]);
  assert(error.message.includes("+publish &mooring:wait"), error.message);
  await waitFor(() => manager.getPoolStatistics("main").waiting === 0);
});

Deno.test("in a cluster each node's replicas confirm its writes", async () => {
  await using cluster = await ClusterTopology.start({ primaries: 3, replicasEach: 1 });
  await using manager = new RedisConnectionManager({
    mode: "cluster",
    nodes: cluster.endpoints,
    databases: { main: {} },
  });
  const client = manager.getClient("main");
  const durable = client.with({ waitReplicas: 1, waitMs: 30_000 });
  const keys = Array.from({ length: 30 }, (_, i) => `n:${i}`);
  const all = () => Promise.all(keys.map((key) => durable.incr(key)));
  assertEquals(await all(), keys.map(() => 1));
  assertEquals(await durable.mset(...keys.flatMap((key) => [key, 1])), "OK");
  const owner = await cluster.ownerOf(keys[0]!);
  const [replica] = await cluster.replicasOf(owner);
  replica!.pause();
  try {
    const hasty = client.with({ waitReplicas: 1, waitMs: 300 });
    const outcomes = await Promise.allSettled(keys.map((key) => hasty.incr(key)));
    for (const [i, { status }] of outcomes.entries()) {
      const isThere = await cluster.ownerOf(keys[i]!) === owner;
      assertEquals(status, isThere ? "rejected" : "fulfilled", keys[i]);
    }
  } finally {
    replica!.resume();
  }
});

Deno.test("numbers that mean nothing are refused", async () => {
  await using manager = new RedisConnectionManager(MAIN);
  const client = manager.getClient("main");
  for (const waitReplicas of [0, -1, 1.5, NaN]) {
    assertThrows(() => client.with({ waitReplicas }), RangeError, "waitReplicas");
  }
  for (const waitMs of [0, -1, NaN, Infinity]) {
    assertThrows(() => client.with({ waitReplicas: 1, waitMs }), RangeError, "waitMs");
  }
});
