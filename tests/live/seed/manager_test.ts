/** The seed's tests of phases 3 and 4, each made so that a stub cannot pass it. */
import {
  assert,
  assertEquals,
  assertRejects,
  assertStrictEquals,
  assertThrows,
} from "@std/assert";
import {
  closeAllRedisConnections,
  getRedisClient,
  getRedisManager,
  PipelineError,
  RedisConnectionManager,
  RedisDatabase,
} from "../../../mod.ts";
import { RedisServer } from "../../../src/testing/redis_server.ts";
import { assertNoConnectionsLeft, delay, waitFor } from "../../support/clients.ts";
import { keepaliveSecondsLeft } from "../../support/keepalive_timer.ts";
import { withManager } from "../../support/managed.ts";
import { readSocketOptions } from "../transport/socket_options.ts";

Deno.test("seed: the shared manager is the same object until it is closed", async () => {
  await using server = await RedisServer.start();
  const { host, port } = server;
  const options = { host, port, databases: { main: { db: 0 }, cache: { db: 5 } } };
  const shared = RedisConnectionManager.shared(options);
  assertStrictEquals(RedisConnectionManager.shared(), shared);
  assertStrictEquals(getRedisManager(), shared);
  assertStrictEquals(getRedisClient({ database: "cache" }), shared.getClient("cache"));
  assertEquals(await getRedisClient().ping(), "PONG");
  await closeAllRedisConnections();
  await assertNoConnectionsLeft(server, "mooring:");
  const next = RedisConnectionManager.shared(options);
  assert(next !== shared);
  await closeAllRedisConnections();
});

Deno.test("seed: making a manager opens no connection", () =>
  withManager({ databases: { main: { db: 0 } } }, async ({ manager, server }) => {
    manager.getClient("main");
    manager.getStatistics();
    manager.getHealthStatus();
    assertEquals(await server.clientList("mooring:"), []);
    assertEquals(manager.getPoolStatistics("main").createdConnections, 0);
    await manager.getClient("main").ping();
    assertEquals((await server.clientList("mooring:")).length, 1);
  }));

Deno.test({
  name: "seed: the kernel has the keepalive that the configuration asks for",
  ignore: Deno.build.os !== "linux",
  fn: () =>
    withManager({ databases: { main: { db: 0 } } }, async ({ manager, server }) => {
      await manager.getClient("main").ping();
      const [row] = await server.clientList("mooring:main:");
      const port = Number(row!.addr.split(":").at(-1));
      const { keepalive, idle, interval, count } = readSocketOptions(port);
      assertEquals([keepalive, idle, interval, count], [true, 600, 60, 5]);
      // Its timer runs: 600 s of idle time, counted down.
      const left = await keepaliveSecondsLeft(port);
      assert(left !== undefined && left > 540 && left <= 601, `${left} s`);
    }),
});

const NAMED = [
  "main",
  "knowledge",
  "prompts",
  "agents",
  "metrics",
  "sessions",
  "workflows",
  "vectors",
  "models",
  "memory",
  "analytics",
] as const;

Deno.test("seed: each of the 11 named methods gives a connected client of its database", () =>
  withManager(
    { databases: Object.fromEntries(NAMED.map((name) => [name, {}])) },
    async ({ manager, server }) => {
      for (const name of NAMED) {
        const client = await manager[name]();
        const [row] = await server.clientList(`mooring:${name}:`);
        const number = RedisDatabase[name.toUpperCase() as keyof typeof RedisDatabase];
        assertEquals(Number(row!.db), number, name);
        assertStrictEquals(client, manager.getClient(name));
        assertEquals(await client.ping(), "PONG");
      }
    },
  ));

Deno.test("seed: a pipeline is sent when its callback returns, and not at all if it throws", () =>
  withManager({ databases: { main: { db: 0 } } }, async ({ manager, server }) => {
    const replies = await manager.pipeline("main", (p) => {
      p.set("a", 1);
      p.incr("a");
      p.get("a");
    });
    assertEquals(replies, ["OK", 2, "2"]);
    await assertRejects(
      () =>
        manager.pipeline("main", (p) => {
          p.set("b", 1);
          throw new Error("changed my mind");
        }),
      Error,
      "changed my mind",
    );
    assertEquals(await server.cli("EXISTS", "b"), 0);
    const error = await assertRejects(
      () => manager.pipeline("main", (p) => void p.incr("a").lpush("a", 1).incr("a")),
      PipelineError,
    );
    assertEquals(error.failed, [1]);
    assertEquals(error.results.map((r) => r.ok ? r.value : r.delivery), [
      3,
      "rejected",
      4,
    ]);
  }));

Deno.test("seed: pool statistics follow acquire and release", () =>
  withManager(
    { databases: { main: { db: 0, maxConnections: 3 } } },
    async ({ manager }) => {
      const leases = [await manager.acquire("main"), await manager.acquire("main")];
      const { leases: held, idleConnections } = manager.getPoolStatistics("main");
      assertEquals([held, idleConnections], [2, 0]);
      for (const lease of leases) lease.release();
      assertThrows(() => leases[0]!.release());
      const after = manager.getPoolStatistics("main");
      assertEquals([after.leases, after.idleConnections], [0, 2]);
    },
  ));

Deno.test("seed: the idle cleanup closes idle connections, on the server too", () =>
  withManager(
    { databases: { main: { db: 0, idleTimeoutMs: 30 } } },
    async ({ manager, server }) => {
      await manager.getClient("main").ping();
      const leases = [await manager.acquire("main"), await manager.acquire("main")];
      for (const lease of leases) lease.release();
      assertEquals((await server.clientList("mooring:")).length, 3);
      const idle = () => manager.getPoolStatistics("main").idleConnections === 2;
      await waitFor(idle, { what: "two idle ones" });
      await delay(60);
      assertEquals(await manager.cleanupIdleConnections(), 2);
      const statistics = manager.getPoolStatistics("main");
      assertEquals([statistics.idleConnections, statistics.lanes], [0, 1]);
      assert(statistics.lastCleanup !== null);
      await assertNoConnectionsLeft(server, "mooring:main:lease");
      assertEquals((await server.clientList("mooring:main:")).length, 1);
    },
  ));

Deno.test("seed: getStatistics() gives frozen snapshots that do not change", () =>
  withManager({ databases: { main: { db: 0 } } }, async ({ manager }) => {
    const before = manager.getStatistics();
    await manager.getClient("main").set("a", 1);
    const after = manager.getStatistics();
    assertEquals([before.totalOperations, after.totalOperations], [0, 1]);
    assertThrows(() => Object.assign(after, { totalOperations: 5 }), TypeError);
    assertThrows(() => Object.assign(after.databaseStats.main!, { failedOperations: 5 }));
  }));
