import { assert, assertEquals } from "@std/assert";
import { type ManagerConfig, RedisConfigLoader } from "../../../src/config/mod.ts";
import {
  COMPOSE,
  HEROKU,
  KUBERNETES,
  RAILWAY,
  RENDER,
  UPSTASH_ON_VERCEL,
} from "./fixtures/platforms.ts";

type Env = Record<string, string>;

function configOf(env: Env): ManagerConfig {
  return RedisConfigLoader.loadSync({ yamlText: "", env });
}

/** The databases that stand beside the 18 default ones. */
function added(env: Env): string[] {
  return Object.keys(configOf(env).databases).slice(18);
}

/** What is said about variables of the environment. */
function warnings(env: Env): string[] {
  return configOf(env).warnings.filter((one) => one.startsWith("env "));
}

Deno.test("no platform's environment creates a database by accident", () => {
  const platforms = { KUBERNETES, HEROKU, RAILWAY, RENDER, UPSTASH_ON_VERCEL, COMPOSE };
  for (const [platform, env] of Object.entries(platforms)) {
    assertEquals(added(env), [], platform);
    const { databases } = configOf(env);
    const names = RedisConfigLoader.fromEnv(env).options.databases ?? {};
    assertEquals(Object.keys(names), [], platform);
    assertEquals(databases.main!.db, 0, platform);
  }
  assertEquals(
    configOf(HEROKU).databases.main!.host,
    "ec2-1-2-3-4.compute-1.amazonaws.com",
  );
  assertEquals(configOf(HEROKU).databases.main!.tls.enabled, false);
  assertEquals(configOf(RAILWAY).databases.main!.host, "redis.railway.internal");
  assertEquals(configOf(COMPOSE).databases.main!.host, "redis");
  assertEquals(configOf(KUBERNETES).databases.main!.port, 6379);
});

/** Service names that make variables beginning with REDIS_. */
const SERVICES = [
  "redis",
  "redis-db",
  "redis-db-cache",
  "redis-db-orders",
  "redis-db-0",
  "redis-master",
  "redis-replicas",
  "redis-headless",
  "redis-url",
  "redis-databases",
  "redis-tls",
  "redis-db-env",
  "redis-orders-url",
  "autobot-redis",
];

/** Ports by name; numbers below 1024 look like numbers of databases. */
const PORTS: Record<string, number>[] = [
  { redis: 6379 },
  { "tcp-redis": 6379, metrics: 9121 },
  { web: 80 },
];

/** The variables that Kubernetes makes of a service with the given ports. */
function serviceLinks(service: string, ports: Record<string, number>): Env {
  const name = service.toUpperCase().replaceAll("-", "_");
  const [[, first] = ["", 0]] = Object.entries(ports);
  const env: Env = {
    [`${name}_SERVICE_HOST`]: "10.96.14.7",
    [`${name}_SERVICE_PORT`]: String(first),
    [`${name}_PORT`]: `tcp://10.96.14.7:${first}`,
  };
  for (const [port, number] of Object.entries(ports)) {
    const suffix = port.toUpperCase().replaceAll("-", "_");
    env[`${name}_SERVICE_PORT_${suffix}`] = String(number);
    env[`${name}_PORT_${number}_TCP`] = `tcp://10.96.14.7:${number}`;
    env[`${name}_PORT_${number}_TCP_PROTO`] = "tcp";
    env[`${name}_PORT_${number}_TCP_PORT`] = String(number);
    env[`${name}_PORT_${number}_TCP_ADDR`] = "10.96.14.7";
  }
  return env;
}

Deno.test("service links of Kubernetes name no database, whatever the service is called", () => {
  for (const service of SERVICES) {
    for (const ports of PORTS) {
      const env = serviceLinks(service, ports);
      assertEquals(added(env), [], `${service}: ${Object.keys(env)}`);
      const said = warnings(env).filter((one) => !one.includes("holds a service link"));
      assertEquals(said, [], service);
    }
  }
  const all = SERVICES.reduce<Env>(
    (env, service) => ({ ...env, ...serviceLinks(service, { redis: 6379 }) }),
    {},
  );
  assertEquals(added(all), []);
});

/** Variables that programs and images use, none of them about a database. */
const FOREIGN: Env = {
  REDIS_DB_HOST: "1",
  REDIS_DB_INDEX: "3",
  REDIS_DB_NUMBER: "3",
  REDIS_DB_TIMEOUT: "5",
  REDIS_DB_POOL_SIZE: "10",
  REDIS_DB_MAX_CONNECTIONS: "50",
  REDIS_DB_CACHE_TTL: "900",
  REDIS_DB_SSL: "1",
  REDIS_DB_ORDERS_MS: "5",
  REDIS_DB_SOMETHING: "6379",
  REDIS_DB_URL: "redis://h",
  REDIS_TLS_URL: "rediss://h",
  REDIS_PUBLIC_URL: "redis://h",
  REDIS_PRIVATE_URL: "redis://h",
  REDIS_INTERNAL_URL: "redis://h",
  REDIS_REPLICA_1_URL: "redis://h",
  REDIS_READ_ONLY_URL: "redis://h",
  REDIS_SENTINEL_URL: "redis://h",
  REDIS_CONNECTION_URL: "redis://h",
  REDIS_TEST_URL: "redis://h",
};

Deno.test("what may be somebody else's variable names no database, and a warning says how it could", () => {
  for (const [variable, value] of Object.entries(FOREIGN)) {
    const env = { [variable]: value };
    assertEquals(added(env), [], variable);
    const [warning, ...more] = warnings(env);
    assertEquals(more, [], variable);
    const name = /list it: REDIS_DATABASES=(.*)$/.exec(warning ?? "")?.[1];
    assert(name !== undefined, `${variable}: ${warning}`);
    assertEquals(added({ ...env, REDIS_DATABASES: name }), [name], "as the warning says");
    assertEquals(warnings({ ...env, REDIS_DATABASES: name }), []);
  }
  assertEquals([added({ REDIS_DB_1: "1" }), warnings({ REDIS_DB_1: "1" })], [[], []]);
});

Deno.test("another way to the database of REDIS_URL is no database of its own", () => {
  const main = "redis://default:secret@inside.test:6379";
  for (
    const other of [
      main,
      "rediss://default:secret@outside.test:6380",
      "redis://default:secret@inside.test:6379/0",
      "redis://inside.test:6379",
    ]
  ) assertEquals(added({ REDIS_URL: main, REDIS_EDGE_URL: other }), [], other);
  for (
    const other of [
      "redis://default:secret@inside.test:6379/3",
      "redis://default:other@outside.test:6379",
      "redis://outside.test",
    ]
  ) assertEquals(added({ REDIS_URL: main, REDIS_EDGE_URL: other }), ["edge"], other);
});

Deno.test("a number in REDIS_DATABASES is the count of a server's databases, and ignored", () => {
  assertEquals(added({ REDIS_DATABASES: "16" }), []);
  assertEquals(warnings({ REDIS_DATABASES: "16" }), [
    "env REDIS_DATABASES holds the number 16, allowed: names of databases, with commas " +
    "between; ignored",
  ]);
  assertEquals(added({ REDIS_DATABASES: "carts, 16" }), ["carts"]);
});

Deno.test("no warning is due for what is certainly not meant", () => {
  for (const env of [KUBERNETES, COMPOSE]) {
    const said = warnings(env).filter((one) => !one.includes("holds a service link"));
    assertEquals(said, []);
  }
  const url = "rediss://:pw@h.test:6380";
  assertEquals(warnings({ REDIS_URL: url, REDIS_TLS_URL: url }), []);
});
