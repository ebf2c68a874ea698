import { assertEquals } from "@std/assert";
import { type HealthFacts, judgeHealth } from "../../../src/health/health.ts";

const FINE: HealthFacts = {
  breaker: "closed",
  loading: false,
  connectError: undefined,
  openConnections: 1,
  everConnected: true,
  recentTroubles: 0,
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
  ["troubles lately", { recentTroubles: 2 }, "degraded"],
];

for (const [what, facts, state] of CASES) {
  Deno.test(`judgeHealth() says ${state}: ${what}`, () => {
    assertEquals(judgeHealth({ ...FINE, ...facts }).state, state);
  });
}
