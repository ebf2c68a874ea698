import type { CommandGate } from "../commands/dispatcher.ts";
import type { Connection } from "../connection/connection.ts";
import type { TrackedCommand } from "../connection/tracked.ts";
import { formatAddress } from "../core/address.ts";
import type { Timer } from "../core/clock.ts";
import {
  AcquireTimeoutError,
  ConnectError,
  ManagerClosedError,
} from "../core/errors/mod.ts";
import type { ConnectionCounts } from "../observability/metrics.ts";
import type { DatabaseHealth } from "../observability/types.ts";
import type { OpenConnection } from "../pool/types.ts";
import { backoffMs } from "../resilience/backoff.ts";
import { ClusterDirectory } from "../topology/cluster_directory.ts";
import { commandSlot } from "../topology/command_slot.ts";
import { SLOTS } from "../topology/key_slot.ts";
import type { Redirect } from "../topology/redirect.ts";
import { ClusterHealth } from "./cluster_health.ts";
import { ClusterNodes } from "./cluster_nodes.ts";
import { ClusterRouter } from "./cluster_router.ts";
import { type ClusterView, surveyCluster } from "./cluster_survey.ts";
import type { PooledConnection } from "./pool.ts";
import type {
  ServerConnections,
  ServerContext,
  ServerNumbers,
} from "./server_connections.ts";
import type { LeaseTarget, LeaseWait, Servers } from "./servers.ts";

/** Each node has its own circuit breaker: of the whole there is none. */
const OPEN_GATE: CommandGate = {
  allows: () => true,
  tryProbe: () => undefined,
};

/** How often a cluster that does not serve is asked whether it does again. */
const LOOK_AGAIN = { minMs: 1000, maxMs: 5000 };
/** A question to a node that takes all of its time is told by its own end, in
 * milliseconds. */
const GRACE_MS = 100;

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
  /** Why the cluster as a whole did not serve when it was asked last. */
  #failure: Error | undefined;
  /** How often it was found not to serve, in a row. */
  #failures = 0;
  #lookAgain: Timer | undefined;
  /** Checks that wait until something is known of the cluster. */
  readonly #checks = new Set<(error: Error) => void>();

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
      failure: () => reasonOf(this.#failure),
      seeds: config.nodes.map(formatAddress).join(", "),
      lastError: () => statistics.lastError,
      emit: context.emit,
      clock,
    });
    this.#context = { ...context, emit: health.emit };
    this.#nodes = new ClusterNodes({
      context: this.#context,
      troubled: () => {
        this.#directory.request();
        this.#nodeTroubled();
      },
    });
    this.#directory = new ClusterDirectory({
      ask: async (signal) => {
        const view = await surveyCluster(this.#nodes, this.#context, signal);
        if (!signal.aborted) this.#found(view);
        return view.ranges;
      },
      changed: () => this.#mapChanged(),
      failed: (error) => {
        // What is known goes on to hold: then the nodes' own health tells.
        if (!this.#directory.isKnown) this.#notServing(error);
        this.sink.unknown(error);
        health.update();
      },
      clock,
    });
    this.sink = new ClusterRouter({
      database: config.name,
      maxWaiting: config.maxWaiting,
      directory: this.#directory,
      unreachable: () => this.#unreachable,
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

  transactionRefused(connection: Connection): void {
    this.#nodes.named(connection.endpoint)?.lanes.transactionRefused();
  }

  async check(signal?: AbortSignal): Promise<boolean> {
    try {
      await this.#knownSoon(signal);
    } catch {
      signal?.throwIfAborted();
      return false;
    }
    const checks = this.#serving.map((node) => node.probe.check(signal));
    const isServing = (await Promise.all(checks)).includes(true);
    return isServing && this.#failure === undefined;
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
    this.#lookAgain?.cancel();
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
      () => stop.abort(this.#timeoutError(timeoutMs)),
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

  #timeoutError(timeoutMs: number): AcquireTimeoutError {
    const { gauges } = this.numbers();
    return new AcquireTimeoutError(
      this.#name,
      timeoutMs,
      gauges,
      "nothing is known of the cluster yet",
      this.#unreachable,
    );
  }

  /** Why no node can be asked at the moment, as far as is known. */
  get #unreachable(): ConnectError | undefined {
    for (const { unreachable } of this.#nodes.current) {
      if (unreachable !== undefined) return unreachable;
    }
    return this.#failure instanceof ConnectError ? this.#failure : undefined;
  }

  /** Waits until something is known of the cluster: until each seed has been tried once,
   * and no longer than one attempt to connect may take. */
  async #knownSoon(signal: AbortSignal | undefined): Promise<void> {
    if (this.#directory.isKnown) return;
    const { clock, config: { connectTimeoutMs } } = this.#context;
    const { promise, reject } = Promise.withResolvers<never>();
    const stop = new AbortController();
    const given = signal === undefined ? [] : [signal];
    const timer = clock.setTimer(
      () => reject(new Error(`no node has answered within ${connectTimeoutMs} ms`)),
      connectTimeoutMs + GRACE_MS,
    );
    this.#checks.add(reject);
    try {
      const ready = this.#directory.ready(AbortSignal.any([...given, stop.signal]));
      await Promise.race([ready, promise]);
    } finally {
      timer.cancel();
      this.#checks.delete(reject);
      stop.abort();
    }
  }

  /** An attempt to connect failed, or a connection was lost. */
  #nodeTroubled(): void {
    if (this.#checks.size === 0) return;
    const { current } = this.#nodes;
    if (current.length < this.#context.config.nodes.length) return;
    const reasons = current.map(({ unreachable }) => unreachable);
    if (reasons.includes(undefined)) return;
    for (const fail of this.#checks) fail(reasons[0]!);
  }

  /** A node has told of the cluster. */
  #found({ down }: ClusterView): void {
    if (down !== undefined) return this.#notServing(new Error(down));
    this.#failure = undefined;
    this.#failures = 0;
    this.#lookAgain?.cancel();
    this.#health.update();
  }

  /** The cluster as a whole does not serve: asks again by itself, for the health. */
  #notServing(error: Error): void {
    const { clock, config: { healthCheckIntervalMs } } = this.#context;
    this.#failure = error;
    this.#failures++;
    this.#lookAgain?.cancel();
    this.#health.update();
    if (healthCheckIntervalMs === 0 || this.#nodes.isClosed) return;
    const waitMs = backoffMs(this.#failures, LOOK_AGAIN, Math.random());
    this.#lookAgain = clock.setTimer(() => this.#directory.request(), waitMs);
  }

  /** Another map: nodes that are not in it any more go, and what waits goes on. */
  #mapChanged(): void {
    const { covered, primaries } = this.#directory.map;
    const waiting = this.#nodes.keepOnly(primaries, covered === SLOTS);
    this.sink.resend(waiting);
    this.sink.known();
    this.#health.update();
  }
}

/** Why a cluster does not serve, in words for its health. */
function reasonOf(error: Error | undefined): string | undefined {
  return error instanceof ConnectError ? error.reason : error?.message;
}
