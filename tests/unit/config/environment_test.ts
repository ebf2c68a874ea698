import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { RedisConfigLoader } from "../../../src/config/mod.ts";
import { configOf, onlyProblem, reveal } from "./support.ts";

const ONE = "databases: {main: {db: 0}}";

/** Variables, the setting they give and where it then comes from. */
const VARIABLES: [
  env: Record<string, string>,
  key: string,
  value: unknown,
  from: string,
][] = [
  [{ REDIS_HOST: "h" }, "host", "h", "REDIS_HOST"],
  [{ AUTOBOT_REDIS_HOST: "h" }, "host", "h", "AUTOBOT_REDIS_HOST"],
  [{ REDIS_HOST: "a", AUTOBOT_REDIS_HOST: "b" }, "host", "a", "REDIS_HOST"],
  [{ REDIS_PORT: "7000" }, "port", 7000, "REDIS_PORT"],
  [{ AUTOBOT_REDIS_PORT: "7001" }, "port", 7001, "AUTOBOT_REDIS_PORT"],
  [{ REDIS_USERNAME: "u" }, "username", "u", "REDIS_USERNAME"],
  [{ REDIS_DB: "4" }, "db", 4, "REDIS_DB"],
  [{ REDIS_DB_MAIN: "5" }, "db", 5, "REDIS_DB_MAIN"],
  [{ REDIS_DB: "4", REDIS_DB_MAIN: "5" }, "db", 5, "REDIS_DB_MAIN"],
  [{ REDIS_URL: "redis://h:7002/6" }, "host", "h", "REDIS_URL"],
  [{ REDIS_URL: "redis://h:7002/6" }, "port", 7002, "REDIS_URL"],
  [{ REDIS_URL: "redis://h:7002/6" }, "db", 6, "REDIS_URL"],
  [{ REDIS_URL: "redis://h", REDIS_HOST: "other" }, "host", "h", "REDIS_URL"],
  [{ REDIS_URL: "redis://h", REDIS_USERNAME: "u" }, "username", "u", "REDIS_USERNAME"],
  [
    { REDIS_URL: "redis://h", REDIS_MAIN_URL: "redis://m" },
    "host",
    "m",
    "REDIS_MAIN_URL",
  ],
  [{ REDIS_URL: "unix:///r", REDIS_HOST: "h" }, "unixSocket", "/r", "REDIS_URL"],
  [{ REDIS_URL: "rediss://h" }, "tls.enabled", true, "REDIS_URL"],
  [{ REDIS_URL: "redis://h?timeout=2" }, "commandTimeoutMs", 2000, "REDIS_URL"],
  [
    { AUTOBOT_REDIS_TLS_ENABLED: "true" },
    "tls.enabled",
    true,
    "AUTOBOT_REDIS_TLS_ENABLED",
  ],
  [{ AUTOBOT_REDIS_TLS_ENABLED: "1" }, "tls.enabled", true, "AUTOBOT_REDIS_TLS_ENABLED"],
  [
    { AUTOBOT_REDIS_TLS_ENABLED: "TRUE", AUTOBOT_REDIS_TLS_PORT: "6380" },
    "port",
    6380,
    "AUTOBOT_REDIS_TLS_PORT",
  ],
  [{ REDIS_TLS: "true" }, "tls.enabled", true, "REDIS_TLS"],
  [
    { REDIS_TLS: "0", AUTOBOT_REDIS_TLS_ENABLED: "1" },
    "tls.enabled",
    false,
    "REDIS_TLS",
  ],
  [{ REDIS_TLS: "false", REDIS_URL: "rediss://h" }, "tls.enabled", true, "REDIS_URL"],
  [
    { REDIS_URL: "rediss://h", AUTOBOT_REDIS_TLS_PORT: "6380" },
    "port",
    6379,
    "REDIS_URL",
  ],
  [
    { AUTOBOT_REDIS_SOCKET_TIMEOUT: "2" },
    "commandTimeoutMs",
    2000,
    "AUTOBOT_REDIS_SOCKET_TIMEOUT",
  ],
  [
    { AUTOBOT_REDIS_CONNECT_TIMEOUT: "2" },
    "connectTimeoutMs",
    2000,
    "AUTOBOT_REDIS_CONNECT_TIMEOUT",
  ],
  [
    { AUTOBOT_REDIS_RETRY_ON_TIMEOUT: "False" },
    "retryOnTimeout",
    false,
    "AUTOBOT_REDIS_RETRY_ON_TIMEOUT",
  ],
  [{ AUTOBOT_REDIS_MAX_RETRIES: "9" }, "maxRetries", 9, "AUTOBOT_REDIS_MAX_RETRIES"],
  [
    { AUTOBOT_REDIS_CIRCUIT_BREAKER_TIMEOUT: "9" },
    "circuitBreakerTimeoutMs",
    9000,
    "AUTOBOT_REDIS_CIRCUIT_BREAKER_TIMEOUT",
  ],
];

