import { assert, assertEquals } from "@std/assert";
import { RedisConnectionManager } from "../../../mod.ts";
import { ClusterTopology } from "../../../src/testing/cluster_topology.ts";
import { delay, waitFor } from "../../../src/testing/wait.ts";
import { assertNothingHeld } from "../../support/left_over.ts";
import { Nat, startSentinelsBehind } from "../../support/nat.ts";
import { SteadyCallers } from "./_defaults.ts";
import { report } from "./_report.ts";
import { Stopwatch } from "./_stage.ts";

/** Every connection must lead through the NAT. */
function assertPublished(manager: RedisConnectionManager, nat: Nat): void {
  const published = new Set(Object.values(nat.map));
  const { connections } = manager.getPoolStatistics("main");
  assert(connections.length > 0);
  for (const { endpoint } of connections) {
    assert(published.has(endpoint), `${endpoint} is no published address`);
  }
}

for (const how of ["a mapping", "a function"] as const) {
  Deno.test(`sentinel behind a NAT, ${how}: found, read from replicas, and found after a failover under load`, async () => {
    await using nat = await Nat.start();
    const { sentinels, servers } = await startSentinelsBehind(nat, 2, 3);
    await using manager = new RedisConnectionManager({
      mode: "sentinel",
      // One that is published: the others are learned, by what they announce.
      nodes: [nat.map[`${nat.inside}:${sentinels[0]!.port}`]!],
      sentinelName: "mymaster",
      nodeAddressMap: how === "a mapping"
        ? nat.map
        : ({ host, port }) => nat.map[`${host}:${port}`],
      readFrom: "prefer_replica",
      databases: { main: {} },
    });
    const client = manager.getClient("main");
    assertEquals(await client.incr("n"), 1);
    await client.with({ readFrom: "replica" }).get("n");
    assertPublished(manager, nat);
    assertEquals(manager.getHealthStatus().databases.main!.replicas!.length, 2);
    let acknowledged = 1;
    const writers = new SteadyCallers(
      async () => acknowledged = Math.max(acknowledged, await client.incr("n")),
      20,
    );
    const readers = new SteadyCallers(() => client.get("n"), 20);
    await delay(200);
    using watch = new Stopwatch();
    await servers[0]!.kill();
    const downAt = performance.now();
    await waitFor(() => writers.servedAt > downAt + 500, {
      timeoutMs: 90_000,
      what: "writes on the new primary",
    });
    const { ms: recoveredMs } = watch.read();
    await delay(500);
    await writers.stop();
    await readers.stop();
    assertEquals(readers.errors.map(String), [], "reads go to a replica meanwhile");
    assertPublished(manager, nat);
    assert(
      Number(await client.with({ readFrom: "primary" }).get("n")) >= acknowledged - 1,
    );
    await manager.closeAll();
    assertNothingHeld(manager);
    await report({
      row: 75,
      fault: `announced addresses do not answer: sentinel failover, ${how}`,
      outcome: `${writers.served} writes, ${readers.served} reads by published addresses`,
      recoveredMs,
    });
  });
}

Deno.test("cluster behind a NAT: every node is found, MOVED and ASK lead to published addresses", async () => {
  await using nat = await Nat.start();
  await using cluster = await ClusterTopology.start({
    primaries: 3,
    replicasEach: 1,
    nodeTimeoutMs: 1000,
    config: { ...nat.config, "cluster-announce-ip": nat.inside },
  });
  for (const node of cluster.nodes) await nat.publish(node);
  await using manager = new RedisConnectionManager({
    mode: "cluster",
    nodes: [nat.map[`${nat.inside}:${cluster.nodes[0]!.port}`]!],
    nodeAddressMap: nat.map,
    databases: { main: {} },
  });
  const client = manager.getClient("main");
  const keys = Array.from({ length: 60 }, (_, i) => `k${i}`);
  await Promise.all(keys.map((key) => client.set(key, 0)));
  await Promise.all(keys.map((key) => client.with({ readFrom: "replica" }).strlen(key)));
  assertPublished(manager, nat);
  let turn = 0;
  const callers = new SteadyCallers(
    () => client.incr(keys[turn++ % keys.length]!),
    2,
  );
  // ASK while the slot is between two nodes, then MOVED.
  const key = keys[0]!;
  const from = await cluster.ownerOf(key);
  const to = cluster.nodes.slice(0, 3).find((node) => node !== from)!;
  const move = await cluster.beginMove(await cluster.slotOf(key), to);
  await move.moveKey(key);
  for (let i = 0; i < 20; i++) await client.incr(key);
  await move.finish();
  for (let i = 0; i < 20; i++) await client.incr(key);
  const { redirects } = manager.getStatistics().databaseStats.main!;
  assert(redirects > 0, `${redirects} redirects`);
  assertEquals(callers.errors.map(String), []);
  // A failover: the replica that takes over is found by what it announces.
  using watch = new Stopwatch();
  await to.kill();
  await cluster.untilOwnerIsNot(to, key);
  await waitFor(() => client.incr(key).then(() => true, () => false), {
    timeoutMs: 60_000,
  });
  const { ms: recoveredMs } = watch.read();
  await callers.stop();
  assertPublished(manager, nat);
  await manager.closeAll();
  assertNothingHeld(manager);
  await report({
    row: 75,
    fault: "announced addresses do not answer: cluster, slot moved, primary killed",
    outcome: `${redirects} redirects, all to published addresses`,
    recoveredMs,
  });
});
