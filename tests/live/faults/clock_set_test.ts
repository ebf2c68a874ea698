import { assert, assertEquals } from "@std/assert";
import { RedisConnectionManager } from "../../../mod.ts";
import { FaultProxy } from "../../../src/testing/fault_proxy.ts";
import { RedisServer } from "../../../src/testing/redis_server.ts";
import { assertNoConnectionsLeft, delay } from "../../support/clients.ts";
import { report } from "./_report.ts";
import { assertTook, QUICK_RETRY, Stopwatch, timed } from "./_stage.ts";

const DAY_MS = 24 * 60 * 60 * 1000;

/** The wall clock as everything in this process reads it, our clock too. */
async function withWallClock(
  body: (set: (offsetMs: number) => void) => Promise<void>,
): Promise<void> {
  const { now } = Date;
  let offsetMs = 0;
  Date.now = () => now() + offsetMs;
  try {
    await body((ms) => offsetMs = ms);
  } finally {
    Date.now = now;
  }
}

Deno.test("the wall clock set a day forward and back ends no connection, lease or wait early or late", async () => {
  await using server = await RedisServer.start();
  await using relay = await FaultProxy.start({ to: server });
  await using manager = new RedisConnectionManager({
    port: relay.port,
    // Short, so that each of these times passes within the test.
    commandTimeoutMs: 400,
    connectRetry: QUICK_RETRY,
    circuitBreakerThreshold: 1,
    circuitBreakerTimeoutMs: 500,
    databases: { main: { db: 0 } },
  });
  const hurried = manager.getClient("main");
  const client = hurried.with({ timeoutMs: 20_000 });
  await withWallClock(async (set) => {
    assertEquals(await client.incr("n"), 1);
    (await manager.acquire("main")).release();
    const connects = relay.accepted.length;
    for (const offsetMs of [DAY_MS, -DAY_MS, 0]) {
      set(offsetMs);
      assert(Math.abs(Date.now() - offsetMs - performance.timeOrigin) < DAY_MS / 2);
      // Lifetimes and idle times: nothing is old, nothing will be kept for ever.
      assertEquals(await manager.cleanupIdleConnections(), 0);
      await client.incr("n");
      await using lease = await manager.acquire("main", { timeoutMs: 10_000 });
      assertEquals(await lease.client.ping(), "PONG");
      assertEquals(relay.accepted.length, connects);
    }
    // A deadline under way keeps its time.
    for (const offsetMs of [DAY_MS, -DAY_MS]) {
      server.pause();
      const waiting = timed(hurried.get("n"));
      await delay(50);
      set(offsetMs);
      const told = await waiting;
      server.resume();
      assertEquals((told.error as { code?: string }).code, "COMMAND_TIMEOUT");
      assertTook(told, { least: 300, most: 500 });
      set(0);
      while (!await client.ping().then(() => true, () => false)) await delay(5);
    }
    // An open breaker keeps its cooldown.
    server.pause();
    await hurried.get("n").catch(() => {});
    server.resume();
    using watch = new Stopwatch();
    const { retryAfterMs } = await client.get("n").catch((error) => error);
    set(-DAY_MS);
    while (!await client.ping().then(() => true, () => false)) await delay(5);
    const bounds = { least: retryAfterMs - 10, most: 1000 };
    watch.assertWithin(bounds, "the cooldown, and a probe");
    assert(retryAfterMs > 0 && retryAfterMs <= 500, `${retryAfterMs} ms`);
    set(0);
  });
  assertEquals(await client.get("n"), "4");
  await manager.closeAll();
  await assertNoConnectionsLeft(server, "mooring:");
  await report({
    row: 39,
    fault: "wall clock set a day forward and back",
    outcome: "lifetimes, deadlines and cooldown keep their time",
  });
});
