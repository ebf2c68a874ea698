import { assert, assertEquals } from "@std/assert";
import type { ManagerEventMap } from "../../../src/core/events.ts";
import { waitFor } from "../../../src/testing/wait.ts";
import { withManager } from "../../support/managed.ts";

Deno.test("statechange has from, to and reason, and getHealthStatus() reports the same from then on", () =>
  withManager({
    databases: { main: { db: 0 } },
    healthCheckIntervalMs: 50,
    // Every state within the test: with defaults, outages_test.ts.
    circuitBreakerThreshold: 2,
    circuitBreakerTimeoutMs: 50,
  }, async ({ manager, server }) => {
    const changes:
      (ManagerEventMap["statechange"] & { since: string; status: string })[] = [];
    manager.addEventListener("statechange", ({ detail }) => {
      const { reason, since, state } = manager.getHealthStatus().databases.main!;
      assertEquals([state, reason], [detail.to, detail.reason]);
      changes.push({ ...detail, since, status: state });
    });
    await manager.getClient("main").ping();
    const { since: healthySince } = manager.getHealthStatus().databases.main!;
    assertEquals(changes, []);
    await server.kill();
    await waitFor(() => changes.some(({ to }) => to === "failed"), { what: "failed" });
    await server.restart();
    // It is healthy again when the failures are old; until then it serves, and is watched.
    await waitFor(() => changes.at(-1)?.to === "degraded", { what: "a better state" });
    let state: string = "healthy";
    let since = healthySince;
    for (const change of changes) {
      assertEquals([change.database, change.from], ["main", state]);
      assert(change.reason !== "" && change.to !== change.from, change.reason);
      assert(change.since >= since, `${change.since} ${since}`);
      ({ to: state, since } = change);
    }
  }));
