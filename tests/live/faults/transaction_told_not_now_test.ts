import { Buffer } from "node:buffer";
import { assertEquals, assertRejects } from "@std/assert";
import { RedisConnectionManager, TransactionError } from "../../../mod.ts";
import { ClusterTopology } from "../../../src/testing/cluster_topology.ts";
import { RedisServer } from "../../../src/testing/redis_server.ts";
import { delay, waitFor } from "../../support/clients.ts";
import { withManager } from "../../support/managed.ts";
import { keepBusy, SOON_BUSY } from "./_busy.ts";
import { report } from "./_report.ts";
import { onStage } from "./_stage.ts";

const MAIN = { databases: { main: { db: 0 } } };
const KEYS = ["{a}1", "{a}2"] as const;

function counts(manager: RedisConnectionManager) {
  const { failedOperations, totalRetryAttempts } = manager.getStatistics()
    .databaseStats.main!;
  return { failed: failedOperations, retries: totalRetryAttempts };
}

/** Both kinds of transaction, and how often their callbacks ran. */
function transactions(manager: RedisConnectionManager) {
  const runs = { plain: 0, watching: 0 };
  return {
    runs,
    plain: () =>
      manager.transaction("main", (tx) => {
        runs.plain++;
        tx.incr(KEYS[0]).incr(KEYS[1]);
      }),
    watching: () =>
      manager.transaction("main", async (tx, watched) => {
        runs.watching++;
        const [n] = await watched.mget(...KEYS);
        tx.set(KEYS[0], Number(n) + 1).incr(KEYS[1]);
      }, { watch: [...KEYS] }),
  };
}

/** Waits until a transaction that runs has been tried again, or has ended. */
async function untilTriedAgain(
  manager: RedisConnectionManager,
  running: Promise<unknown>,
): Promise<void> {
  const before = counts(manager).retries;
  let ended = false;
  const end = () => void (ended = true);
  running.then(end, end);
  const what = "a transaction that is tried again";
  await waitFor(() => ended || counts(manager).retries > before, { what });
}

Deno.test("a transaction whose keys are on two nodes waits until their slot has moved", async () => {
  await using cluster = await ClusterTopology.start({ primaries: 3, replicasEach: 0 });
  await using manager = new RedisConnectionManager({
    mode: "cluster",
    nodes: cluster.endpoints,
    ...MAIN,
  });
  await manager.getClient("main").mset(KEYS[0], 1, KEYS[1], 1);
  const { plain, runs, watching } = transactions(manager);
  const whileMoving = async (run: () => Promise<unknown>) => {
    const from = await cluster.ownerOf(KEYS[0]);
    const to = cluster.nodes.find((node) => node !== from)!;
    const move = await cluster.beginMove(await cluster.slotOf(KEYS[0]), to);
    await move.moveKey(KEYS[0]);
    const running = run();
    await untilTriedAgain(manager, running);
    await move.moveKey(KEYS[1]);
    await move.finish();
    return await running;
  };
  assertEquals(await whileMoving(plain), [2, 2]);
  assertEquals(runs.plain, 1);
  assertEquals(await whileMoving(watching), ["OK", 3]);
  assertEquals(counts(manager).failed, 0);
  await report({
    row: 72,
    fault: "a transaction whose slot is being moved",
    outcome: "waits, runs once, is counted once",
  });
});

Deno.test("a transaction told READONLY waits for a primary; its callback runs once unless it watches", async () => {
  await using other = await RedisServer.start();
  await withManager(MAIN, async ({ manager, server }) => {
    await manager.getClient("main").mset(KEYS[0], 1, KEYS[1], 1);
    await other.cli("MSET", KEYS[0], "1", KEYS[1], "1");
    const { plain, runs, watching } = transactions(manager);
    for (const run of [plain, watching]) {
      await server.cli("REPLICAOF", other.host, String(other.port));
      const running = run();
      await untilTriedAgain(manager, running);
      await server.cli("REPLICAOF", "NO", "ONE");
      await running;
    }
    assertEquals(runs.plain, 1);
    assertEquals(counts(manager).failed, 0);
  });
});

