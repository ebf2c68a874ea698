import { ConnectionState } from "../core/events.ts";

/** What is known of a database when its health is judged. */
export interface HealthFacts {
  /** State of its circuit breaker. */
  readonly breaker: "closed" | "open" | "half_open";
  /** Whether its server is loading data. */
  readonly loading: boolean;
  /** Whether the last attempt to connect failed, and with what. */
  readonly connectError: string | undefined;
  /** Milliseconds until the next attempt to connect, at the most; `undefined` if none is
   * planned. */
  readonly nextAttemptMs?: number | undefined;
  /** Open connections. */
  readonly openConnections: number;
  /** Whether it was ever connected. */
  readonly everConnected: boolean;
  /** Failures of connections or deadlines in the last window. */
  readonly recentTroubles: number;
}

/** A judgement and why. */
export interface HealthJudgement {
  /** How well the database serves. */
  readonly state: ConnectionState;
  /** Why, in words. */
  readonly reason: string;
}

/**
 * Judges how well a database serves.
 *
 * @param facts What is known of it.
 * @returns The state and why.
 */
export function judgeHealth(facts: HealthFacts): HealthJudgement {
  const { FAILED, DEGRADED, HEALTHY } = ConnectionState;
  const next = nextAttempt(facts.nextAttemptMs);
  if (facts.breaker === "open") {
    // What opened it comes first: that it is open is only what follows from it.
    const { connectError } = facts;
    const reason = connectError === undefined
      ? "circuit breaker open"
      : `${connectError}; circuit breaker open`;
    return { state: FAILED, reason: reason + next };
  }
  if (facts.loading) return { state: DEGRADED, reason: "server is loading its data" };
  if (facts.openConnections === 0 && facts.connectError !== undefined) {
    return { state: FAILED, reason: facts.connectError + next };
  }
  if (facts.breaker === "half_open") {
    return { state: DEGRADED, reason: "circuit breaker is probing" };
  }
  if (facts.connectError !== undefined) {
    return { state: DEGRADED, reason: facts.connectError };
  }
  if (facts.recentTroubles > 0) {
    const { recentTroubles: n } = facts;
    return { state: DEGRADED, reason: `${n} ${n === 1 ? "failure" : "failures"} lately` };
  }
  if (facts.openConnections > 0) return { state: HEALTHY, reason: "connected" };
  return {
    state: HEALTHY,
    reason: facts.everConnected ? "idle, no connection open" : "not connected yet",
  };
}

/** When it is tried again, in words that follow the reason. */
function nextAttempt(ms: number | undefined): string {
  return ms === undefined ? "" : `; next attempt in ${(ms / 1000).toFixed(1)} s`;
}
