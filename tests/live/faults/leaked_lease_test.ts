import { assert, assertEquals } from "@std/assert";
import { RedisServer } from "../../../src/testing/redis_server.ts";
import { assertNoConnectionsLeft } from "../../support/clients.ts";
import { runChild } from "./_child.ts";
import { report } from "./_report.ts";

Deno.test("a lease that is lost is reported with its stack, its connection reclaimed", async () => {
  await using server = await RedisServer.start();
  const { code, out, text } = await runChild("_leaked_lease_child.ts", [
    String(server.port),
  ], {
    permissions: ["-A", "--v8-flags=--expose-gc"],
  });
  assertEquals(code, 0, text);
  const { before, detail, clean, evictions, leaks, kept } = JSON.parse(
    out,
  );
  assertEquals([before, detail.database, detail.kind], [1, "main", "collected"]);
  assert(detail.stack.includes("loseLease"), detail.stack);
  assertEquals([clean, evictions.leaked], [[[null, "PONG"]], 1]);
  assertEquals([leaks, kept], [0, "PONG"]);
  await assertNoConnectionsLeft(server, "mooring:");
  await report({ row: 24, fault: "lease lost", outcome: "reported, reclaimed" });
});
