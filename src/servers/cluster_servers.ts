import { ClusterHealth } from "./cluster_health.ts";
import { ClusterNodes } from "./cluster_nodes.ts";
import { ClusterRouter } from "./cluster_router.ts";
import { surveyCluster } from "./cluster_survey.ts";
import type { CommandGate } from "../commands/dispatcher.ts";
import type { Connection } from "../connection/connection.ts";
import type { TrackedCommand } from "../connection/tracked.ts";
import { AcquireTimeoutError, ManagerClosedError } from "../core/errors/mod.ts";
import type { PooledConnection } from "./pool.ts";
import type { OpenConnection } from "../pool/types.ts";
import type { ConnectionCounts } from "../observability/database_statistics.ts";
import type { DatabaseHealth } from "../observability/types.ts";
import type {
  ServerConnections,
  ServerContext,
  ServerNumbers,
} from "./server_connections.ts";
import type { LeaseTarget, LeaseWait, Servers } from "./servers.ts";
import { ClusterDirectory } from "../topology/cluster_directory.ts";
import { commandSlot } from "../topology/command_slot.ts";
import type { Redirect } from "../topology/redirect.ts";
import { addressText } from "../topology/slot_map.ts";

/** Each node has its own circuit breaker: of the whole there is none. */
const OPEN_GATE: CommandGate = {
  allows: () => true,
  tryProbe: () => undefined,
};

/** The nodes of a database in a cluster, which come and go as the cluster changes. */
export class ClusterServers implements Servers {
  readonly sink: ClusterRouter;
  readonly gate: CommandGate = OPEN_GATE;
  readonly #context: ServerContext;
  readonly #health: ClusterHealth;
  readonly #directory: ClusterDirectory;
  readonly #nodes: ClusterNodes;
  /** Nodes that commands were redirected to which are not over. */
  readonly #asked = new WeakMap<TrackedCommand, Redirect>();

