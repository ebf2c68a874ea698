import { assertEquals } from "@std/assert";
import type { ConnectionState } from "../../../src/core/events.ts";
import { HealthMonitor } from "../../../src/health/monitor.ts";
import { FakeClock } from "../../support/fake_clock.ts";

function monitored(clock: FakeClock) {
  const now: { state: ConnectionState; reason: string } = {
    state: "healthy",
    reason: "",
  };
  const changes: string[] = [];
  const monitor = new HealthMonitor({
    judge: () => now,
    changed: (from, to, reason) => changes.push(`${from} > ${to}: ${reason}`),
    clock,
  });
  const become = (state: ConnectionState, reason: string) => {
    Object.assign(now, { state, reason });
  };
  return { monitor, become, changes };
}

Deno.test("HealthMonitor.update() reports changes, and each once", () => {
  const { monitor, become, changes } = monitored(new FakeClock());
  monitor.update();
  become("failed", "refused");
  monitor.update();
  monitor.update();
  become("healthy", "connected");
  monitor.update();
  assertEquals(changes, ["healthy > failed: refused", "failed > healthy: connected"]);
});

Deno.test("HealthMonitor looks again by itself until the database is healthy", async () => {
  const clock = new FakeClock();
  const { monitor, become, changes } = monitored(clock);
  become("degraded", "2 failures lately");
  monitor.update();
  become("healthy", "connected");
  await clock.advance(1000);
  assertEquals(changes.at(-1), "degraded > healthy: connected");
  assertEquals(clock.pending, 0);
});

Deno.test("HealthMonitor.stop() ends the looking", async () => {
  const clock = new FakeClock();
  const { monitor, become, changes } = monitored(clock);
  become("degraded", "loading");
  monitor.update();
  monitor.stop();
  become("healthy", "");
  await clock.advance(5000);
  monitor.update();
  assertEquals([changes.length, clock.pending], [1, 0]);
});
