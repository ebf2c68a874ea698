import { assert, assertEquals, assertRejects } from "@std/assert";
import { ConsulServer } from "../../support/consul_server.ts";

const SERVICES = {
  redis: [
    { address: "10.0.0.7", port: 6379, tags: ["primary"], meta: { db: "0" } },
    { address: "", nodeAddress: "10.0.0.8", port: 6380 },
    { address: "10.0.0.9", port: 6381, passing: false },
  ],
};

interface Entry {
  Node: { Address: string };
  Service: {
    Address: string;
    Port: number;
    Tags: string[];
    Meta: Record<string, string>;
  };
  Checks: { Status: string }[];
}

async function ports(url: string): Promise<number[]> {
  const entries: Entry[] = await (await fetch(url)).json();
  return entries.map(({ Service }) => Service.Port);
}

Deno.test("ConsulServer lists instances in Consul's shape", async () => {
  await using consul = ConsulServer.start(SERVICES);
  const response = await fetch(`${consul.url}/v1/health/service/redis`);
  assertEquals(response.headers.get("content-type"), "application/json");
  const [first, second, third]: Entry[] = await response.json();
  assertEquals(first.Service, {
    ...first.Service,
    Address: "10.0.0.7",
    Port: 6379,
    Tags: ["primary"],
    Meta: { db: "0" },
  });
  assertEquals([second.Service.Address, second.Node.Address], ["", "10.0.0.8"]);
  assertEquals([first, third].map(({ Checks }) => Checks[0].Status), [
    "passing",
    "critical",
  ]);
});

Deno.test("ConsulServer filters by passing and tag, and knows what is there now", async () => {
  await using consul = ConsulServer.start(SERVICES);
  const url = `${consul.url}/v1/health/service/redis`;
  assertEquals(await ports(url), [6379, 6380, 6381]);
  assertEquals(await ports(`${url}?passing`), [6379, 6380]);
  assertEquals(await ports(`${url}?passing=false`), [6379, 6380, 6381]);
  assertEquals(await ports(`${url}?passing=1&tag=primary`), [6379]);
  assertEquals(await ports(`${consul.url}/v1/health/service/none?passing`), []);
  consul.services.set("redis", [{ address: "10.0.0.1", port: 1 }]);
  assertEquals(await ports(`${url}?passing`), [1]);
  assertEquals(consul.requests.at(-1), "/v1/health/service/redis?passing");
});

Deno.test("ConsulServer refuses other paths, and requests without its token", async () => {
  await using consul = ConsulServer.start(SERVICES, { token: "t" });
  const status = async (path: string, headers?: Record<string, string>) => {
    const response = await fetch(`${consul.url}${path}`, { headers });
    await response.body?.cancel();
    return response.status;
  };
  const token = { "X-Consul-Token": "t" };
  assertEquals(await status("/v1/health/service/redis", token), 200);
  assertEquals(await status("/v1/health/service/redis"), 403);
  assertEquals(await status("/v1/kv/redis", token), 404);
});

Deno.test("ConsulServer that fails, is late or silent does so", async () => {
  await using consul = ConsulServer.start(SERVICES);
  const url = `${consul.url}/v1/health/service/redis`;
  consul.mood = { status: 500, body: "No cluster leader" };
  const response = await fetch(url);
  assertEquals([response.status, await response.text()], [500, "No cluster leader"]);
  consul.mood = { delayMs: 100 };
  const before = performance.now();
  assertEquals((await ports(url)).length, 3);
  assert(performance.now() - before >= 99);
  consul.mood = "silent";
  const ending = new AbortController();
  const timer = setTimeout(() => ending.abort(), 100);
  await assertRejects(() => fetch(url, { signal: ending.signal }), DOMException);
  clearTimeout(timer);
});
