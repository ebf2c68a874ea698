import type { CommandGate } from "../commands/dispatcher.ts";
import type { Connection } from "../connection/connection.ts";
import type { PendingCommand } from "../connection/pending_command.ts";
import { formatAddress } from "../core/address.ts";
import type { Timer } from "../core/clock.ts";
import {
  AcquireTimeoutError,
  ConnectError,
  ManagerClosedError,
} from "../core/errors/mod.ts";
import type { Emit } from "../core/events.ts";
import type { ConnectionCounts } from "../observability/metrics.ts";
import type { DatabaseHealth } from "../observability/types.ts";
import type { OpenConnection } from "../pool/types.ts";
import { backoffMs } from "../resilience/backoff.ts";
import { HealthMonitor } from "../server/health.ts";
import type { PooledConnection } from "../server/lease.ts";
import type { ReplicaWatcher } from "../server/replica_set.ts";
import type { Server } from "../server/server.ts";
import type {
  LeaseSource,
  LeaseTarget,
  LeaseWait,
  ReplicaSource,
  ServerContext,
  ServerStats,
  ShardSource,
  Topology,
} from "../server/topology.ts";
import { ClusterNodes, discoverCluster, judgeCluster } from "./discovery.ts";
import { ClusterRouter } from "./router.ts";
import { SlotMapCache } from "./slot_map_cache.ts";
import { commandSlot, keySlot, onlySlot, type Redirect, SLOTS } from "./slots.ts";

/** Each node has its own circuit breaker: the cluster as a whole has none. */
const OPEN_GATE: CommandGate = { allows: () => true, tryProbe: () => undefined };

/** How often a cluster that does not serve is asked again. */
const LOOK_AGAIN = { minMs: 1000, maxMs: 5000 };
/** A query to a node fails by its own deadline before the wait for the slot map ends, in
 * milliseconds. */
const GRACE_MS = 100;

/** A database in a cluster: its nodes come and go as the cluster changes. */
export class Cluster implements Topology {
  readonly sink: ClusterRouter;
  readonly gate: CommandGate = OPEN_GATE;
  readonly shards: ShardSource;
  readonly #shardListeners = new Set<() => void>();
  readonly #context: ServerContext;
  readonly #monitor: HealthMonitor;
  readonly #cache: SlotMapCache;
  readonly #nodes: ClusterNodes;
  /** Redirects of commands on leases that their next attempt follows. */
  readonly #redirects = new WeakMap<PendingCommand, Redirect>();
  /** Why the cluster as a whole did not serve when it was asked last. */
  #failure: Error | undefined;
  /** How often it was found not to serve, in a row. */
  #failures = 0;
  #lookAgain: Timer | undefined;
  /** Sends the reads again that wait for a replica. */
  #resendReads: ReplicaWatcher["changed"] | undefined;
  /** Health checks that wait for the slot map. */
  readonly #checks = new Set<AbortController>();

