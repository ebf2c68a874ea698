import { assertEquals, assertThrows } from "@std/assert";
import {
  type BreakerChange,
  CircuitBreaker,
  type CircuitBreakerOptions,
} from "../../../src/resilience/circuit_breaker.ts";
import {
  FAILURE_KINDS,
  type FailureKind,
} from "../../../src/resilience/failure_kinds.ts";
import { ConsecutiveFailures } from "../../../src/resilience/trip_strategy.ts";
import { FakeClock } from "../../support/fake_clock.ts";

function setUp(options: Partial<CircuitBreakerOptions> = {}) {
  const clock = new FakeClock({ now: 1000 });
  const changes: BreakerChange[] = [];
  const breaker = new CircuitBreaker({
    clock,
    strategy: new ConsecutiveFailures(5),
    cooldownMs: 60_000,
    onChange: (change) => changes.push(change),
    ...options,
  });
  const fail = (times: number, kind: FailureKind = "timeout") => {
    for (let i = 0; i < times; i++) breaker.recordFailure(kind);
  };
  return { clock, changes, breaker, fail };
}

Deno.test("CircuitBreaker.recordFailure() opens it at the threshold and not before", () => {
  const { breaker, fail, changes } = setUp();
  fail(4);
  assertEquals([breaker.state, breaker.allows(), breaker.snapshot().failures], [
    "closed",
    true,
    4,
  ]);
  fail(1, "reset");
  assertEquals([breaker.state, breaker.allows(), breaker.retryAfterMs], [
    "open",
    false,
    60_000,
  ]);
  assertEquals(changes, [
    { from: "closed", to: "open", cause: "reset", retryAfterMs: 60_000 },
  ]);
});

Deno.test("CircuitBreaker.recordFailure() counts exactly the kinds that FAILURE_KINDS says", () => {
  const counting = ["refused", "reset", "timeout", "protocol"];
  for (const kind of Object.keys(FAILURE_KINDS) as FailureKind[]) {
    const { breaker, fail } = setUp();
    fail(100, kind);
    assertEquals([kind, FAILURE_KINDS[kind].counts], [kind, counting.includes(kind)]);
    assertEquals([kind, breaker.state], [
      kind,
      counting.includes(kind) ? "open" : "closed",
    ]);
  }
});

Deno.test("CircuitBreaker.recordSuccess() breaks the row of failures", () => {
  const { breaker, fail } = setUp();
  fail(4);
  breaker.recordSuccess();
  fail(4);
  assertEquals(breaker.state, "closed");
  fail(1);
  assertEquals(breaker.state, "open");
});

Deno.test("CircuitBreaker.recordFailure() counts failures in a row from one source once", () => {
  const { breaker } = setUp();
  const connections = Array.from({ length: 6 }, () => ({}));
  for (const connection of connections.slice(0, 4)) {
    for (let i = 0; i < 500; i++) breaker.recordFailure("reset", connection);
  }
  assertEquals([breaker.state, breaker.snapshot().failures], ["closed", 4]);
  breaker.recordFailure("reset", connections[4]);
  assertEquals(breaker.state, "open");
});

Deno.test("CircuitBreaker drops what commands from before its opening report", () => {
  const { breaker, fail } = setUp();
  fail(5);
  breaker.recordSuccess();
  fail(50);
  assertEquals([breaker.state, breaker.snapshot().trips], ["open", 1]);
});

Deno.test("CircuitBreaker.tryProbe() lets one caller of a thousand through after the cooldown", () => {
  const { breaker, fail, clock, changes } = setUp();
  assertEquals(breaker.tryProbe(), undefined, "a closed breaker needs no probe");
  fail(5);
  clock.freeze(59_999);
  assertEquals([breaker.tryProbe(), breaker.retryAfterMs], [undefined, 1]);
  clock.freeze(1);
  const probes = Array.from({ length: 1000 }, () => breaker.tryProbe());
  assertEquals(probes.filter((probe) => probe !== undefined).length, 1);
  assertEquals([breaker.state, breaker.allows()], ["half_open", false]);
  probes[0]?.succeed();
  assertEquals([breaker.state, breaker.allows(), breaker.retryAfterMs], [
    "closed",
    true,
    0,
  ]);
  assertEquals(changes.map(({ from, to }) => `${from} ${to}`), [
    "closed open",
    "open half_open",
    "half_open closed",
  ]);
});

