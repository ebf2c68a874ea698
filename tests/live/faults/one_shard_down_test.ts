import { assert, assertEquals } from "@std/assert";
import { CircuitOpenError, RedisConnectionManager } from "../../../mod.ts";
import { ClusterTopology } from "../../../src/testing/cluster_topology.ts";
import type { RedisServer } from "../../../src/testing/redis_server.ts";
import { waitFor } from "../../../src/testing/wait.ts";
import { delay } from "../../support/clients.ts";
import { SteadyCallers } from "./_defaults.ts";
import { report } from "./_report.ts";
import { Stopwatch } from "./_stage.ts";

for (const way of ["killed", "hung"] as const) {
  Deno.test(`one shard is ${way}: the others serve every kind of call as before`, async () => {
    await using cluster = await ClusterTopology.start({
      primaries: 3,
      replicasEach: 0,
      nodeTimeoutMs: 1000,
      config: { "cluster-require-full-coverage": "no" },
    });
    await using manager = new RedisConnectionManager({
      mode: "cluster",
      nodes: cluster.endpoints,
      databases: { main: {} },
    });
    const client = manager.getClient("main");
    const keys = new Map<RedisServer, string>();
    for (let i = 0; keys.size < 3; i++) {
      const owner = await cluster.ownerOf(`k${i}`);
      if (!keys.has(owner)) keys.set(owner, `k${i}`);
    }
    const [[down, downKey], ...others] = [...keys];
    await Promise.all([...keys.values()].map((key) => client.set(key, 1)));
    const living = others.map(([, key]) => key);
    const calls: Record<string, (key: string) => Promise<unknown>> = {
      get: (key) => client.get(key),
      incr: (key) => client.incr(key),
      pipeline: (key) => manager.pipeline("main", (p) => p.incr(key).get(key)),
      transaction: (key) => manager.transaction("main", (tx) => tx.incr(key)),
      blpop: (key) => client.blpop(`{${key}}list`, 0.01),
      lease: async (key) => {
        await using lease = await manager.acquire("main", { key });
        await lease.client.get(key);
      },
      // Of no key: any node will do, and none that is known to be down. One that hangs is
      // found out by the commands that it does not answer.
      ...way === "killed" ? { ping: () => client.ping() } : {},
    };
    if (way === "killed") await down!.kill();
    else down!.pause();
    const failing = new SteadyCallers(() => client.get(downKey!), 20);
    const serving = living.flatMap((key) =>
      Object.values(calls).map((call) => new SteadyCallers(() => call(key), 50))
    );
    const both = new SteadyCallers(async () => {
      const results = await manager.pipeline("main", (p) => {
        for (const key of keys.values()) p.get(key);
      }, { settle: true });
      assertEquals(results.length, 3);
      const served = results.filter((result) => result.ok).length;
      if (served < 2) throw new Error(`only ${served} of three shards answered`);
    }, 200);
    // Long enough for the breaker of the shard that is down.
    await waitFor(
      () => failing.errors.some((error) => error instanceof CircuitOpenError),
      { timeoutMs: 60_000, what: "an open breaker" },
    );
    await delay(2000);
    await Promise.all(serving.map((callers) => callers.stop()));
    await both.stop();
    for (const callers of [...serving, both]) {
      assertEquals(callers.errors.map(String), []);
      assert(callers.served > 0);
    }
    if (way === "killed") await down!.restart();
    else down!.resume();
    using watch = new Stopwatch();
    const backAt = performance.now();
    await waitFor(() => failing.servedAt > backAt, { timeoutMs: 90_000, everyMs: 5 });
    const { ms: recoveredMs } = watch.read();
    await failing.stop();
    await report({
      row: 65,
      fault: `one shard of three ${way}`,
      outcome: "the others serve every kind of call",
      recoveredMs,
    });
  });
}

Deno.test("one shard fails over: callers that block on the others are no evidence against these", async () => {
  // Until the replica has taken over, every shard answers CLUSTERDOWN, also to BLPOP. What
  // is tried again then blocks when its caller's time is over: the shard owes nothing yet.
  await using cluster = await ClusterTopology.start({ nodeTimeoutMs: 1000 });
  await using manager = new RedisConnectionManager({
    mode: "cluster",
    nodes: cluster.endpoints,
    databases: { main: {} },
  });
  const client = manager.getClient("main");
  const keys = new Map<RedisServer, string>();
  for (let i = 0; keys.size < 3; i++) {
    const owner = await cluster.ownerOf(`k${i}`);
    if (!keys.has(owner)) keys.set(owner, `k${i}`);
  }
  const [[down, downKey], [living, key]] = [...keys];
  await client.set(key!, 1);
  await client.set(downKey!, 1);
  const opened: string[] = [];
  manager.addEventListener("breaker", ({ detail }) => {
    if (detail.to === "open") opened.push(detail.reason);
  });
  // Workers that do nothing but block: some begin their wait anew just before their callers'
  // time is over, several together.
  const popping = [2, 3, 4, 5].flatMap((seconds) =>
    Array.from(
      { length: 4 },
      () => client.blpop(`{${key}}list`, seconds).then(String, String),
    )
  );
  const failing = new SteadyCallers(() => client.get(downKey!), 20);
  await down!.kill();
  await cluster.untilOwnerIsNot(down!, downKey!);
  await Promise.all(popping);
  await failing.stop();
  assertEquals(
    opened.filter((reason) => reason.includes(`:${living!.port}`)),
    [],
    "the living shard's breaker",
  );
  assertEquals(await client.get(key!), "1");
  assertEquals(await client.get(downKey!), "1");
});
