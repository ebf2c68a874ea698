import { assert, assertEquals, assertRejects } from "@std/assert";
import { RedisConnectionManager, type ScanRestart } from "../../../mod.ts";
import type { ManagerEventMap } from "../../../src/core/events.ts";
import { RedisServer } from "../../../src/testing/redis_server.ts";
import { SentinelTopology } from "../../../src/testing/sentinel_topology.ts";
import { withManager } from "../../support/managed.ts";

const range = (count: number, prefix: string) =>
  Array.from({ length: count }, (_, i) => `${prefix}${i}`);

Deno.test("scanIterator() gives the keys of the prefix without it, whatever characters it has", async () => {
  const keyPrefix = "a*[b]?\\:";
  const options = { keyPrefix, databases: { main: { db: 0 }, bare: { keyPrefix: "" } } };
  await withManager(options, async ({ manager, server }) => {
    const client = manager.getClient("main");
    const keys = range(300, "user:");
    await client.mset(Object.fromEntries(keys.map((key) => [key, 1])));
    await client.hset("user:hash", "f", 1);
    // What the pattern of the prefix would match, were it not escaped.
    await server.cli("SET", "axb:user:none", 1);
    await server.cli("SET", "a*[b]?\\", 1);
    const all = (...found: string[]) => found.sort();
    assertEquals(
      all(...await Array.fromAsync(client.scanIterator({ count: 20 }))),
      [...keys, "user:hash"].sort(),
    );
    assertEquals(
      all(...await Array.fromAsync(client.scanIterator({ match: "user:1?" }))),
      range(10, "user:1"),
    );
    assertEquals(
      await Array.fromAsync(client.scanIterator({ type: "hash", count: 1000 })),
      [
        "user:hash",
      ],
    );
    const streamed: string[] = [];
    for await (const page of client.scanStream({ match: "user:2*", count: 50 })) {
      streamed.push(...page);
    }
    assertEquals(all(...streamed), keys.filter((key) => /^user:2/.test(key)).sort());
    const bytes: Uint8Array[] = [];
    for await (const page of client.scanBufferStream({ match: "user:9?" })) {
      bytes.push(...page);
    }
    assertEquals(all(...bytes.map(String)), range(10, "user:9"));
    // The command itself is as the server has it.
    const [, raw] = await client.scan(0, "MATCH", "*none", "COUNT", 1000);
    assertEquals(raw, ["axb:user:none"]);
    const closed = client.scanStream({ count: 1 });
    let pages = 0;
    for await (const _ of closed) if (++pages === 2) closed.close();
    assert(pages <= 4, `${pages} pages`);
  });
});

Deno.test("hscanIterator(), sscanIterator() and zscanIterator() give fields with values, members, members with scores", async () => {
  const options = { keyPrefix: "p:", databases: { main: { db: 0 } } };
  await withManager(options, async ({ manager }) => {
    const client = manager.getClient("main");
    const names = range(1000, "f");
    await client.hset("h", Object.fromEntries(names.map((name, i) => [name, i])));
    await client.sadd("s", ...names);
    await client.zadd("z", ...names.flatMap((name, i) => [i + 0.5, name]));
    await client.zadd("z", "-inf", "least", "+inf", "most");
    const fields = new Map<string, string>(
      await Array.fromAsync(client.hscanIterator("h", { count: 50 })),
    );
    assertEquals(fields, new Map(names.map((name, i) => [name, String(i)])));
    assertEquals(
      new Set(await Array.fromAsync(client.sscanIterator("s", { match: "f1*" }))),
      new Set(names.filter((name) => name.startsWith("f1"))),
    );
    const scores = new Map<string, number>(
      await Array.fromAsync(client.zscanIterator("z")),
    );
    assertEquals(scores.size, 1002);
    assertEquals(
      ["f7", "least", "most"].map((member) => scores.get(member)),
      [7.5, -Infinity, Infinity],
    );
    assertEquals(await Array.fromAsync(client.hscanIterator("none")), []);
    await assertRejects(
      () => Array.fromAsync(client.sscanIterator("s", { count: 0 })),
      RangeError,
      "count must be an integer of 1 or more: current value is 0",
    );
    await assertRejects(
      () => Array.fromAsync(client.hscanIterator("s")),
      Error,
      "WRONGTYPE",
    );
    const aborted = client.with({ signal: AbortSignal.abort(new Error("enough")) });
    await assertRejects(() => Array.fromAsync(aborted.scanIterator()), Error, "enough");
  });
});

/** Begins to iterate, has something happen to the server, and goes on; gives what there was. */
async function scanAcross(
  elements: AsyncIterator<string>,
  happen: () => Promise<void>,
): Promise<Set<string>> {
  const found = new Set<string>();
  for (let i = 0; i < 50; i++) found.add((await elements.next()).value);
  await happen();
  for (;;) {
    const { done, value } = await elements.next();
    if (done) return found;
    found.add(value);
  }
}

Deno.test("a server that is restarted in the middle is scanned anew, and the caller is told: keys, and members of a set", async () => {
  await using server = await RedisServer.start({ config: { appendonly: "yes" } });
  const { host, port } = server;
  await using manager = new RedisConnectionManager({
    host,
    port,
    databases: { main: {} },
  });
  const client = manager.getClient("main");
  const names = range(2000, "k:");
  await client.mset(Object.fromEntries(names.map((name) => [name, 1])));
  await client.sadd("set", ...names);
  const events: ManagerEventMap["scanrestart"][] = [];
  manager.addEventListener("scanrestart", ({ detail }) => events.push(detail));
  const restarts: ScanRestart[] = [];
  const onRestart = (restart: ScanRestart) => restarts.push(restart);
  const restart = () => server.restart();
  const keys = await scanAcross(client.scanIterator({ count: 100, onRestart }), restart);
  assertEquals(keys, new Set([...names, "set"]));
  const members = client.sscanIterator("set", { count: 100, onRestart });
  assertEquals(await scanAcross(members, restart), new Set(names));
  assertEquals(
    restarts.map(({ endpoint }) => endpoint),
    Array(2).fill(`${host}:${port}`),
  );
  assertEquals(events, restarts.map((each) => ({ database: "main", ...each })));
  // A connection that is lost is no restart: the cursor is good.
  const cut = () => server.cli("CLIENT", "KILL", "TYPE", "normal").then(() => {});
  assertEquals((await scanAcross(client.scanIterator({ count: 100 }), cut)).size, 2001);
  assertEquals(events.length, 2);
});

Deno.test("a sentinel failover in the middle is told, and no key is missing", async () => {
  await using topology = await SentinelTopology.start();
  await using manager = new RedisConnectionManager({
    mode: "sentinel",
    nodes: topology.sentinels.map(({ host, port }) => ({ host, port })),
    sentinelName: topology.name,
    databases: { main: {} },
  });
  const client = manager.getClient("main");
  const names = range(2000, "k:");
  await client.mset(Object.fromEntries(names.map((name) => [name, 1])));
  await client.wait(1, 5000);
  const restarts: ScanRestart[] = [];
  const keys = client.scanIterator({
    count: 100,
    onRestart: (restart) => restarts.push(restart),
  });
  const primary = await topology.primary();
  const found = await scanAcross(keys, () => primary.kill());
  assertEquals(found, new Set(names));
  assertEquals(restarts.length, 1);
  assert(restarts[0]!.endpoint !== `${primary.host}:${primary.port}`);
});
