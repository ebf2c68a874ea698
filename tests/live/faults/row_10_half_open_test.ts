import { assert, assertEquals } from "@std/assert";
import { waitFor } from "../../support/clients.ts";
import { withManager } from "../../support/managed.ts";
import { canFilterPackets, PacketLoss } from "../../support/packet_filter.ts";
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
        fault: "half-open connection (relay)",
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

const canFilter = await canFilterPackets();

Deno.test({
  name: canFilter
    ? "row 10: packets lost both ways, idle: found by the heartbeat; busy: at the deadline"
    : "row 10: packets lost both ways (left out: iptables is missing, or not allowed)",
  ignore: !canFilter,
  fn: () =>
    withManager(
      {
        commandTimeoutMs: 400,
        healthCheckIntervalMs: 200,
        databases: { main: { db: 0 } },
      },
      async ({ server, manager }) => {
        const client = manager.getClient("main");
        const portOf = async () => {
          const rows = await server.clientList("mooring:main:lane");
          assertEquals(rows.length, 1);
          return Number(rows[0]!.addr.split(":").at(-1));
        };
        await client.ping();
        const idlePort = await portOf();
        const start = performance.now();
        {
          await using _idle = await PacketLoss.between(idlePort, server.port);
          await waitFor(() => manager.getPoolStatistics("main").lanes === 0);
          const noticedMs = performance.now() - start;
          assert(noticedMs < 800, `noticed after ${noticedMs} ms`);
          const { ms, value } = await timed(client.incr("n"));
          assertEquals(value, 1);
          assert(ms < 200, `the next command took ${ms} ms`);
          await report({
            row: 10,
            fault: "half-open connection (iptables)",
            outcome: "found by heartbeat, next command served",
            noticedMs,
            recoveredMs: ms,
          });
        }
        await server.cli("CLIENT", "KILL", "ADDR", `127.0.0.1:${idlePort}`);
        const busyPort = await portOf();
        await using _busy = await PacketLoss.between(busyPort, server.port);
        const { ms, error } = await timed(client.incr("n"));
        assertEquals((error as { code: string }).code, "COMMAND_TIMEOUT");
        assertEquals((error as { delivery: string }).delivery, "ambiguous");
        assert(ms < 500, `took ${ms} ms`);
        assertEquals(await client.incr("n"), 2);
        assertEquals(await server.cli("GET", "n"), "2");
        await server.cli("CLIENT", "KILL", "ADDR", `127.0.0.1:${busyPort}`);
      },
    ),
});
