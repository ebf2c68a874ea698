// Runs alone: it changes the machine's packet filter.
import { assertEquals } from "@std/assert";
import type { RedisConnectionManager } from "../../../mod.ts";
import { waitFor } from "../../support/clients.ts";
import { withManager } from "../../support/managed.ts";
import { canFilterPackets, PacketLoss } from "../../support/packet_filter.ts";
import { report } from "./_report.ts";
import { assertTook, onStage, Stopwatch, timed } from "./_stage.ts";

/** For what has to succeed, however busy the machine is. */
const PATIENT = { timeoutMs: 20_000 };
const LONG = { timeoutMs: 20_000 };

/** Waits until the heartbeat finds the only lane dead, and uses another one. */
async function findIdle(manager: RedisConnectionManager, watch: Stopwatch) {
  await waitFor(() => manager.getPoolStatistics("main").lanes === 0, LONG);
  const { ms: noticedMs } = watch.assertWithin({ most: 800 }, "noticing");
  const next = await timed(manager.getClient("main").with(PATIENT).incr("n"));
  assertEquals(next.value, 1);
  assertTook(next, { most: 200 }, "the next command");
  return { noticedMs, recoveredMs: next.ms };
}

Deno.test("a half-open idle connection is found by the heartbeat", () =>
  onStage(
    { manager: { commandTimeoutMs: 400, healthCheckIntervalMs: 200 } },
    async ({ relay, manager }) => {
      const client = manager.getClient("main").with(PATIENT);
      await client.ping();
      using watch = new Stopwatch();
      relay.connections[0]!.blackhole();
      const times = await findIdle(manager, watch);
      await report({
        row: 10,
        fault: "half-open connection (relay)",
        outcome: "found by heartbeat, next command served",
        ...times,
      });
    },
  ));

Deno.test("a half-open busy connection is found at the first deadline", () =>
  onStage({ manager: { commandTimeoutMs: 300 } }, async ({ server, relay, manager }) => {
    const client = manager.getClient("main");
    const patient = client.with(PATIENT);
    await patient.ping();
    relay.connections[0]!.blackhole();
    const [read, write] = await Promise.all([
      timed(client.get("n")),
      timed(client.incr("n")),
    ]);
    assertEquals((read.error as { code: string }).code, "COMMAND_TIMEOUT");
    assertEquals((write.error as { delivery: string }).delivery, "ambiguous");
    assertTook(write, { least: 200, most: 400 });
    assertEquals(await patient.incr("n"), 1);
    assertEquals(await server.cli("GET", "n"), "1");
  }));

const canFilter = await canFilterPackets();

Deno.test({
  name: canFilter
    ? "packets lost both ways, idle: found by the heartbeat; busy: at the deadline"
    : "packets lost both ways (left out: iptables is missing, or not allowed)",
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
        const patient = client.with(PATIENT);
        const portOf = async () => {
          const rows = await server.clientList("mooring:main:lane");
          assertEquals(rows.length, 1);
          return Number(rows[0]!.addr.split(":").at(-1));
        };
        await patient.ping();
        const idlePort = await portOf();
        {
          await using _idle = await PacketLoss.between(idlePort, server.port);
          using watch = new Stopwatch();
          const times = await findIdle(manager, watch);
          await report({
            row: 10,
            fault: "half-open connection (iptables)",
            outcome: "found by heartbeat, next command served",
            ...times,
          });
        }
        await server.cli("CLIENT", "KILL", "ADDR", `127.0.0.1:${idlePort}`);
        const busyPort = await portOf();
        await using _busy = await PacketLoss.between(busyPort, server.port);
        const told = await timed(client.incr("n"));
        assertEquals((told.error as { code: string }).code, "COMMAND_TIMEOUT");
        assertEquals((told.error as { delivery: string }).delivery, "ambiguous");
        assertTook(told, { most: 500 });
        assertEquals(await patient.incr("n"), 2);
        assertEquals(await server.cli("GET", "n"), "2");
        await server.cli("CLIENT", "KILL", "ADDR", `127.0.0.1:${busyPort}`);
      },
    ),
});