Deno.test("load() takes settings from the environment, as object and as function", () => {
  for (const [env, key, value, from] of VARIABLES) {
    for (const source of [env, (name: string) => env[name]]) {
      const config = configOf(ONE, source);
      const found = config.explain("main").find(({ path }) =>
        path === `databases.main.${key}`
      );
      assertEquals(
        [found?.value, found?.origin],
        [value, `env ${from}`],
        JSON.stringify(env),
      );
    }
  }
});

Deno.test("load() takes passwords from the environment", async () => {
  for (
    const [env, expected] of [
      [{ REDIS_PASSWORD: "a" }, "a"],
      [{ AUTOBOT_REDIS_PASSWORD: "b" }, "b"],
      [{ REDIS_PASSWORD: "a", AUTOBOT_REDIS_PASSWORD: "b" }, "a"],
      [{ REDIS_URL: "redis://:c@localhost", REDIS_PASSWORD: "a" }, "c"],
      [{ REDIS_MAIN_PASSWORD: "d", REDIS_PASSWORD: "a" }, "d"],
      [{ REDIS_PASSWORD: "" }, undefined],
    ] as [Record<string, string>, string | undefined][]
  ) {
    assertEquals(await reveal(configOf(ONE, env).databases.main!.password), expected);
  }
});

Deno.test("load() leaves the variables of TLS alone when TLS is not enabled", () => {
  const config = configOf(ONE, {
    AUTOBOT_REDIS_TLS_PORT: "6380",
    AUTOBOT_TLS_CA_PATH: "/ca.pem",
  });
  assertEquals(config.databases.main!.port, 6379);
  assertEquals(config.databases.main!.tls, { enabled: false, verify: true });
  const explicit = configOf(ONE, {
    AUTOBOT_REDIS_TLS_ENABLED: "true",
    AUTOBOT_REDIS_TLS_PORT: "6380",
    REDIS_PORT: "7000",
  });
  assertEquals(explicit.databases.main!.port, 7000);
});

Deno.test("load() gives a number for all to main and to databases without one", () => {
  const yaml = "databases: {main: {db: 1}, sessions: {db: 2}, workflows: , carts: }";
  const { databases } = configOf(yaml, { REDIS_URL: "redis://localhost/9" });
  const numbers = Object.values(databases).map(({ name, db }) => `${name} ${db}`);
  assertEquals(numbers, ["main 9", "sessions 2", "workflows 7", "carts 9"]);
});

Deno.test("load() finds the variables of names with other characters", () => {
  const { databases } = configOf("databases: {user-cache.v2: }", {
    REDIS_DB_USER_CACHE_V2: "3",
    REDIS_USER_CACHE_V2_URL: "redis://u.test",
  });
  assertEquals(databases["user-cache.v2"]!.db, 3);
  assertEquals(databases["user-cache.v2"]!.host, "u.test");
});

Deno.test("load() adds the databases that the environment names", () => {
  const names = (env: Record<string, string>, yaml = ""): string[] =>
    Object.keys(configOf(yaml, env).databases).slice(yaml === "" ? 18 : 0);
  assertEquals(names({ REDIS_DATABASES: "carts, orders,main" }), ["carts", "orders"]);
  assertEquals(names({ REDIS_CARTS_URL: "redis://c", REDIS_DB_ORDERS: "3" }), [
    "carts",
    "orders",
  ]);
  // What fits no database is somebody else's variable.
  assertEquals(names({ REDIS_UI_URL: "http://x", REDIS_DB_HOST: "h" }), []);
  // Where a file names the databases, only the list adds to it.
  const env = { REDIS_CARTS_URL: "redis://c", REDIS_DATABASES: "orders" };
  assertEquals(names(env, "databases: {a: }"), ["a", "orders"]);
});

