import { assertEquals, assertInstanceOf, assertStringIncludes } from "@std/assert";
import { RedisConfigLoader } from "../../../src/config/mod.ts";
import { ConnectFailures } from "../../../src/connection/connect_failure.ts";
import { Command } from "../../../src/connection/ioredis.ts";
import { settleFailed, track } from "../../../src/connection/pending_command.ts";
import { CircuitOpenError } from "../../../src/core/errors/mod.ts";
import type { Emit, ManagerEventMap } from "../../../src/core/events.ts";
import { DatabaseStatistics } from "../../../src/observability/statistics.ts";
import { BreakerGuard } from "../../../src/server/breaker_guard.ts";
import { FakeClock } from "../../../src/testing/fake_clock.ts";

/** A guard that opens with the first failure, for a second. */
function makeGuard(node?: string) {
  const clock = new FakeClock();
  const statistics = new DatabaseStatistics("main", clock);
  const events: string[] = [];
  const errors: Error[] = [];
  const emit: Emit = (type, detail) => {
    const { from, to, reason } = detail as ManagerEventMap["breaker"];
    events.push(`${type} ${from} to ${to}: ${reason}`);
  };
  const guard = new BreakerGuard(
    {
      config: RedisConfigLoader.fromOptions({
        circuitBreakerThreshold: 1,
        circuitBreakerTimeoutMs: 1000,
        databases: { main: {} },
      }).databases.main!,
      statistics,
      emit,
      clock,
    },
    { nextAttemptInMs: 300, failures: new ConnectFailures("main", clock) },
    node,
  );
  const command = () => {
    const made = track(new Command("ping"), {
      replied: () => {},
      failed: (failed, error) => {
        errors.push(error);
        settleFailed(failed, error);
      },
    }, 1000);
    made.promise.catch(() => {});
    return made;
  };
  return { clock, command, errors, events, guard, statistics };
}

Deno.test("BreakerGuard refuses commands while it is open, and lets one pass as a probe", async () => {
  const { clock, command, errors, events, guard, statistics } = makeGuard();
  assertEquals(guard.admits(command()), true);
  guard.breaker.recordFailure("silent");
  assertEquals(guard.admits(command()), false);
  const [error] = errors;
  assertInstanceOf(error, CircuitOpenError);
  assertStringIncludes(error.message, "silent");
  await clock.advance(1000);
  const probe = command();
  assertEquals([guard.admits(probe), guard.admits(command())], [true, false]);
  // It is tried again: it is the same probe.
  assertEquals(guard.admits(probe), true);
  probe.tracking.probe!.succeed();
  assertEquals(events, [
    "breaker closed to open: failures: silent",
    "breaker open to half_open: failures: silent",
    "breaker half_open to closed: a probe succeeded",
  ]);
  assertEquals(statistics.totals.circuitBreakerTrips, 1);
});

Deno.test("BreakerGuard says why it closes if no probe closes it", async () => {
  const { clock, command, events, guard } = makeGuard();
  guard.breaker.recordFailure("reset");
  guard.reset("by hand");
  assertEquals(events.at(-1), "breaker open to closed: by hand");
  assertEquals(guard.admits(command()), true);
  guard.breaker.recordFailure("reset");
  await clock.advance(1000);
  const probe = command();
  guard.admits(probe);
  probe.tracking.probe!.succeed();
  assertEquals(events.at(-1), "breaker half_open to closed: a probe succeeded");
});

Deno.test("BreakerGuard says when a server that was not reached is tried next, and closes once it is reached", () => {
  const { events, guard } = makeGuard();
  guard.breaker.recordFailure("silent");
  assertEquals([guard.openError().retryAfterMs, guard.mayConnect], [1000, false]);
  guard.connected();
  assertEquals(guard.breaker.state, "open");
  guard.reset("by hand");
  guard.breaker.recordFailure("refused");
  assertEquals([guard.openError().retryAfterMs, guard.mayConnect], [300, true]);
  guard.connected();
  assertEquals(events.at(-1), "breaker open to closed: the server was reached");
  assertEquals(guard.mayConnect, true);
});

Deno.test("BreakerGuard names its node where there are several", () => {
  const { events, guard } = makeGuard("10.0.0.7:7000");
  guard.breaker.recordFailure("refused");
  assertEquals(events, ["breaker closed to open: failures: refused at 10.0.0.7:7000"]);
  assertStringIncludes(guard.openError().message, "refused at 10.0.0.7:7000");
});
