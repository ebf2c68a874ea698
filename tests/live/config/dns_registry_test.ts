import { assert, assertEquals, assertRejects } from "@std/assert";
import { RedisConfigLoader } from "../../../src/config/mod.ts";
import { DnsServiceRegistry } from "../../../src/config/registries.ts";
import { ConfigError } from "../../../src/core/errors/base.ts";
import { DnsServer } from "../../support/dns_server.ts";

const NAME = "_redis._tcp.service.test";
const BASE = { yamlText: "databases: {main: }", env: {} };

Deno.test("DnsServiceRegistry finds the service that a DNS server's SRV record names", async () => {
  await using dns = await DnsServer.start({
    [NAME]: [
      { type: "SRV", target: "backup.test", port: 1, priority: 20 },
      { type: "SRV", target: "redis-1.test", port: 7000, priority: 10, weight: 5 },
    ],
  });
  const registry = new DnsServiceRegistry({
    domain: "service.test.",
    nameServer: dns.nameServer,
  });
  const config = await RedisConfigLoader.load({ ...BASE, registry });
  const { host, port } = config.databases.main!;
  assertEquals([host, port], ["redis-1.test", 7000]);
  assertEquals(config.origin("databases.main.host"), "registry dns service.test");
  assertEquals(dns.queries.map(({ name, type }) => [name, type]), [[NAME, 33]]);
  assertEquals(config.warnings, []);
});

Deno.test("DnsServiceRegistry chooses among equals by weight", async () => {
  await using dns = await DnsServer.start({
    [NAME]: [
      { type: "SRV", target: "light.test", port: 1, weight: 1 },
      { type: "SRV", target: "heavy.test", port: 2, weight: 9 },
    ],
  });
  const choose = async (random: number): Promise<string | undefined> => {
    const registry = new DnsServiceRegistry({
      domain: "service.test",
      nameServer: dns.nameServer,
      random: () => random,
    });
    return (await registry.getServiceConfig("redis"))?.host;
  };
  assertEquals([await choose(0.05), await choose(0.5)], ["light.test", "heavy.test"]);
});

Deno.test("load() goes on without a DNS server that knows nothing, fails or is silent", async () => {
  await using dns = await DnsServer.start();
  const registryOf = (timeoutMs: number) =>
    new DnsServiceRegistry({
      domain: "service.test",
      nameServer: dns.nameServer,
      timeoutMs,
    });
  const registry = registryOf(20_000);
  const options = { ...BASE, registry, registryTimeoutMs: 20_000 };
  const unknown = await RedisConfigLoader.load(options);
  assertEquals(unknown.databases.main!.host, "localhost");
  assertEquals(unknown.warnings, [
    'registry dns service.test: it knows no service "redis"; going on without it',
  ]);
  dns.mood = "silent";
  const silent = await RedisConfigLoader.load({ ...options, registry: registryOf(200) });
  assertEquals(silent.warnings, [
    `registry dns service.test: cannot resolve SRV ${NAME}: no answer within 200 ms; ` +
    "going on without it",
  ]);
  dns.mood = "servfail";
  const failing = await RedisConfigLoader.load(options);
  assertEquals(failing.warnings.length, 1);
});

Deno.test("DnsServiceRegistry.getServiceConfig() fails as ConfigError, and ends on a signal", async () => {
  await using dns = await DnsServer.start();
  dns.mood = "silent";
  const registry = new DnsServiceRegistry({
    domain: "service.test",
    nameServer: dns.nameServer,
    timeoutMs: 60_000,
  });
  const start = performance.now();
  await assertRejects(
    () => registry.getServiceConfig("redis", { signal: AbortSignal.timeout(50) }),
    ConfigError,
  );
  assert(performance.now() - start < 30_000);
});