  /** Connects to nothing yet. */
  constructor(context: ServerContext) {
    const { clock } = context;
    this.#monitor = new HealthMonitor(context, () => this.#judge());
    // Of the changes of health only those of the whole are reported.
    const emit: Emit = (type, detail) => {
      if (type !== "statechange") context.emit(type, detail);
      this.#monitor.update();
    };
    this.#context = { ...context, emit };
    this.#nodes = new ClusterNodes(this.#context, () => {
      this.#cache.refresh();
      this.#nodeTroubled();
    });
    this.#cache = new SlotMapCache({
      load: async (signal) => {
        const { down, ranges } = await discoverCluster(
          this.#nodes,
          this.#context,
          signal,
        );
        if (!signal.aborted) this.#found(down);
        return ranges;
      },
      changed: (map, before) => {
        const { covered, primaries } = map;
        if (before.primaries.length > 0) {
          context.nearCache?.forgetWhere((key) => map.isMoved(keySlot(key), before));
        }
        this.sink.resend(this.#nodes.keepOnly(primaries, covered === SLOTS));
        for (const primary of primaries) {
          this.#nodes.at(primary).replicas?.update(map.replicasOf(primary));
        }
        this.sink.mapLoaded();
        // What waited for a replica of a primary that was replaced finds those of the new one.
        this.#resendReads?.([]);
        for (const changed of this.#shardListeners) changed();
        this.#monitor.update();
      },
      failed: (error) => {
        // A map that is known stays in use: the nodes' own health counts then.
        if (!this.#cache.isKnown) this.#notServing(error);
        this.sink.mapFailed(error);
        this.#monitor.update();
      },
      clock,
    });
    this.shards = this.#makeShards();
    this.sink = new ClusterRouter(context, {
      cache: this.#cache,
      nodeAt: (address) => this.#nodes.at(address),
      unreachable: () => this.#unreachable,
    });
  }

  #makeShards(): ShardSource {
    const cache = this.#cache;
    return {
      get primaries() {
        return cache.map.primaries.map(formatAddress);
      },
      get isComplete() {
        return cache.map.covered === SLOTS;
      },
      listen: (changed) => {
        this.#shardListeners.add(changed);
        return () => this.#shardListeners.delete(changed);
      },
      ready: (signal) => cache.ready(signal),
      ownerOf: (slot) => {
        const owner = cache.map.ownerOf(slot);
        return owner && formatAddress(owner);
      },
      learn: (message, endpoint) =>
        this.sink.readRedirect(message, endpoint) !== undefined,
      refresh: () => cache.refresh(),
    };
  }

  openError(): Error {
    return this.#serving[0]?.openError() ?? this.#closedError();
  }

  redirect(command: PendingCommand, error: Error): boolean {
    return this.sink.redirect(command, error);
  }

  learn(command: PendingCommand, error: Error): void {
    this.sink.learn(command, error);
  }

  redirectLease(command: PendingCommand, error: Error): boolean {
    const redirect = this.sink.follow(command, error);
    if (redirect !== undefined) this.#redirects.set(command, redirect);
    return redirect !== undefined;
  }

  redirectTransaction(error: Error, endpoint: string) {
    const redirect = this.sink.readRedirect(error.message, endpoint);
    if (redirect === undefined) return undefined;
    const { kind, node, slot } = redirect;
    this.#context.statistics.counts.redirects++;
    return { slot, node, asking: kind === "ask" };
  }

  targetOf(command: PendingCommand): LeaseTarget & { asking: boolean } {
    const redirect = this.#redirects.get(command);
    this.#redirects.delete(command);
    return redirect === undefined
      ? { asking: false, slot: commandSlot(command) }
      : { asking: redirect.kind === "ask", node: redirect.node };
  }

  async lease<T>(
    target: LeaseTarget,
    wait: LeaseWait,
    lease: (server: LeaseSource, wait: LeaseWait) => Promise<T>,
  ): Promise<T> {
    const { clock, config: { acquireTimeoutMs, name } } = this.#context;
    const { signal, timeoutMs = acquireTimeoutMs } = wait;
    const until = clock.now() + timeoutMs;
    const leftMs = () => Math.max(0, until - clock.now());
    const timedOut = () => {
      const what = "nothing is known of the cluster yet";
      const { gauges } = this.stats();
      return new AcquireTimeoutError(name, timeoutMs, gauges, what, this.#unreachable);
    };
    for (;;) {
      if (this.#nodes.isClosed) throw this.#closedError();
      await this.#ready(new AbortController(), leftMs(), timedOut, signal);
      const server = this.#find(target);
      const ms = leftMs();
      try {
        return await lease(server, { ...wait, timeoutMs: ms });
      } catch (error) {
        if (!this.#wasRemoved(error) || ms === 0) throw error;
      }
    }
  }

  get reads(): ReplicaSource {
    const cache = this.#cache;
    const nodes = this.#nodes;
    return {
      primary: this.sink,
      get preparing() {
        return cache.isKnown ? undefined : cache.ready();
      },
      replicasOf: (command, changed) => {
        this.#resendReads = changed;
        const slot = onlySlot(command);
        // Replicas of Redis do not know that a key has left, and reply nil.
        if (slot === undefined || cache.isMoving(slot)) return undefined;
        const owner = cache.map.ownerOf(slot);
        if (owner === undefined) return undefined;
        const node = nodes.at(owner);
        if (node.replicas !== undefined) return node.replicas;
        const list = () => {
          const { map } = cache;
          const its = map.primaries.find((each) => nodes.at(each) === node);
          cache.refresh();
          return Promise.resolve(its === undefined ? [] : map.replicasOf(its));
        };
        return node.watchReplicas({ list, changed });
      },
      open: (command) => this.sink.open(command),
      verify: (command) => void this.#verify(command),
      isReplica: (endpoint) =>
        nodes.current.some(({ replicas }) => replicas?.named(endpoint) !== undefined),
      health: () => nodes.current.flatMap(({ replicas }) => replicas?.health() ?? []),
    };
  }

  /** Asks the primary for a key that a replica does not have: the reply may tell that its slot
   * is being moved. */
  async #verify(command: PendingCommand): Promise<void> {
    const [key] = command.getKeys();
    const node = this.sink.nodeOf(key === undefined ? undefined : keySlot(key));
    const { signal } = new AbortController();
    const answer = await node.probe.query(signal, "exists", key!).catch(() => {});
    if (answer === undefined || !("error" in answer)) return;
    this.sink.readRedirect(answer.error.message, node.endpoint);
  }

  async whenReady(signal?: AbortSignal): Promise<void> {
    for (;;) {
      await this.#cache.ready(signal);
      try {
        return await this.sink.nodeOf(undefined).whenReady(signal);
      } catch (error) {
        if (!this.#wasRemoved(error)) throw error;
      }
    }
  }

  reresolve(): void {
    this.#cache.refresh();
  }

  notReady(connection: Connection): void {
    this.#nodes.named(connection.endpoint)?.notReady(connection);
  }

  transactionRefused(connection: Connection): void {
    this.#nodes.named(connection.endpoint)?.transactionRefused();
  }

  /** Checks every node that serves slots. Waits for the slot map until each seed has been
   * tried once, and no longer than one attempt to connect may take. */
  async check(signal?: AbortSignal): Promise<boolean> {
    const { connectTimeoutMs } = this.#context.config;
    const failed = () => new Error(`no node has answered within ${connectTimeoutMs} ms`);
    const stop = new AbortController();
    this.#checks.add(stop);
    try {
      await this.#ready(stop, connectTimeoutMs + GRACE_MS, failed, signal);
    } catch {
      signal?.throwIfAborted();
      return false;
    } finally {
      this.#checks.delete(stop);
    }
    const checks = this.#serving.map((node) => node.check(signal));
    const isServing = (await Promise.all(checks)).includes(true);
    return isServing && this.#failure === undefined;
  }

  reap(): number {
    return this.#nodes.current.reduce((sum, node) => sum + node.reap(), 0);
  }

  connections(): ConnectionCounts {
    return this.#nodes.connections();
  }

  openConnections(): OpenConnection<PooledConnection>[] {
    return this.#nodes.openConnections();
  }

  stats(): ServerStats {
    const stats = this.#nodes.stats();
    return { ...stats, waiting: stats.waiting + this.sink.waiting };
  }

  health(): DatabaseHealth {
    return this.#monitor.health();
  }

  resetBreakers(): void {
    for (const node of this.#nodes.current) node.resetBreakers();
  }

  stopReporting(): void {
    this.#monitor.stop();
    this.#lookAgain?.cancel();
    for (const node of this.#nodes.all) node.stopReporting();
  }

  async close(drainMs: number): Promise<number> {
    const { clock } = this.#context;
    const until = clock.now() + drainMs;
    const cutBefore = await this.sink.close(drainMs);
    const cut = this.#nodes.close(Math.max(0, until - clock.now()));
    this.#cache.close(this.#closedError());
    return cutBefore + await cut;
  }

  #closedError(): ManagerClosedError {
    return new ManagerClosedError(this.#context.config.name);
  }

  /** Whether an error says that a node was removed meanwhile: another one serves now. */
  #wasRemoved(error: unknown): boolean {
    return error instanceof ManagerClosedError && !this.#nodes.isClosed;
  }

  /** The nodes that serve slots; those that are asked for the slots until a map is known. */
  get #serving(): Server[] {
    const { isKnown, map } = this.#cache;
    return isKnown
      ? map.primaries.map((address) => this.#nodes.at(address))
      : this.#nodes.current;
  }

  #find({ node, slot }: LeaseTarget): Server {
    if (node === undefined) return this.sink.nodeOf(slot);
    // A node that is about to get its first slot is in no map.
    if (typeof node !== "string") return this.#nodes.at(node);
    const known = this.#nodes.named(node);
    if (known !== undefined) return known;
    const allowed = this.#nodes.names.map((name) => `"${name}"`).join(", ");
    throw new RangeError(
      `Cannot acquire a connection of database "${this.#context.config.name}" as node ` +
        `must be one of the cluster's, ${allowed}: current value is "${node}"`,
    );
  }

  /** Waits until a slot map is known, within a time. */
  async #ready(
    stop: AbortController,
    withinMs: number,
    timedOut: () => Error,
    signal: AbortSignal | undefined,
  ): Promise<void> {
    if (this.#cache.isKnown) return;
    const { clock } = this.#context;
    const timer = clock.setTimer(() => stop.abort(timedOut()), withinMs);
    const signals = signal === undefined ? [stop.signal] : [signal, stop.signal];
    try {
      await this.#cache.ready(AbortSignal.any(signals));
    } finally {
      timer.cancel();
    }
  }

  /** Why no node can be reached at the moment, as far as is known. */
  get #unreachable(): ConnectError | undefined {
    for (const { unreachable } of this.#nodes.current) {
      if (unreachable !== undefined) return unreachable;
    }
    return this.#failure instanceof ConnectError ? this.#failure : undefined;
  }

  /** An attempt to connect failed, or a connection was lost: ends the health checks once
   * no seed can be reached. */
  #nodeTroubled(): void {
    const { current } = this.#nodes;
    if (this.#checks.size === 0) return;
    if (current.length < this.#context.config.nodes.length) return;
    const reasons = current.map(({ unreachable }) => unreachable);
    if (reasons.includes(undefined)) return;
    for (const stop of this.#checks) stop.abort(reasons[0]);
  }

  /** A node has reported on the cluster. */
  #found(down: string | undefined): void {
    if (down !== undefined) return this.#notServing(new Error(down));
    this.#failure = undefined;
    this.#failures = 0;
    this.#lookAgain?.cancel();
    this.#monitor.update();
  }

  /** The cluster as a whole does not serve: asks again by itself, for the health. */
  #notServing(error: Error): void {
    const { clock, config: { healthCheckIntervalMs } } = this.#context;
    this.#failure = error;
    this.#failures++;
    this.#lookAgain?.cancel();
    this.#monitor.update();
    if (healthCheckIntervalMs === 0 || this.#nodes.isClosed) return;
    const waitMs = backoffMs(this.#failures, LOOK_AGAIN, Math.random());
    this.#lookAgain = clock.setTimer(() => this.#cache.refresh(), waitMs);
  }

  #judge(): Omit<DatabaseHealth, "since"> {
    const { config, statistics } = this.#context;
    const nodes = this.#serving.map((node) => node.health());
    const failure = this.#failure;
    const reason = failure instanceof ConnectError ? failure.reason : failure?.message;
    const endpoints = nodes.map(({ endpoint }) => endpoint);
    const replicas = nodes.flatMap(({ replicas = [] }) => replicas);
    return {
      ...judgeCluster(nodes, reason),
      ...(replicas.length > 0 && { replicas }),
      endpoint: endpoints.join(", ") || config.nodes.map(formatAddress).join(", "),
      db: 0,
      lastError: statistics.lastError,
    };
  }
}
