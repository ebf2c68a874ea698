import { assert, assertEquals } from "@std/assert";
import { delay, waitFor } from "../../support/clients.ts";
import { withManager } from "../../support/managed.ts";
import { RecordingTelemetry } from "../../support/recording_telemetry.ts";
import { readExposition, valueOf } from "../../unit/observability/exposition.ts";

/** How long the consumers wait, in milliseconds: far more than a busy server takes. */
const IDLE_MS = 1500;

Deno.test("blocking commands have counters of their own, and leave the latency alone", async () => {
  const recorded = new RecordingTelemetry();
  await withManager({
    databases: { main: { db: 0 } },
    telemetry: { api: recorded.api },
  }, async ({ manager, server }) => {
    const client = manager.getClient("main");
    const stats = () => manager.getStatistics().databaseStats.main!;
    // By the client and by a lease, with and without a value, alone and behind others.
    const consumers = [
      client.blpop("empty", IDLE_MS / 1000),
      client.blpop("jobs", 0),
      client.xread("BLOCK", IDLE_MS, "STREAMS", "stream", "$"),
    ];
    const lease = await manager.acquire("main");
    const leased = [lease.client.get("k"), lease.client.blpop("empty", IDLE_MS / 1000)];
    await waitFor(async () => (await blocked(server)).length === 4, {
      what: "four consumers that wait",
    });
    for (let i = 0; i < 50; i++) await client.get("k");
    await delay(IDLE_MS);
    await client.rpush("jobs", "job");
    assertEquals(await Promise.all(consumers), [null, ["jobs", "job"], null]);
    assertEquals(await Promise.all(leased), [null, null]);
    await lease[Symbol.asyncDispose]();
    const { blockingOperations, blockingWaitMs, latency } = stats();
    assertEquals(blockingOperations, 4);
    assert(blockingWaitMs > 4 * IDLE_MS - 200, String(blockingWaitMs));
    // The busiest machine does not make a GET take as long as an idle consumer.
    assert(latency.maxMs < IDLE_MS, JSON.stringify(latency));
    assert(manager.getMetrics("main").averageResponseTimeMs < IDLE_MS / 2);
    const read = readExposition(manager.toPrometheus());
    const metric = (name: string) =>
      valueOf(read, `mooring_redis_${name}`, { database: "main", db: "0" })!;
    assertEquals(metric("blocking_commands_total"), 4);
    assertEquals(metric("blocking_wait_seconds_total"), blockingWaitMs / 1000);
    assert(metric("command_duration_seconds_sum") < 60 * IDLE_MS / 1000);
    assert(metric("command_duration_seconds_count") >= 52);
    assertEquals(manager.getStatistics({ reset: true }).totalOperations, 56);
    assertEquals([stats().blockingOperations, stats().blockingWaitMs], [0, 0]);
  });
  const operationsOf = (name: string) =>
    recorded.values.filter((value) => value.name === name)
      .map(({ attributes }) => attributes["db.operation.name"]);
  const ordinary = new Set(operationsOf("db.client.operation.duration"));
  assertEquals([...ordinary].sort(), ["GET", "RPUSH"]);
  const blocking = operationsOf("mooring.client.blocking_operation.duration");
  assertEquals(blocking.sort(), ["BLPOP", "BLPOP", "BLPOP", "XREAD"]);
});

/** The connections that wait for a value. */
async function blocked(
  server: { clientList(): Promise<readonly { flags?: string; cmd: string }[]> },
) {
  const rows = await server.clientList();
  return rows.filter(({ cmd }) => cmd === "blpop" || cmd === "xread");
}