  /**
   * Opens nothing, and asks nobody yet.
   *
   * @param context What the nodes have in common.
   */
  constructor(context: ServerContext) {
    const { clock, config, statistics } = context;
    const health = this.#health = new ClusterHealth({
      database: config.name,
      nodes: () => this.#serving.map((node) => node.health.judge()),
      seeds: config.nodes.map(addressText).join(", "),
      lastError: () => statistics.lastError,
      emit: context.emit,
      clock,
    });
    this.#context = { ...context, emit: health.emit };
    this.#nodes = new ClusterNodes({
      context: this.#context,
      troubled: () => this.#directory.request(),
    });
    this.#directory = new ClusterDirectory({
      ask: (signal) => surveyCluster(this.#nodes, this.#context, signal),
      changed: () => this.#mapChanged(),
      failed: (error) => {
        this.sink.unknown(error);
        health.update();
      },
      clock,
    });
    this.sink = new ClusterRouter({
      database: config.name,
      maxWaiting: config.maxWaiting,
      directory: this.#directory,
      nodeAt: (address) => this.#nodes.at(address),
      statistics,
      clock,
    });
  }

  openError(): Error {
    return this.#serving[0]?.openError() ?? new ManagerClosedError(this.#name);
  }

  redirect(command: TrackedCommand, error: Error): boolean {
    return this.sink.redirect(command, error);
  }

  redirectTo({ kind, node, slot }: Redirect): void {
    if (kind === "moved") this.#directory.moved(slot, node);
  }

  learn(command: TrackedCommand, error: Error): void {
    this.sink.learn(command, error);
  }

  redirectLease(command: TrackedCommand, error: Error): LeaseTarget | undefined {
    const redirect = this.sink.follow(command, error);
    if (redirect === undefined) return undefined;
    this.#asked.set(command, redirect);
    return { node: redirect.node };
  }

  targetOf(command: TrackedCommand): LeaseTarget & { asking: boolean } {
    const redirect = this.#asked.get(command);
    // Only the next attempt goes there.
    this.#asked.delete(command);
    if (redirect !== undefined) {
      return { node: redirect.node, asking: redirect.kind === "ask" };
    }
    const slot = commandSlot(command);
    return { asking: false, ...(slot === undefined ? {} : { slot }) };
  }

  async lease<T>(
    target: LeaseTarget,
    wait: LeaseWait,
    lease: (server: ServerConnections, wait: LeaseWait) => Promise<T>,
  ): Promise<T> {
    const { clock, config } = this.#context;
    const { signal, timeoutMs = config.acquireTimeoutMs } = wait;
    const until = clock.now() + timeoutMs;
    for (;;) {
      await this.#known(timeoutMs, until, signal);
      const server = this.#find(target);
      const leftMs = Math.max(0, until - clock.now());
      try {
        return await lease(server, { ...wait, timeoutMs: leftMs });
      } catch (error) {
        if (!this.#hasLeft(error) || leftMs === 0) throw error;
      }
    }
  }

  async whenReady(signal?: AbortSignal): Promise<void> {
    for (;;) {
      await this.#directory.ready(signal);
      try {
        return await this.sink.nodeOf(undefined).whenReady(signal);
      } catch (error) {
        if (!this.#hasLeft(error)) throw error;
      }
    }
  }

  reresolve(): void {
    this.#directory.request();
  }

  notReady(connection: Connection): void {
    this.#nodes.named(connection.endpoint)?.health.notReady(connection);
  }

  async check(signal?: AbortSignal): Promise<boolean> {
    try {
      await this.#directory.ready(signal);
    } catch {
      signal?.throwIfAborted();
      return false;
    }
    const checks = this.#serving.map((node) => node.probe.check(signal));
    return (await Promise.all(checks)).includes(true);
  }

  reap(): number {
    return this.#nodes.current.reduce((all, node) => all + node.reap(), 0);
  }

  connections(): ConnectionCounts {
    return this.#nodes.connections();
  }

  openConnections(): OpenConnection<PooledConnection>[] {
    return this.#nodes.all.flatMap((node) => node.openConnections());
  }

  numbers(): ServerNumbers {
    const sum = this.#nodes.numbers();
    return { ...sum, waiting: sum.waiting + this.sink.waiting };
  }

  health(): DatabaseHealth {
    return this.#health.judge();
  }

  resetBreakers(): void {
    for (const node of this.#nodes.current) node.resetBreaker();
  }

  stopReporting(): void {
    this.#health.stop();
    for (const node of this.#nodes.all) node.health.stop();
  }

  async close(drainMs: number): Promise<number> {
    const { clock } = this.#context;
    const until = clock.now() + drainMs;
    const cutBefore = await this.sink.close(drainMs);
    const cut = this.#nodes.close(Math.max(0, until - clock.now()));
    this.#directory.close(new ManagerClosedError(this.#name));
    return cutBefore + await cut;
  }

  get #name(): string {
    return this.#context.config.name;
  }

  /** Whether an error says that a node has left meanwhile: another one serves now. */
  #hasLeft(error: unknown): boolean {
    return error instanceof ManagerClosedError && !this.#nodes.isClosed;
  }

  /** The nodes that are known to serve slots; those that are asked while none is. */
  get #serving(): ServerConnections[] {
    const { isKnown, map } = this.#directory;
    return isKnown
      ? map.primaries.map((address) => this.#nodes.at(address))
      : this.#nodes.current;
  }

  #find({ node, slot }: LeaseTarget): ServerConnections {
    if (node === undefined) return this.sink.nodeOf(slot);
    // A node that is about to get its first slot is in no map.
    if (typeof node !== "string") return this.#nodes.at(node);
    const known = this.#nodes.named(node);
    if (known !== undefined) return known;
    const allowed = this.#nodes.names.map((name) => `"${name}"`).join(", ");
    throw new RangeError(
      `Cannot acquire a connection of database "${this.#name}" as node must be one of ` +
        `the cluster's, ${allowed}: current value is "${node}"`,
    );
  }

  /** Waits until something is known of the cluster, but not for longer than a lease may. */
  async #known(
    timeoutMs: number,
    until: number,
    signal: AbortSignal | undefined,
  ): Promise<void> {
    if (this.#nodes.isClosed) throw new ManagerClosedError(this.#name);
    if (this.#directory.isKnown) return;
    const { clock } = this.#context;
    const stop = new AbortController();
    const timer = clock.setTimer(
      () =>
        stop.abort(new AcquireTimeoutError(this.#name, timeoutMs, this.numbers().gauges)),
      Math.max(0, until - clock.now()),
    );
    const within = signal === undefined
      ? stop.signal
      : AbortSignal.any([signal, stop.signal]);
    try {
      await this.#directory.ready(within);
    } finally {
      timer.cancel();
    }
  }

  /** Another map: nodes that are not in it any more go, and what waits goes on. */
  #mapChanged(): void {
    const waiting = this.#nodes.keepOnly(this.#directory.map.primaries);
    this.sink.resend(waiting);
    this.sink.known();
    this.#health.update();
  }
}
