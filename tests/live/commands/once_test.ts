import {
  assert,
  assertEquals,
  assertInstanceOf,
  assertStringIncludes,
} from "@std/assert";
import { assertRejects, assertThrows } from "@std/assert";
import { CommandRefusedError, RedisConnectionManager } from "../../../mod.ts";
import { ClusterTopology } from "../../../src/testing/cluster_topology.ts";
import { waitFor } from "../../support/clients.ts";
import { withManager } from "../../support/managed.ts";

const MAIN = { databases: { main: {} } };

Deno.test("what cannot run in a script is refused with the reason, and nothing is sent", () =>
  withManager(MAIN, async ({ server, manager }) => {
    const client = manager.getClient("main").with({ once: true });
    const calls: [string, () => Promise<unknown>, string][] = [
      ["BLPOP", () => client.blpop("list", 1), "scripts cannot block"],
      ["EVAL", () => client.eval("return 1", 0), "a script cannot run within a script"],
      ["FCALL", () => client.fcall("f", 0), "a script cannot run within a script"],
      ["SAVE", () => client.call("SAVE"), "scripts may not run it"],
      ["SELECT", () => client.select(1), "give the other database a name"],
      [
        "MSET",
        () => client.mset(...new Array<string>(8000).fill("x")),
        "7000 arguments at most, and it has 8000",
      ],
    ];
    for (const [name, call, why] of calls) {
      const error = await assertRejects(call, CommandRefusedError, why, name);
      assertEquals(error.delivery, "never-sent");
    }
    const batch = client.pipeline().set("in batch", 1).blpop("list", 1).exec();
    for (const [error] of (await batch)!) assertInstanceOf(error, CommandRefusedError);
    const { cmdstat_eval, cmdstat_evalsha } = await server.info("commandstats");
    assertEquals([cmdstat_eval, cmdstat_evalsha], [undefined, undefined]);
  }));

Deno.test("a token must outlive the deadline", () =>
  withManager({ ...MAIN, commandTimeoutMs: 500 }, ({ manager }) => {
    const client = manager.getClient("main");
    for (const onceTtlMs of [499, -1, NaN, Infinity]) {
      assertThrows(
        () => client.with({ once: true, onceTtlMs }),
        RangeError,
        `onceTtlMs: ${onceTtlMs}`,
      );
    }
    client.with({ once: true, onceTtlMs: 500 });
    return Promise.resolve();
  }));

Deno.test("there are as many tokens as writes were in flight at once, and they expire", () =>
  withManager(
    { ...MAIN, keyPrefix: "app:", commandTimeoutMs: 3000 },
    async ({ server, manager }) => {
      const client = manager.getClient("main").with({ once: true, onceTtlMs: 3000 });
      const tokens = async () => (await server.cli("KEYS", "app:mooring:*") as []).length;
      for (let i = 0; i < 20; i++) {
        await Promise.all(Array.from({ length: 100 }, () => client.incr("n")));
      }
      // Sixteen share a script.
      assertEquals(await tokens(), 7);
      assertEquals(await server.cli("GET", "app:n"), "2000");
      await waitFor(async () => await tokens() === 0);
      // By default a minute at least.
      await manager.getClient("main").with({ once: true }).incr("n");
      const [token] = await server.cli("KEYS", "app:mooring:*") as string[];
      const ttlMs = Number(await server.cli("PTTL", token!));
      assert(ttlMs > 50_000 && ttlMs <= 60_000, `${ttlMs} ms`);
    },
  ));

Deno.test("writes go on when the server forgets its scripts, in the same order", () =>
  withManager(MAIN, async ({ server, manager }) => {
    const client = manager.getClient("main").with({ once: true });
    await client.rpush("log", "0");
    for (let round = 1; round < 20; round++) {
      await server.cli("SCRIPT", "FLUSH");
      const values = Array.from({ length: 20 }, (_, i) => `${round}:${i}`);
      await Promise.all(values.map((value) => client.rpush("log", value)));
      const log = await client.lrange("log", -20, -1);
      assertEquals(log, values);
    }
  }));

