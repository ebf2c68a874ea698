import { assertEquals } from "@std/assert";
import { waitFor } from "../../../src/testing/wait.ts";
import { withDefaults } from "./_defaults.ts";
import { report } from "./_report.ts";

Deno.test("a server that closes idle connections together is not held to be sick", () =>
  withDefaults(async ({ breaker, manager, server }) => {
    const client = manager.getClient("main");
    for (let round = 0; round < 2; round++) {
      await client.set("k", 1);
      const leases = await Promise.all(
        Array.from({ length: 8 }, () => manager.acquire("main")),
      );
      await Promise.all(leases.map((lease) => lease.client.ping()));
      for (const lease of leases) lease.release();
      // Nothing is owed on any of them, so nothing keeps the server from closing them.
      const open = () => server.clientList("mooring:main:");
      await waitFor(async () => (await open()).length === 0, {
        what: "the server closes what is idle",
        timeoutMs: 30_000,
      });
      await waitFor(() => manager.getPoolStatistics("main").idleConnections === 0);
      assertEquals(manager.getHealthStatus().databases.main!.circuitBreaker, "closed");
      assertEquals(manager.getHealthStatus().databases.main!.state, "healthy");
      assertEquals(await client.get("k"), "1");
      (await manager.acquire("main")).release();
    }
    assertEquals(breaker, []);
    const { failedOperations, circuitBreakerTrips } = manager.getStatistics()
      .databaseStats.main!;
    assertEquals([failedOperations, circuitBreakerTrips], [0, 0]);
    await report({
      row: 49,
      fault: "8 idle leases and a lane closed together (`timeout 2`)",
      outcome: "breaker closed, callers notice nothing",
    });
  }, { config: { timeout: "2" } }));
