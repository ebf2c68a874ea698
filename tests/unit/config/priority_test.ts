import { assertEquals, assertStringIncludes } from "@std/assert";
import { RedisConfigLoader, type ServiceRegistry } from "../../../src/config/mod.ts";
import { configOf, reveal } from "./support.ts";

/** The sources that can say where the server is, highest priority first. */
const SOURCES = ["overrides", "environment", "yaml", "registry"] as const;
type Source = typeof SOURCES[number];

/** A configuration in which just these sources name a port, each its own. */
function portOf(
  sources: readonly Source[],
): { port: number; origin: string | undefined } {
  const port = (source: Source): number => 1000 + SOURCES.indexOf(source);
  const has = (source: Source): boolean => sources.includes(source);
  const registry: ServiceRegistry = {
    getServiceConfig: () => ({ host: "r", port: port("registry") }),
  };
  const config = RedisConfigLoader.loadSync({
    yamlText: has("yaml")
      ? `databases: {a: }\nport: ${port("yaml")}`
      : "databases: {a: }",
    env: has("environment") ? { REDIS_PORT: String(port("environment")) } : {},
    ...(has("registry") ? { registry } : {}),
    overrides: has("overrides") ? { port: port("overrides") } : {},
  });
  return { port: config.databases.a!.port, origin: config.origin("databases.a.port") };
}

const ORIGINS: Record<Source, string> = {
  overrides: "overrides",
  environment: "env REDIS_PORT",
  yaml: "yaml text:2",
  registry: "service registry",
};

Deno.test("load() lets the higher source win, for every pair of sources", () => {
  for (const [i, higher] of SOURCES.entries()) {
    assertEquals(portOf([higher]), { port: 1000 + i, origin: ORIGINS[higher] });
    for (const lower of SOURCES.slice(i + 1)) {
      const expected = { port: 1000 + i, origin: ORIGINS[higher] };
      assertEquals(portOf([higher, lower]), expected, `${higher} > ${lower}`);
    }
  }
  assertEquals(portOf([]), { port: 6379, origin: "default" });
});

Deno.test("load() lets central timeouts win over defaults, and lose to all others", () => {
  const env = { AUTOBOT_REDIS_SOCKET_TIMEOUT: "7" };
  const yaml = "databases: {a: }\n";
  const timeout = (config: ReturnType<typeof configOf>): unknown[] => [
    config.databases.a!.commandTimeoutMs,
    config.origin("databases.a.commandTimeoutMs"),
  ];
  assertEquals(timeout(configOf(yaml)), [5000, "default"]);
  assertEquals(timeout(configOf(yaml, env)), [7000, "env AUTOBOT_REDIS_SOCKET_TIMEOUT"]);
  assertEquals(timeout(configOf(`${yaml}timeout: 3`, env)), [3000, "yaml text:2"]);
  const url = { ...env, REDIS_URL: "redis://localhost?timeout=4" };
  assertEquals(timeout(configOf(yaml, url)), [4000, "env REDIS_URL"]);
  const overrides = { commandTimeoutMs: 1 };
  assertEquals(timeout(configOf(yaml, env, overrides)), [1, "overrides"]);
});

Deno.test("load() lets what is said of one database win inside a source", () => {
  const { databases } = configOf(
    "databases:\n  a: {port: 1, max_connections: 2}\nport: 3\nmax_connections: 4",
  );
  assertEquals([databases.a!.port, databases.a!.maxConnections], [1, 2]);
  const overrides = { port: 5, databases: { a: { port: 6 } } };
  assertEquals(configOf("databases: {a: }", {}, overrides).databases.a!.port, 6);
  const env = { REDIS_URL: "redis://all", REDIS_A_URL: "redis://one" };
  assertEquals(configOf("databases: {a: }", env).databases.a!.host, "one");
});

Deno.test("load() lets a higher source win over what a lower one says of one database", () => {
  const config = configOf("databases: {a: {host: file}, b: {host: file}, c: }", {
    REDIS_HOST: "env",
  });
  assertEquals(Object.values(config.databases).map(({ host }) => host), [
    "env",
    "env",
    "env",
  ]);
  // Never silently: somebody else's server may have been meant.
  assertStringIncludes(
    config.warnings.join("\n"),
    "env REDIS_HOST replaces the host that yaml text:1 gives databases a, b alone; " +
      "REDIS_<NAME>_URL would set one database",
  );
});

Deno.test("load() lets the higher of host and Unix socket void the other", () => {
  const socket = "databases: {a: {unix_socket: /run/r.sock}}";
  const host = configOf(socket, { REDIS_HOST: "h" }).databases.a!;
  assertEquals([host.host, host.unixSocket], ["h", undefined]);
  const unix = configOf("databases: {a: }\nhost: h", { REDIS_URL: "unix:///r" }).databases
    .a!;
  assertEquals(unix.unixSocket, "/r");
  const own = configOf("databases: {a: {unix_socket: /r}}\nhost: h").databases.a!;
  assertEquals(own.unixSocket, "/r");
});

Deno.test("load() lets the higher of password and password_file void the other", async () => {
  const file = await Deno.makeTempFile();
  try {
    await Deno.writeTextFile(file, "from-file");
    const yaml = `databases: {a: {password_file: ${file}}}`;
    const config = configOf(yaml, { REDIS_PASSWORD: "from-env" });
    assertEquals(await reveal(config.databases.a!.password), "from-env");
    const env = { REDIS_PASSWORD_FILE: file };
    const other = configOf("databases: {a: }\npassword: x", env);
    assertEquals(await reveal(other.databases.a!.password), "from-file");
    assertEquals(other.origin("databases.a.password"), "env REDIS_PASSWORD_FILE");
  } finally {
    await Deno.remove(file);
  }
});

Deno.test("load() has the 18 databases of the seed when nobody names any", () => {
  const { databases, warnings } = configOf("port: 7000");
  assertEquals(Object.keys(databases).length, 18);
  assertEquals(databases.main!.db, 0);
  assertEquals(databases.timeseries!.db, 15);
  assertEquals([databases.memory!.db, databases.memory!.aliasOf], [9, "models"]);
  assertEquals([databases.testing!.db, databases.testing!.aliasOf], [15, "timeseries"]);
  assertEquals(databases.prompts!.port, 7000);
  assertEquals(warnings, []);
});

Deno.test("load() has only the databases that a file or code names", () => {
  const config = configOf("databases: {a: , b: }", {}, {
    databases: { c: {}, a: { db: 4 } },
  });
  assertEquals(Object.keys(config.databases), ["a", "b", "c"]);
  assertEquals(config.databases.a!.db, 4);
});
