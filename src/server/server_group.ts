import type { NodeAddress } from "../config/settings.ts";
import type { PendingCommand } from "../connection/pending_command.ts";
import { formatAddress } from "../core/address.ts";
import type { Clock } from "../core/clock.ts";
import type { ConnectionCounts } from "../observability/metrics.ts";
import type { OpenConnection } from "../pool/types.ts";
import { EVICTION_REASONS } from "../pool/types.ts";
import type { PooledConnection } from "./lease.ts";
import type { ServerStats } from "./topology.ts";

/** A server, as a group of them uses it. */
export interface GroupMember {
  readonly lanes: { takeWaiting(): PendingCommand[] };
  connections(): ConnectionCounts;
  openConnections(): OpenConnection<PooledConnection>[];
  stats(): ServerStats;
  stopReporting(): void;
  close(drainMs: number): Promise<number>;
  /** Closes every connection at once. */
  cut(): void;
}

interface ServerGroupOptions<S> {
  /** Creates the server at an address. */
  readonly make: (address: NodeAddress) => S;
  /** How long the commands of a server that is removed may take, in milliseconds. */
  readonly drainMs: number;
  readonly clock: Clock;
}

/**
 * Servers that come and go: the nodes of a cluster, the replicas of a primary. They are created
 * when they are first asked for, and removed when they serve nothing any more: commands in flight
 * on them are answered first. Their statistics stay in the totals.
 */
export class ServerGroup<S extends GroupMember> {
  readonly #options: ServerGroupOptions<S>;
  readonly #nodes = new Map<string, S>();
  /** The same by the slot map's own objects: looked up for each command. */
  #byAddress = new Map<NodeAddress, S>();
  /** Nodes that were removed and are being drained. */
  readonly #leaving = new Map<S, Promise<number>>();
  /** The totals of the nodes that are gone. */
  #retired = NO_STATS;
  #openedBefore = 0;
  #isClosed = false;

  constructor(options: ServerGroupOptions<S>) {
    this.#options = options;
  }

  get isClosed(): boolean {
    return this.#isClosed;
  }

  /** Those that are not being drained. */
  get current(): S[] {
    return [...this.#nodes.values()];
  }

  /** Their names, such as `10.0.0.7:7000`. */
  get names(): string[] {
    return [...this.#nodes.keys()];
  }

  /** Every one that has connections. */
  get all(): S[] {
    return [...this.#nodes.values(), ...this.#leaving.keys()];
  }

  /** The node at an address; created if there is none. */
  at(address: NodeAddress): S {
    return this.#byAddress.get(address) ?? this.#nodeAt(address);
  }

  /** The node of a name such as `10.0.0.7:7000`, if there is one. */
  named(name: string): S | undefined {
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
    const names = new Set(serving.map(formatAddress));
    this.#byAddress = new Map(serving.map((address) => [address, this.#nodeAt(address)]));
    const others = [...this.#nodes].filter(([name]) => !names.has(name));
    return others.flatMap(([name, node]) => {
      const waiting = node.lanes.takeWaiting();
      if (isComplete) this.#retire(name, node);
      return waiting;
    });
  }

  openConnections(): OpenConnection<PooledConnection>[] {
    return this.all.flatMap((node) => node.openConnections());
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
    const { clock } = this.#options;
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

  #nodeAt(address: NodeAddress): S {
    const name = formatAddress(address);
    const known = this.#nodes.get(name);
    if (known !== undefined) return known;
    const node = this.#options.make(address);
    this.#nodes.set(name, node);
    // Commands that are redirected there fail as elsewhere.
    if (this.#isClosed) void node.close(0);
    return node;
  }

  #retire(name: string, node: S): void {
    this.#nodes.delete(name);
    node.stopReporting();
    const over = node.close(this.#options.drainMs);
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

/** Adds the numbers of two servers. */
export function addStats(a: ServerStats, b: ServerStats): ServerStats {
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
