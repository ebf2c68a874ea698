import type { Clock } from "../core/clock.ts";
import type { ConnectionState, Emit } from "../core/events.ts";
import { judgeCluster } from "../health/cluster_judgement.ts";
import { HealthMonitor } from "../health/monitor.ts";
import type { DatabaseHealth } from "../observability/types.ts";

/** What the health of a cluster rests on. */
export interface ClusterHealthParts {
  /** Name of the database. */
  readonly database: string;
  /** How well each node serves that is known to serve slots. */
  readonly nodes: () => readonly DatabaseHealth[];
  /** Why the cluster as a whole does not serve, whatever its nodes do; `undefined` if
   * nothing speaks against it. */
  readonly failure: () => string | undefined;
  /** Where the cluster is, while nothing is known of it. */
  readonly seeds: string;
  /** The last error of a command or connection. */
  readonly lastError: () => string | null;
  /** Reports events. */
  readonly emit: Emit;
  /** Time. */
  readonly clock: Clock;
}

/** The worst comes first. */
const BREAKER_STATES = ["open", "half_open", "closed"] as const;

/** How well a cluster serves: the sum of its nodes. */
export class ClusterHealth {
  readonly #parts: ClusterHealthParts;
  readonly #monitor: HealthMonitor;
  #judged: { readonly state: ConnectionState; readonly since: number } | undefined;

  /**
   * Begins with a healthy cluster.
   *
   * @param parts What it rests on.
   */
  constructor(parts: ClusterHealthParts) {
    this.#parts = parts;
    this.#monitor = new HealthMonitor({
      judge: () => this.judge(),
      changed: (from, to, reason) =>
        parts.emit("statechange", { database: parts.database, from, to, reason }),
      clock: parts.clock,
    });
  }

  /** Reports what a node reports; of changes of its health only those of the whole. */
  readonly emit: Emit = (type, detail) => {
    if (type !== "statechange") this.#parts.emit(type, detail);
    this.#monitor.update();
  };

  /** Judges anew. */
  update(): void {
    this.#monitor.update();
  }

  /** Reports no more changes. */
  stop(): void {
    this.#monitor.stop();
  }

  /**
   * How well the cluster serves, as far as is known without asking.
   *
   * @returns A frozen snapshot.
   */
  judge(): DatabaseHealth {
    const { clock, failure, lastError, nodes, seeds } = this.#parts;
    const all = nodes();
    const judgement = judgeCluster(all, failure());
    const { state } = judgement;
    if (state !== this.#judged?.state) this.#judged = { state, since: clock.wallNow() };
    const pings = all.map(({ pingMs }) => pingMs).filter((ms) => ms !== null);
    return Object.freeze({
      ...judgement,
      since: new Date(this.#judged!.since).toISOString(),
      endpoint: all.map(({ endpoint }) => endpoint).join(", ") || seeds,
      db: 0,
      circuitBreaker: BREAKER_STATES.find((name) =>
        all.some(({ circuitBreaker }) =>
          circuitBreaker === name
        )
      ) ?? "closed",
      lastError: lastError(),
      pingMs: pings.length === 0 ? null : Math.max(...pings),
    });
  }
}
