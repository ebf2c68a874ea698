import { assertEquals, assertInstanceOf } from "@std/assert";
import { CommandTimeoutError, RedisConnectionManager } from "../../../mod.ts";
import { freePort } from "../../../src/testing/ports.ts";
import { RedisServer } from "../../../src/testing/redis_server.ts";
import { assertNoConnectionsLeft, delay } from "../../support/clients.ts";
import { report } from "./_report.ts";
import { assertTook, timed } from "./_stage.ts";

Deno.test("a write that timed out while it waited never runs, the server may come when it likes", async () => {
  const port = freePort();
  const manager = new RedisConnectionManager({
    host: "127.0.0.1",
    port,
    // Many writes time out before the server comes, and the breaker refuses none of them.
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
  for (const each of writes) {
    assertInstanceOf(each.error, CommandTimeoutError);
    assertEquals(each.error.delivery, "never-sent");
    assertTook(each, { least: 100, most: 250 });
  }
  assertEquals((batch.error as { delivery: string }).delivery, "never-sent");
  assertEquals(manager.getPoolStatistics("main").waiting, 0);
  await using server = await RedisServer.start({ port });
  await client.with({ timeoutMs: 20_000 }).ping();
  await delay(100);
  assertEquals(await server.cli("GET", "ghost"), null);
  assertEquals(await client.with({ timeoutMs: 20_000 }).incr("ghost"), 1);
  await manager.closeAll();
  await assertNoConnectionsLeft(server, "mooring:");
  await report({
    row: 44,
    fault: "writes time out before the server comes",
    outcome: "never-sent, and none ran",
    noticedMs: writes[0]!.ms,
  });
});
