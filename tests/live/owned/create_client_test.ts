import { assert, assertEquals, assertInstanceOf, assertRejects } from "@std/assert";
import { Redis } from "ioredis";
import { CommandRefusedError, type IORedis, ManagerClosedError } from "../../../mod.ts";
import type { RedisServer } from "../../../src/testing/redis_server.ts";
import { waitFor } from "../../../src/testing/wait.ts";
import { withManager } from "../../support/managed.ts";

const MAIN = { databases: { main: { db: 0 } } };

/** Waits until a command blocks. */
async function whenBlocked(server: RedisServer): Promise<void> {
  await waitFor(async () => (await server.info("clients")).blocked_clients === "1");
}

/** Records the events of a client's life. */
function recordLife(client: IORedis): string[] {
  const events: string[] = [];
  for (
    const event of ["connecting", "connect", "ready", "close", "reconnecting", "end"]
  ) {
    client.on(event, () => events.push(event));
  }
  return events;
}

/** Resolves with the arguments of the next event. */
function next(client: IORedis, event: string): Promise<unknown[]> {
  return new Promise((resolve) => client.once(event, (...args) => resolve(args)));
}

Deno.test("createClient() gives another client of ioredis each time, which shows how it connects", () =>
  withManager(MAIN, async ({ manager, server }) => {
    const client = manager.createClient("main");
    assert(client !== manager.createClient("main"));
    assertInstanceOf(client, Redis);
    assertEquals(client.constructor.name, "Redis");
    assertEquals(client.status, "connecting");
    const found: string[] = [];
    for (const event of ["connect", "ready"]) {
      client.once(event, () => found.push(event, client.status));
    }
    await next(client, "ready");
    assertEquals(found, ["connect", "connect", "ready", "ready"]);
    const { db, enableReadyCheck, host, keyPrefix, maxRetriesPerRequest, port } =
      client.options;
    assertEquals([host, port, db, keyPrefix], [server.host, server.port, 0, ""]);
    assertEquals([maxRetriesPerRequest, enableReadyCheck], [null, false]);
    const lazy = manager.createClient("main", { lazyConnect: true });
    assertEquals(lazy.status, "wait");
    assertEquals(await lazy.ping(), "PONG");
    assertEquals(lazy.status, "ready");
  }));

Deno.test("ordinary commands of owned clients share a lane: no client has a socket", () =>
  withManager(MAIN, async ({ manager, server }) => {
    const clients = Array.from({ length: 20 }, () => manager.createClient("main"));
    await Promise.all(clients.map((client, i) => client.set(`k${i}`, i)));
    assertEquals(await clients[3]!.get("k7"), "7");
    assertEquals((await clients[3]!.getBuffer("k7"))?.length, 1);
    assertEquals(await clients[0]!.multi().get("k1").incr("k2").exec(), [
      [null, "1"],
      [null, 3],
    ]);
    assertEquals((await server.clientList("mooring:")).length, 1);
    const { main } = manager.getStatistics().databaseStats;
    assertEquals([main!.successfulOperations, main!.failedOperations], [26, 0]);
  }));

Deno.test("a blocking command of an owned client takes a lease as long as it runs", () =>
  withManager(MAIN, async ({ manager, server }) => {
    const client = manager.createClient("main");
    await client.ping();
    const waiting = client.blpop("q", 0);
    await whenBlocked(server);
    assertEquals(await client.echo("free"), "free");
    assertEquals(manager.getPoolStatistics("main").leases, 1);
    await client.rpush("q", "v");
    assertEquals(await waiting, ["q", "v"]);
    assertEquals(manager.getPoolStatistics("main").leases, 0);
  }));

Deno.test("the first subscription takes a connection, the end of the last one gives it back", () =>
  withManager(MAIN, async ({ manager }) => {
    const client = manager.createClient("main");
    const heard: unknown[] = [];
    client.on("message", (...args) => heard.push(args));
    client.on("pmessage", (...args) => heard.push(args));
    assertEquals(await client.subscribe("a", "b"), 2);
    assertEquals(await client.psubscribe("n.*"), 3);
    assertEquals(manager.getPoolStatistics("main").leases, 1);
    // Its other commands are not those of a subscriber.
    assertEquals(await client.publish("a", "1"), 1);
    assertEquals(await client.publish("n.x", "2"), 1);
    await waitFor(() => heard.length === 2);
    assertEquals(heard, [["a", "1"], ["n.*", "n.x", "2"]]);
    assertEquals(await client.unsubscribe(), 1);
    assertEquals(await client.punsubscribe("n.*"), 0);
    assertEquals(manager.getPoolStatistics("main").leases, 0);
    assertEquals(await client.publish("a", "1"), 0);
  }));

Deno.test("subscriptions are there again after a loss, and `ready` says so", () =>
  withManager(MAIN, async ({ manager, server }) => {
    const client = manager.createClient("main");
    const events = recordLife(client);
    await client.subscribe("a");
    await server.cli("CLIENT", "KILL", "TYPE", "pubsub");
    await waitFor(() => events.filter((event) => event === "ready").length === 2);
    const heard = next(client, "message");
    assertEquals(await server.cli("PUBLISH", "a", "again"), 1);
    assertEquals(await heard, ["a", "again"]);
    const up = ["connecting", "connect", "ready"];
    assertEquals(events, [...up, "close", "reconnecting", ...up]);
  }));

