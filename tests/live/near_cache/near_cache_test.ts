import {
  assert,
  assertEquals,
  assertMatch,
  assertRejects,
  assertThrows,
} from "@std/assert";
import { Buffer } from "node:buffer";
import {
  ConfigError,
  ManagerClosedError,
  type RedisConfigOptions,
  RedisConnectionManager,
} from "../../../mod.ts";
import { waitFor as until } from "../../../src/testing/wait.ts";
import { type Managed, withManager } from "../../support/managed.ts";

const nearCache = { maxEntries: 1000 };

/** A manager with a near cache in database `near`, and one without. */
function withNear(
  settings: RedisConfigOptions,
  test: (managed: Managed & ReturnType<typeof tools>) => Promise<void>,
  config: Record<string, string | string[]> = {},
): Promise<void> {
  const databases = { near: { db: 0, nearCache, ...settings }, plain: { db: 0 } };
  return withManager(
    { databases },
    (managed) => test({ ...managed, ...tools(managed) }),
    { config },
  );
}

function tools({ manager, server }: Managed) {
  const client = manager.getClient("near");
  const numbers = () => manager.getStatistics().databaseStats.near!;
  return {
    client,
    numbers,
    /** How often the server was asked for something by GET. */
    gets: async () =>
      Number(
        /cmdstat_get:calls=(\d+)/.exec(await server.cli("INFO", "commandstats") as string)
          ?.[1] ?? 0,
      ),
    /** Waits until the cache has no reply for a key any more. */
    forgotten: (key: string) =>
      until(async () => {
        const { nearCacheMisses } = numbers();
        await client.get(key);
        return numbers().nearCacheMisses > nearCacheMisses;
      }),
  };
}

Deno.test("a reply is kept until its key changes, however it does", async () => {
  await withNear({}, async ({ client, forgotten, gets, server }) => {
    await client.ping();
    const changes: [string, ...string[]][] = [
      ["SET", "k", "2"],
      ["APPEND", "k", "x"],
      ["DEL", "k"],
      ["RENAME", "other", "k"],
      ["PEXPIRE", "k", "20"],
      ["FLUSHALL"],
      ["FLUSHDB"],
      ["EVAL", "redis.call('set', 'k', 'script')", "0"],
    ];
    for (const [name, ...args] of changes) {
      await server.cli("SET", "k", "1");
      await server.cli("SET", "other", "3");
      await forgotten("k");
      const before = await gets();
      for (let i = 0; i < 10; i++) await client.get("k");
      assertEquals(await gets(), before, name);
      await server.cli(name, ...args);
      await until(async () => await client.get("k") !== "1");
    }
  });
});

Deno.test("a field that expires is forgotten", async () => {
  await withNear({}, async ({ client, server }) => {
    await client.hset("h", { a: "1", b: "2" });
    const reply = await server.cli("HPEXPIRE", "h", "20", "FIELDS", "1", "a");
    // Redis 7.0 has no fields that expire.
    if (!Array.isArray(reply)) return;
    await until(async () => (await client.hgetall("h")).a === undefined);
    assertEquals(await client.hgetall("h"), { b: "2" });
  });
});

