import { assert, assertEquals, assertInstanceOf, assertRejects } from "@std/assert";
import {
  AcquireTimeoutError,
  CommandTimeoutError,
  ConnectionLostError,
  ManagerClosedError,
  type RedisClient,
  RedisConnectionManager,
} from "../../../mod.ts";
import { FaultProxy } from "../../../src/testing/fault_proxy.ts";
import { RedisServer } from "../../../src/testing/redis_server.ts";
import { waitFor } from "../../../src/testing/wait.ts";
import { assertNoConnectionsLeft } from "../../support/clients.ts";
import { withManager } from "../../support/managed.ts";

const MAIN = { databases: { main: { db: 0 } } };

/** Each blocking command, what ends its wait, and its reply. */
const COMMANDS: readonly [
  name: string,
  call: (client: RedisClient) => Promise<unknown>,
  push: readonly string[],
  reply: unknown,
][] = [
  ["BLPOP", (c) => c.blpop("q", 0), ["RPUSH", "q", "v"], ["q", "v"]],
  ["BRPOP", (c) => c.brpop("q", 0), ["RPUSH", "q", "v"], ["q", "v"]],
  ["BRPOPLPUSH", (c) => c.brpoplpush("q", "to", 0), ["RPUSH", "q", "v"], "v"],
  ["BLMOVE", (c) => c.blmove("q", "to", "LEFT", "LEFT", 0), ["RPUSH", "q", "v"], "v"],
  ["BLMPOP", (c) => c.blmpop(0, 1, "q", "LEFT"), ["RPUSH", "q", "v"], ["q", ["v"]]],
  ["BZPOPMIN", (c) => c.bzpopmin("z", 0), ["ZADD", "z", "1", "m"], ["z", "m", "1"]],
  ["BZPOPMAX", (c) => c.bzpopmax("z", 0), ["ZADD", "z", "1", "m"], ["z", "m", "1"]],
  [
    "BZMPOP",
    (c) => c.bzmpop(0, 1, "z", "MIN"),
    ["ZADD", "z", "1", "m"],
    ["z", [["m", "1"]]],
  ],
  [
    "XREAD",
    (c) => c.xread("BLOCK", 0, "STREAMS", "x", "0"),
    ["XADD", "x", "1-1", "f", "v"],
    [["x", [["1-1", ["f", "v"]]]]],
  ],
  ["call", (c) => c.call("BLPOP", "q", "0"), ["RPUSH", "q", "v"], ["q", "v"]],
];

for (const [name, call, push, reply] of COMMANDS) {
  Deno.test(`client: ${name} waits on a lease, and gives it back clean`, () =>
    withManager(MAIN, async ({ manager, server }) => {
      const client = manager.getClient("main");
      await client.ping();
      const waiting = call(client);
      await waitFor(async () => (await server.info("clients")).blocked_clients === "1");
      assertEquals(manager.getPoolStatistics("main").leases, 1);
      // The lane is free meanwhile.
      assertEquals(await client.echo("free"), "free");
      await server.cli(...push);
      assertEquals(await waiting, reply);
      const { leases, idleConnections } = manager.getPoolStatistics("main");
      assertEquals([leases, idleConnections], [0, 1]);
      await using lease = await manager.acquire("main");
      assertEquals(await lease.client.echo("clean"), "clean");
    }));
}

Deno.test("client: XREADGROUP BLOCK waits on a lease", () =>
  withManager(MAIN, async ({ manager, server }) => {
    const client = manager.getClient("main");
    await client.xgroup("CREATE", "x", "g", "0", "MKSTREAM");
    const read = client.xreadgroup("GROUP", "g", "me", "BLOCK", 0, "STREAMS", "x", ">");
    await waitFor(async () => (await server.info("clients")).blocked_clients === "1");
    await server.cli("XADD", "x", "1-1", "f", "v");
    assertEquals(await read, [["x", [["1-1", ["f", "v"]]]]]);
  }));

Deno.test("client: a blocking command may take its own timeout, beyond commandTimeoutMs", () =>
  withManager(
    { databases: { main: { db: 0, commandTimeoutMs: 100 } } },
    async ({ manager }) => {
      const client = manager.getClient("main");
      const startedAt = performance.now();
      assertEquals(await client.blpop("q", 0.5), null);
      const tookMs = performance.now() - startedAt;
      assert(tookMs >= 490, `took ${tookMs} ms`);
      assertEquals(await client.wait(0, 300), 0);
      assertEquals(manager.getStatistics().databaseStats.main!.failedOperations, 0);
    },
  ));

Deno.test("client: a blocking command that is never answered ends after its timeout and a second", async () => {
  await using server = await RedisServer.start();
  // Swallowed, as by a server that hangs.
  const script = ([name]: string[]) => /^(blpop|xread)$/i.test(name!) ? "" : undefined;
  await using relay = await FaultProxy.start({ to: server, script });
  const { host, port } = relay;
  await using manager = new RedisConnectionManager({ host, port, ...MAIN });
  const client = manager.getClient("main");
  const startedAt = performance.now();
  const errors = await Promise.all(
    [client.blpop("q", 0.2), client.xread("BLOCK", 300, "STREAMS", "x", "0")]
      .map((call) => assertRejects(() => call, CommandTimeoutError)),
  );
  assertEquals(errors.map((error) => [error.timeoutMs, error.delivery]), [
    [1200, "ambiguous"],
    [1300, "ambiguous"],
  ]);
  const tookMs = performance.now() - startedAt;
  assert(tookMs >= 1290, `took ${tookMs} ms`);
  // Nobody is to have those connections after them.
  const { leases, idleConnections } = manager.getPoolStatistics("main");
  assertEquals([leases, idleConnections], [0, 0]);
  await assertNoConnectionsLeft(server, "mooring:main:lease");
});

