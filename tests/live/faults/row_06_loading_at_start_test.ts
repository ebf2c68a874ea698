import { assert, assertEquals } from "@std/assert";
import type { LoadingDetail } from "../../../src/core/events.ts";
import { assertNoConnectionsLeft } from "../../support/clients.ts";
import { KEYS, loaded, loadingServer, managerOf } from "./_loading.ts";
import { report } from "./_report.ts";
import { timed } from "./_stage.ts";

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
