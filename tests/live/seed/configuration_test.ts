/** The seed's tests of phase 1, each made so that a stub cannot pass it. */
import { assertEquals, assertRejects } from "@std/assert";
import {
  ConfigError,
  RedisConfigLoader,
  RedisConnectionManager,
  RedisDatabase,
} from "../../../mod.ts";
import { RedisServer } from "../../../src/testing/redis_server.ts";

const NUMBERS: Record<string, number> = {
  MAIN: 0,
  KNOWLEDGE: 1,
  PROMPTS: 2,
  AGENTS: 3,
  METRICS: 4,
  LOGS: 5,
  SESSIONS: 6,
  WORKFLOWS: 7,
  VECTORS: 8,
  MODELS: 9,
  MEMORY: 9,
  AUDIT: 10,
  ANALYTICS: 11,
  NOTIFICATIONS: 12,
  JOBS: 13,
  SEARCH: 14,
  TIMESERIES: 15,
  TESTING: 15,
};

Deno.test("seed: RedisDatabase has 18 names over 16 numbers, and each is where it says", async () => {
  const names = Object.keys(RedisDatabase).filter((key) => Number.isNaN(Number(key)));
  assertEquals(names.sort(), Object.keys(NUMBERS).sort());
  await using server = await RedisServer.start();
  const { host, port } = server;
  const databases = Object.fromEntries(names.map((name) => [name.toLowerCase(), {}]));
  await using manager = new RedisConnectionManager({ host, port, databases });
  for (const name of names) {
    const client = await manager.getAsyncClient(name.toLowerCase());
    await client.set(`written-as-${name}`, "1");
    const rows = await server.clientList(`mooring:${name.toLowerCase()}:`);
    assertEquals(rows.map((row) => Number(row.db)), [NUMBERS[name]], name);
  }
  const keyspace = Object.keys(await server.info("keyspace")).sort();
  assertEquals(keyspace.length, new Set(Object.values(NUMBERS)).size);
});

Deno.test("seed: a RedisConfig carries every setting and cannot be changed", () => {
  const config = RedisConfigLoader.fromOptions({
    databases: { cache: { db: 5, port: 7000, maxConnections: 8, password: "hunter2" } },
  });
  const { cache } = config.databases;
  assertEquals(
    [cache!.name, cache!.host, cache!.port, cache!.db, cache!.maxConnections],
    ["cache", "localhost", 7000, 5, 8],
  );
  assertEquals(Object.isFrozen(cache), true);
  assertEquals(Object.isFrozen(cache!.connectRetry), true);
});

Deno.test("seed: a YAML file gives databases with the root's values as defaults", async () => {
  const config = await RedisConfigLoader.load({
    env: {},
    yamlText: [
      "redis_databases:",
      "  main: { db: 0 }",
      "  audit: { db: 10, max_connections: 15, timeout_seconds: 3.0 }",
      "host: redis.internal",
      "password: null",
      "timeout: 7",
      "max_connections: 12",
    ].join("\n"),
  });
  const { main, audit } = config.databases;
  assertEquals([main!.host, main!.maxConnections, main!.commandTimeoutMs], [
    "redis.internal",
    12,
    7000,
  ]);
  assertEquals([audit!.db, audit!.maxConnections, audit!.commandTimeoutMs], [
    10,
    15,
    3000,
  ]);
  assertEquals(main!.password, undefined);
  await assertRejects(
    () => RedisConfigLoader.load({ env: {}, yamlText: "redis_databases: [" }),
    ConfigError,
  );
});

Deno.test("seed: central timeouts come from the environment", async () => {
  const config = await RedisConfigLoader.load({
    yamlText: "redis_databases: { main: { db: 0 } }",
    env: {
      AUTOBOT_REDIS_SOCKET_TIMEOUT: "1.5",
      AUTOBOT_REDIS_CONNECT_TIMEOUT: "2.5",
      AUTOBOT_REDIS_RETRY_ON_TIMEOUT: "false",
      AUTOBOT_REDIS_MAX_RETRIES: "7",
      AUTOBOT_REDIS_CIRCUIT_BREAKER_TIMEOUT: "11",
    },
  });
  const { main } = config.databases;
  assertEquals(
    [
      main!.commandTimeoutMs,
      main!.connectTimeoutMs,
      main!.retryOnTimeout,
      main!.maxRetries,
      main!.circuitBreakerTimeoutMs,
    ],
    [1500, 2500, false, 7, 11_000],
  );
});
