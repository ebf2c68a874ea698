import { assert, assertEquals, assertInstanceOf, assertRejects } from "@std/assert";
import {
  DecodeError,
  defineScript,
  json,
  type ManagerOptions,
  RedisConnectionManager,
  type StandardSchema,
} from "../../../mod.ts";
import { delay, waitFor } from "../../../src/testing/wait.ts";
import { withManager } from "../../support/managed.ts";

interface User {
  readonly name: string;
}

/** A Standard Schema, as Zod and others have them. */
const USER: StandardSchema<User> = {
  "~standard": {
    version: 1,
    vendor: "test",
    validate: (value) => {
      const { name } = Object(value);
      return typeof name === "string"
        ? { value: { name } }
        : { issues: [{ message: "not a text", path: ["name"] }] };
    },
  },
};

const DATABASES = {
  plain: { db: 0 },
  near: { db: 0, nearCache: { maxEntries: 100 } },
} satisfies ManagerOptions["databases"];

Deno.test("values are written and read, one by one and together", async () => {
  await withManager({ databases: DATABASES }, async ({ manager, server }) => {
    for (const database of ["plain", "near"]) {
      const users = manager.values(database, json(USER));
      assertEquals(await users.get("u:1"), undefined);
      await users.set("u:1", { name: "Ada" });
      await users.set("u:2", { name: "Bo" }, { ttl: 60_000 });
      for (let i = 0; i < 2; i++) {
        assertEquals(await users.get("u:1"), { name: "Ada" });
        assertEquals(
          await users.mget(["u:2", "none", "u:1"]),
          [{ name: "Bo" }, undefined, { name: "Ada" }],
        );
      }
      assertEquals(await server.cli("PTTL", "u:1"), -1);
      assert(Number(await server.cli("PTTL", "u:2")) > 50_000);
      assertEquals(await users.mget([]), []);
      await server.cli("FLUSHALL");
      await waitFor(async () => await users.get("u:1") === undefined);
    }
    const nullable = manager.values("plain", json<User | null>());
    await nullable.set("u:1", null);
    assertEquals(await nullable.get("u:1"), null);
  });
});

Deno.test("a value that cannot be read, or written, is named by its key", async () => {
  await withManager({ databases: DATABASES }, async ({ manager, server }) => {
    const users = manager.values("plain", json(USER));
    await server.cli("MSET", "bad", "{", "old", '{"name":7}', "good", '{"name":"A"}');
    for (const read of [() => users.get("old"), () => users.mget(["good", "old"])]) {
      const error = await assertRejects(read, DecodeError, "name: not a text");
      assertEquals([error.key, error.database], ["old", "plain"]);
    }
    const error = await assertRejects(
      () => users.getOrSet("bad", () => ({ name: "B" })),
      DecodeError,
      'Cannot read the value of "bad" on database "plain"',
    );
    assertInstanceOf(error.cause, SyntaxError);
    const any = manager.values("plain", json());
    await assertRejects(() => any.set("k", undefined), TypeError, '"k"');
    await assertRejects(() => any.set("k", 1, { ttl: 0.5 }), RangeError, "ttl");
    const load = () => 1;
    await assertRejects(
      () => any.getOrSet("k", load, { staleWhileRevalidate: 5 }),
      RangeError,
    );
    assertEquals(await server.cli("EXISTS", "k"), 0);
  });
});

Deno.test("getOrSet() runs one loader a key, and gives each caller a value of its own", async () => {
  await withManager({ databases: DATABASES }, async ({ manager, server }) => {
    for (const database of ["plain", "near"]) {
      const users = manager.values(database, json<User>());
      let loads = 0;
      const load = async () => {
        loads++;
        await delay(20);
        return { name: "Ada" };
      };
      const found = await Promise.all(
        Array.from({ length: 100 }, (_, i) => {
          const own = i % 2 === 0 ? users : manager.values(database, json<User>());
          return own.getOrSet("u:1", load, { ttl: 60_000 });
        }),
      );
      assertEquals(loads, 1);
      Object.assign(found[0]!, { name: "changed" });
      assertEquals(found.slice(1), Array(99).fill({ name: "Ada" }));
      assertEquals(await users.getOrSet("u:1", load), { name: "Ada" });
      assertEquals(loads, 1);

      const failing = () => users.getOrSet("u:2", () => Promise.reject(new Error("no")));
      await assertRejects(() => Promise.all([failing(), failing()]), Error, "no");
      assertEquals(await users.getOrSet("u:2", () => undefined), undefined);
      assertEquals(await server.cli("EXISTS", "u:2"), 0);
      assertEquals(await users.getOrSet("u:2", load), { name: "Ada" });
      await server.cli("FLUSHALL");
    }
  });
});

