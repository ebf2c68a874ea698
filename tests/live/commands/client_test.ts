import { Buffer } from "node:buffer";
import {
  assert,
  assertEquals,
  assertInstanceOf,
  assertRejects,
  assertStringIncludes,
  assertThrows,
} from "@std/assert";
import { CommandRefusedError, type RedisClient } from "../../../mod.ts";
import { Command } from "../../../src/connection/ioredis.ts";
import { waitFor, within } from "../../../src/testing/wait.ts";
import { withManager } from "../../support/managed.ts";
import { withBoth } from "./support.ts";

/** A client with a script of the user's own. */
type WithScript = RedisClient & {
  add(key: string, by: number): Promise<number>;
  addBuffer(key: string, by: number): Promise<number>;
};

const ADD = {
  numberOfKeys: 1,
  lua: "return redis.call('INCRBY', KEYS[1], ARGV[1])",
};

Deno.test("RedisClient has every command method of ioredis, and its Buffer variant", () =>
  withBoth({}, async ({ client, plain }) => {
    for (const name of plain.getBuiltinCommands()) {
      const methods = client as unknown as Record<string, unknown>;
      assertEquals(typeof methods[name], "function", name);
      if (name !== "sentinel") {
        assertEquals(typeof methods[`${name}Buffer`], "function", name);
      }
    }
    assertEquals(await client.set("k", "é"), "OK");
    assertEquals(await client.get("k"), "é");
    assertEquals(await client.getBuffer("k"), Buffer.from("é"));
    assertEquals(await client.call("GET", "k"), "é");
    assertEquals(await client.callBuffer("GET", "k"), Buffer.from("é"));
    await client.hset("h", { a: 1, b: 2 });
    assertEquals(await client.hgetall("h"), await plain.hgetall("h"));
  }));

Deno.test("RedisClient takes callbacks, and calls them with replies and errors", () =>
  withBoth({}, async ({ client }) => {
    await client.set("k", "v");
    const reply = await new Promise((resolve) =>
      client.get("k", (_, value) => resolve(value))
    );
    assertEquals(reply, "v");
    const error = await new Promise((resolve) => {
      client.lpush("k", "x", (error) => resolve(error)).catch(() => {});
    });
    assertStringIncludes(String(error), "WRONGTYPE");
  }));

Deno.test("RedisClient refuses what has no text, sends none of it, and goes on", () =>
  withBoth({}, async ({ client, manager }) => {
    const bad = Object.create(null) as string;
    await assertRejects(() => client.set("k", bad), TypeError, "Cannot write SET");
    const results = await client.pipeline().set("k", "v").set("k", bad).exec();
    assertInstanceOf(results![0]![0], CommandRefusedError);
    assertInstanceOf(results![1]![0], TypeError);
    await assertRejects(
      () => manager.pipeline("main", (pipeline) => pipeline.set("k", bad)),
      TypeError,
      "Cannot write SET: argument 2 is an object",
    );
    await assertRejects(
      () => manager.transaction("main", (tx) => tx.set("k", "v").set("k", bad)),
      TypeError,
      "Cannot write SET",
    );
    await using lease = await manager.acquire("main");
    await assertRejects(() => lease.client.set("k", bad), TypeError);
    assertEquals(await lease.client.get("k"), null);
    assertEquals(await client.get("k"), null);
    // Whose reply is whose is still known.
    assertEquals(await Promise.all([client.set("a", "1"), client.get("a")]), ["OK", "1"]);
  }));

Deno.test("RedisClient rejects where what was asked for cannot be made of a reply", () =>
  withManager({ databases: { main: {} } }, async ({ manager }) => {
    const client = manager.getClient("main");
    // A string longer than the engine's strings may be fails in the same place.
    Command.setReplyTransformer("echo", () => {
      throw new RangeError("Invalid string length");
    });
    try {
      const echo = within(client.echo("x"), 10_000, "the command");
      await assertRejects(() => echo, RangeError, "Invalid string length");
    } finally {
      Command.setReplyTransformer("echo", (reply: unknown) => reply);
    }
    assertEquals(await client.echo("x"), "x");
  }));