Deno.test("own writes are read at once, whatever they were made with", async () => {
  await withNear({ maxLanes: 3 }, async ({ client, manager, numbers }) => {
    const plain = manager.getClient("plain");
    client.defineCommand("put", {
      numberOfKeys: 1,
      lua: "redis.call('set', KEYS[1], ARGV[1])",
    });
    const put = client as unknown as { put(key: string, value: string): Promise<void> };
    let n = 0;
    const ways: (() => Promise<unknown>)[] = [
      () => client.set("k", n),
      () => client.with({ once: true }).set("k", n),
      () => client.pipeline().set("k", n).exec(),
      () => client.multi().set("k", n).exec(),
      () => manager.pipeline("near", (p) => void p.set("k", n)),
      () => manager.transaction("near", (tx) => void tx.set("k", n)),
      () => manager.execute("near", "SET", "k", n),
      () => client.eval("redis.call('set', KEYS[1], ARGV[1])", 1, "k", n),
      () => put.put("k", `${n}`),
      () => plain.set("k", n),
      async () => {
        await using lease = await manager.acquire("near");
        await lease.client.set("k", n);
      },
      async () => {
        await using lease = await manager.acquire("plain");
        await lease.client.multi().set("k", n).exec();
      },
      async () => {
        await client.rpush("list", `${n}`);
        await client.lrange("list", 0, -1);
        await client.blpop("list", 1);
        assertEquals(await client.lrange("list", 0, -1), []);
        await client.set("k", n);
      },
    ];
    for (let round = 0; round < 20; round++) {
      for (const [i, write] of ways.entries()) {
        await Promise.all([client.get("k"), client.get("k"), client.strlen("k")]);
        n++;
        // Reads that were sent before its reply came may be older.
        const racing = Array.from({ length: 5 }, () => client.get("k"));
        await write();
        assertEquals(await client.get("k"), `${n}`, `way ${i}`);
        await Promise.all(racing);
        assertEquals(await client.get("k"), `${n}`, `way ${i}, once more`);
      }
    }
    assert(numbers().nearCacheHits > 0);
  });
});

Deno.test("a near cache that is added later learns of the writes of all databases", async () => {
  await withManager({ databases: { plain: { db: 0 } } }, async ({ manager, server }) => {
    const plain = manager.getClient("plain");
    const owned = manager.createClient("plain");
    await using lease = await manager.acquire("plain");
    await using late = await manager.acquire("plain");
    await plain.set("k", 0);
    await late.client.set("k", 0);
    const early = late.client.multi();
    const client = manager.addDatabase("near", {
      host: server.host,
      port: server.port,
      db: 0,
      nearCache,
    });
    let n = 0;
    const ways: (() => Promise<unknown>)[] = [
      () => plain.set("k", n),
      () => manager.pipeline("plain", (p) => void p.set("k", n)),
      () => manager.transaction("plain", (tx) => void tx.set("k", n)),
      () => manager.execute("plain", "SET", "k", n),
      () => lease.client.set("k", n),
      () => owned.set("k", n),
      () => early.set("k", n).exec(),
    ];
    for (let round = 0; round < 50; round++) {
      for (const [i, write] of ways.entries()) {
        if (round > 0 && i === ways.length - 1) continue;
        await client.get("k");
        n++;
        await write();
        assertEquals(await client.get("k"), `${n}`, `way ${i}`);
      }
    }
    await owned.quit();
    const { nearCacheStored } = manager.getStatistics().databaseStats.near!;
    assert(nearCacheStored >= n, `${nearCacheStored}`);
  });
});

Deno.test("with a key prefix, Buffers and prefixes the cache is the same", async () => {
  const settings: RedisConfigOptions = {
    keyPrefix: "app:",
    decodeResponses: false,
    nearCache: { ...nearCache, prefixes: ["u:", "ü"] },
  };
  await withNear(settings, async ({ client, gets, manager, numbers, server }) => {
    const read = async (key: string) => {
      const before = await gets();
      const reply = await client.get(key) as unknown as Buffer | null;
      assert(reply === null || reply instanceof Buffer);
      const text = reply?.toString();
      reply?.fill(0);
      return [text, await gets() - before];
    };
    for (const key of ["u:1", "ü"]) {
      await server.cli("SET", `app:${key}`, "1");
      await read(key);
      await until(async () => (await read(key))[1] === 0);
      assertEquals(await read(key), ["1", 0]);
      await server.cli("SET", `app:${key}`, "2");
      await until(async () => (await read(key))[0] === "2");
    }
    await server.cli("SET", "app:x", "1");
    assertEquals([await read("x"), await read("x")], [["1", 1], ["1", 1]]);
    const [info] = await server.clientList("mooring:near:lane");
    assertMatch(info!.fields.flags!, /B/, "broadcast");
    assertEquals(numbers().nearCacheEntries, 2);
    assertEquals(numbers().nearCacheBytes > 0, true);
    void manager;
  });
});

