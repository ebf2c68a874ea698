import { within } from "../../../src/testing/wait.ts";
import { assert, assertEquals } from "@std/assert";
import type { ManagerEventMap } from "../../../src/core/events.ts";
import { assertNoConnectionsLeft } from "../../support/clients.ts";
import { KEYS, loaded, loadingServer, managerOf } from "./_loading.ts";
import { report } from "./_report.ts";
import { assertTook, Stopwatch } from "./_stage.ts";

Deno.test("a server that is loading is waited for, with progress, and served at once when ready", async () => {
  await using server = await loadingServer(2500);
  const manager = managerOf(server);
  const events: ManagerEventMap["loading"][] = [];
  manager.addEventListener("loading", ({ detail }) => events.push(detail));
  using watch = new Stopwatch();
  const first = manager.getAsyncClient("main").then((client) => client.dbsize())
    .then((value) => ({ value, at: watch.read() }));
  const degraded = await within(
    new Promise<string>((resolve) =>
      manager.addEventListener(
        "loading",
        () => resolve(manager.getHealthStatus().databases.main!.state),
        { once: true },
      )
    ),
    10_000,
    "the first event",
  );
  await loaded(server);
  const ready = watch.read();
  const { value, at } = await first;
  assertEquals(value, KEYS);
  const recoveredMs = at.ms - ready.ms;
  const { lateMs } = watch.since(ready);
  assertTook({ ms: recoveredMs, lateMs }, { most: 250 }, "being served when ready");
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
