// Runs alone: it changes the environment of its process.
import {
  assert,
  assertEquals,
  assertMatch,
  assertRejects,
  assertStrictEquals,
  assertStringIncludes,
  assertThrows,
} from "@std/assert";
import { inspect } from "node:util";
import {
  AuthError,
  ConfigError,
  ConnectError,
  ConnectionLostError,
  getRedisClient,
  InitializationError,
  ManagerClosedError,
  type ManagerEventMap,
  RedisConnectionManager,
  RedisDatabase,
} from "../../../mod.ts";
import { freePort } from "../../../src/testing/ports.ts";
import { RedisServer } from "../../../src/testing/redis_server.ts";
import { waitFor, within } from "../../../src/testing/wait.ts";
import { withManager } from "../../support/managed.ts";

const MAIN = { databases: { main: { db: 0 } } };

Deno.test("manager.getAsyncClient() takes a number of RedisDatabase, by either of its names", () =>
  withManager({ databases: { knowledge: {}, memory: {} } }, async ({ manager }) => {
    assertStrictEquals(
      await manager.getAsyncClient(RedisDatabase.KNOWLEDGE),
      manager.getClient("knowledge"),
    );
    // MODELS and MEMORY are both 9; only memory is configured here.
    assertStrictEquals(
      manager.getClient(RedisDatabase.MODELS),
      manager.getClient("memory"),
    );
    assertThrows(() => manager.getClient(RedisDatabase.AUDIT));
  }));

Deno.test("manager.addDatabase() adds a working database, and refuses bad or taken ones", () =>
  withManager({ databases: { main: { db: 0 } } }, async ({ manager, server }) => {
    const carts = manager.addDatabase("carts", { db: 12, keyPrefix: "cart:" });
    await carts.set("a", 1);
    assertStrictEquals(manager.getClient("carts"), carts);
    assertEquals(Object.keys(manager.getStatistics().databaseStats), ["main", "carts"]);
    await server.cli("SELECT", "12");
    assertEquals(await server.cli("GET", "cart:a"), "1");
    assertThrows(() => manager.addDatabase("carts", { db: 13 }), ConfigError);
    assertThrows(() => manager.addDatabase("bad", { db: -1 }), ConfigError);
    assertEquals(manager.listDatabases().map(({ name }) => name), ["main", "carts"]);
  }));

Deno.test("manager.listDatabases() gives name, number, endpoint, description and state", () =>
  withManager(
    { databases: { main: { db: 3, description: "Everything" } } },
    async ({ manager, server }) => {
      await manager.getClient().ping();
      assertEquals(manager.listDatabases(), [{
        name: "main",
        db: 3,
        endpoint: `127.0.0.1:${server.port}`,
        description: "Everything",
        state: "healthy",
      }]);
    },
  ));

Deno.test("manager.initializeAll() connects what can be connected and names the rest", () =>
  withManager(
    { databases: { main: { db: 0 }, far: { db: 0, port: freePort() } } },
    async ({ manager, server }) => {
      const error = await assertRejects(
        () => manager.initializeAll(),
        InitializationError,
      );
      assertEquals(Object.keys(error.failures), ["far"]);
      assertEquals([error.code, error.errors.length], ["INITIALIZATION", 1]);
      assertMatch(
        error.message,
        /^Cannot connect 1 of 2 databases: "far" at .*: connection refused$/,
      );
      assert(error.retryable);
      assertEquals((await server.clientList("mooring:main:lane")).length, 1);
      const errors = await manager.initializeAll({ settle: true });
      assertEquals(errors.main, undefined);
      assert(errors.far instanceof ConnectError, String(errors.far));
      assertEquals(errors.far.attempts, 2);
      assertEquals((await server.clientList("mooring:main:lane")).length, 1);
      assertEquals(manager.getHealthStatus().databases.far!.state, "failed");
    },
  ));

Deno.test("manager.addEventListener() hears of connections that open and close", async () => {
  const seen: ManagerEventMap["connection"][] = [];
  await withManager({ databases: { main: { db: 0 } } }, async ({ manager, server }) => {
    manager.addEventListener("connection", ({ detail }) => seen.push(detail));
    await manager.getClient().ping();
    assertEquals(seen.map(({ action }) => action), ["opened"]);
    assertEquals(seen[0]!.endpoint, `127.0.0.1:${server.port}`);
  });
  assertEquals(seen.map(({ action }) => action), ["opened", "closed"]);
});

Deno.test("what gives a promise rejects it, and throws nothing at once", async () => {
  const manager = new RedisConnectionManager({ databases: { main: {} } });
  await manager.closeAll();
  for (
    const call of [
      () => manager.cleanupIdleConnections(),
      () => manager.healthCheck(),
      () => manager.initializeAll(),
      () => manager.acquire("main"),
      () => manager.getAsyncClient("main"),
      () => manager.execute("main", "ping"),
      () => manager.pipeline("main", () => {}),
      () => manager.transaction("main", () => {}),
      () => manager.subscribe("main", ["a"]),
    ]
  ) await assertRejects(call, ManagerClosedError);
  const found = Deno.env.get("REDIS_PORT");
  Deno.env.set("REDIS_PORT", "none");
  try {
    await assertRejects(() => getRedisClient({ asyncClient: true }), ConfigError);
    assertThrows(() => getRedisClient(), ConfigError);
  } finally {
    if (found === undefined) Deno.env.delete("REDIS_PORT");
    else Deno.env.set("REDIS_PORT", found);
  }
});

