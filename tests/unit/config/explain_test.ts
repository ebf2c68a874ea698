import { assert, assertEquals, assertThrows } from "@std/assert";
import { UnknownDatabaseError } from "../../../src/core/errors/config.ts";
import { configOf } from "./support.ts";

const YAML = "databases:\n  cache:\n    max_connections: 15\n    db: 5\nhost: file\n";

Deno.test("origin() says where a value came from", () => {
  const config = configOf(YAML, { REDIS_HOST: "env" }, {
    databases: { cache: { maxConnections: 8 } },
    unknownDatabase: "main",
  });
  assertEquals(config.databases.cache!.maxConnections, 8);
  const origins: Record<string, string | undefined> = {
    "databases.cache.maxConnections": "overrides",
    "databases.cache.host": "env REDIS_HOST",
    "databases.cache.db": "yaml text:4",
    "databases.cache.port": "default",
    "databases.cache.connectRetry.attempts": "default",
    "databases.cache": "yaml text:2",
    unknownDatabase: "overrides",
    cleanupIntervalMs: "default",
    maxTotalConnections: undefined,
    "databases.cache.username": undefined,
    "databases.nope.db": undefined,
    nope: undefined,
  };
  for (const [path, origin] of Object.entries(origins)) {
    assertEquals(config.origin(path), origin, path);
  }
});

Deno.test("explain() gives every effective value with what it overrode", () => {
  const config = configOf(YAML, { REDIS_HOST: "env" }, {
    databases: { cache: { maxConnections: 8 } },
    maxConnections: 9,
  });
  const explained = config.explain("cache");
  const find = (key: string) =>
    explained.find(({ path }) => path === `databases.cache.${key}`);
  assertEquals(find("maxConnections"), {
    path: "databases.cache.maxConnections",
    value: 8,
    origin: "overrides",
    overrode: [
      { value: 9, origin: "overrides" },
      { value: 15, origin: "yaml text:3" },
      { value: 20, origin: "default" },
    ],
  });
  assertEquals(find("host")!.overrode, [
    { value: "file", origin: "yaml text:5" },
    { value: "localhost", origin: "default" },
  ]);
  assertEquals(find("port"), {
    path: "databases.cache.port",
    value: 6379,
    origin: "default",
    overrode: [],
  });
});

/** The leaves of an object by their path. */
function leaves(value: object, prefix: string): [string, unknown][] {
  return Object.entries(value).flatMap(([key, inner]) =>
    typeof inner === "object" && inner !== null && !Array.isArray(inner)
      ? leaves(inner, `${prefix}${key}.`)
      : [[`${prefix}${key}`, inner] as [string, unknown]]
  );
}

Deno.test("explain() covers just the values that the configuration has", () => {
  const config = configOf(YAML);
  const explained = config.explain().map(({ path, value }) => [path, value]);
  const { databases, unknownDatabase, cleanupIntervalMs } = config;
  const actual = [
    ...leaves({ unknownDatabase, cleanupIntervalMs }, ""),
    ...leaves(databases, "databases."),
  ].filter(([path]) => !path.endsWith(".name"));
  const sorted = (list: unknown[][]): string[] => list.map(String).sort();
  assertEquals(sorted(explained), sorted(actual));
});

Deno.test("explain() of an unknown database names the known ones", () => {
  const error = assertThrows(() => configOf(YAML).explain("cahce"), UnknownDatabaseError);
  assertEquals([error.available, error.suggestion], [["cache"], "cache"]);
});

Deno.test("explain() masks secrets, also those that lost", () => {
  const config = configOf("databases: {a: {password: one}}\npassword: two", {
    REDIS_PASSWORD: "three",
  }, { password: () => "four" });
  const password = config.explain("a").find(({ path }) => path.endsWith(".password"));
  assertEquals(password, {
    path: "databases.a.password",
    value: "***",
    origin: "overrides",
    overrode: [
      { value: "***", origin: "env REDIS_PASSWORD" },
      { value: "***", origin: "yaml text:1" },
      { value: "***", origin: "yaml text:2" },
    ],
  });
});

Deno.test("a configuration is frozen to its leaves", () => {
  const nodes = [{ host: "a", port: 1 }];
  const config = configOf("", {}, { mode: "cluster", nodes, databases: { a: {} } });
  const frozen = (value: unknown): boolean =>
    typeof value !== "object" || value === null ||
    (Object.isFrozen(value) && Object.values(value).every(frozen));
  assert(frozen(config));
  assert(Object.isFrozen(config.databases.a!.nodes[0]));
  assert(
    !Object.isFrozen(nodes) && !Object.isFrozen(nodes[0]),
    "the caller's own is not",
  );
  assertThrows(
    () => Reflect.apply(Array.prototype.push, config.warnings, ["x"]),
    TypeError,
  );
});

Deno.test("a configuration's databases have no names but their own", () => {
  const { databases } = configOf("databases: {toString: {db: 1}, a: }");
  assertEquals(Object.keys(databases), ["toString", "a"]);
  assertEquals(Object.values(databases)[0]!.db, 1);
  assertEquals(Object.getPrototypeOf(databases), null);
  assertEquals("constructor" in databases, false);
});
