import { assert, assertEquals, assertMatch } from "@std/assert";
import { RedisConnectionManager } from "../../../mod.ts";
import { SentinelTopology } from "../../../src/testing/sentinel_topology.ts";
import { waitFor } from "../../../src/testing/wait.ts";
import { callsOf } from "../../support/replication.ts";
import { runCli } from "../cli/_run.ts";

Deno.test("replicas are seen: role, lag and zone in health, statistics, metrics and doctor", async () => {
  await using redis = await SentinelTopology.start({ replicas: 2, downAfterMs: 60_000 });
  const primary = await redis.primary();
  const replicas = await redis.replicas();
  const [near, far] = replicas;
  // Valkey alone; elsewhere the setting is unknown, and no zone is reported.
  const hasZones =
    (await near!.cli("CONFIG", "SET", "availability-zone", "eu-1a")) === "OK";
  await far!.cli("CONFIG", "SET", "availability-zone", "eu-1b");
  await using manager = new RedisConnectionManager({
    ...{ mode: "sentinel", nodes: redis.endpoints, sentinelName: redis.name },
    ...{ readFrom: "az_affinity", clientAz: "eu-1a" },
    databases: { main: {} },
  });
  const client = manager.getClient("main");
  await client.set("k", "v");
  const health = () => manager.getHealthStatus().databases.main!;
  assertEquals(health().replicas, undefined);
  assertEquals(manager.toPrometheus().includes("mooring_redis_replicas{"), false);
  await client.get("k");
  await waitFor(() => health().replicas!.every(({ state }) => state === "in_sync"));
  const before = await Promise.all(replicas.map((each) => callsOf(each, "get")));
  for (let i = 0; i < 20; i++) await client.get("k");
  const after = await Promise.all(replicas.map((each) => callsOf(each, "get")));
  assertEquals(
    after.map((count, i) => count - before[i]!),
    hasZones ? [20, 0] : [10, 10],
  );
  for (const [i, { host, port }] of replicas.entries()) {
    const found = health().replicas!.find(({ endpoint }) =>
      endpoint === `${host}:${port}`
    )!;
    const { lagMs, ...rest } = found;
    assert(lagMs !== null && lagMs >= 0 && lagMs < 3000, `${lagMs}`);
    assertEquals(rest, {
      endpoint: `${host}:${port}`,
      primary: `${primary.host}:${primary.port}`,
      ...{ role: "replica", state: "in_sync", reason: "in sync" },
      zone: hasZones ? ["eu-1a", "eu-1b"][i]! : null,
    });
  }
  const { connections } = manager.getPoolStatistics("main");
  assertEquals(
    connections.map(({ endpoint, role }) => `${endpoint.split(":")[1]} ${role}`)
      .toSorted(),
    [`${primary.port} primary`, ...replicas.map(({ port }) => `${port} replica`)]
      .toSorted(),
  );
  const text = manager.toPrometheus();
  const labels = 'database="main",db="0"';
  assertMatch(text, new RegExp(`mooring_redis_replicas{${labels},state="in_sync"} 2\n`));
  assertMatch(text, new RegExp(`mooring_redis_replicas{${labels},state="left_out"} 0\n`));
  assertMatch(text, /mooring_redis_replica_reads_total\{database="main",db="0"\} 21\n/);
  for (const { host, port } of replicas) {
    assert(
      text.includes(
        `mooring_redis_replica_lag_seconds{${labels},replica="${host}:${port}"}`,
      ),
    );
  }
  const zone = `mooring_redis_replica_zone{${labels},zone="eu-1b"} 1\n`;
  assertEquals(text.includes(zone), hasZones);

  {
    await using service = Deno.serve(
      { hostname: "127.0.0.1", port: 0, onListen: () => {} },
      () => new Response(manager.toPrometheus()),
    );
    const { port } = service.addr as Deno.NetAddr;
    const shown = await runCli(["stats", "--url", `http://127.0.0.1:${port}/metrics`]);
    assertMatch(shown.out, /replicas +lag ms/, shown.out + shown.err);
    assertMatch(shown.out, / 2\/2 +\d+\n/, shown.out + shown.err);
  }
  await using file = await temporaryYaml({
    nodes: redis.endpoints.map(({ host, port }) => `${host}:${port}`),
    name: redis.name,
  });
  const ran = await runCli(["doctor", "--config", file.path, "--all"]);
  assertMatch(ran.out, /ok +replicas: .* in sync, \d+ ms behind/, ran.out + ran.err);
  assertMatch(ran.out, /replication: primary with 2 replicas/);
  await near!.kill();
  await far!.kill();
  const alone = await runCli(["doctor", "--config", file.path, "--all"]);
  assertMatch(alone.out, /warn +replicas: /, alone.out + alone.err);
  assertMatch(alone.out, /all reads go to the primary/);
});

async function temporaryYaml({ name, nodes }: { name: string; nodes: string[] }) {
  const path = await Deno.makeTempFile({ suffix: ".yaml" });
  await Deno.writeTextFile(
    path,
    `databases:
  main:
    mode: sentinel
    sentinel_name: ${name}
    nodes: ${JSON.stringify(nodes)}
    read_from: prefer_replica
`,
  );
  return { path, [Symbol.asyncDispose]: () => Deno.remove(path) };
}
