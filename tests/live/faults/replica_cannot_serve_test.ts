import { assert, assertEquals } from "@std/assert";
import { RedisConnectionManager } from "../../../mod.ts";
import { RedisServer } from "../../../src/testing/redis_server.ts";
import { SentinelTopology } from "../../../src/testing/sentinel_topology.ts";
import { FaultProxy } from "../../../src/testing/fault_proxy.ts";
import { waitFor } from "../../../src/testing/wait.ts";
import { assertNothingHeld } from "../../support/left_over.ts";
import {
  callsOf,
  cutLinks,
  restoreLinks,
  untilCaughtUp,
} from "../../support/replication.ts";
import { SteadyCallers } from "./_defaults.ts";
import { fillSlowly, finishLoading } from "./_loading.ts";
import { report } from "./_report.ts";
import { Stopwatch } from "./_stage.ts";

interface Fault {
  readonly fault: string;
  /** Makes the replica unable to serve. */
  begin(replica: RedisServer, primary: RedisServer): Promise<unknown> | unknown;
  end(replica: RedisServer): Promise<unknown> | unknown;
  readonly reason: RegExp;
}

let reloading: Promise<unknown> | undefined;

const FAULTS: readonly Fault[] = [
  {
    fault: "replica hangs (SIGSTOP)",
    begin: (replica) => replica.pause(),
    end: (replica) => replica.resume(),
    reason: /does not answer/,
  },
  {
    fault: "replica loads its data in mid-life",
    begin: async (replica) => {
      await replica.cli("CONFIG", "SET", "key-load-delay", 10_000);
      const reloader = await replica.connect();
      reloading = reloader.send("DEBUG", "RELOAD").finally(() => reloader.close());
      await waitFor(async () => (await replica.info("persistence")).loading === "1");
    },
    end: async (replica) => {
      await finishLoading(replica);
      await reloading;
    },
    reason: /LOADING|does not answer/,
  },
  {
    fault: "replica may not serve stale data (MASTERDOWN)",
    begin: async (replica, primary) => {
      await replica.cli("CONFIG", "SET", "replica-serve-stale-data", "no");
      await cutLinks(primary, [replica]);
    },
    end: (replica) => restoreLinks([replica]),
    reason: /MASTERDOWN|link to the primary is down/,
  },
];

for (const { begin, end, fault, reason } of FAULTS) {
  Deno.test(`${fault}: no read fails, it is left out and comes back`, async () => {
    await using redis = await SentinelTopology.start({
      ...{ replicas: 1, downAfterMs: 60_000 },
      config: {
        "enable-debug-command": "yes",
        "loading-process-events-interval-bytes": "1024",
      },
    });
    const primary = await redis.primary();
    const [replica] = await redis.replicas();
    await fillSlowly(primary);
    await primary.cli("SET", "k", "v");
    await untilCaughtUp(primary, [replica!]);
    await using manager = new RedisConnectionManager({
      mode: "sentinel",
      ...{ nodes: redis.endpoints, sentinelName: redis.name },
      readFrom: "prefer_replica",
      databases: { main: {} },
    });
    const client = manager.getClient("main");
    assertEquals(await client.get("k"), "v");
    const state = () => manager.getHealthStatus().databases.main!.replicas![0]!;
    const readers = new SteadyCallers(async () => {
      assertEquals(await client.get("k"), "v");
    }, 5);
    await waitFor(() => readers.served > 50);
    using noticing = new Stopwatch();
    await begin(replica!, primary);
    await waitFor(() => state().state === "left_out", { timeoutMs: 30_000, everyMs: 5 });
    const { ms: noticedMs } = noticing.read();
    assert(reason.test(state().reason), state().reason);
    const before = await callsOf(primary, "get");
    await waitFor(async () => await callsOf(primary, "get") > before);
    await end(replica!);
    using recovering = new Stopwatch();
    await waitFor(() => state().state === "in_sync", { timeoutMs: 60_000, everyMs: 5 });
    const { ms: recoveredMs } = recovering.read();
    const served = await callsOf(replica!, "get");
    await waitFor(async () => await callsOf(replica!, "get") > served);
    await readers.stop();
    assertEquals(readers.errors.map(String), []);
    assertEquals(manager.getHealthStatus().databases.main!.state, "healthy");
    await manager.closeAll();
    assertNothingHeld(manager);
    await report({
      row: 74,
      fault,
      outcome: `0 of ${readers.served} reads failed`,
      noticedMs,
      recoveredMs,
    });
  });
}

Deno.test("replica lags behind its primary: it is left out, and comes back", async () => {
  // The replica and the sentinel reach the primary through a proxy, this process does not.
  await using primary = await RedisServer.start();
  await using proxy = await FaultProxy.start({ to: primary });
  await using replica = await RedisServer.start({
    config: { replicaof: `${proxy.host} ${proxy.port}` },
  });
  await using sentinel = await RedisServer.start({
    args: ["--sentinel"],
    config: {
      sentinel: [
        `monitor mymaster ${proxy.host} ${proxy.port} 1`,
        "down-after-milliseconds mymaster 600000",
      ],
    },
  });
  await untilCaughtUp(primary, [replica]);
  await waitFor(async () => {
    const replicas = await sentinel.cli("SENTINEL", "REPLICAS", "mymaster");
    return Array.isArray(replicas) && replicas.length === 1;
  }, { timeoutMs: 60_000 });
  await using manager = new RedisConnectionManager({
    ...{ mode: "sentinel", sentinelName: "mymaster" },
    nodes: [{ host: sentinel.host, port: sentinel.port }],
    nodeAddressMap: {
      [`${proxy.host}:${proxy.port}`]: `${primary.host}:${primary.port}`,
    },
    readFrom: "prefer_replica",
    databases: { main: {} },
  });
  const client = manager.getClient("main");
  await client.set("k", 0);
  await client.get("k");
  const state = () => manager.getHealthStatus().databases.main!.replicas![0]!;
  await waitFor(() => state().state === "in_sync", { timeoutMs: 30_000 });
  let written = 0;
  const writers = new SteadyCallers(async () => written = await client.incr("k"), 20);
  using noticing = new Stopwatch();
  proxy.delay(8000);
  await waitFor(() => state().state === "left_out", { timeoutMs: 60_000, everyMs: 5 });
  const { ms: noticedMs } = noticing.read();
  assert(/ms behind/.test(state().reason), state().reason);
  // Reads are fresh again, although the replica still answers.
  const known = written;
  assert(Number(await client.get("k")) >= known);
  proxy.heal();
  await waitFor(() => state().state === "in_sync", { timeoutMs: 60_000, everyMs: 5 });
  await writers.stop();
  assertEquals(writers.errors.map(String), []);
  await manager.closeAll();
  assertNothingHeld(manager);
  await report({
    row: 74,
    fault: "replica lags behind its primary",
    outcome: "reads go to the primary until it has caught up",
    noticedMs,
  });
});
