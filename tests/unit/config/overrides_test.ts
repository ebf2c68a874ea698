import { assert, assertEquals, assertFalse, assertThrows } from "@std/assert";
import {
  isManagerConfig,
  type ManagerOptions,
  RedisConfigLoader,
} from "../../../src/config/mod.ts";
import { ConfigError } from "../../../src/core/errors/base.ts";
import { Secret } from "../../../src/core/secret.ts";
import { configOf, onlyProblem, problemsOf, reveal } from "./support.ts";

/** Options as plain JavaScript might give them. */
function fromLoose(options: object): ReturnType<typeof RedisConfigLoader.fromOptions> {
  return RedisConfigLoader.fromOptions(options as ManagerOptions);
}

Deno.test("fromOptions() looks at nothing but the options and the defaults", () => {
  const { databases, warnings } = RedisConfigLoader.fromOptions({
    databases: { main: { db: 3 }, other: {} },
    host: "h",
    commandTimeoutMs: 1500,
    tls: { enabled: true },
    connectRetry: { attempts: 2 },
  });
  assertEquals(Object.keys(databases), ["main", "other"]);
  assertEquals([databases.main!.db, databases.other!.db], [3, 0]);
  assertEquals(databases.other!.host, "h");
  assertEquals(databases.other!.commandTimeoutMs, 1500);
  assertEquals(databases.other!.tls, { enabled: true, verify: true });
  assertEquals(databases.other!.connectRetry.attempts, 2);
  assertEquals(databases.other!.connectRetry.maxMs, 30_000);
  assertEquals(warnings, []);
});

Deno.test("fromOptions() takes what YAML takes: nodes as texts, tls in short", () => {
  const { a, b, c } = RedisConfigLoader.fromOptions({
    databases: {
      a: {
        mode: "sentinel",
        sentinelName: "mymaster",
        nodes: ["s1:26379", { host: "s2", port: 26_380 }, "[::1]:26381"],
        sentinelTls: true,
      },
      b: { tls: true },
      c: { tls: false },
    },
    tls: true,
  }).databases;
  assertEquals(a!.nodes, [
    { host: "s1", port: 26_379 },
    { host: "s2", port: 26_380 },
    { host: "::1", port: 26_381 },
  ]);
  assertEquals([a!.tls, a!.sentinelTls], [
    { enabled: true, verify: true },
    { enabled: true, verify: true },
  ]);
  assertEquals([b!.tls.enabled, c!.tls.enabled], [true, false]);
});

Deno.test("fromOptions() takes null and undefined as absent", () => {
  const { databases } = fromLoose({
    databases: { a: { port: null, host: undefined, tls: null, db: 2 }, b: null },
    password: null,
  });
  assertEquals([databases.a!.port, databases.a!.host, databases.a!.db], [
    6379,
    "localhost",
    2,
  ]);
  assertEquals(databases.b!.password, undefined);
});

Deno.test("fromOptions() takes a URL, a Secret and a provider function", async () => {
  const url = RedisConfigLoader.fromOptions({
    url: "rediss://u:pw@h:7000/3",
    databases: { main: {} },
  }).databases.main!;
  assertEquals([url.host, url.port, url.db, url.username], ["h", 7000, 3, "u"]);
  assertEquals([url.tls.enabled, await reveal(url.password)], [true, "pw"]);
  let calls = 0;
  const { a, b } = RedisConfigLoader.fromOptions({
    databases: {
      a: { password: () => Promise.resolve(`token ${++calls}`) },
      b: { password: new Secret("wrapped") },
    },
  }).databases;
  assertEquals(calls, 0, "a provider is asked when a connection is made, not before");
  assertEquals([await reveal(a!.password), await reveal(a!.password)], [
    "token 1",
    "token 2",
  ]);
  assertEquals(await reveal(b!.password), "wrapped");
});

