import { assert, assertEquals, assertInstanceOf } from "@std/assert";
import { NotReadyError, RedisConnectionManager } from "../../../mod.ts";
import type { LoadingDetail } from "../../../src/core/events.ts";
import { assertNoConnectionsLeft } from "../../support/clients.ts";
import { RedisServer } from "../../support/redis_server.ts";
import { fillSlowly, KEYS, loaded, slowLoader } from "./_loading.ts";
import { report } from "./_report.ts";
import { timed } from "./_stage.ts";

async function loadingServer(ms: number): Promise<RedisServer> {
  const server = await RedisServer.start(slowLoader(ms));
  await fillSlowly(server);
  await server.restart();
  return server;
}

function managerOf(server: RedisServer, loadingTimeoutMs = 60_000) {
  return new RedisConnectionManager({
    host: server.host,
    port: server.port,
    loadingTimeoutMs,
    databases: { main: { db: 0 } },
  });
}

Deno.test("row 6: a server that is loading is waited for, with progress, and served at once when ready", async () => {
  await using server = await loadingServer(1500);
  const manager = managerOf(server);
  const events: LoadingDetail[] = [];
  manager.addEventListener("loading", ({ detail }) => events.push(detail));
  const first = timed(manager.getAsyncClient("main").then((client) => client.dbsize()))
    .then((result) => ({ ...result, at: performance.now() }));
  const degraded = await new Promise<string>((resolve) =>
    manager.addEventListener(
      "loading",
      () => resolve(manager.getHealthStatus().databases.main!.state),
      { once: true },
    )
  );
  const readyAt = await loaded(server);
  const { value, at } = await first;
  assertEquals(value, KEYS);
  const recoveredMs = at - readyAt;
  assert(recoveredMs < 250, `${recoveredMs} ms after the server was ready`);
  assert(events.length >= 3, `${events.length} events`);
  assert(events.some(({ percent }) => percent !== undefined && percent > 0));
  assert(events.some(({ etaSeconds }) => etaSeconds !== undefined));
  assertEquals(degraded, "degraded");
  const { state, circuitBreaker } = manager.getHealthStatus().databases.main!;
  assertEquals([state, circuitBreaker], ["healthy", "closed"]);
  await manager.closeAll();
  await assertNoConnectionsLeft(server, "mooring:");
  await report({
    row: 6,
    fault: "LOADING at start",
    outcome: `served when ready, ${events.length} progress events`,
    recoveredMs,
  });
});

Deno.test("row 8: loading for longer than allowed gives NotReadyError with the server's estimate", async () => {
  await using server = await loadingServer(4000);
  const manager = managerOf(server, 600);
  const { ms, error } = await timed(manager.getClient("main").get("key:1"));
  assertInstanceOf(error, NotReadyError);
  assertEquals(error.reason, "LOADING");
  assert(error.etaSeconds !== undefined, error.message);
  assert(ms >= 590 && ms < 900, `took ${ms} ms`);
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
