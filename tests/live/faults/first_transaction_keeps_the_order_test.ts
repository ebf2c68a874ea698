/**
 * Before its first transaction a server is asked whether it lets one begin. What is called
 * behind it runs behind it, with the default settings.
 */
import { assert, assertEquals, assertMatch, assertRejects } from "@std/assert";
import {
  CommandTimeoutError,
  ManagerClosedError,
  type RedisClient,
  RedisConfigLoader,
  RedisConnectionManager,
} from "../../../mod.ts";
import { ClusterTopology } from "../../../src/testing/cluster_topology.ts";
import { FaultProxy } from "../../../src/testing/fault_proxy.ts";
import type { ProxyScript } from "../../../src/testing/proxy_script.ts";
import { RedisServer } from "../../../src/testing/redis_server.ts";
import { SentinelTopology } from "../../../src/testing/sentinel_topology.ts";
import { waitFor } from "../../support/clients.ts";
import { withManager } from "../../support/managed.ts";
import { Settling } from "../../support/settling.ts";
import { report } from "./_report.ts";

/** Calls, in one turn, what shows by its replies in which order it ran; gives the order in
 * which callers were told, too. */
async function callInOneTurn(client: RedisClient, key: string) {
  const told: string[] = [];
  const call = (name: string, reply: Promise<unknown>) =>
    reply.then((value) => value, (error) => `${error}`.slice(0, 20)).finally(() =>
      told.push(name)
    );
  const pipeline = [["incr", key], ["multi"], ["incr", key], ["exec"], ["get", key]];
  const replies = await Promise.all([
    call("incr", client.incr(key)),
    call("multi", client.multi().incr(key).get(key).exec()),
    call("get", client.get(key)),
    call("wrong", client.lpop(key)),
    call("incr 2", client.incr(key)),
    call("pipeline", client.pipeline(pipeline).exec()),
    call("get 2", client.get(key)),
  ]);
  return { replies, told };
}

const ORDERLY = [
  1,
  [[null, 2], [null, "2"]],
  "2",
  "ReplyError: WRONGTYP",
  3,
  [[null, 4], [null, "OK"], [null, "QUEUED"], [null, [5]], [null, "5"]],
  "5",
];

async function assertOrderly(client: RedisClient, key: string): Promise<void> {
  const { replies, told } = await callInOneTurn(client, key);
  assertEquals<unknown>(replies, ORDERLY);
  // A chain gathers its results first, whoever runs it.
  const single = told.filter((name) => name !== "multi" && name !== "pipeline");
  assertEquals(single, ["incr", "get", "wrong", "incr 2", "get 2"]);
}

for (const isConnected of [false, true]) {
  for (const prefix of ["", "app:"]) {
    const when = isConnected ? "on an open connection" : "before there is a connection";
    Deno.test(`nothing overtakes the first transaction ${when}, key prefix "${prefix}"`, () =>
      withManager(
        { keyPrefix: prefix, databases: { main: {} } },
        async ({ manager }) => {
          const client = manager.getClient("main");
          if (isConnected) await client.ping();
          await assertOrderly(client, "k");
          await assertOrderly(client, "l");
        },
      ));
  }
}

Deno.test("nothing overtakes the first transaction of a slot in a cluster", async () => {
  await using cluster = await ClusterTopology.start();
  for (const isConnected of [false, true]) {
    await using manager = new RedisConnectionManager({
      mode: "cluster",
      nodes: cluster.endpoints,
      databases: { main: {} },
    });
    const client = manager.getClient("main");
    if (isConnected) await Promise.all([..."abcdef"].map((key) => client.get(key)));
    const keys = [..."abcdef"].map((key) => `${key}:${isConnected}`);
    await Promise.all(keys.map((key) => assertOrderly(client, key)));
  }
});

Deno.test("nothing overtakes the first transaction behind sentinels", async () => {
  await using redis = await SentinelTopology.start();
  await using manager = new RedisConnectionManager({
    mode: "sentinel",
    nodes: redis.endpoints,
    sentinelName: redis.name,
    databases: { main: {} },
  });
  await assertOrderly(manager.getClient("main"), "k");
});

/** A server behind a relay that refuses what the set has. */
async function withRefusal(
  refused: Set<string>,
  test: (manager: RedisConnectionManager, relay: FaultProxy) => Promise<void>,
): Promise<void> {
  const script: ProxyScript = ([name = ""]) =>
    refused.has(name.toLowerCase()) ? "-ERR unknown command\r\n" : undefined;
  await using server = await RedisServer.start();
  await using relay = await FaultProxy.start({ to: server, script });
  const { host, port } = relay;
  await using manager = new RedisConnectionManager({
    host,
    port,
    databases: { main: {} },
  });
  await test(manager, relay);
}