Deno.test("client: a blocking command fails never-sent while every lease is taken", () =>
  withManager(
    { databases: { main: { db: 0, maxConnections: 2, acquireTimeoutMs: 50 } } },
    async ({ manager }) => {
      const client = manager.getClient("main");
      await client.ping();
      await using _lease = await manager.acquire("main", { timeoutMs: 10_000 });
      const error = await assertRejects(() => client.blpop("q", 0), AcquireTimeoutError);
      assertEquals([error.delivery, error.inUse, error.lanes], ["never-sent", 1, 1]);
      const { main } = manager.getStatistics().databaseStats;
      assertEquals([main!.successfulOperations, main!.failedOperations], [1, 1]);
    },
  ));

Deno.test("client.with({ signal }): an aborted BLPOP leaves no consumer on the server", () =>
  withManager(MAIN, async ({ manager, server }) => {
    const client = manager.getClient("main");
    await client.ping();
    const stop = new AbortController();
    const waiting = client.with({ signal: stop.signal }).blpop("q", 0);
    await waitFor(async () => (await server.info("clients")).blocked_clients === "1");
    stop.abort(new Error("enough"));
    await assertRejects(() => waiting, Error, "enough");
    await waitFor(async () => (await server.info("clients")).blocked_clients === "0");
    await server.cli("RPUSH", "q", "v");
    assertEquals(await server.cli("LLEN", "q"), 1);
    assertEquals(manager.getPoolStatistics("main").leases, 0);
  }));

Deno.test("client: a BLPOP whose connection is lost is ambiguous, and not sent again", () =>
  withManager(MAIN, async ({ manager, server }) => {
    const client = manager.getClient("main");
    await client.ping();
    const waiting = client.blpop("q", 0);
    await waitFor(async () => (await server.info("clients")).blocked_clients === "1");
    const [row] = await server.clientList("mooring:main:lease");
    await server.cli("CLIENT", "KILL", "ID", String(row!.id));
    const error = await assertRejects(() => waiting, ConnectionLostError);
    assertEquals(error.delivery, "ambiguous");
    assertEquals(manager.getPoolStatistics("main").leases, 0);
    assertEquals((await server.info("clients")).blocked_clients, "0");
  }));

Deno.test("client: an XREAD BLOCK whose connection is lost goes on, on another lease", () =>
  withManager(MAIN, async ({ manager, server }) => {
    const client = manager.getClient("main");
    await client.ping();
    const waiting = client.xread("BLOCK", 0, "STREAMS", "x", "0");
    await waitFor(async () => (await server.info("clients")).blocked_clients === "1");
    const [row] = await server.clientList("mooring:main:lease");
    await server.cli("CLIENT", "KILL", "ID", String(row!.id));
    await waitFor(async () => (await server.clientList("mooring:main:lease"))[0]?.id);
    await waitFor(async () => (await server.info("clients")).blocked_clients === "1");
    assertEquals(await client.echo("free"), "free");
    await server.cli("XADD", "x", "1-1", "f", "v");
    assertEquals(await waiting, [["x", [["1-1", ["f", "v"]]]]]);
    assertEquals(manager.getStatistics().databaseStats.main!.totalRetryAttempts, 1);
  }));

Deno.test("manager.closeAll() ends blocking commands on the server at once, and loses no value", async () => {
  await using server = await RedisServer.start();
  const { host, port } = server;
  const manager = new RedisConnectionManager({ host, port, ...MAIN });
  const client = manager.getClient("main");
  await client.ping();
  const waiting = Array.from(
    { length: 5 },
    () => client.blpop("q", 0).catch((error: unknown) => error),
  );
  await waitFor(async () => (await server.info("clients")).blocked_clients === "5");
  const startedAt = performance.now();
  const report = await manager.closeAll({ drainMs: 60_000 });
  const tookMs = performance.now() - startedAt;
  // None was waited for, or it would have taken the whole time.
  assert(tookMs < 30_000, `closing took ${tookMs} ms`);
  assertEquals(report.cutCommands, 0);
  for (const error of await Promise.all(waiting)) {
    assertInstanceOf(error, ManagerClosedError);
  }
  await server.cli("RPUSH", "q", "v");
  assertEquals(await server.cli("LLEN", "q"), 1);
  await assertNoConnectionsLeft(server, "mooring:");
});

Deno.test("manager.closeAll() without a drain ends blocking commands on the server, too", async () => {
  await using server = await RedisServer.start();
  const { host, port } = server;
  const manager = new RedisConnectionManager({ host, port, ...MAIN });
  const waiting = manager.getClient("main").blpop("q", 0);
  const failed = assertRejects(() => waiting, ConnectionLostError);
  await waitFor(async () => (await server.info("clients")).blocked_clients === "1");
  await manager.closeAll({ drainMs: 0 });
  assertEquals((await failed).delivery, "ambiguous");
  await assertNoConnectionsLeft(server, "mooring:");
  await server.cli("RPUSH", "q", "v");
  assertEquals(await server.cli("LLEN", "q"), 1);
});
