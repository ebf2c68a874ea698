import { assertEquals } from "@std/assert";
import { RedisConfigLoader } from "../../../src/config/mod.ts";
import { configOf, FOURTEEN } from "./support.ts";

Deno.test("validateDatabaseSeparation() finds names that share a number", async () => {
  const config = await RedisConfigLoader.load({ yamlPath: FOURTEEN, env: {} });
  assertEquals(config.validateDatabaseSeparation(), [
    { db: 7, endpoint: "localhost:6379", names: ["workflows", "monitoring"] },
    { db: 11, endpoint: "localhost:6379", names: ["analytics", "codebase"] },
  ]);
  const shares = config.warnings.filter((one) => one.includes("share number"));
  assertEquals(shares, [
    "databases workflows, monitoring share number 7 on localhost:6379; if that is meant, " +
    "say alias_of: workflows",
    "databases analytics, codebase share number 11 on localhost:6379; if that is meant, " +
    "say alias_of: analytics",
  ]);
});

/** YAML and the names that share without saying so. */
const CASES: [yaml: string, names: string[][]][] = [
  ["databases: {a: {db: 1}, b: {db: 2}}", []],
  ["databases: {a: {db: 1}, b: {db: 1}}", [["a", "b"]]],
  ["databases: {a: {db: 1}, b: {db: 1, host: other}}", []],
  ["databases: {a: {db: 1}, b: {db: 1, port: 7000}}", []],
  ["databases: {a: {db: 1}, b: {alias_of: a}}", []],
  ["databases: {a: {db: 1}, b: {db: 1, alias_of: a}}", []],
  ["databases: {a: {db: 1}, b: {alias_of: a}, c: {alias_of: b}}", []],
  ["databases: {a: {db: 1}, b: {alias_of: a}, c: {db: 1}}", [["a", "b", "c"]]],
  ["databases: {a: {unix_socket: /r}, b: {unix_socket: /r}}", [["a", "b"]]],
  ["databases: {a: {unix_socket: /r}, b: {host: localhost}}", []],
  [
    "databases: {a: {nodes: ['x:1', 'y:2']}, b: {nodes: ['y:2', 'x:1']}}\nmode: cluster",
    [["a", "b"]],
  ],
];

Deno.test("validateDatabaseSeparation() looks at endpoint, number and alias_of", () => {
  for (const [yaml, names] of CASES) {
    const found = configOf(yaml).validateDatabaseSeparation().map((one) => one.names);
    assertEquals(found, names, yaml);
  }
});

Deno.test("alias_of takes over where the other database lives, and its password", async () => {
  const { databases } = configOf(
    "databases:\n  workflows: {host: w, port: 7000, password: pw, max_lanes: 3}\n" +
      "  monitoring: {alias_of: workflows, max_connections: 2}\nport: 1\n",
  );
  const { monitoring } = databases;
  assertEquals(
    [monitoring!.host, monitoring!.port, monitoring!.db, monitoring!.maxLanes],
    ["w", 7000, 7, 1],
  );
  assertEquals(await monitoring!.password?.reveal(), "pw");
  assertEquals([monitoring!.aliasOf, monitoring!.maxConnections], ["workflows", 2]);
});

Deno.test("alias_of follows the other database to where the environment moves it", () => {
  const { databases } = configOf("databases: {a: {db: 1}, b: {alias_of: a}}", {
    REDIS_DB_A: "4",
    REDIS_A_URL: "redis://moved",
  });
  assertEquals([databases.b!.db, databases.b!.host], [4, "moved"]);
});
