import { assertEquals, assertMatch, assertRejects, assertThrows } from "@std/assert";
import { type IORedis, RedisConnectionManager } from "../../../mod.ts";
import { RedisServer } from "../../../src/testing/redis_server.ts";
import { waitFor } from "../../../src/testing/wait.ts";
import { withManager } from "../../support/managed.ts";

const MAIN = { databases: { main: { db: 0 } } };

Deno.test("keyPrefix is the client's own, on every way that its commands go", () =>
  withManager(
    { databases: { main: { db: 0, keyPrefix: "app:" } } },
    async ({ manager, server }) => {
      const client = manager.createClient("main");
      const bare = client.duplicate({ keyPrefix: "" });
      const other = manager.createClient("main", { keyPrefix: "other:" });
      assertEquals([client, bare, other].map(({ options }) => options.keyPrefix), [
        "app:",
        "",
        "other:",
      ]);
      const write = async (to: IORedis, value: string) => {
        await to.set("k", value);
        await to.watch("w");
        await to.multi().set("m", value).exec();
        await to.rpush("q", value);
        assertEquals((await to.blpop("q", 1))?.[1], value);
        await to.call("set", "c", value);
        to.defineCommand("put", { lua: "return redis.call('set', KEYS[1], ARGV[1])" });
        const put = to as unknown as { put(...args: unknown[]): Promise<string> };
        assertEquals(await put.put(1, "s", value), "OK");
      };
      for (const [to, value] of [[client, "1"], [bare, "2"], [other, "3"]] as const) {
        await write(to, value);
      }
      for (const [prefix, value] of [["app:", "1"], ["", "2"], ["other:", "3"]]) {
        for (const key of ["k", "m", "c", "s"]) {
          assertEquals(await server.cli("GET", `${prefix}${key}`), value);
        }
      }
      assertEquals(await server.cli("DBSIZE"), 12);
    },
  ));

Deno.test("connectionName names a connection that the client has alone", () =>
  withManager(MAIN, async ({ manager, server }) => {
    const client = manager.createClient("main", { connectionName: "worker:1" });
    assertEquals(manager.getPoolStatistics("main").leases, 0);
    assertEquals(await client.client("GETNAME"), "worker:1");
    await server.cli("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes");
    await waitFor(async () => (await server.clientList("worker:1")).length === 1);
    assertEquals(await client.client("GETNAME"), "worker:1");
    await client.quit();
    // The next holder's connection has its usual name.
    await using lease = await manager.acquire("main");
    assertEquals(await lease.client.client("GETNAME"), "mooring:main:lease");
  }));

Deno.test("replies are decoded as each command asks, whatever decode_responses is", () =>
  withManager(
    { databases: { main: { db: 0, decodeResponses: false } } },
    async ({ manager }) => {
      const client = manager.createClient("main");
      await client.set("k", "€");
      assertEquals(await client.get("k"), "€");
      assertEquals(String(await client.getBuffer("k")), "€");
      await client.select(0);
      assertEquals(await client.get("k"), "€");
      assertEquals((await client.getBuffer("k")) instanceof Uint8Array, true);
      assertEquals(await client.multi().get("k").exec(), [[null, "€"]]);
      await client.rpush("q", "€");
      assertEquals(await client.blpop("q", 1), ["q", "€"]);
    },
  ));

Deno.test("createClient() and duplicate() refuse what they cannot do", () =>
  withManager(MAIN, ({ manager, server }) => {
    const client = manager.createClient("main", { lazyConnect: true });
    for (
      const [options, text] of [
        [{ timeoutMs: 0 }, "timeoutMs must be more than 0: current value is 0"],
        [{ commandTimeout: -1 }, "timeoutMs must be more than 0: current value is -1"],
        [
          { timeoutMs: "5" as unknown as number },
          'timeoutMs must be more than 0: current value is "5"',
        ],
        [
          { patient: "no" as unknown as boolean },
          'patient must be true or false: current value is "no"',
        ],
        [{ db: -1 }, "db must be an integer of 0 or more: current value is -1"],
        [{ db: 1.5 }, "db must be an integer of 0 or more: current value is 1.5"],
        [
          { keyPrefix: new Uint8Array([255]) as unknown as string },
          "keyPrefix must be text: current value is Uint8Array(1) [ 255 ]",
        ],
        [
          { stringNumbers: true },
          "stringNumbers must be false, as clients share connections",
        ],
        [{ port: 1 }, `host and port must be ${server.host}:${server.port}`],
        [{ host: "elsewhere" }, `current value is elsewhere:${server.port}`],
      ] as const
    ) {
      assertThrows(() => manager.createClient("main", options), RangeError, text);
      assertThrows(() => client.duplicate(options), RangeError, text);
    }
    const { host, port } = server;
    assertEquals(client.duplicate({ host, port, lazyConnect: true }).status, "wait");
    return Promise.resolve();
  }));

