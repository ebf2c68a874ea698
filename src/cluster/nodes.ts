import type { NodeAddress } from "../config/settings.ts";
import { ConnectionState } from "../core/events.ts";
import type { DatabaseHealth } from "../observability/types.ts";
import { Server } from "../server/server.ts";
import { ServerGroup } from "../server/server_group.ts";
import type { ServerContext } from "../server/topology.ts";

/** The nodes of a cluster that are connected to. */
export class ClusterNodes extends ServerGroup<Server> {
  /** @param troubled Called when a connection was lost, or could not be opened. */
  constructor(context: ServerContext, troubled: () => void) {
    const { clock, config: { commandTimeoutMs: drainMs } } = context;
    const make = (address: NodeAddress) => new Server(context, { address, troubled });
    super({ make, drainMs, clock });
  }
}

/** The worst comes first. */
const BREAKER_STATES = ["open", "half_open", "closed"] as const;

/**
 * Judges how well a cluster serves by the health of the nodes that serve slots: it has
 * failed if all have, and is degraded if some are not healthy.
 *
 * @param failure Why the cluster as a whole does not serve, whatever its nodes do.
 */
export function judgeCluster(
  nodes: readonly DatabaseHealth[],
  failure: string | undefined,
): Pick<DatabaseHealth, "circuitBreaker" | "pingMs" | "reason" | "state"> {
  const { DEGRADED, FAILED, HEALTHY } = ConnectionState;
  const pings = nodes.map(({ pingMs }) => pingMs).filter((ms) => ms !== null);
  const common = {
    circuitBreaker:
      BREAKER_STATES.find((state) =>
        nodes.some(({ circuitBreaker }) => circuitBreaker === state)
      ) ?? "closed",
    pingMs: pings.length === 0 ? null : Math.max(...pings),
  };
  if (failure !== undefined) return { ...common, state: FAILED, reason: failure };
  const unwell = nodes.filter(({ state }) => state !== HEALTHY);
  if (unwell.length === 0) {
    const node = nodes.find(({ reason }) => reason === "connected") ?? nodes[0];
    return { ...common, state: HEALTHY, reason: node?.reason ?? "not connected yet" };
  }
  const reasons = unwell.map(({ endpoint, reason }) => `${endpoint}: ${reason}`);
  return {
    ...common,
    state: nodes.every(({ state }) => state === FAILED) ? FAILED : DEGRADED,
    reason: `${unwell.length} of ${nodes.length} nodes not well: ${reasons.join("; ")}`,
  };
}