Deno.test("RedisClient.defineCommand() runs on whichever connection serves, a new server too", () =>
  withManager({ databases: { main: {} } }, async ({ manager, server }) => {
    const client = manager.getClient("main");
    client.defineCommand("add", ADD);
    const scripted = client as WithScript;
    assertEquals(await scripted.add("n", 2), 2);
    assertEquals(await scripted.addBuffer("n", 3), 5);
    // The server forgets its scripts, and the lane is another: it is loaded again.
    await server.cli("SCRIPT", "FLUSH");
    await server.cli("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes");
    await waitFor(() => manager.getPoolStatistics("main").lanes === 0, {
      what: "the end of the lane",
    });
    assertEquals(await scripted.add("n", 4), 9);
    await server.cli("SCRIPT", "FLUSH");
    const many = Array.from({ length: 50 }, () => scripted.add("n", 1));
    assertEquals((await Promise.all(many)).sort((a, b) => a - b).at(-1), 59);
  }));

Deno.test("RedisClient.pipeline() with a script that the server forgot loads it first", () =>
  withBoth({}, async ({ client, server }) => {
    client.defineCommand("add", ADD);
    await (client as WithScript).add("n", 1);
    await server.cli("SCRIPT", "FLUSH");
    const pipeline = client.pipeline().set("a", 1) as unknown as {
      add(key: string, by: number): { exec(): Promise<[Error | null, unknown][]> };
    };
    const replies = await pipeline.add("n", 1).exec();
    assertEquals(replies, [[null, "OK"], [null, 2]]);
  }));

Deno.test("RedisClient.scanStream() and its kin walk over everything once", () =>
  withBoth({}, async ({ client }) => {
    const keys = Array.from({ length: 500 }, (_, i) => `scan:${i}`);
    await client.mset(keys.flatMap((key) => [key, "1"]));
    await client.sadd("set", ...keys);
    const found = new Set<string>();
    for await (const some of client.scanStream({ match: "scan:*", count: 50 })) {
      for (const key of some) found.add(key);
    }
    assertEquals(found.size, 500);
    const members = new Set<string>();
    for await (const some of client.sscanStream("set", { count: 50 })) {
      for (const member of some) members.add(member);
    }
    assertEquals(members.size, 500);
    const buffers = await Array.fromAsync(client.scanBufferStream({ match: "scan:1" }));
    assertInstanceOf(buffers.flat()[0], Buffer);
  }));

Deno.test("RedisClient.multi() is never torn apart by others' commands, while connecting too", () =>
  withBoth({}, async ({ client, server }) => {
    const transfers = async (round: string) => {
      const noise = Array.from(
        { length: 300 },
        (_, i) => client.set(`noise:${i}`, round),
      );
      const sums = Array.from(
        { length: 100 },
        () => client.multi().incr("a").incr("b").mget("a", "b").exec(),
      );
      const more = Array.from({ length: 300 }, (_, i) => client.get(`noise:${i}`));
      for (const replies of await Promise.all(sums)) {
        assertEquals(replies!.map(([error]) => error), [null, null, null]);
        const [a, b] = replies![2]![1] as string[];
        assertEquals(a, b);
      }
      await Promise.all([...noise, ...more]);
    };
    await transfers("while it connects");
    await transfers("on an open lane");
    assertEquals(await server.cli("GET", "a"), "200");
  }));

Deno.test("RedisClient.multi() says what was wrong, and rolls nothing back", () =>
  withBoth({}, async ({ client, plain }) => {
    const attempt = (redis: RedisClient | typeof plain) =>
      redis.multi().set("x", 1).call("NOSUCHCOMMAND").exec();
    const error = await assertRejects(() => attempt(client), Error, "EXECABORT");
    assertEquals(
      error.message,
      (await assertRejects(() => attempt(plain), Error)).message,
    );
    assertEquals(await client.get("x"), null);
    const wrong = await client.multi().set("s", "text").incr("s").exec();
    assertEquals(wrong![0], [null, "OK"]);
    assertStringIncludes(String(wrong![1]![0]), "not an integer");
  }));

Deno.test("RedisClient.multi({ pipeline: false }) is refused with the right call", () =>
  withBoth({}, async ({ client }) => {
    const error = await assertRejects(
      () => client.multi({ pipeline: false }),
      CommandRefusedError,
    );
    assertEquals(error.delivery, "never-sent");
  }));