/** Options that are refused, and the complaint. */
const REFUSED: [options: object, complaint: string][] = [
  [{ port: "6379" }, 'port: found "6379", allowed: a whole number from 1 to 65535'],
  [{ prot: 1 }, 'prot: unknown setting; did you mean "port"?'],
  [
    { max_connections: 5 },
    'max_connections: unknown setting; did you mean "maxConnections"?',
  ],
  [
    { databases: { a: { commandTimeoutMs: 0 } } },
    "databases.a.commandTimeoutMs: found 0, allowed: a number of milliseconds from 1 to " +
    "2147483000",
  ],
  [
    { databases: { a: { connectRetry: { attempts: 1.5 } } } },
    "databases.a.connectRetry.attempts: found 1.5, allowed: a whole number from 1 to 1000",
  ],
  [{ databases: { a: 5 } }, "databases.a: found 5, allowed: a mapping"],
  [
    { databases: [] },
    "databases: found a list of 0, allowed: a mapping of names to " +
    "settings",
  ],
  [
    { password: -5 },
    "password: found a number, allowed: a text, a Secret or a function " +
    "that gives one",
  ],
  [{ url: 5 }, "url: found 5, allowed: a URL"],
  [{ nodes: ["a"] }, 'nodes: found "a", allowed: "host:port"'],
  [{ nodes: ["a:x"] }, 'nodes: found "a:x", allowed: "host:port"'],
  [{ nodes: [5] }, 'nodes: found 5, allowed: {host, port} or "host:port"'],
  [
    { nodes: [{ host: "a", port: "1" }] },
    'nodes: port is "1", allowed: a whole number from 1 to 65535',
  ],
  [
    { tls: "true" },
    "tls: found a text of 4 characters, allowed: a mapping, true or false",
  ],
  [
    { connectRetry: true },
    "connectRetry: found true, allowed: a mapping of attempts, minMs, maxMs, multiplier, " +
    "jitter",
  ],
  [
    { nearCache: true },
    "nearCache: found true, allowed: a mapping of maxEntries, maxBytes, ttlMs, prefixes",
  ],
  [
    { unknownDatabase: "first" },
    'unknownDatabase: found "first", allowed: error or main',
  ],
];

Deno.test("fromOptions() refuses what is wrong, in code's own names and units", () => {
  for (const [options, complaint] of REFUSED) {
    assertEquals(onlyProblem(() => fromLoose(options)), `overrides: ${complaint}`);
  }
  const notOptions = ["text", 5, null, []];
  for (const options of notOptions) {
    assertThrows(
      () => Reflect.apply(RedisConfigLoader.fromOptions, null, [options]),
      ConfigError,
    );
  }
});

Deno.test("resolveDatabase() goes by the same rules as load()", () => {
  const config = configOf("databases: {a: {db: 1}}\nport: 7000\ntimeout: 2", {
    REDIS_CARTS_URL: "redis://carts.test/9",
    REDIS_USERNAME: "u",
  });
  const carts = config.resolveDatabase("carts", { maxConnections: 3 });
  assertEquals(
    [carts.name, carts.host, carts.port, carts.db, carts.username],
    ["carts", "carts.test", 6379, 9, "u"],
  );
  assertEquals([carts.maxConnections, carts.commandTimeoutMs], [3, 2000]);
  assert(Object.isFrozen(carts));
  assertEquals(config.resolveDatabase("other", { db: 12 }).port, 7000);
  assertEquals(config.resolveDatabase("twin", { aliasOf: "a" }).db, 1);
  assertEquals(Object.keys(config.databases), ["a"], "the configuration is as it was");
});

Deno.test("resolveDatabase() refuses like load(), and works again afterwards", () => {
  const env: Record<string, string> = { REDIS_BAD_URL: "nonsense" };
  const config = configOf("databases: {a: {db: 1}}", env);
  const keys = (make: () => unknown): string[] => problemsOf(make).map(({ key }) => key);
  const loose = (options: object) => () => config.resolveDatabase("x", options);
  assertEquals(keys(() => config.resolveDatabase("bad", {})), ["databases.bad.url"]);
  assertEquals(keys(loose({ prot: 1 })), ["databases.x.prot"]);
  assertEquals(keys(loose({ minConnections: 30 })), ["databases.x.minConnections"]);
  assertEquals(keys(loose({ aliasOf: "nope" })), ["databases.x.aliasOf"]);
  assertEquals(keys(loose({ aliasOf: "a", db: 2 })), ["databases.x.aliasOf"]);
  assertEquals(keys(() => config.resolveDatabase("__proto__", {})), ["databases"]);
  assertEquals(config.resolveDatabase("x", { db: 2 }).db, 2);
});

Deno.test("resolveDatabase() tells warnings to whom wants them", () => {
  const warnings: string[] = [];
  const config = configOf("databases: {a: }");
  config.resolveDatabase(
    "x",
    { url: "redis://:pw@redis.test" },
    (one) => warnings.push(one),
  );
  assertEquals(warnings.length, 1);
  assert(warnings[0]!.startsWith("database x: the password (overrides) goes to"));
});

Deno.test("isManagerConfig() tells a configuration from options", () => {
  assert(isManagerConfig(configOf("")));
  for (const other of [undefined, null, 5, {}, { databases: {} }, { ...configOf("") }]) {
    assertFalse(isManagerConfig(other));
  }
});
