import { assertEquals, assertInstanceOf, assertStringIncludes } from "@std/assert";
import { RedisConfigLoader } from "../../../src/config/mod.ts";
import { Command } from "../../../src/connection/driver.ts";
import { settleFailed, track } from "../../../src/connection/tracked.ts";
import { CircuitOpenError } from "../../../src/core/errors/mod.ts";
import type { BreakerDetail } from "../../../src/core/events.ts";
import { DatabaseStatistics } from "../../../src/observability/database_statistics.ts";
import { BreakerGuard } from "../../../src/servers/breaker_guard.ts";
import { FakeClock } from "../../support/fake_clock.ts";

/** A gate that opens with the first failure, for a second. */
function makeGate(nodeName?: string) {
  const clock = new FakeClock();
  const statistics = new DatabaseStatistics("main", clock);
  const events: string[] = [];
  const errors: Error[] = [];
  const gate = new BreakerGuard({
    config: RedisConfigLoader.fromOptions({
      circuitBreakerThreshold: 1,
      circuitBreakerTimeoutMs: 1000,
      databases: { main: {} },
    }).databases.main!,
    nodeName: () => nodeName,
    statistics,
    emit: (type, detail) => {
      const { from, to, reason } = detail as BreakerDetail;
      events.push(`${type} ${from} to ${to}: ${reason}`);
    },
    clock,
  });
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
  return { clock, command, errors, events, gate, statistics };
}

Deno.test("BreakerGuard refuses commands while it is open, and lets one pass as a probe", async () => {
  const { clock, command, errors, events, gate, statistics } = makeGate();
  assertEquals(gate.admits(command()), true);
  gate.breaker.recordFailure("timeout");
  assertEquals(gate.admits(command()), false);
  const [error] = errors;
  assertInstanceOf(error, CircuitOpenError);
  assertStringIncludes(error.message, "timeout");
  await clock.advance(1000);
  const probe = command();
  assertEquals([gate.admits(probe), gate.admits(command())], [true, false]);
  // It is tried again: it is the same probe.
  assertEquals(gate.admits(probe), true);
  probe.tracking.probe!.succeed();
  assertEquals(events, [
    "breaker closed to open: failures: timeout",
    "breaker open to half_open: failures: timeout",
    "breaker half_open to closed: a probe succeeded",
  ]);
  assertEquals(statistics.totals.trips, 1);
});

Deno.test("BreakerGuard tells why it closes where that is no probe's doing", async () => {
  const { clock, command, events, gate } = makeGate();
  gate.breaker.recordFailure("reset");
  gate.reset("by hand");
  assertEquals(events.at(-1), "breaker open to closed: by hand");
  assertEquals(gate.admits(command()), true);
  gate.breaker.recordFailure("reset");
  await clock.advance(1000);
  const probe = command();
  gate.admits(probe);
  probe.tracking.probe!.succeed();
  assertEquals(events.at(-1), "breaker half_open to closed: a probe succeeded");
});

Deno.test("BreakerGuard names its node where there are several", () => {
  const { events, gate } = makeGate("10.0.0.7:7000");
  gate.breaker.recordFailure("refused");
  assertEquals(events, ["breaker closed to open: failures: refused at 10.0.0.7:7000"]);
  assertStringIncludes(gate.openError().message, "refused at 10.0.0.7:7000");
});
