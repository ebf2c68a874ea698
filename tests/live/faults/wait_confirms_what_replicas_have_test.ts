import {
  assert,
  assertEquals,
  assertInstanceOf,
  assertRejects,
  assertStringIncludes,
} from "@std/assert";
import { CommandRefusedError, RedisConnectionManager } from "../../../mod.ts";
import { FaultProxy } from "../../../src/testing/fault_proxy.ts";
import type { RedisServer } from "../../../src/testing/redis_server.ts";
import { assertNoConnectionsLeft } from "../../support/clients.ts";
import { startReplicated } from "../../support/replicated.ts";
import { report } from "./_report.ts";

/** Ways to write: on lanes, in a batch, in a script, in a transaction, on a lease. */
const WRITES: readonly [string, (manager: RedisConnectionManager) => Promise<unknown>][] =
  [
    ["INCR", (manager) => manager.getClient("main").incr("n")],
    [
      "pipeline",
      (manager) => manager.pipeline("main", (p) => void p.incr("n").incr("n")),
    ],
    [
      "script",
      (manager) =>
        manager.getClient("main").eval("return redis.call('incr', KEYS[1])", 1, "n"),
    ],
    ["transaction", (manager) => manager.transaction("main", (tx) => void tx.incr("n"))],
    [
      "lease",
      async (manager) => {
        await using lease = await manager.acquire("main");
        await lease.client.incr("n");
      },
    ],
  ];

async function supports(server: RedisServer, command: string): Promise<boolean> {
  const [info] = await server.cli("COMMAND", "INFO", command) as unknown[];
  return info !== null;
}

Deno.test("WAIT confirms no write that no replica has, however it was made", async () => {
  await using servers = await startReplicated();
  const { primary, replica } = servers;
  const { host, port } = primary;
  await using manager = new RedisConnectionManager({
    host,
    port,
    databases: { main: { db: 0 } },
  });
  const client = manager.getClient("main");
  await client.set("n", 0);
  assertEquals(await client.wait(1, 30_000), 1);
  replica.pause();
  try {
    for (const [name, write] of WRITES) {
      await write(manager);
      assertEquals(await client.wait(1, 100), 0, name);
    }
  } finally {
    replica.resume();
  }
  assertEquals(await client.wait(1, 30_000), 1);
  assertEquals(await replica.cli("GET", "n"), await client.get("n"));
  await report({
    row: 60,
    fault: "WAIT while the replica is stopped",
    outcome: `0 for ${WRITES.length} kinds of writes, 1 once it has them`,
  });
});

Deno.test("WAITAOF confirms no write that is not on disk", async (t) => {
  await using servers = await startReplicated();
  const { primary } = servers;
  const isKnown = await supports(primary, "WAITAOF");
  await t.step({
    name: "on a server that has it",
    ignore: !isKnown,
    fn: async () => {
      await primary.cli("CONFIG", "SET", "appendonly", "yes");
      await primary.cli("CONFIG", "SET", "appendfsync", "everysec");
      const { host, port } = primary;
      await using manager = new RedisConnectionManager({
        host,
        port,
        databases: { main: { db: 0 } },
      });
      const client = manager.getClient("main");
      await client.set("n", 0);
      assertEquals(await client.call("WAITAOF", "1", "0", "30000"), [1, 0]);
      await primary.cli("CONFIG", "SET", "appendfsync", "no");
      await client.incr("n");
      // Nobody syncs it within this time.
      assertEquals(await client.call("WAITAOF", "1", "0", "100"), [0, 0]);
    },
  });
});

Deno.test("WAIT fails, with advice, where the user may not publish what goes before it", async () => {
  await using servers = await startReplicated();
  const { primary, replica } = servers;
  const { host, port } = primary;
  await primary.cli("ACL", "SETUSER", "writer", "on", ">pw", "~*", "+@all", "-publish");
  await using manager = new RedisConnectionManager({
    host,
    port,
    username: "writer",
    password: "pw",
    databases: { main: { db: 0 } },
  });
  const client = manager.getClient("main");
  replica.pause();
  try {
    await client.set("n", 1);
    const error = await assertRejects(() => client.wait(1, 100));
    assertInstanceOf(error, CommandRefusedError);
    assertEquals(error.delivery, "never-sent");
    assertStringIncludes(error.message, "+publish &mooring:wait");
    const grant = ["+publish", "resetchannels", "&mooring:wait"];
    await primary.cli("ACL", "SETUSER", "writer", ...grant);
    assertEquals(await client.wait(1, 100), 0);
  } finally {
    replica.resume();
  }
  assertEquals(await client.wait(1, 30_000), 1);
  // The lane: no lease was kept.
  assertEquals(manager.getPoolStatistics("main").inUseConnections, 1);
});

Deno.test("WAIT takes another connection when its own is lost before it was sent", async () => {
  await using servers = await startReplicated();
  const { primary } = servers;
  await using relay = await FaultProxy.start({ to: primary });
  const manager = new RedisConnectionManager({
    host: relay.host,
    port: relay.port,
    databases: { main: { db: 0 } },
  });
  const client = manager.getClient("main");
  await client.set("n", 1);
  assertEquals(await client.wait(1, 30_000), 1);
  // The idle lease is closed on the server without a word to us.
  const { id } = (await primary.clientList("mooring:")).find(({ cmd }) =>
    String(cmd).startsWith("wait")
  )!;
  await primary.cli("CLIENT", "KILL", "ID", String(id));
  await client.incr("n");
  assertEquals(await client.wait(1, 30_000), 1);
  assert(manager.getPoolStatistics("main").createdConnections >= 2);
  await manager.closeAll();
  await assertNoConnectionsLeft(primary, "mooring:");
});
