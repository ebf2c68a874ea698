import { assert, assertEquals, assertInstanceOf } from "@std/assert";
import { CommandTimeoutError, RedisConnectionManager } from "../../../mod.ts";
import { assertNoConnectionsLeft, delay } from "../../support/clients.ts";
import { freePort } from "../../support/ports.ts";
import { RedisServer } from "../../support/redis_server.ts";
import { report } from "./_report.ts";
import { timed } from "./_stage.ts";

Deno.test("row 44: a write that timed out while it waited never runs, the server may come when it likes", async () => {
  const port = freePort();
  const manager = new RedisConnectionManager({
    host: "127.0.0.1",
    port,
    commandTimeoutMs: 150,
    connectRetry: { attempts: 50, minMs: 100, maxMs: 200, jitter: 0 },
    circuitBreakerThreshold: 1000,
    databases: { main: { db: 0 } },
  });
  const client = manager.getClient("main");
  const writes = await Promise.all(
    Array.from({ length: 50 }, () => timed(client.incr("ghost"))),
  );
  const batch = await timed(manager.pipeline("main", (p) => void p.incr("ghost")));
  for (const { ms, error } of writes) {
    assertInstanceOf(error, CommandTimeoutError);
    assertEquals(error.delivery, "never-sent");
    assert(ms < 250, `took ${ms} ms`);
  }
  assertEquals((batch.error as { delivery: string }).delivery, "never-sent");
  assertEquals(manager.getPoolStatistics("main").waiting, 0);
  await using server = await RedisServer.start({ port });
  while (!await client.ping().then(() => true, () => false)) continue;
  await delay(100);
  assertEquals(await server.cli("GET", "ghost"), null);
  assertEquals(await client.incr("ghost"), 1);
  await manager.closeAll();
  await assertNoConnectionsLeft(server, "mooring:");
  await report({
    row: 44,
    fault: "writes time out before the server comes",
    outcome: "never-sent, and none ran",
    noticedMs: writes[0]!.ms,
  });
});
