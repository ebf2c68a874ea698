import { assertEquals } from "@std/assert";
import { RedisConfigLoader } from "../../../src/config/mod.ts";
import type { ConnectionState, Emit, ManagerEventMap } from "../../../src/core/events.ts";
import { HealthMonitor } from "../../../src/server/health.ts";
import { FakeClock } from "../../../src/testing/fake_clock.ts";

const UNKNOWN = {
  endpoint: "a:1",
  db: 0,
  circuitBreaker: "closed",
  lastError: null,
  pingMs: null,
} as const;

function monitored(clock: FakeClock) {
  const now: { state: ConnectionState; reason: string } = {
    state: "healthy",
    reason: "",
  };
  const changes: string[] = [];
  const config = RedisConfigLoader.fromOptions({ databases: { main: {} } })
    .databases.main!;
  const emit: Emit = (_type, detail) => {
    const { from, to, reason } = detail as ManagerEventMap["statechange"];
    changes.push(`${from} > ${to}: ${reason}`);
  };
  const judge = () => ({ ...UNKNOWN, ...now });
  const monitor = new HealthMonitor({ config, clock, emit }, judge);
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

Deno.test("HealthMonitor judges again by itself until the database is healthy", async () => {
  const clock = new FakeClock();
  const { monitor, become, changes } = monitored(clock);
  become("degraded", "2 failures lately");
  monitor.update();
  become("healthy", "connected");
  await clock.advance(1000);
  assertEquals(changes.at(-1), "degraded > healthy: connected");
  assertEquals(clock.pending, 0);
});

Deno.test("HealthMonitor.stop() ends that", async () => {
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

Deno.test("HealthMonitor.health() says since when the state has lasted", async () => {
  const clock = new FakeClock();
  const { monitor, become } = monitored(clock);
  const begin = monitor.health().since;
  await clock.advance(1000);
  assertEquals(monitor.health().since, begin);
  become("failed", "refused");
  const later = new Date(Date.parse(begin) + 1000).toISOString();
  assertEquals(monitor.health(), {
    ...UNKNOWN,
    state: "failed",
    reason: "refused",
    since: later,
  });
});