Deno.test("WATCH pins a connection until EXEC, and a change in between is noticed", () =>
  withManager(MAIN, async ({ manager, server }) => {
    const client = manager.createClient("main");
    await client.set("n", 1);
    for (const changed of [true, false]) {
      await client.watch("n");
      assertEquals(manager.getPoolStatistics("main").leases, 1);
      assert(await client.get("n") !== null);
      if (changed) await server.cli("SET", "n", "7");
      const replies = await client.multi().set("n", 2).exec();
      assertEquals(replies, changed ? null : [[null, "OK"]]);
      assertEquals(manager.getPoolStatistics("main").leases, 0);
    }
    await client.watch("n");
    await client.unwatch();
    assertEquals(manager.getPoolStatistics("main").leases, 0);
    assertEquals(await client.multi({ pipeline: false }), "OK");
    assertEquals(await client.incr("n") as unknown, "QUEUED");
    assertEquals(await client.exec(), [[null, 3]]);
    assertEquals(manager.getPoolStatistics("main").leases, 0);
  }));

Deno.test("SELECT pins a connection for good, also through a loss", () =>
  withManager(MAIN, async ({ manager, server }) => {
    const client = manager.createClient("main");
    await client.set("k", "in 0");
    await client.select(3);
    await client.set("k", "in 3");
    assertEquals(manager.getPoolStatistics("main").leases, 1);
    await server.cli("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes");
    assertEquals(await client.get("k"), "in 3");
    const other = client.duplicate({ db: 0 });
    assertEquals(await other.get("k"), "in 0");
    assertEquals(await manager.createClient("main", { db: 3 }).get("k"), "in 3");
  }));

Deno.test("quit() waits for the client's own commands, disconnect() ends them, connect() begins anew", () =>
  withManager(MAIN, async ({ manager, server }) => {
    const client = manager.createClient("main");
    const events = recordLife(client);
    await client.subscribe("a");
    const waiting = client.blpop("q", 0);
    await whenBlocked(server);
    let isOver = false;
    const quit = client.quit().then((reply) => [reply, isOver]);
    const refused = await assertRejects(() => client.get("k"));
    assertEquals((refused as Error).message, "Connection is closed.");
    await server.cli("RPUSH", "q", "v");
    waiting.then(() => isOver = true);
    assertEquals(await quit, ["OK", true]);
    await next(client, "end");
    assertEquals(manager.getPoolStatistics("main").leases, 0);
    await client.connect();
    await client.connect();
    assertEquals(client.status, "ready");
    const blocked = client.blpop("q", 0);
    await whenBlocked(server);
    client.disconnect();
    const ended = next(client, "end");
    const error = await assertRejects(() => blocked, Error);
    assertEquals(error.message, "Connection is closed.");
    await ended;
    assertEquals((await server.info("clients")).blocked_clients, "0");
    const life = ["connecting", "connect", "ready", "close", "end"];
    assertEquals(events, [...life, ...life]);
  }));

Deno.test("closeAll() ends owned clients", async () => {
  let client!: IORedis;
  await withManager(MAIN, async ({ manager }) => {
    client = manager.createClient("main");
    await client.subscribe("a");
  });
  assertEquals(client.status, "end");
  const error = await assertRejects(() => client.get("k"), Error);
  assertEquals(error.message, "Connection is closed.");
  const ended = next(client, "end");
  await assertRejects(() => client.connect(), ManagerClosedError);
  await ended;
  assertEquals(client.status, "end");
});

Deno.test("a pool of one connection has none for subscriptions", () =>
  withManager(
    { databases: { main: { db: 0, maxConnections: 1 } } },
    async ({ manager }) => {
      const client = manager.createClient("main");
      assertEquals(await client.ping(), "PONG");
      await assertRejects(() => client.subscribe("a"), CommandRefusedError);
    },
  ));

Deno.test("what getClient() refuses names createClient()", () =>
  withManager(MAIN, async ({ manager }) => {
    const client = manager.getClient("main") as unknown as Record<
      string,
      (...args: unknown[]) => unknown
    >;
    const refused = [
      ...["subscribe", "psubscribe", "ssubscribe", "unsubscribe", "punsubscribe"],
      ...["sunsubscribe", "watch", "unwatch", "exec", "discard", "select", "monitor"],
      ...["duplicate", "quit", "disconnect", "end"],
    ];
    for (const name of refused) {
      const call = async () => await client[name]!("1");
      const error = await assertRejects(call, CommandRefusedError);
      assert(error.message.includes("manager.createClient()"), error.message);
    }
    // Editors show it before it is called.
    const source = await Deno.readTextFile("src/commands/client.ts");
    const marked = [...source.matchAll(/@deprecated[^/]+\*\/\s+(\w+):/g)];
    assertEquals(marked.map(([, name]) => name).toSorted(), refused.toSorted());
  }));