Deno.test("getOrSet() gives the old value while it loads a new one", async () => {
  await withManager({ databases: DATABASES }, async ({ manager, server }) => {
    const warnings: string[] = [];
    manager.addEventListener("warning", ({ detail }) => warnings.push(detail.message));
    const values = manager.values("plain", json<number>());
    let n = 0;
    const options = { ttl: 50, staleWhileRevalidate: 60_000 };
    const read = () => values.getOrSet("n", () => ++n, options);
    assertEquals([await read(), await read(), await values.get("n")], [1, 1, 1]);
    await delay(60);
    assertEquals(await values.mget(["n"]), [1]);
    assertEquals(await read(), 1);
    await waitFor(async () => await values.get("n") === 2);
    assert(Number(await server.cli("PTTL", "n")) > 55_000);
    await delay(60);
    const failing = () => Promise.reject(new Error("source down"));
    assertEquals(await values.getOrSet("n", failing, options), 2);
    await waitFor(() => warnings.length > 0);
    assertEquals(warnings, ['the value of "n" stays old: Error: source down']);
  });
});

Deno.test("getOrSet() with a lock runs one loader in all processes", async () => {
  await withManager({ databases: DATABASES }, async ({ manager, server }) => {
    await using other = new RedisConnectionManager({
      url: server.url,
      databases: DATABASES,
    });
    let loads = 0;
    const load = async () => {
      loads++;
      await delay(50);
      return loads;
    };
    const all = [manager, other].flatMap((each) =>
      ["plain", "near"].map((database) => each.values(database, json<number>()))
    );
    const found = await Promise.all(
      all.map((values) => values.getOrSet("k", load, { lock: true, ttl: 60_000 })),
    );
    assertEquals([found, loads], [[1, 1, 1, 1], 1]);
  });
});

Deno.test("getOrSet() loads what it cannot ask for, and writes nothing", async () => {
  await withManager({ databases: DATABASES }, async ({ manager, server }) => {
    const values = manager.values("plain", json<number>());
    await server.stop();
    assertEquals(await values.getOrSet("k", () => 7), 7);
  });
});

Deno.test("a script runs by its digest, and whole where the server does not have it", async () => {
  await withManager({ databases: DATABASES }, async ({ manager, server }) => {
    const client = manager.getClient("near");
    const add = defineScript({
      lua: "return redis.call('INCRBY', KEYS[1], ARGV[1]) .. ':' .. ARGV[2]",
      keys: ["counter"],
      args: ["by", "tag"],
      reply: (reply) => String(reply).split(":"),
    });
    const run = () => add.run(client, { counter: "n", by: 2, tag: "x" });
    assertEquals(await run(), ["2", "x"]);
    assertEquals(await client.get("n"), "2");
    assertEquals(await run(), ["4", "x"]);
    assertEquals(await client.get("n"), "4");
    assertEquals(await server.cli("SCRIPT", "EXISTS", add.sha), [1]);
    await server.cli("SCRIPT", "FLUSH");
    assertEquals(await run(), ["6", "x"]);
    const calls = String(await server.cli("INFO", "commandstats"));
    assertEquals(/cmdstat_eval:calls=(\d+)/.exec(calls)?.[1], "2");
    assertEquals(await defineScript({ lua: "return 1" }).run(client), 1);
    const wrong = { counter: "n", by: 2 } as never;
    await assertRejects(() => add.run(client, wrong), TypeError, '"tag" is missing');
    const more = { counter: "n", by: 2, tag: "x", key: "n" } as never;
    await assertRejects(() => add.run(client, more), TypeError, '"key"');
    const failing = defineScript({ lua: "return redis.error_reply('MINE no')" });
    await assertRejects(() => failing.run(client), Error, "MINE no");
  });
});
