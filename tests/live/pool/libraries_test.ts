import { assertEquals, assertInstanceOf, assertRejects } from "@std/assert";
import { Redis } from "ioredis";
import { RateLimiterRedis } from "npm:rate-limiter-flexible@^5.0.5";
import { withManager } from "../../support/managed.ts";

Deno.test("lease.client is an ioredis instance that a library of rate limits works with", () =>
  withManager({ databases: { main: { db: 0 } } }, async ({ manager, server }) => {
    await using lease = await manager.acquire("main");
    assertInstanceOf(lease.client, Redis);
    const limiter = new RateLimiterRedis({
      storeClient: lease.client,
      keyPrefix: "limit",
      points: 2,
      duration: 60,
    });
    assertEquals((await limiter.consume("user")).remainingPoints, 1);
    assertEquals((await limiter.consume("user")).remainingPoints, 0);
    const refused = await assertRejectsWith(() => limiter.consume("user"));
    assertEquals(refused.remainingPoints, 0);
    assertEquals(await server.cli("GET", "limit:user"), "3");
    await limiter.delete("user");
    assertEquals(await server.cli("EXISTS", "limit:user"), 0);
  }));

Deno.test("manager.getClient() works with a library of rate limits, too", () =>
  withManager({ databases: { main: { db: 0 } } }, async ({ manager }) => {
    const limiter = new RateLimiterRedis({
      storeClient: manager.getClient("main"),
      points: 1,
      duration: 60,
    });
    await limiter.consume("user");
    await assertRejects(async () => {
      await assertRejectsWith(() => limiter.consume("user"));
      throw new Error("refused");
    });
  }));

/** The library rejects with what is no error. */
async function assertRejectsWith(
  fn: () => Promise<unknown>,
): Promise<{ remainingPoints: number }> {
  try {
    await fn();
  } catch (refusal) {
    return refusal as { remainingPoints: number };
  }
  throw new Error("Expected a refusal");
}