Deno.test("Probe.fail() opens it for another cooldown, and counts no new trip", () => {
  const { breaker, fail, clock } = setUp();
  fail(5);
  clock.freeze(60_000);
  breaker.tryProbe()?.fail("refused");
  const { state, retryAfterMs, cause, trips } = breaker.snapshot();
  assertEquals({ state, retryAfterMs, cause, trips }, {
    state: "open",
    retryAfterMs: 60_000,
    cause: "refused",
    trips: 1,
  });
});

Deno.test("Probe.fail() with a kind that does not count, and cancel(), give it back", () => {
  const { breaker, fail, clock } = setUp();
  fail(5);
  clock.freeze(60_000);
  breaker.tryProbe()?.fail("aborted");
  assertEquals(breaker.state, "half_open");
  const second = breaker.tryProbe();
  second?.cancel();
  const third = breaker.tryProbe();
  assertEquals([second === undefined, third === undefined], [false, false]);
  third?.succeed();
  assertEquals(breaker.state, "closed");
});

Deno.test("a probe's word counts once, and not after its half-open phase", () => {
  const { breaker, fail, clock } = setUp();
  fail(5);
  clock.freeze(60_000);
  const stale = breaker.tryProbe();
  stale?.fail("timeout");
  stale?.succeed();
  assertEquals(breaker.state, "open");
  clock.freeze(60_000);
  const probe = breaker.tryProbe();
  stale?.succeed();
  assertEquals(breaker.state, "half_open");
  stale?.fail("timeout");
  assertEquals(breaker.state, "half_open");
  probe?.succeed();
  probe?.fail("timeout");
  assertEquals([breaker.state, breaker.snapshot().failures], ["closed", 0]);
});

Deno.test("a probe that nobody settles is given up, and its late word dropped", () => {
  const { breaker, fail, clock } = setUp({ probeTimeoutMs: 5000 });
  fail(5);
  clock.freeze(60_000);
  const lost = breaker.tryProbe();
  clock.freeze(4999);
  assertEquals([breaker.tryProbe(), breaker.retryAfterMs], [undefined, 1]);
  clock.freeze(1);
  const next = breaker.tryProbe();
  lost?.succeed();
  assertEquals(breaker.state, "half_open");
  next?.succeed();
  assertEquals(breaker.state, "closed");
});

Deno.test("CircuitBreaker with several probes closes when all have succeeded", () => {
  const { breaker, fail, clock } = setUp({ probes: 3 });
  fail(5);
  clock.freeze(60_000);
  const probes = [breaker.tryProbe(), breaker.tryProbe(), breaker.tryProbe()];
  assertEquals(breaker.tryProbe(), undefined);
  probes[0]?.succeed();
  assertEquals([breaker.tryProbe(), breaker.state], [undefined, "half_open"]);
  probes[1]?.succeed();
  probes[2]?.succeed();
  assertEquals(breaker.state, "closed");
});

Deno.test("CircuitBreaker.trip() opens and reset() closes by hand", () => {
  const { breaker, changes, fail, clock } = setUp();
  breaker.reset();
  assertEquals(changes, []);
  breaker.trip();
  assertEquals([breaker.state, breaker.snapshot().cause], ["open", "manual"]);
  breaker.reset();
  assertEquals(breaker.state, "closed");
  fail(4);
  breaker.reset();
  fail(4);
  assertEquals(breaker.state, "closed");
  clock.freeze(250);
  assertEquals(breaker.snapshot(), {
    state: "closed",
    failures: 4,
    trips: 1,
    sinceMs: 250,
    retryAfterMs: 0,
  });
});

Deno.test("new CircuitBreaker() throws on settings that are not positive", () => {
  assertThrows(() => setUp({ cooldownMs: 0 }), RangeError, "cooldownMs");
  assertThrows(() => setUp({ probes: NaN }), RangeError, "probes");
  assertThrows(() => setUp({ probeTimeoutMs: -1 }), RangeError, "current value is -1");
  assertThrows(() => new ConsecutiveFailures(0), RangeError, "threshold");
  assertThrows(() => new ConsecutiveFailures(1.5), RangeError, "current value is 1.5");
});
