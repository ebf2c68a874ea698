import { within } from "../../../src/testing/wait.ts";
import { assert, assertEquals } from "@std/assert";
import { RedisConnectionManager } from "../../../mod.ts";
import { SentinelTopology } from "../../../src/testing/sentinel_topology.ts";
import { assertNoConnectionsLeft, delay, waitFor } from "../../support/clients.ts";
import { report } from "./_report.ts";

const CALLERS = 20;

/**
 * From its promotion of a replica until the old primary is told, about two seconds, the
 * sentinels let the old one acknowledge writes that it discards later. The client hears of
 * the selection and asks the replica itself. What the old primary acknowledged before that
 * was lost by the servers; nothing is after it.
 */
Deno.test("in a planned failover the old primary is left when the replica says that it is a primary, before any sentinel does", async () => {
  await using redis = await SentinelTopology.start({ replicas: 2 });
  await using manager = new RedisConnectionManager({
    mode: "sentinel",
    nodes: redis.endpoints,
    sentinelName: redis.name,
    databases: { main: { db: 0 } },
  });
  const client = manager.getClient("main");
  let [acknowledged, failed, isRunning] = [0, 0, true];
  const callers = Array.from({ length: CALLERS }, async () => {
    while (isRunning) {
      await client.incr("n").then(() => acknowledged++, () => failed++);
      await delay(5);
    }
  });
  await waitFor(() => acknowledged > 10 * CALLERS);
  const old = await redis.primary();
  const moved = new Promise<{ at: number; acknowledged: number }>((resolve) =>
    manager.addEventListener("failover", () => {
      resolve({ at: performance.now(), acknowledged });
    }, { once: true })
  );
  const startedAt = performance.now();
  const decided = await redis.failover();
  const decidedAt = performance.now();
  const left = await within(moved, 30_000, "the failover event");
  // Not before the old primary follows: what it acknowledges until then is discarded.
  await waitFor(
    async () =>
      (await old.info("replication").catch(() => undefined))?.master_link_status === "up",
    { timeoutMs: 60_000, what: "the old primary to follow" },
  );
  isRunning = false;
  await Promise.all(callers);
  const value = Number(await decided.cli("GET", "n"));
  const lost = acknowledged - value;
  const books = Deno.inspect({ acknowledged, failed, value, lost, left });
  // All that was acknowledged after it had left the old primary is there.
  assert(value >= acknowledged - left.acknowledged, books);
  // The sentinels' own word comes when they have looked: it was not waited for.
  assert(left.at < decidedAt, books);
  const rate = left.acknowledged / Math.max(1, left.at - startedAt);
  await manager.closeAll();
  for (const server of [...redis.servers, ...redis.sentinels]) {
    await assertNoConnectionsLeft(server, "mooring:");
  }
  await report({
    row: 62,
    fault: "planned sentinel failover, two replicas",
    outcome: `${acknowledged} acknowledged, ${lost} lost by the servers ` +
      `(${rate.toFixed(1)} writes a ms at most), ${failed} failed`,
    noticedMs: left.at - startedAt,
  });
});

Deno.test("a failover is heard of whichever sentinel is gone", async () => {
  await using redis = await SentinelTopology.start({ quick: true });
  await using manager = new RedisConnectionManager({
    mode: "sentinel",
    // The others are learned of.
    nodes: redis.endpoints.slice(0, 1),
    sentinelName: redis.name,
    databases: { main: { db: 0 } },
  });
  await manager.getClient("main").set("k", 1);
  const isHeard = async () => {
    const counts = await Promise.all(
      redis.sentinels.map(async (sentinel) =>
        (await sentinel.clientList("mooring:main:sentinel")).length
      ),
    );
    return counts.every((count) => count === 1) && counts.length;
  };
  assertEquals(
    await waitFor(isHeard, { timeoutMs: 30_000, what: "a listener at each sentinel" }),
    3,
  );
});
