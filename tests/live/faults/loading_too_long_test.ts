import { assert, assertEquals, assertInstanceOf } from "@std/assert";
import { NotReadyError } from "../../../mod.ts";
import { RedisServer } from "../../../src/testing/redis_server.ts";
import { assertNoConnectionsLeft } from "../../support/clients.ts";
import { loadingServer, managerOf } from "./_loading.ts";
import { report } from "./_report.ts";
import { assertTook, timed } from "./_stage.ts";

/** A server that loads answers seldom, and on a busy machine more seldom: it gets time to
 * tell its estimate, and the deadline of the command is later. */
const SHORT = { commandTimeoutMs: 30_000, loadingTimeoutMs: 2500 };

Deno.test("loading for longer than allowed gives NotReadyError with the server's estimate", async () => {
  await using server = await loadingServer(8000);
  const manager = managerOf(server, SHORT);
  const told = await timed(manager.getClient("main").get("key:1"));
  const { error, ms } = told;
  assertInstanceOf(error, NotReadyError);
  assertEquals(error.reason, "LOADING");
  assert(error.etaSeconds !== undefined, error.message);
  assertTook(told, { least: 2300, most: 4500 });
  assertTook({ ...told, ms: error.elapsed!.loadingMs! }, { least: 2300, most: 4500 });
  assertEquals(manager.getHealthStatus().databases.main!.circuitBreaker, "closed");
  await manager.closeAll();
  await assertNoConnectionsLeft(server, "mooring:");
  await report({
    row: 8,
    fault: "LOADING for too long",
    outcome: "NotReadyError with estimate",
    noticedMs: ms,
  });
});

Deno.test("a replica that may not serve without its primary is waited for as long", async () => {
  const config = { "replica-serve-stale-data": "no", replicaof: "127.0.0.1 1" };
  await using server = await RedisServer.start({ config });
  {
    await using manager = managerOf(server, SHORT);
    const told = await timed(manager.getClient("main").get("k"));
    assertInstanceOf(told.error, NotReadyError);
    assertEquals([told.error.reason, told.error.delivery], ["MASTERDOWN", "rejected"]);
    assertTook(told, { least: 2300, most: 4500 });
    assertEquals(manager.getHealthStatus().databases.main!.circuitBreaker, "closed");
  }
  await assertNoConnectionsLeft(server, "mooring:");
});
