import { assertEquals } from "@std/assert";
import { type HealthFacts, judgeHealth } from "../../../src/server/health.ts";

const FINE: HealthFacts = {
  breaker: "closed",
  loading: false,
  connectError: undefined,
  openConnections: 1,
  everConnected: true,
  recentFailures: 0,
};

const CASES: [string, Partial<HealthFacts>, string][] = [
  ["all is well", {}, "healthy"],
  ["never connected", { openConnections: 0, everConnected: false }, "healthy"],
  ["idle", { openConnections: 0 }, "healthy"],
  ["breaker open", { breaker: "open" }, "failed"],
  ["breaker open while loading", { breaker: "open", loading: true }, "failed"],
  ["breaker half open", { breaker: "half_open" }, "degraded"],
  ["loading", { loading: true, openConnections: 0 }, "degraded"],
  ["cannot connect at all", { connectError: "refused", openConnections: 0 }, "failed"],
  ["cannot connect more", { connectError: "refused" }, "degraded"],
  ["failures lately", { recentFailures: 2 }, "degraded"],
];

Deno.test("judgeHealth() says why, and when it is tried again", () => {
  const refused = { connectError: "connection refused", openConnections: 0 };
  const reasonOf = (facts: Partial<HealthFacts>) =>
    judgeHealth({ ...FINE, ...facts }).reason;
  assertEquals(reasonOf(refused), "connection refused");
  assertEquals(
    reasonOf({ ...refused, nextAttemptMs: 420 }),
    "connection refused; next attempt in 0.4 s",
  );
  // That the breaker is open only follows from it.
  assertEquals(
    reasonOf({ ...refused, breaker: "open", nextAttemptMs: 12_345 }),
    "connection refused; circuit breaker open; next attempt in 12.3 s",
  );
  assertEquals(reasonOf({ breaker: "open" }), "circuit breaker open");
});

for (const [what, facts, state] of CASES) {
  Deno.test(`judgeHealth() says ${state}: ${what}`, () => {
    assertEquals(judgeHealth({ ...FINE, ...facts }).state, state);
  });
}

Deno.test("judgeHealth() counts failures", () => {
  const reasons = [1, 2].map((recentFailures) =>
    judgeHealth({ ...FINE, recentFailures }).reason
  );
  assertEquals(reasons, ["1 failure lately", "2 failures lately"]);
});
