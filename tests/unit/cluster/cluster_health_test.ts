import { assertEquals } from "@std/assert";
import { judgeCluster } from "../../../src/cluster/discovery.ts";
import type { DatabaseHealth } from "../../../src/observability/types.ts";

const WELL: DatabaseHealth = {
  state: "healthy",
  reason: "connected",
  since: "2026-01-01T00:00:00.000Z",
  endpoint: "a:1",
  db: 0,
  circuitBreaker: "closed",
  lastError: null,
  pingMs: 1,
};
const LOST: DatabaseHealth = {
  ...WELL,
  state: "failed",
  reason: "refused",
  endpoint: "b:1",
  circuitBreaker: "open",
  pingMs: null,
};

Deno.test("judgeCluster() says degraded if some nodes do not serve, and names them", () => {
  assertEquals(judgeCluster([WELL, LOST], undefined), {
    state: "degraded",
    reason: "1 of 2 nodes not well: b:1: refused",
    circuitBreaker: "open",
    pingMs: 1,
  });
});

Deno.test("judgeCluster() says failed if no node serves, or the whole does not", () => {
  assertEquals(judgeCluster([LOST, LOST], undefined).state, "failed");
  const { reason, state } = judgeCluster([WELL], "the cluster is down");
  assertEquals([state, reason], ["failed", "the cluster is down"]);
});

Deno.test("judgeCluster() says healthy if every node is, or none is known", () => {
  const idle = { ...WELL, reason: "not connected yet", pingMs: 3 };
  assertEquals(judgeCluster([idle, WELL], undefined), {
    state: "healthy",
    reason: "connected",
    circuitBreaker: "closed",
    pingMs: 3,
  });
  assertEquals(judgeCluster([], undefined).reason, "not connected yet");
});