Deno.test("MONITOR takes a connection, and reports through a loss", () =>
  withManager(MAIN, async ({ manager, server }) => {
    const client = manager.createClient("main");
    const monitor = await client.monitor();
    const reported: string[][] = [];
    monitor.on("monitor", (_time: string, args: string[]) => reported.push(args));
    await client.set("k", 1);
    await waitFor(() => reported.some(([name]) => name === "set"));
    const refused = await assertRejects(() => monitor.get("k"), Error);
    assertEquals(
      refused.message,
      "Connection is in monitoring mode, can't process commands.",
    );
    await server.cli("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes");
    await waitFor(async () => {
      await client.incr("n");
      return reported.some(([name]) => name === "incr");
    });
    const ended = new Promise((resolve) => monitor.once("end", resolve));
    monitor.disconnect();
    await ended;
    assertEquals(manager.getPoolStatistics("main").leases, 0);
  }));

Deno.test("monitor() rejects where the server refuses MONITOR, and leaves no client behind", async () => {
  await using server = await RedisServer.start();
  await server.cli(
    "ACL",
    "SETUSER",
    "reader",
    "on",
    ">secret",
    "~*",
    "&*",
    "+@all",
    "-monitor",
  );
  const { host, port } = server;
  await using manager = new RedisConnectionManager({
    host,
    port,
    username: "reader",
    password: "secret",
    ...MAIN,
  });
  const client = manager.createClient("main");
  const error = await assertRejects(() => client.monitor(), Error);
  assertMatch(error.message, /^NOPERM/);
  assertEquals(await client.echo("a"), "a");
  await waitFor(() => manager.getPoolStatistics("main").leases === 0);
});

Deno.test("scripts are methods of the client, and of its duplicates", () =>
  withManager(MAIN, async ({ manager }) => {
    const scripts = { both: { numberOfKeys: 1, lua: "return {KEYS[1], ARGV[1]}" } };
    const client = manager.createClient("main", { scripts, keyPrefix: "p:" });
    for (const each of [client, client.duplicate()]) {
      const { both } = each as unknown as Record<string, (...args: string[]) => unknown>;
      assertEquals(await both!.call(each, "k", "a"), ["p:k", "a"]);
    }
  }));

Deno.test("`select` is emitted when the database changes, and only then", () =>
  withManager(MAIN, async ({ manager, server }) => {
    const client = manager.createClient("main");
    const changes: number[] = [];
    client.on("select", (db: number) => changes.push(db));
    for (const db of [0, 2, 2, 4]) await client.select(db);
    await server.cli("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes");
    await client.get("k");
    await client.select(0);
    assertEquals(changes, [2, 4, 0]);
  }));

Deno.test("CLIENT TRACKING and other states of a connection last through a loss", () =>
  withManager(MAIN, async ({ manager, server }) => {
    const client = manager.createClient("main");
    await client.client("SETNAME", "named");
    await client.client("TRACKING", "ON", "BCAST");
    await client.select(2);
    await server.cli("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes");
    const info = await client.call("CLIENT", "TRACKINGINFO") as unknown[];
    assertEquals(info[1], ["on", "bcast"]);
    const [row] = await server.clientList("named");
    assertEquals(row!.db, 2);
    assertEquals((await server.clientList("named")).length, 1);
  }));

Deno.test("a transaction is lost with its connection, and says so", () =>
  withManager(MAIN, async ({ manager, server }) => {
    const client = manager.createClient("main");
    const cut = async () => {
      const back = new Promise((resolve) => client.once("ready", resolve));
      await server.cli("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes");
      await back;
    };
    await client.set("n", 1);
    await client.watch("n");
    assertEquals(client.status, "ready");
    await cut();
    // Nobody watches any more: the write could overwrite another one.
    await assertRejects(() => client.multi().set("n", 2).exec());
    assertEquals(await client.get("n"), "1");
    assertEquals(await client.multi().set("n", 3).exec(), [[null, "OK"]]);
    assertEquals(await client.multi({ pipeline: false }), "OK");
    await cut();
    await assertRejects(() => client.set("n", 4));
    await assertRejects(() => client.exec());
    assertEquals(await client.get("n"), "3");
    assertEquals(manager.getPoolStatistics("main").leases, 0);
  }));

Deno.test("commands of owned clients count, and no more connections than max_connections are open", () =>
  withManager(
    { databases: { main: { db: 0, maxConnections: 3, acquireTimeoutMs: 200 } } },
    async ({ manager, server }) => {
      const clients = [0, 1, 2].map(() => manager.createClient("main"));
      const [one, two, three] = clients as IORedis[] as [IORedis, IORedis, IORedis];
      await one.subscribe("a");
      const waiting = two.blpop("q", 0);
      await waitFor(async () => (await server.info("clients")).blocked_clients === "1");
      const error = await assertRejects(() => three.subscribe("a"), Error);
      assertEquals(error.name, "AcquireTimeoutError");
      assertEquals(await three.set("k", 1), "OK");
      await three.rpush("q", "v");
      await waiting;
      // Its next attempt has a place.
      assertEquals(await three.subscribe("a"), 1);
      await assertRejects(() => three.call("nosuchcommand"));
      const { main } = manager.getStatistics().databaseStats;
      assertEquals([main!.successfulOperations, main!.failedOperations], [5, 2]);
      assertEquals((await server.clientList("mooring:")).length, 3);
    },
  ));
