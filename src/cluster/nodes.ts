import type { NodeAddress } from "../config/settings.ts";
import type { PendingCommand } from "../connection/pending_command.ts";
import { ConnectionState } from "../core/states.ts";
import type { ConnectionCounts } from "../observability/database_statistics.ts";
import type { DatabaseHealth } from "../observability/types.ts";
import { EVICTION_REASONS } from "../pool/types.ts";
import { Server } from "../server/server.ts";
import type { ServerContext, ServerStats } from "../server/topology.ts";
import { addressText } from "./slot_map.ts";

/**
 * The nodes of a cluster that are connected to. They are created when they are first asked
 * for, and removed when they serve nothing any more: commands in flight on them are
 * answered first. Their statistics stay in the totals.
 */
export class ClusterNodes {
  readonly #context: ServerContext;
  readonly #troubled: () => void;
  readonly #nodes = new Map<string, Server>();
  /** The same by the slot map's own objects: looked up for each command. */
  #byAddress = new Map<NodeAddress, Server>();
  /** Nodes that were removed and are being drained. */
  readonly #leaving = new Map<Server, Promise<number>>();
  /** The totals of the nodes that are gone. */
  #retired = NO_STATS;
  #openedBefore = 0;
  #isClosed = false;

  /** @param troubled Called when a connection was lost, or could not be opened. */
  constructor(context: ServerContext, troubled: () => void) {
    this.#context = context;
    this.#troubled = troubled;
  }

  get isClosed(): boolean {
    return this.#isClosed;
  }

  /** Those that are not being drained. */
  get current(): Server[] {
    return [...this.#nodes.values()];
  }

  /** Their names, such as `10.0.0.7:7000`. */
  get names(): string[] {
    return [...this.#nodes.keys()];
  }

  /** Every one that has connections. */
  get all(): Server[] {
    return [...this.#nodes.values(), ...this.#leaving.keys()];
  }

  /** The node at an address; created if there is none. */
  at(address: NodeAddress): Server {
    return this.#byAddress.get(address) ?? this.#nodeAt(address);
  }

  /** The node of a name such as `10.0.0.7:7000`, if there is one. */
  named(name: string): Server | undefined {
    return this.#nodes.get(name);
  }

  /**
   * Removes all nodes but those that serve. While some slots are served by no node, no node
   * is removed: Redis 8 lists no slots for a primary that has failed, and `MOVED` leads to
   * it all the same. Created anew after each refresh, it would be tried as if it had never
   * failed.
   *
   * @returns The commands that waited for the others.
   */
  keepOnly(serving: readonly NodeAddress[], isComplete: boolean): PendingCommand[] {
    const names = new Set(serving.map(addressText));
    this.#byAddress = new Map(serving.map((address) => [address, this.#nodeAt(address)]));
    const others = [...this.#nodes].filter(([name]) => !names.has(name));
    return others.flatMap(([name, node]) => {
      const waiting = node.lanes.takeWaiting();
      if (isComplete) this.#retire(name, node);
      return waiting;
    });
  }

  connections(): ConnectionCounts {
    const counts = this.all.map((node) => node.connections());
    return {
      opened: counts.reduce((sum, { opened }) => sum + opened, this.#openedBefore),
      open: counts.reduce((sum, { open }) => sum + open, 0),
    };
  }

  stats(): ServerStats {
    return this.all.reduce((sum, node) => addStats(sum, node.stats()), this.#retired);
  }

  /** Closes every node within a time; returns how many commands were cut. */
  async close(drainMs: number): Promise<number> {
    this.#isClosed = true;
    const { clock } = this.#context;
    const cut = await Promise.all([
      ...this.current.map((node) => node.close(drainMs)),
      ...[...this.#leaving].map(async ([node, over]) => {
        // One that is being drained already has no more time than the others.
        const timer = clock.setTimer(() => node.cut(), drainMs);
        const cut = await over;
        timer.cancel();
        return cut;
      }),
    ]);
    return cut.reduce((sum, count) => sum + count, 0);
  }

  #nodeAt(address: NodeAddress): Server {
    const name = addressText(address);
    const known = this.#nodes.get(name);
    if (known !== undefined) return known;
    const node = new Server(this.#context, { address, troubled: this.#troubled });
    this.#nodes.set(name, node);
    // Commands that are redirected there fail as elsewhere.
    if (this.#isClosed) void node.close(0);
    return node;
  }

  #retire(name: string, node: Server): void {
    this.#nodes.delete(name);
    node.stopReporting();
    const over = node.close(this.#context.config.commandTimeoutMs);
    this.#leaving.set(node, over);
    void over.then(() => {
      this.#leaving.delete(node);
      const { counters } = node.stats();
      this.#retired = addStats(this.#retired, { ...NO_STATS, counters });
      this.#openedBefore += node.connections().opened;
    });
  }
}

const NO_STATS: ServerStats = {
  gauges: {
    total: 0,
    lanes: 0,
    inUse: 0,
    idle: 0,
    connecting: 0,
    waiting: 0,
    max: 0,
    leased: 0,
    recycling: 0,
    validating: 0,
    lanesWaiting: 0,
  },
  counters: {
    created: 0,
    acquireTimeouts: 0,
    evictions: Object.fromEntries(
      EVICTION_REASONS.map((reason) => [reason, 0]),
    ) as ServerStats["counters"]["evictions"],
    lastCleanup: null,
  },
  waiting: 0,
  inFlight: 0,
};

/** Adds the numbers of two objects by name. */
function add<T extends object>(a: T, b: T): T {
  const names = Object.keys(a) as (keyof T)[];
  return Object.fromEntries(
    names.map((name) => [name, Number(a[name]) + Number(b[name])]),
  ) as T;
}

function addStats(a: ServerStats, b: ServerStats): ServerStats {
  const [x, y] = [a.counters, b.counters];
  return {
    gauges: add(a.gauges, b.gauges),
    counters: {
      created: x.created + y.created,
      acquireTimeouts: x.acquireTimeouts + y.acquireTimeouts,
      evictions: add(x.evictions, y.evictions),
      lastCleanup: Math.max(x.lastCleanup ?? 0, y.lastCleanup ?? 0) || null,
    },
    waiting: a.waiting + b.waiting,
    inFlight: a.inFlight + b.inFlight,
  };
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