Deno.test("where MULTI is refused, nothing of the chain runs, and what came before, within the pipeline, and behind runs in order", () =>
  withRefusal(new Set(["multi"]), async (manager) => {
    const client = manager.getClient("main");
    for (const key of ["k", "l"]) {
      const told = await Promise.allSettled([
        client.incr(key),
        client.multi().incr(key).exec(),
        client.get(key),
        client.incr(key),
      ]);
      const values = told.map((each) => each.status === "fulfilled" ? each.value : "no");
      assertEquals(values, [1, "no", "1", 2]);
      const pipeline = [["incr", key], ["multi"], ["incr", key], ["exec"], ["get", key]];
      const results = await client.pipeline(pipeline).exec();
      const plain = results!.map(([error, reply]) => error === null ? reply : "no");
      assertEquals(plain, [3, "no", "no", "no", "3"]);
    }
    const { circuitBreaker } = manager.getHealthStatus().databases.main!;
    assertEquals(circuitBreaker, "closed");
    await report({
      row: 68,
      fault: "MULTI refused, commands behind the chain in the same turn",
      outcome: "nothing of it ran, the others in order",
    });
  }));

Deno.test("a lane that EXEC leaves in a transaction in mid-life ends, and nobody gets its replies", () => {
  const refused = new Set<string>();
  return withRefusal(refused, async (manager) => {
    const client = manager.getClient("main");
    await client.set("k", "v");
    await client.multi().get("k").exec();
    refused.add("exec");
    const [chain, ...beside] = await Promise.allSettled([
      client.multi().set("a", 1).exec(),
      ...Array.from({ length: 20 }, () => client.get("k")),
    ]);
    assertEquals(chain!.status, "rejected");
    // What only reads is read again elsewhere.
    const values = beside.map((each) => each.status === "fulfilled" ? each.value : each);
    assertEquals(values, Array(20).fill("v"));
    assertEquals(await client.get("a"), null);
    // From then on the chain is refused before it is sent.
    await assertRejects(() => client.multi().set("a", 1).exec(), Error, "unknown");
    refused.clear();
    assertEquals(await client.multi().set("a", 1).exec(), [[null, "OK"]]);
  });
});

Deno.test("what is held behind a transaction whose server is silent keeps its deadline, and never runs", async () => {
  await using server = await RedisServer.start();
  await using relay = await FaultProxy.start({ to: server });
  const { host, port } = relay;
  await using manager = new RedisConnectionManager({
    host,
    port,
    databases: { main: {} },
  });
  const client = manager.getClient("main");
  await client.ping();
  relay.set({ toClient: { kind: "stall" } });
  using settling = new Settling();
  const deadlineMs = RedisConfigLoader.fromOptions({ databases: { main: {} } })
    .databases.main!.commandTimeoutMs;
  const calls: [string, number, Promise<unknown>][] = [
    ["chain", deadlineMs, client.multi().incr("n").exec()],
    ["GET", deadlineMs, client.get("n")],
    ["INCR", 200, client.with({ timeoutMs: 200 }).incr("n")],
    ["short chain", 300, client.with({ timeoutMs: 300 }).multi().incr("n").exec()],
  ];
  const stop = new AbortController();
  const aborted = client.with({ signal: stop.signal }).incr("n");
  settling.watch("aborted", 0, aborted);
  const failing = assertRejects(() => aborted, Error, "enough");
  stop.abort(new Error("enough"));
  await failing;
  const outcomes = calls.map(([what, ms, promise]) => {
    settling.watch(what, ms, promise);
    return promise.then((value) => value, (error) => error);
  });
  for (const outcome of await Promise.all(outcomes)) {
    assert(outcome instanceof CommandTimeoutError, String(outcome));
    assertEquals(outcome.delivery, "never-sent");
  }
  assertEquals(settling.late, []);
  relay.heal();
  assertEquals(await client.get("n"), null);
  await assertOrderly(client, "k");
});

Deno.test("closeAll() with a transaction held: it and what is behind finish within the drain, or never ran", async () => {
  for (const isHealed of [true, false]) {
    await using server = await RedisServer.start();
    await using relay = await FaultProxy.start({ to: server });
    const { host, port } = relay;
    const manager = new RedisConnectionManager({ host, port, databases: { main: {} } });
    const client = manager.getClient("main");
    await client.ping();
    relay.set({ toClient: { kind: "stall" } });
    const calls = [client.multi().incr("n").exec(), client.incr("n"), client.get("n")];
    const outcomes = Promise.all(calls.map((call) => call.catch((error) => error)));
    await waitFor(() => manager.getPoolStatistics("main").waiting > 0);
    const closing = manager.closeAll({ drainMs: isHealed ? 10_000 : 50 });
    if (isHealed) relay.heal();
    await closing;
    const told = await outcomes;
    if (isHealed) assertEquals(told, [[[null, 1]], 2, "2"]);
    else for (const error of told) assert(error instanceof ManagerClosedError);
    assertMatch(`${await server.cli("GET", "n")}`, isHealed ? /^2$/ : /^null$/);
  }
});
