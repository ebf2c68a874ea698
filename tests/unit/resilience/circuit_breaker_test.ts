import { assertEquals } from "@std/assert";
import {
  type BreakerChange,
  CircuitBreaker,
  type CircuitBreakerOptions,
} from "../../../src/resilience/circuit_breaker.ts";
import {
  FAILURE_KINDS,
  type FailureKind,
} from "../../../src/resilience/failure_kinds.ts";
import { FakeClock } from "../../../src/testing/fake_clock.ts";

function setUp(options: Partial<CircuitBreakerOptions> = {}) {
  const clock = new FakeClock({ now: 1000 });
  const changes: BreakerChange[] = [];
  const breaker = new CircuitBreaker({
    clock,
    threshold: 5,
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
  assertEquals([breaker.state, breaker.allows(), breaker.failures], [
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
  assertEquals(changes, [{ from: "closed", to: "open", cause: "reset" }]);
});

/** What the table says of each kind, beside what the breaker makes of it. */
const TABLE: Readonly<Record<FailureKind, [counts: string, cure?: string]>> = {
  "refused": ["attempt", "connection"],
  "timeout": ["attempt", "connection"],
  "reset": ["event", "connection"],
  "silent": ["event", "reply"],
  "protocol": ["event", "reply"],
  "idle": ["never"],
  "late": ["never"],
  "reply-error": ["never"],
  "loading": ["never"],
  "auth": ["never"],
  "permission": ["never"],
  "aborted": ["never"],
  "overload": ["never"],
};

Deno.test("FAILURE_KINDS says of each kind whether it is evidence", () => {
  for (const kind of Object.keys(FAILURE_KINDS) as FailureKind[]) {
    const [counts, cure] = TABLE[kind];
    assertEquals([kind, FAILURE_KINDS[kind].counts], [kind, counts]);
    if (cure !== undefined) {
      assertEquals([kind, FAILURE_KINDS[kind].cure], [kind, cure]);
    }
  }
  assertEquals(Object.keys(FAILURE_KINDS), Object.keys(TABLE));
});

for (const [kind, [counts, cure]] of Object.entries(TABLE)) {
  Deno.test(`CircuitBreaker counts and forgets "${kind}" as FAILURE_KINDS says`, () => {
    const { breaker, clock } = setUp({ threshold: 3, attemptEveryMs: 2000 });
    const failures = () => breaker.failures;
    const fail = () => breaker.recordFailure(kind as FailureKind);
    for (let i = 0; i < 100; i++) fail();
    assertEquals(failures(), counts === "never" ? 0 : 1, "once at a time");
    clock.freeze(2000);
    fail();
    assertEquals(failures(), { attempt: 2, event: 1, never: 0 }[counts], "later");
    breaker.recordConnection();
    const left = cure === "reply" ? 1 : 0;
    assertEquals(failures(), left, "after a connection");
    fail();
    assertEquals(failures(), counts === "never" ? 0 : left + 1, "the next event");
    breaker.recordReply();
    assertEquals(failures(), 0, "after a reply");
    if (counts === "never") return;
    // Each failure is an event of its own: a connection, or time, is between them.
    for (let i = 0; i < 3; i++) {
      if (cure === "reply") breaker.recordConnection();
      clock.freeze(2000);
      fail();
    }
    if (counts === "event" && cure === "connection") {
      assertEquals(breaker.state, "closed", "cuts alone are one event");
    } else assertEquals(breaker.state, "open");
    breaker.recordReply();
    breaker.recordConnection();
    assertEquals(breaker.state, cure === "connection" ? "closed" : "open");
  });
}

Deno.test("CircuitBreaker.recordConnection() closes it in whatever state, if a connection cures it", () => {
  for (const kind of ["refused", "silent"] as const) {
    const { breaker, clock, changes } = setUp({ threshold: 1 });
    breaker.recordFailure(kind);
    const isCured = kind === "refused";
    assertEquals(breaker.isCuredByConnection, isCured);
    clock.freeze(60_000);
    const probe = breaker.tryProbe()!;
    breaker.recordConnection();
    assertEquals(breaker.state, isCured ? "closed" : "half_open");
    assertEquals(changes.at(-1)!.to, isCured ? "closed" : "half_open");
    probe.fail("aborted");
    assertEquals(breaker.state, isCured ? "closed" : "half_open");
  }
});

Deno.test("CircuitBreaker.recordReply() forgets all evidence", () => {
  const { breaker, fail } = setUp();
  fail(4);
  breaker.recordReply();
  fail(4);
  assertEquals(breaker.state, "closed");
  fail(1);
  assertEquals(breaker.state, "open");
});

Deno.test("CircuitBreaker drops what commands from before its opening report", () => {
  const { breaker, fail, changes } = setUp();
  fail(5);
  breaker.recordReply();
  fail(50);
  assertEquals([breaker.state, changes.length], ["open", 1]);
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

Deno.test("Probe.fail() opens it for another cooldown", () => {
  const { breaker, changes, fail, clock } = setUp();
  fail(5);
  clock.freeze(60_000);
  breaker.tryProbe()?.fail("refused");
  assertEquals([breaker.state, breaker.retryAfterMs], ["open", 60_000]);
  assertEquals(changes.at(-1), { from: "half_open", to: "open", cause: "refused" });
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

Deno.test("a probe's outcome counts once, and not after its half-open phase", () => {
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
  assertEquals([breaker.state, breaker.failures], ["closed", 0]);
});

Deno.test("a probe that nobody settles is given up, and its late outcome ignored", () => {
  const { breaker, fail, clock } = setUp();
  fail(5);
  clock.freeze(60_000);
  const lost = breaker.tryProbe();
  clock.freeze(59_999);
  assertEquals([breaker.tryProbe(), breaker.retryAfterMs], [undefined, 1]);
  clock.freeze(1);
  const next = breaker.tryProbe();
  lost?.succeed();
  assertEquals(breaker.state, "half_open");
  next?.succeed();
  assertEquals(breaker.state, "closed");
});

Deno.test("CircuitBreaker.reset() closes it and forgets all failures", () => {
  const { breaker, changes, fail } = setUp();
  breaker.reset();
  assertEquals(changes, []);
  fail(5);
  breaker.reset();
  assertEquals([breaker.state, changes.length], ["closed", 2]);
  fail(4);
  breaker.reset();
  fail(4);
  assertEquals([breaker.state, breaker.failures], ["closed", 4]);
});