Deno.test("after a failover, transactions find the new primary within their deadline", async () => {
  await using next = await RedisServer.start();
  await onStage({}, async ({ manager, relay, server }) => {
    await manager.getClient("main").mset(KEYS[0], 1, KEYS[1], 1);
    await next.cli("MSET", KEYS[0], "1", KEYS[1], "1");
    const { plain, runs, watching } = transactions(manager);
    // Connections that are no younger than a failover takes.
    await delay(300);
    await server.cli("REPLICAOF", next.host, String(next.port));
    const running = Promise.all([plain(), plain()]);
    await untilTriedAgain(manager, running);
    relay.to = next;
    await running;
    await watching();
    assertEquals(await next.cli("GET", KEYS[1]), "4");
    assertEquals([runs.plain, counts(manager).failed], [2, 0]);
  });
});

Deno.test("a transaction told BUSY waits until the script has ended", () =>
  withManager(MAIN, async ({ manager, server }) => {
    await manager.getClient("main").mset(KEYS[0], 1, KEYS[1], 1);
    const { plain, runs, watching } = transactions(manager);
    // A connection that is open: a new one would wait for the end of the script itself.
    await plain();
    const expected = [[3, 3], ["OK", 4]];
    for (const run of [plain, watching]) {
      const end = await keepBusy(server);
      const running = run();
      await untilTriedAgain(manager, running);
      await end();
      assertEquals(await running, expected.shift());
    }
    assertEquals(runs.plain, 2);
    assertEquals(counts(manager).failed, 0);
  }, SOON_BUSY));

Deno.test("a transaction that is tried again means the same keys, values and replies", async () => {
  await using other = await RedisServer.start();
  const database = { databases: { main: { db: 0, keyPrefix: "p:" } } };
  await withManager(database, async ({ manager, server }) => {
    await manager.initializeAll();
    await server.cli("REPLICAOF", other.host, String(other.port));
    const running = manager.transaction("main", (tx) => {
      tx.hset("h", { a: 1 }).hgetall("h").set("b", Buffer.from([0, 255])).getBuffer(
        "b",
      );
    });
    await untilTriedAgain(manager, running);
    await server.cli("REPLICAOF", "NO", "ONE");
    const [added, fields, ok, bytes] = await running;
    assertEquals([added, fields, ok], [1, { a: "1" }, "OK"]);
    assertEquals([...bytes as Uint8Array], [0, 255]);
    assertEquals((await server.cli("KEYS", "*") as string[]).sort(), ["p:b", "p:h"]);
  });
});

Deno.test("what the server refuses for good is told at once, and only once counted", () =>
  withManager(MAIN, async ({ manager }) => {
    const error = await assertRejects(
      () => manager.transaction("main", (tx) => void tx.incr("n").call("NOSUCH")),
      TransactionError,
    );
    assertEquals([error.applied, counts(manager).retries], [false, 0]);
    assertEquals(await manager.getClient("main").get("n"), null);
  }));

Deno.test("a transaction that is told not now to the end fails at its deadline, and is counted as failed", async () => {
  await using other = await RedisServer.start();
  // Shorter than the default: the whole of it is waited for.
  const commandTimeoutMs = 500;
  await withManager({ ...MAIN, commandTimeoutMs }, async ({ manager, server }) => {
    await manager.initializeAll();
    await server.cli("REPLICAOF", other.host, String(other.port));
    let runs = 0;
    await assertRejects(() =>
      manager.transaction("main", (tx) => {
        runs++;
        tx.incr("n");
      })
    );
    assertEquals([runs, counts(manager).retries > 0, counts(manager).failed > 0], [
      1,
      true,
      true,
    ]);
    await server.cli("REPLICAOF", "NO", "ONE");
    assertEquals(await server.cli("GET", "n"), null);
  });
});
