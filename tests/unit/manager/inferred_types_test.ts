import { assertEquals, assertThrows } from "@std/assert";
import {
  json,
  type ManagerOptions,
  RedisConfigLoader,
  RedisConnectionManager,
  RedisDatabase,
  UnknownDatabaseError,
} from "../../../mod.ts";

// What is marked @ts-expect-error must not compile: were it to, this file would not.

Deno.test("names of databases are those of the options: a typo does not compile", async () => {
  await using manager = new RedisConnectionManager({
    logger: console,
    databases: { main: { db: 0 }, cache: { db: 5 } },
  });
  manager.getClient();
  manager.getSyncClient("cache");
  manager.getPoolStatistics("main");
  manager.getClient(RedisDatabase.MAIN);
  // @ts-expect-error Of getClient().
  assertThrows(() => manager.getClient("cahce"), UnknownDatabaseError);
  // @ts-expect-error Of getSyncClient().
  assertThrows(() => manager.getSyncClient("cahce"), UnknownDatabaseError);
  // @ts-expect-error Of getPoolStatistics().
  assertThrows(() => manager.getPoolStatistics("cahce"), UnknownDatabaseError);
  const never = () => [
    // @ts-expect-error Of getAsyncClient().
    manager.getAsyncClient("cahce"),
    // @ts-expect-error Of acquire().
    manager.acquire("cahce"),
    // @ts-expect-error Of createClient().
    manager.createClient("cahce"),
    // @ts-expect-error Of lock().
    manager.lock("cahce", "report"),
    // @ts-expect-error Of pipeline().
    manager.pipeline("cahce", () => {}),
    // @ts-expect-error Of transaction().
    manager.transaction("cahce", () => {}),
    // @ts-expect-error Of subscribe().
    manager.subscribe("cahce", ["news"]),
    // @ts-expect-error Of values().
    manager.values("cahce", json<number>()),
    // @ts-expect-error Of execute().
    manager.execute("cahce", "ping"),
  ];
  assertEquals(typeof never, "function");
  // @ts-expect-error Settings are checked as before.
  assertThrows(() => new RedisConnectionManager({ databases: { main: { dbb: 1 } } }));
});

Deno.test("where the names are not known when it is compiled, every string is taken", async () => {
  const config = await RedisConfigLoader.load({ yamlText: "databases: { cache: {} }" });
  const options: ManagerOptions = { databases: { cache: { db: 5 } } };
  const made = Object.fromEntries(["cache"].map((name) => [name, { db: 5 }]));
  const managers = [
    new RedisConnectionManager(config),
    new RedisConnectionManager(options),
    new RedisConnectionManager({ databases: made }),
    new RedisConnectionManager<string>({ databases: { cache: { db: 5 } } }),
  ];
  for (const manager of managers) {
    manager.addDatabase("carts", { db: 12 });
    assertEquals(manager.getClient("carts"), manager.getClient("carts"));
    await manager.closeAll();
  }
  // What takes any manager takes one whose names are known.
  const namesOf = (manager: RedisConnectionManager) => manager.listDatabases().length;
  await using known = new RedisConnectionManager({ databases: { cache: { db: 5 } } });
  assertEquals(namesOf(known), 1);
});
