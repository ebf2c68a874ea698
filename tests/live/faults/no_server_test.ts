import { assert, assertEquals, assertInstanceOf, assertRejects } from "@std/assert";
import { CircuitOpenError, ConnectError, RedisConnectionManager } from "../../../mod.ts";
import { freePort } from "../../../src/testing/ports.ts";
import { plainOutcome, within } from "./_plain.ts";
import { report } from "./_report.ts";
import { assertTook, QUICK_RETRY, timed } from "./_stage.ts";

Deno.test("a closed port gives ConnectError after 5 attempts, and the breaker counts", async () => {
  await using manager = new RedisConnectionManager({
    host: "127.0.0.1",
    port: freePort(),
    connectRetry: QUICK_RETRY,
    databases: { main: { db: 0 } },
  });
  const client = manager.getClient("main");
  const startedAt = performance.now();
  const first = await timed(client.get("k"));
  const { ms, error } = first;
  assertInstanceOf(error, ConnectError);
  assertEquals(error.attempts, 5);
  assertEquals(error.delivery, "never-sent");
  assertTook({ ...first, ms: error.elapsed!.connectingMs! }, { least: 250, most: 1500 });
  assert(/refused/i.test(error.message), error.message);
  // 100 ms between attempts are the least, 5 attempts have 4 waits.
  assertTook(first, { least: 250, most: 1500 });
  const open = await assertRejects(() => client.get("k"), CircuitOpenError);
  // It says when the server is tried next, and not how long a cooldown is.
  assert(open.retryAfterMs <= 500, String(open.retryAfterMs));
  const stats = manager.getStatistics().databaseStats.main!;
  // The probe tries the server, too.
  const { failedConnections } = stats;
  const most = 8 + (performance.now() - startedAt) / QUICK_RETRY.minMs;
  assert(failedConnections >= 5 && failedConnections <= most, `${failedConnections}`);
  assertEquals(stats.totalRetryAttempts, failedConnections - 1);
  assertEquals(stats.circuitBreakerTrips, 1);
  assertEquals([stats.failedOperations, stats.activeConnections], [2, 0]);
  assertEquals(manager.getHealthStatus().databases.main!.state, "failed");
  const plain = await plainOutcome(
    freePort(),
    (redis) => within(3000, redis.get("k")),
  );
  await report({
    ...plain,
    row: 1,
    fault: "no server at start",
    outcome: "ConnectError after 5 attempts, breaker open",
    noticedMs: ms,
  });
});

Deno.test("the caller's own deadline wins over the attempts", async () => {
  await using manager = new RedisConnectionManager({
    host: "127.0.0.1",
    port: freePort(),
    commandTimeoutMs: 200,
    connectRetry: { attempts: 5, minMs: 1000, maxMs: 2000, jitter: 0 },
    databases: { main: { db: 0 } },
  });
  const own = await timed(manager.getClient("main").incr("n"));
  const { error } = own;
  assertEquals((error as { code: string }).code, "COMMAND_TIMEOUT");
  assertEquals((error as { delivery: string }).delivery, "never-sent");
  assertTook(own, { least: 150, most: 300 });
});
