import { ConnectionState } from "../core/events.ts";
import type { HealthJudgement } from "./health.ts";

/** What is known of one node of a cluster. */
export interface NodeJudgement extends HealthJudgement {
  /** Where it is. */
  readonly endpoint: string;
}

/**
 * Judges how well a cluster serves by how well its nodes do: it has failed if all have, and
 * is degraded if some do not serve fully.
 *
 * @param nodes The nodes that are known to serve slots.
 * @param failure Why the cluster as a whole does not serve. Default: nothing speaks against
 * it.
 * @returns The state and why, naming the nodes that are not well.
 *
 * @example Usage
 * ```ts
 * import { ConnectionState } from "../core/states.ts";
 * import { judgeCluster } from "./cluster_judgement.ts";
 * import { assertEquals } from "@std/assert";
 *
 * const well = { endpoint: "a:1", state: ConnectionState.HEALTHY, reason: "connected" };
 * const lost = { endpoint: "b:1", state: ConnectionState.FAILED, reason: "refused" };
 * assertEquals(judgeCluster([well, lost]), {
 *   state: ConnectionState.DEGRADED,
 *   reason: "1 of 2 nodes not well: b:1: refused",
 * });
 * ```
 */
export function judgeCluster(
  nodes: readonly NodeJudgement[],
  failure?: string,
): HealthJudgement {
  const { DEGRADED, FAILED, HEALTHY } = ConnectionState;
  if (failure !== undefined) return { state: FAILED, reason: failure };
  if (nodes.length === 0) return { state: HEALTHY, reason: "not connected yet" };
  const unwell = nodes.filter(({ state }) => state !== HEALTHY);
  if (unwell.length === 0) {
    const connected = nodes.find(({ reason }) => reason === "connected");
    return { state: HEALTHY, reason: (connected ?? nodes[0]!).reason };
  }
  const reasons = unwell.map(({ endpoint, reason }) => `${endpoint}: ${reason}`);
  return {
    state: nodes.every(({ state }) => state === FAILED) ? FAILED : DEGRADED,
    reason: `${unwell.length} of ${nodes.length} nodes not well: ${reasons.join("; ")}`,
  };
}