Deno.test("RedisClient refuses what would change a shared connection, and names the call", () =>
  withBoth({}, async ({ client }) => {
    const refused: [string, () => Promise<unknown>][] = [
      ["select", () => client.select(3)],
      ["watch", () => client.watch("k")],
      ["auth", () => client.auth("secret")],
      ["subscribe", () => client.subscribe("news")],
      ["psubscribe", () => client.psubscribe("n*")],
      ["quit", () => client.quit()],
      ["monitor", () => client.monitor()],
      ["client", () => client.client("REPLY", "OFF")],
      ["call", () => client.call("SELECT", "3")],
    ];
    for (const [name, run] of refused) {
      const error = await assertRejects(run, CommandRefusedError);
      assertStringIncludes(error.message, "manager.", name);
      assertEquals(error.message.includes("secret"), false);
    }
    assertThrows(() => client.disconnect(), CommandRefusedError, "closeAll");
    assertThrows(() => client.duplicate(), CommandRefusedError, "acquire");
    assertEquals(await client.ping(), "PONG");
  }));

Deno.test("RedisClient puts the key prefix before each key, and once only", () =>
  withBoth({ databases: { main: { keyPrefix: "app:" } } }, async ({ client, server }) => {
    await client.mset("a", "1", "b", "2");
    await client.pipeline().set("c", 3).call("SET", "d", 4).exec();
    await client.multi().set("e", 5).exec();
    client.defineCommand("add", ADD);
    await (client as WithScript).add("f", 6);
    const keys = await server.cli("KEYS", "*") as string[];
    assertEquals(keys.sort(), ["a", "b", "c", "d", "e", "f"].map((key) => `app:${key}`));
  }));

Deno.test("execute() sends bytes as they are, as keys and as values, with a prefix too", async () => {
  const bytes = new Uint8Array([0, 255, 13, 10, 128]);
  for (const keyPrefix of ["", "app:"]) {
    const databases = { main: { keyPrefix, decodeResponses: false } };
    await withBoth({ databases }, async ({ manager, plain }) => {
      const key = new TextEncoder().encode("k");
      // A view of a part of its memory, as readers of streams give.
      const part = new Uint8Array([1, 2, ...bytes, 3]).subarray(2, 2 + bytes.length);
      assertEquals(await manager.execute("main", "SET", key, part), Buffer.from("OK"));
      assertEquals(await plain.getBuffer(`${keyPrefix}k`), Buffer.from(bytes));
      assertEquals(await manager.execute("main", "GET", key), Buffer.from(bytes));
      assertEquals(await manager.execute("main", "STRLEN", "k"), bytes.length);
    });
  }
});

Deno.test("RedisClient gives Buffers with decodeResponses false, in pipelines too", () =>
  withBoth({ databases: { main: { decodeResponses: false } } }, async ({ client }) => {
    const bytes = Buffer.from([0, 255, 13, 10, 128]);
    await client.set("k", bytes);
    assertEquals(await client.get("k") as unknown, bytes);
    assertEquals(await client.pipeline().get("k").exec() as unknown, [[null, bytes]]);
    assertEquals(await client.multi().get("k").exec() as unknown, [[null, bytes]]);
    assertEquals(await client.lrange("none", 0, -1), []);
  }));

Deno.test("RedisClient keeps serving small commands while large ones pass on another lane", () =>
  withManager({
    databases: { main: { maxLanes: 2 } },
    commandTimeoutMs: 60_000,
  }, async ({ manager }) => {
    const client = manager.getClient("main");
    await client.set("small", "1");
    const burst = async () => {
      await Promise.all(Array.from({ length: 400 }, () => client.get("small")));
    };
    for (let i = 0; i < 200 && manager.getPoolStatistics("main").lanes < 2; i++) {
      await Promise.all(Array.from({ length: 20 }, burst));
    }
    assertEquals(manager.getPoolStatistics("main").lanes, 2);
    const large = client.set("large", "x".repeat(64 * 1024 * 1024)).then(() => "large");
    const small = client.get("small").then(() => "small");
    assertEquals(await Promise.race([large, small]), "small");
    assertEquals(await large, "large");
    assert(await client.strlen("large") === 64 * 1024 * 1024);
  }));
