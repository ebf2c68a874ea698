import { assert, assertEquals } from "@std/assert";
import { waitFor } from "../../support/clients.ts";
import { report } from "./_report.ts";
import { onStage, timed } from "./_stage.ts";

Deno.test("row 10: a half-open idle connection is found by the heartbeat", () =>
  onStage(
    { manager: { commandTimeoutMs: 400, healthCheckIntervalMs: 200 } },
    async ({ relay, manager }) => {
      const client = manager.getClient("main");
      await client.ping();
      const start = performance.now();
      relay.connections[0]!.blackhole();
      await waitFor(() => manager.getPoolStatistics("main").lanes === 0);
      const noticedMs = performance.now() - start;
      assert(noticedMs < 800, `noticed after ${noticedMs} ms`);
      const { ms, value } = await timed(client.incr("n"));
      assertEquals(value, 1);
      assert(ms < 200, `the next command took ${ms} ms`);
      await report({
        row: 10,
        fault: "half-open connection",
        outcome: "found by heartbeat, next command served",
        noticedMs,
        recoveredMs: ms,
      });
    },
  ));

Deno.test("row 10: a half-open busy connection is found at the first deadline", () =>
  onStage({ manager: { commandTimeoutMs: 300 } }, async ({ server, relay, manager }) => {
    const client = manager.getClient("main");
    await client.ping();
    relay.connections[0]!.blackhole();
    const [read, write] = await Promise.all([
      timed(client.get("n")),
      timed(client.incr("n")),
    ]);
    assertEquals((read.error as { code: string }).code, "COMMAND_TIMEOUT");
    assertEquals((write.error as { delivery: string }).delivery, "ambiguous");
    assert(write.ms < 400, `took ${write.ms} ms`);
    assertEquals(await client.incr("n"), 1);
    assertEquals(await server.cli("GET", "n"), "1");
  }));