Deno.test("manager says in words why it closes a connection, to listeners and to who is cut", () =>
  withManager(
    { databases: { main: { db: 0, maxConnections: 1 } } },
    async ({ manager, server }) => {
      const reasons: unknown[] = [];
      manager.addEventListener("connection", ({ detail }) => {
        if (detail.action === "closed") reasons.push(detail.reason);
      });
      const client = manager.getClient("main");
      await client.ping();
      const lease = await manager.acquire("main");
      await waitFor(() => reasons.length === 1);
      lease.destroy();
      await waitFor(() => reasons.length === 2);
      await client.ping();
      server.pause();
      const cut = assertRejects(() => client.incr("n"), ConnectionLostError);
      await manager.closeAll({ drainMs: 0 });
      assertStringIncludes((await cut).message, "(closed by the manager)");
      server.resume();
      assertEquals(reasons, [
        "its place is needed for a lease",
        "discarded by its holder",
        "closed by the manager",
      ]);
    },
  ));

Deno.test("manager.closeAll() finishes what is in flight, twice over, and then refuses", async () => {
  await using server = await RedisServer.start();
  const { host, port } = server;
  const manager = new RedisConnectionManager({ host, port, databases: { main: {} } });
  const main = manager.getClient();
  const replies = Promise.all(Array.from({ length: 500 }, () => main.incr("n")));
  const closing = manager.closeAll();
  assertStrictEquals(manager.closeAll(), closing);
  assertEquals((await replies).length, 500);
  assertEquals(await closing, { cutCommands: 0 });
  await assertRejects(() => main.incr("n"), ManagerClosedError);
  assertThrows(() => manager.getClient(), ManagerClosedError);
  await assertRejects(() => manager.acquire(), ManagerClosedError);
  assertEquals(await server.cli("GET", "n"), "500");
  assertEquals(manager.getStatistics().databaseStats.main!.successfulOperations, 500);
});

Deno.test("manager.closeAll() does not wait for what its callers gave up", () =>
  withManager(MAIN, async ({ manager, server }) => {
    const client = manager.getClient("main");
    await client.ping();
    server.pause();
    try {
      const stop = new AbortController();
      const aborted = client.with({ signal: stop.signal, timeoutMs: 600_000 }).incr("n");
      const failed = assertRejects(() => aborted, Error, "enough");
      stop.abort(new Error("enough"));
      await failed;
      const closing = manager.closeAll({ drainMs: 600_000 });
      assertEquals(await within(closing, 30_000, "the closing"), { cutCommands: 0 });
    } finally {
      server.resume();
    }
  }));

Deno.test("manager.closeAll() refuses a time that is none, and closes nothing then", () =>
  withManager(MAIN, async ({ manager }) => {
    for (const drainMs of [NaN, -1]) {
      await assertRejects(
        () => manager.closeAll({ drainMs }),
        RangeError,
        `drainMs must be 0 or more: current value is ${drainMs}`,
      );
    }
    assertEquals([manager.isClosed, await manager.getClient().ping()], [false, "PONG"]);
  }));

Deno.test("manager never shows a password, whatever is printed", async () => {
  const password = "hunter2-and-more";
  await using server = await RedisServer.start({ password });
  const { host, port } = server;
  const options = { host, port, databases: { main: { db: 0, password } } };
  await using manager = new RedisConnectionManager(options);
  const main = manager.getClient();
  await main.set("a", 1);
  await using lease = await manager.acquire();
  await lease.client.get("a");
  await using wrong = new RedisConnectionManager({
    host,
    port,
    password: `${password}-wrong`,
    databases: { main: {} },
  });
  const error = await assertRejects(() => wrong.getAsyncClient(), AuthError);
  const deep = { depth: 12, showHidden: false };
  const shown = [manager, main, lease, lease.client, manager.config, wrong, error]
    .flatMap((value) => [Deno.inspect(value, deep), inspect(value, deep), String(value)])
    .concat(
      JSON.stringify([
        manager.config,
        manager.getStatistics(),
        manager.getHealthStatus(),
      ]),
      JSON.stringify(manager.config.explain()),
      error.stack ?? "",
    );
  for (const text of shown) assert(!text.includes("hunter2"), text.slice(0, 2000));
});

Deno.test("a database number that the server does not have is an error, not database 0", () =>
  withManager(
    { databases: { main: { db: 0 }, far: { db: 99 } } },
    async ({ manager, server }) => {
      const error = await assertRejects(
        () => manager.getAsyncClient("far"),
        ConnectError,
      );
      assert(error.message.includes("out of range"), error.message);
      assertEquals(error.attempts, 1);
      assertEquals(await server.cli("DBSIZE"), 0);
    },
  ));

Deno.test("manager.warnings names a server that takes fewer connections than may be opened", () =>
  withManager(
    { maxConnections: 15, databases: { main: {}, cache: { db: 5 } } },
    async ({ manager, server }) => {
      const warned = new Promise<string>((resolve) =>
        manager.addEventListener("warning", ({ detail }) => resolve(detail.message))
      );
      await manager.getClient().ping();
      const message = await warned;
      assert(message.includes("may open 30 connections"), message);
      assert(message.includes("takes 20"), message);
      assertEquals(manager.warnings, [message]);
      assert(message.includes(String(server.port)), message);
      assertEquals(manager.getStatistics().totalOperations, 1);
    },
    { config: { maxclients: "20" } },
  ));
