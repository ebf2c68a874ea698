import { assert, assertEquals, assertInstanceOf } from "@std/assert";
import { NotReadyError } from "../../../mod.ts";
import { assertNoConnectionsLeft } from "../../support/clients.ts";
import { loadingServer, managerOf } from "./_loading.ts";
import { report } from "./_report.ts";
import { timed } from "./_stage.ts";

Deno.test("row 8: loading for longer than allowed gives NotReadyError with the server's estimate", async () => {
  await using server = await loadingServer(4000);
  const manager = managerOf(server, 1000);
  const { ms, error } = await timed(manager.getClient("main").get("key:1"));
  assertInstanceOf(error, NotReadyError);
  assertEquals(error.reason, "LOADING");
  assert(error.etaSeconds !== undefined, error.message);
  assert(ms >= 990 && ms < 1300, `took ${ms} ms`);
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
