import { assert, assertEquals } from "@std/assert";
import { RedisConnectionManager } from "../../../mod.ts";
import { freePort } from "../../../src/testing/ports.ts";
import { RedisServer } from "../../../src/testing/redis_server.ts";
import { assertNoConnectionsLeft, delay } from "../../support/clients.ts";
import { report } from "./_report.ts";
import { IS_FULL, timed } from "./_stage.ts";

const LATE_MS = IS_FULL ? 3000 : 500;

Deno.test("a server that comes up between attempts serves the first command", async () => {
  const port = freePort();
  const manager = new RedisConnectionManager({
    host: "127.0.0.1",
    port,
    commandTimeoutMs: 30_000,
    databases: { main: { db: 0 } },
  });
  const first = timed(manager.getClient("main").incr("n"));
  await delay(LATE_MS);
  await using server = await RedisServer.start({ port });
  const { ms, value } = await first;
  assertEquals(value, 1);
  const stats = manager.getStatistics().databaseStats.main!;
  assert(stats.totalRetryAttempts >= 2, `retries ${stats.totalRetryAttempts}`);
  assertEquals([stats.failedOperations, stats.circuitBreakerTrips], [0, 0]);
  await manager.closeAll();
  await assertNoConnectionsLeft(server, "mooring:");
  await report({
    row: 2,
    fault: "server comes up late",
    outcome: "first command served",
    recoveredMs: ms - LATE_MS,
  });
});