Deno.test("a server whose user may not run scripts says what to allow, and nothing runs", () =>
  withManager(MAIN, async ({ server, manager }) => {
    const { host, port } = server;
    const users: [string, string[], boolean][] = [
      ["noeval", ["~*", "+@all", "-@scripting"], false],
      ["nokeys", ["~n", "+@all"], false],
      ["noload", ["~*", "+@all", "-script"], true],
      ["noinfo", ["~*", "+@all", "-info", "-config"], true],
    ];
    for (const [username, rules, works] of users) {
      await server.cli("ACL", "SETUSER", username, "on", ">pw", ...rules);
      await server.cli("DEL", "n");
      await using manager = new RedisConnectionManager({
        ...{ host, port, username, password: "pw" },
        ...MAIN,
      });
      const client = manager.getClient("main").with({ once: true });
      const outcome = await client.incr("n").catch((error) => error);
      if (works) assertEquals(outcome, 1, username);
      else {
        assertInstanceOf(outcome, CommandRefusedError, username);
        assertStringIncludes(outcome.message, "EVALSHA");
        assertEquals(await server.cli("GET", "n"), null);
      }
    }
    assertEquals(manager.isClosed, false);
  }));

Deno.test("out of memory, what frees memory runs once, and what takes it is refused", () =>
  withManager(MAIN, async ({ server, manager }) => {
    const client = manager.getClient("main").with({ once: true });
    await client.set("large", "x");
    await client.set("small", "x");
    await server.cli("CONFIG", "SET", "maxmemory", "1");
    assertEquals(await client.del("large"), 1);
    const fresh = manager.getClient("main").with({ once: true, onceTtlMs: 70_000 });
    assertEquals(await Promise.all([fresh.del("small"), fresh.del("none")]), [1, 0]);
    const error = await client.set("small", "y").catch((error) => error);
    assertEquals([error.replyCode, error.delivery], ["OOM", "rejected"]);
    await server.cli("CONFIG", "SET", "maxmemory", "0");
    assertEquals(await client.set("small", "y"), "OK");
  }));

Deno.test("a transaction runs once, and replies as MULTI and EXEC do", () =>
  withManager(MAIN, async ({ server, manager }) => {
    const plain = manager.getClient("main");
    const once = plain.with({ once: true });
    await plain.set("text", "x");
    for (const client of [plain, once]) {
      await server.cli("DEL", "n", "hash", "list");
      const replies = await client.multi()
        .incr("n").hset("hash", { a: 1, b: 2 }).hgetall("hash").lpush("text", "x").get(
          "n",
        )
        .exec();
      const plainly = replies!.map(([error, reply]) => error?.message ?? reply);
      const wrong = "WRONGTYPE Operation against a key holding the wrong kind of value";
      assertEquals(plainly, [1, 2, { a: "1", b: "2" }, wrong, "1"]);
      assertEquals(await client.multi().exec(), []);
    }
    const batch = once.multi().incr("n").blpop("list", 1).exec();
    await assertRejects(async () => {
      for (const [error] of (await batch)!) if (error !== null) throw error;
    }, CommandRefusedError);
    assertEquals(await server.cli("GET", "n"), "1");
    const mixed = await once.pipeline().incr("n").get("n").incr("n").get("none").exec();
    assertEquals(mixed, [[null, 2], [null, "2"], [null, 3], [null, null]]);
    await server.cli("CONFIG", "RESETSTAT");
    await once.multi().incr("n").incr("n").exec();
    const { cmdstat_evalsha, cmdstat_multi } = await server.info("commandstats");
    assert(/calls=1,/.test(cmdstat_evalsha!) && cmdstat_multi === undefined);
  }));

