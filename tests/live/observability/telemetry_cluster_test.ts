import { assert, assertEquals } from "@std/assert";
import { RedisConnectionManager } from "../../../mod.ts";
import { ClusterTopology } from "../../../src/testing/cluster_topology.ts";
import { RecordingTelemetry } from "../../support/recording_telemetry.ts";

Deno.test("in a cluster spans and durations name the node that served", async () => {
  await using cluster = await ClusterTopology.start({
    replicasEach: 0,
    nodeTimeoutMs: 30_000,
  });
  const recorded = new RecordingTelemetry();
  await using manager = new RedisConnectionManager({
    mode: "cluster",
    nodes: cluster.endpoints,
    databases: { main: {} },
    telemetry: { api: recorded.api },
  });
  const ports = new Set<number>();
  for (let i = 0; i < 12; i++) {
    await manager.getClient("main").set(`key:${i}`, i);
    const { port } = await cluster.ownerOf(`key:${i}`);
    ports.add(port);
    const span = recorded.spans.findLast(({ name }) => name === "SET")!;
    const value = recorded.valuesOf("db.client.operation.duration").at(-1)!;
    for (const { attributes } of [span, value]) {
      assertEquals([attributes["server.address"], attributes["server.port"]], [
        "127.0.0.1",
        port,
      ]);
    }
  }
  assert(ports.size > 1, `${ports.size} nodes`);
  const connects = recorded.spans.filter(({ name }) => name === "connect");
  const connected = new Set(connects.map(({ attributes }) => attributes["server.port"]));
  assert([...ports].every((port) => connected.has(port)), Deno.inspect(connected));
});