Deno.test("leases are not tracked, and their reads are not kept", async () => {
  await withNear({}, async ({ client, manager, numbers, server }) => {
    await client.get("k");
    await using lease = await manager.acquire("near");
    await lease.client.get("k");
    await lease.client.get("k");
    await manager.transaction("near", (tx) => void tx.get("k"));
    await manager.pipeline("near", (p) => void p.get("k"));
    assertEquals(numbers().nearCacheHits, 0);
    for (const { fields, name } of await server.clientList("mooring:near")) {
      const { flags = "" } = fields;
      assertEquals(
        /t/.test(flags),
        `${name}`.endsWith("lane"),
        `${name} ${flags}`,
      );
    }
  });
});

Deno.test("a lost connection takes along what it has read", async () => {
  await withNear({}, async ({ client, numbers, server }) => {
    await client.set("k", "1");
    await until(async () => (await client.get("k"), numbers().nearCacheEntries === 1));
    await server.cli("CLIENT", "KILL", "TYPE", "normal");
    await until(() => numbers().nearCacheEntries === 0);
    await server.cli("SET", "k", "2");
    assertEquals(await client.get("k"), "2");
  });
});

Deno.test("a server that refuses tracking keeps nothing, and says why once", async () => {
  const users = ["default on nopass ~* &* +@all -client|tracking"];
  await withNear({ maxLanes: 2 }, async ({ client, gets, manager, server }) => {
    const warnings: string[] = [];
    manager.addEventListener("warning", ({ detail }) => warnings.push(detail.message));
    await client.get("k");
    await until(() => warnings.length > 0);
    await server.cli("CLIENT", "KILL", "TYPE", "normal");
    const before = await gets();
    for (let i = 0; i < 5; i++) await client.get("k");
    assertEquals(await gets() - before, 5);
    assertEquals(warnings.length, 1);
    assertMatch(warnings[0]!, /^the near cache keeps nothing, .*NOPERM/);
  }, { user: users });
});

Deno.test("settings of a near cache are checked", () => {
  const make = (settings: RedisConfigOptions) =>
    new RedisConnectionManager({ databases: { near: settings } });
  const refused = (settings: RedisConfigOptions, why: RegExp) => {
    const error = assertThrows(() => make(settings), ConfigError);
    assertMatch(error.message, why);
  };
  refused({ protocol: 2, nearCache }, /a near cache needs protocol auto or 3, found 2/);
  refused(
    { nearCache: { prefixes: ["a", "ab"] } },
    /"ab" begins with "a"; leave one out/,
  );
  refused(
    { nearCache: { prefixes: "a" as never } },
    /allowed: a list of at most 100 texts/,
  );
  refused({ nearCache: { maxEntries: -1 } }, /maxEntries/);
  const given = (settings: RedisConfigOptions) =>
    make(settings).config.databases.near!.nearCache;
  assertEquals(given({}).maxEntries, 0);
  assertEquals(given({ nearCache: { maxBytes: 1e6 } }).maxEntries, 10_000);
  assertEquals(given({ nearCache: { maxBytes: 1e6, maxEntries: 0 } }).maxEntries, 0);
  assertEquals(given({ nearCache: { prefixes: [""] } }).prefixes, [""]);
});

Deno.test("a closed manager answers nothing from its cache", async () => {
  await withNear({}, async ({ client, manager, numbers }) => {
    await client.get("k");
    await until(async () => (await client.get("k"), numbers().nearCacheHits > 0));
    await manager.closeAll();
    await assertRejects(() => client.get("k"), ManagerClosedError);
    assertEquals(numbers().nearCacheEntries, 0);
  });
});
