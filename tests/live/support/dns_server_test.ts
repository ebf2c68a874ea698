import { assert, assertEquals, assertRejects } from "@std/assert";
import { type DnsRecord, DnsServer } from "../../support/dns_server.ts";

const TABLE: Record<string, DnsRecord[]> = {
  "_redis._tcp.service.test": [
    { type: "SRV", target: "a.service.test", port: 6379, priority: 1, weight: 10 },
    { type: "SRV", target: "b.service.test", port: 6380, priority: 2 },
  ],
  "a.service.test": [
    { type: "A", address: "127.0.0.1" },
    { type: "A", address: "10.1.2.255" },
  ],
};

function start(): Promise<DnsServer> {
  return DnsServer.start(TABLE);
}

Deno.test("DnsServer answers SRV and A from its table", async () => {
  await using dns = await start();
  const { nameServer } = dns;
  assertEquals(
    (await Deno.resolveDns("_redis._tcp.service.test", "SRV", { nameServer }))
      .map(({ target, port, priority, weight }) => [target, port, priority, weight])
      .sort(),
    [["a.service.test.", 6379, 1, 10], ["b.service.test.", 6380, 2, 0]],
  );
  assertEquals(
    (await Deno.resolveDns("A.Service.Test", "A", { nameServer })).sort(),
    ["10.1.2.255", "127.0.0.1"],
  );
  assertEquals(dns.queries, [
    { name: "_redis._tcp.service.test", type: 33 },
    { name: "a.service.test", type: 1 },
  ]);
});

Deno.test("DnsServer answers from the table as it is now", async () => {
  await using dns = await start();
  const { nameServer } = dns;
  dns.records.set("a.service.test", [{ type: "A", address: "127.0.0.2" }]);
  assertEquals(await Deno.resolveDns("a.service.test", "A", { nameServer }), [
    "127.0.0.2",
  ]);
  dns.records.delete("a.service.test");
  await assertRejects(
    () => Deno.resolveDns("a.service.test", "A", { nameServer }),
    Deno.errors.NotFound,
  );
});

Deno.test("DnsServer knows a name without records of the type, and no name it has not", async () => {
  await using dns = await start();
  const { nameServer } = dns;
  for (const [name, type] of [["a.service.test", "SRV"], ["no.test", "A"]] as const) {
    await assertRejects(
      () => Deno.resolveDns(name, type, { nameServer }),
      Deno.errors.NotFound,
    );
  }
});

Deno.test("DnsServer that fails, or is late, does so", async () => {
  await using dns = await start();
  const { nameServer } = dns;
  dns.mood = "servfail";
  await assertRejects(() => Deno.resolveDns("a.service.test", "A", { nameServer }));
  dns.mood = { delayMs: 100 };
  const before = performance.now();
  await Deno.resolveDns("a.service.test", "A", { nameServer });
  assert(performance.now() - before >= 99);
});

Deno.test("DnsServer that is silent gives no answer", async () => {
  await using dns = await start();
  dns.mood = "silent";
  const ending = new AbortController();
  const timer = setTimeout(() => ending.abort(), 200);
  await assertRejects(
    () =>
      Deno.resolveDns("a.service.test", "A", {
        nameServer: dns.nameServer,
        signal: ending.signal,
      }),
    DOMException,
    "aborted",
  );
  clearTimeout(timer);
  assertEquals(dns.queries[0].name, "a.service.test");
});