Deno.test("load() ignores the service links of Kubernetes, and says so", () => {
  const config = configOf(ONE, { REDIS_PORT: "tcp://10.3.241.5:6379" });
  assertEquals(config.databases.main!.port, 6379);
  assertEquals(config.warnings, [
    "env REDIS_PORT holds a service link of Kubernetes or Docker, not a port; ignored",
  ]);
});

Deno.test("load() refuses bad variables by their names", () => {
  for (
    const [env, complaint] of [
      [
        { REDIS_PORT: "70000" },
        'env REDIS_PORT: port: found "70000", allowed: a whole ' +
        "number from 1 to 65535",
      ],
      [
        { REDIS_DB_MAIN: "x" },
        'env REDIS_DB_MAIN: databases.main.db: found "x", ' +
        "allowed: a whole number from 0 to 2147483647",
      ],
      [
        { REDIS_URL: "localhost" },
        "env REDIS_URL: url: found a text of 9 characters " +
        "that is no URL, allowed: redis://, rediss:// or unix://",
      ],
      [
        { REDIS_MAIN_URL: "redis://h:x" },
        "env REDIS_MAIN_URL: databases.main.url: the " +
        "URL cannot be read; a password's special characters are written as %XX, a port " +
        "is a number from 1 to 65535",
      ],
      [
        { REDIS_HOST: "a:1" },
        'env REDIS_HOST: host: found "a:1", allowed: a host name ' +
        "or address without port or scheme",
      ],
      [
        { AUTOBOT_REDIS_TLS_ENABLED: "maybe" },
        "env AUTOBOT_REDIS_TLS_ENABLED: " +
        'tls.enabled: found "maybe", allowed: true or false',
      ],
      [
        { AUTOBOT_REDIS_MAX_RETRIES: "-1" },
        "env AUTOBOT_REDIS_MAX_RETRIES: max_retries: " +
        'found "-1", allowed: a whole number from 0 to 1000',
      ],
      [
        { REDIS_DATABASES: "two words" },
        "env REDIS_DATABASES: databases: found the name " +
        '"two…"',
      ],
    ] as [Record<string, string>, string][]
  ) {
    assertEquals(onlyProblem(() => configOf(ONE, env)), complaint);
  }
});

Deno.test("load() counts a variable that may not be read as absent, with one sentence", () => {
  const asked: string[] = [];
  const config = configOf(ONE, (name) => {
    asked.push(name);
    if (name === "REDIS_HOST") return "h";
    throw new Deno.errors.NotCapable(`Requires env access to "${name}"`);
  });
  assertEquals(config.databases.main!.host, "h");
  assertEquals(config.warnings.length, 1);
  assertStringIncludes(config.warnings[0]!, "may not be read and count as not set");
  assertStringIncludes(config.warnings[0]!, "--allow-env");
  assertEquals(new Set(asked).size, asked.length, "asked once for each name");
});

Deno.test("load() reads no variables of an environment object's prototype", () => {
  const config = configOf(`${ONE}\nusername: \${toString:-none}`, {});
  assertEquals(config.databases.main!.username, "none");
});

Deno.test("fromEnv() gives the environment's settings with their origins", () => {
  const partial = RedisConfigLoader.fromEnv({
    REDIS_URL: "rediss://:pw@h:7000/2",
    REDIS_DB_SESSIONS: "3",
    REDIS_CARTS_URL: "redis://c",
  });
  assertEquals(partial.options.host, "h");
  assertEquals(partial.options.tls, { enabled: true });
  assertEquals({ ...partial.options.databases }, {
    sessions: { db: 3 },
    carts: { host: "c", port: 6379 },
  });
  assertEquals(partial.origins["databases.carts.host"], "env REDIS_CARTS_URL");
  assert(!Deno.inspect(partial).includes("pw"), "the password is masked");
  const { options } = RedisConfigLoader.fromEnv({ REDIS_DB_CARTS: "3" }, ["carts"]);
  assertEquals(options.databases!.carts, { db: 3 });
});

Deno.test("timeouts() gives the central timeouts with their origins", () => {
  const partial = RedisConfigLoader.timeouts({ AUTOBOT_REDIS_MAX_RETRIES: "9" });
  assertEquals(partial.options, { maxRetries: 9 });
  assertEquals({ ...partial.origins }, { maxRetries: "env AUTOBOT_REDIS_MAX_RETRIES" });
});
