import { assert, assertEquals, assertFalse, assertRejects } from "@std/assert";
import { RedisConfigLoader } from "../../../src/config/mod.ts";
import { HttpServiceRegistry } from "../../../src/config/registries.ts";
import { ConfigError } from "../../../src/core/errors/base.ts";
import { freePort } from "../../../src/testing/ports.ts";
import { ConsulServer } from "../../support/consul_server.ts";

const BASE = { yamlText: "databases: {main: }", env: {} };

Deno.test("HttpServiceRegistry finds the first healthy instance", async () => {
  await using consul = ConsulServer.start({
    redis: [
      { address: "10.0.0.1", port: 1, passing: false },
      { address: "10.0.0.2", port: 7000 },
      { address: "10.0.0.3", port: 3 },
    ],
  });
  const registry = new HttpServiceRegistry({ url: consul.url });
  const config = await RedisConfigLoader.load({ ...BASE, registry });
  const { host, port } = config.databases.main!;
  assertEquals([host, port], ["10.0.0.2", 7000]);
  assertEquals(config.origin("databases.main.port"), `registry ${consul.url}`);
  assertEquals(consul.requests, ["/v1/health/service/redis?passing=true"]);
});

Deno.test("HttpServiceRegistry takes the node's address where the service has none", async () => {
  await using consul = ConsulServer.start({
    redis: [{ address: "", port: 7000, nodeAddress: "10.9.9.9" }],
  });
  const registry = new HttpServiceRegistry({ url: new URL(`${consul.url}/`) });
  assertEquals(await registry.getServiceConfig("redis"), {
    host: "10.9.9.9",
    port: 7000,
  });
});

Deno.test("HttpServiceRegistry asks with tag, datacenter and token", async () => {
  await using consul = ConsulServer.start({
    redis: [
      { address: "a", port: 1, tags: ["replica"] },
      { address: "b", port: 2, tags: ["primary"] },
    ],
  }, { token: "hunter2" });
  const registry = new HttpServiceRegistry({
    url: consul.url,
    tag: "primary",
    datacenter: "dc 1",
    token: "hunter2",
  });
  assertEquals(await registry.getServiceConfig("redis"), { host: "b", port: 2 });
  assertEquals(consul.requests, [
    "/v1/health/service/redis?passing=true&tag=primary&dc=dc+1",
  ]);
  assertFalse(Deno.inspect(registry, { showHidden: true, depth: 9 }).includes("hunter2"));
  const denied = new HttpServiceRegistry({ url: consul.url, token: "wrong-token" });
  const error = await assertRejects(() => denied.getServiceConfig("redis"), ConfigError);
  assertEquals(
    error.problems[0]!.message,
    'cannot ask for service "redis": the answer has status 403',
  );
});

Deno.test("load() goes on without a registry that knows nothing, is slow or is down", async () => {
  await using consul = ConsulServer.start({
    redis: [{ address: "a", port: 1, passing: false }],
  });
  const port = freePort();
  const load = async (
    url: string,
    timeoutMs = 20_000,
  ): Promise<readonly string[]> => {
    const registry = new HttpServiceRegistry({ url, timeoutMs });
    const options = { ...BASE, registry, registryTimeoutMs: 20_000 };
    const config = await RedisConfigLoader.load(options);
    assertEquals(config.databases.main!.host, "localhost");
    return config.warnings;
  };
  const name = `registry ${consul.url}`;
  const asking = `${name}: cannot ask for service "redis"`;
  const without = "; going on without it";
  assertEquals(await load(consul.url), [
    `${name}: it knows no service "redis"${without}`,
  ]);
  consul.mood = "silent";
  assertEquals(await load(consul.url, 200), [
    `${asking}: no answer within 200 ms${without}`,
  ]);
  consul.mood = { delayMs: 5000 };
  assertEquals(await load(consul.url, 200), [
    `${asking}: no answer within 200 ms${without}`,
  ]);
  const bodies: [mood: { status: number; body: string }, reason: string][] = [
    [{ status: 500, body: "hunter2" }, "the answer has status 500"],
    [{ status: 200, body: "hunter2" }, "the answer is not JSON"],
    [{ status: 200, body: "{}" }, "the answer is a mapping, allowed: a list"],
    [{ status: 200, body: "[5]" }, "the answer's first instance has no Address and Port"],
    [
      { status: 200, body: `[${" ".repeat(1_100_000)}]` },
      "the answer cannot be read: it is larger than allowed: at most 1048576 bytes",
    ],
  ];
  for (const [mood, reason] of bodies) {
    consul.mood = mood;
    assertEquals(await load(consul.url), [`${asking}: ${reason}${without}`]);
  }
  const down = await load(`http://127.0.0.1:${port}`);
  assertEquals(down, [
    `registry http://127.0.0.1:${port}: cannot ask for service "redis": no connection to ` +
    `the registry${without}`,
  ]);
});

Deno.test("HttpServiceRegistry follows no redirect: the token would go with it", async () => {
  let followed = false;
  await using other = Deno.serve(
    { port: 0, hostname: "127.0.0.1", onListen() {} },
    () => {
      followed = true;
      return Response.json([]);
    },
  );
  await using server = Deno.serve(
    { port: 0, hostname: "127.0.0.1", onListen() {} },
    () => Response.redirect(`http://127.0.0.1:${other.addr.port}/`),
  );
  const registry = new HttpServiceRegistry({
    url: `http://127.0.0.1:${server.addr.port}`,
    token: "hunter2",
  });
  await assertRejects(() => registry.getServiceConfig("redis"), ConfigError);
  assert(!followed);
});