Deno.test("plain commands and those that run once keep their order", () =>
  withManager(MAIN, async ({ server, manager }) => {
    const plain = manager.getClient("main");
    const once = plain.with({ once: true });
    const other = plain.with({ once: true, onceTtlMs: 90_000 });
    const values = Array.from({ length: 120 }, (_, i) => String(i));
    const clients = [once, plain, once, other, once.with({ timeoutMs: 9000 })];
    await Promise.all(values.map((value, i) => clients[i % 5]!.rpush("log", value)));
    assertEquals(await server.cli("LRANGE", "log", 0, -1), values);
  }));

Deno.test("a signal gives up the write that has it, and no other", () =>
  withManager(MAIN, async ({ manager, server }) => {
    const client = manager.getClient("main");
    await client.ping();
    const controller = new AbortController();
    const aborted = client.with({ once: true, signal: controller.signal }).incr("n");
    const other = client.with({ once: true }).incr("n");
    const reason = new Error("no more");
    controller.abort(reason);
    const error = await aborted.catch((error) => error);
    assert(error === reason || error.cause === reason, Deno.inspect(error));
    assert(await other >= 1);
    assertEquals(Number(await server.cli("GET", "n")), await client.incrby("n", 0));
  }));

Deno.test("a write that was not sent rejects with the very reason of its signal", () =>
  withManager(MAIN, async ({ manager }) => {
    const client = manager.getClient("main");
    const reasons = [undefined, new DOMException("late", "TimeoutError"), "a text"];
    for (const reason of [...reasons, Object.freeze(new Error("frozen"))]) {
      const signal = AbortSignal.abort(reason);
      const aborted = client.with({ once: true, signal });
      assertEquals(
        await aborted.incr("n").catch((error) => error === signal.reason),
        true,
      );
      for (const [error] of (await aborted.pipeline().incr("n").incr("m").exec())!) {
        assertEquals(error, signal.reason);
      }
    }
    assertEquals(await client.exists("n", "m"), 0);
  }));

Deno.test("in a cluster a token is in the slot of the keys, and what has no key is refused", async () => {
  await using cluster = await ClusterTopology.start({ primaries: 3, replicasEach: 0 });
  for (const keyPrefix of ["", "app:", "{app}:"]) {
    await using manager = new RedisConnectionManager({
      mode: "cluster",
      nodes: cluster.endpoints,
      databases: { main: { keyPrefix } },
    });
    const client = manager.getClient("main").with({ once: true });
    const keys = ["a", "{tag}b", "{}x", "x}y", "é{😀}", "{open", "a{b}{c}", ""];
    for (const key of keys) assertEquals(await client.incr(key), 1, keyPrefix + key);
    assertEquals(await client.incr(new Uint8Array([255, 123, 1, 125]) as never), 1);
    assertEquals(await client.mset("{t}a", 1, "{t}b", 2), "OK");
    await assertRejects(
      () => client.publish("channel", "x"),
      CommandRefusedError,
      "it has no key",
    );
    if (keyPrefix !== "{app}:") {
      await assertRejects(
        () => client.mset("a", 1, "b", 2),
        CommandRefusedError,
        "its keys have to be in one slot",
      );
      const apart = await client.multi().incr("a").incr("b").exec().then(
        (replies) => replies?.find(([error]) => error)?.[0],
        (error) => error,
      );
      assertInstanceOf(apart, CommandRefusedError);
    }
    await manager.getClient("main").del(...["{t}a", "{t}b"]);
    for (const key of keys) await client.del(key);
    const replies = await client.pipeline().incr("p").incr("q").incr("p").exec();
    assertEquals(replies, [[null, 1], [null, 1], [null, 2]]);
    await manager.getClient("main").pipeline().del("p").del("q").exec();
  }
  await using manager = new RedisConnectionManager({
    mode: "cluster",
    nodes: cluster.endpoints,
    databases: { main: { keyPrefix: "a{b" } },
  });
  await assertRejects(
    () => manager.getClient("main").with({ once: true }).incr("n"),
    CommandRefusedError,
    "hash tag of the key_prefix",
  );
});
