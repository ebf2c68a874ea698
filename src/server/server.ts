import { type CommandSink, RERESOLVE_AFTER_MS } from "../commands/dispatcher.ts";
import type { NodeAddress } from "../config/settings.ts";
import type { Confirm } from "../connection/connect_failure.ts";
import type { Connection } from "../connection/connection.ts";
import { Connector } from "../connection/connector.ts";
import type { CredentialRenewal } from "../connection/credential_renewal.ts";
import { isReplyError } from "../connection/ioredis.ts";
import type { PendingCommand } from "../connection/pending_command.ts";
import type { Timer } from "../core/clock.ts";
import type { CircuitOpenError, ConnectError } from "../core/errors/mod.ts";
import type { ConnectionCounts } from "../observability/metrics.ts";
import type { DatabaseHealth } from "../observability/types.ts";
import type { Lane } from "../pool/lane_choice.ts";
import { LaneSet } from "../pool/lanes.ts";
import type { Lease } from "../pool/lease.ts";
import type { Pool } from "../pool/pool.ts";
import type { OpenConnection } from "../pool/types.ts";
import type { CircuitBreaker } from "../resilience/circuit_breaker.ts";
import { keepLibrary } from "../transport/keepalive.ts";
import { BreakerGuard } from "./breaker_guard.ts";
import {
  ConnectionTracker,
  makeCredentialRenewal,
  makePool,
  openerSettings,
} from "./connections.ts";
import { ServerHealth } from "./health.ts";
import { InternalLease, type PooledConnection } from "./lease.ts";
import {
  locate,
  locateNode,
  readPrimaryRedirect,
  type ServerLocation,
} from "./location.ts";
import { ServerProbe } from "./probe.ts";
import { ReplicaSet, type ReplicaWatcher } from "./replica_set.ts";
import { addStats } from "./server_group.ts";
import type {
  LeaseSource,
  LeaseTarget,
  LeaseWait,
  ReplicaSource,
  ServerContext,
  ServerStats,
  Topology,
} from "./topology.ts";

/** How long commands in flight to a server that is not the primary any more may take, in
 * milliseconds. */
const FAILOVER_GRACE_MS = 250;

const ANYWHERE = Object.freeze({ asking: false });

/** What a server needs that is a node of a cluster. */
interface ServerNode {
  readonly address: NodeAddress;
  /** Called when a connection to it was lost, or could not be opened. */
  readonly troubled: () => void;
  /** Called with each connection that is opened, before it is used. */
  readonly confirm?: Confirm;
}

/** Lets a node of a cluster answer reads although it is a replica. */
const READONLY: Confirm = async (_endpoint, ask) => void await ask("readonly");

/**
 * One server: what opens connections to it, its pool and lanes, its circuit breaker and its
 * health. A standalone database, or one that sentinels monitor, has one, to which its
 * commands go directly; a database in a cluster has one for each node.
 */
export class Server implements Topology, LeaseSource {
  /** The shared connections. */
  readonly lanes: LaneSet;
  /** Ordinary commands of a database with one server, whose breaker was asked before. */
  readonly sink: CommandSink;
  readonly gate: CircuitBreaker;
  readonly probe: ServerProbe;
  readonly #context: ServerContext;
  /** The same without what observes this server. */
  readonly #given: ServerContext;
  readonly #node: ServerNode | undefined;
  readonly #location: ServerLocation;
  readonly #opener: Connector;
  readonly #health: ServerHealth;
  readonly #guard: BreakerGuard;
  readonly #tracker: ConnectionTracker;
  readonly #pool: Pool<PooledConnection>;
  /** Only where a provider gives the password. */
  readonly #renewal: CredentialRenewal<Connection> | undefined;
  /** Ids of the connections that the database leases to itself. */
  readonly #internal = new Set<number>();
  /** Its replicas, as soon as a read was to go to one. */
  #replicas: ReplicaSet | undefined;
  #graceTimer: Timer | undefined;
  /** Releases the C library. */
  #releaseLibrary: (() => void) | undefined = keepLibrary();

  /** Connects to nothing yet. */
  constructor(context: ServerContext, node?: ServerNode) {
    const { clock, config } = context;
    this.#node = node;
    this.#location = node === undefined
      ? locate(config, clock, (from, to) => this.#moved(from, to))
      : locateNode(node.address, node.confirm);
    this.#given = this.#context = context;
    this.#opener = this.#makeOpener();
    this.#health = new ServerHealth(context, this, this.#opener);
    // Whatever is reported may change the health.
    this.#context = context = { ...context, emit: this.#health.emit };
    const opener = this.#opener;
    const name = node === undefined ? undefined : this.endpoint;
    this.#guard = new BreakerGuard(context, opener, name);
    this.gate = this.#guard.breaker;
    this.#tracker = new ConnectionTracker(context, {
      // An idle connection that is lost does not show that connecting is of no use.
      lost: ({ hasAnswered, inFlight }) =>
        opener.connectionLost(hasAnswered || inFlight === 0),
      troubled: () => node?.troubled(),
    });
    const opened: ServerContext["opened"] = (...made) => this.#opened(...made);
    this.#pool = makePool(context, opener, opened, this.#internal);
    this.lanes = this.sink = new LaneSet({
      ...config,
      database: config.name,
      clock,
      open: (signal) => this.#openLane(signal),
      unreachable: () => this.unreachable,
    });
    this.#renewal = makeCredentialRenewal(context, this.#pool, this.lanes);
    this.probe = new ServerProbe(context, this.lanes, opener, this.#guard, this.#health);
  }

  /** Why no connection to it can be opened at the moment, as far as is known. */
  get unreachable(): ConnectError | undefined {
    return this.#opener.failures.error;
  }

  /** Where it is as far as is known. */
  get endpoint(): string {
    return this.#location.current();
  }

  /** Sends a command whose caller has not asked the circuit breaker; fails it if that is
   * open. */
  submit(command: PendingCommand): void {
    if (this.#guard.admits(command)) this.lanes.submit(command);
  }

  /** Sends commands with nothing in between, as {@linkcode submit} does. */
  submitBatch(commands: readonly PendingCommand[]): void {
    // The last one is the probe, if one is due: the reply to an ASKING before it is ignored.
    if (this.#guard.admits(commands.at(-1)!)) return this.lanes.submitBatch(commands);
    for (const command of commands.slice(0, -1)) this.#guard.refuse(command);
  }

  openError(): CircuitOpenError {
    return this.#guard.openError();
  }

  /** A command that is sent again goes by the lanes, which lead to the new primary. */
  redirect(command: PendingCommand, error: Error): boolean {
    this.learn(command, error);
    return false;
  }

  learn(_command: PendingCommand, error: Error): void {
    if (!isReplyError(error)) return;
    const primary = readPrimaryRedirect(error.message);
    if (primary !== undefined) this.#location.redirected?.(primary);
    // Fewer replicas than it wants: a failover may have taken them.
    else if (error.message.startsWith("NOREPLICAS")) this.#location.suspect?.();
  }

  targetOf(): LeaseTarget & { asking: boolean } {
    return ANYWHERE;
  }

  lease<T>(
    _target: LeaseTarget,
    wait: LeaseWait,
    lease: (server: LeaseSource, wait: LeaseWait) => Promise<T>,
  ): Promise<T> {
    return lease(this, wait);
  }

  acquire(wait: LeaseWait): Promise<Lease<PooledConnection>> {
    const { telemetry } = this.#context;
    const take = () => this.#pool.acquire(wait);
    return telemetry === undefined ? take() : telemetry.acquire(take);
  }

  async lend(wait: LeaseWait): Promise<InternalLease> {
    const { commandTimeoutMs } = this.#context.config;
    const lanes = this.#node === undefined ? this.lanes : undefined;
    const lease = await this.acquire(wait);
    return new InternalLease(lease, this.#internal, commandTimeoutMs, lanes);
  }

  get reads(): ReplicaSource | undefined {
    const list = this.#location.replicas;
    if (list === undefined) return undefined;
    return {
      primary: this,
      preparing: undefined,
      replicasOf: (_command, changed) =>
        this.#replicas ?? this.watchReplicas({ list, changed }),
      isReplica: (endpoint) => this.#replicas?.named(endpoint) !== undefined,
      health: () => this.#replicas?.health() ?? [],
    };
  }

  /** Its replicas; `undefined` as long as nobody has wanted to read there. */
  get replicas(): ReplicaSet | undefined {
    return this.#replicas;
  }

  /** Connects to its replicas, and observes them. */
  watchReplicas(watcher: ReplicaWatcher): ReplicaSet {
    const { clock, config, emit } = this.#given;
    const confirm = config.mode === "cluster" ? { confirm: READONLY } : {};
    const context: ServerContext = {
      ...this.#given,
      // Nobody leases a connection there.
      config: { ...config, minConnections: 0 },
      // How a replica is, says nothing of how the database serves.
      emit: (type, detail) => type === "statechange" ? undefined : emit(type, detail),
    };
    const make = (address: NodeAddress) =>
      new Server(context, { address, troubled: () => {}, ...confirm });
    return this.#replicas = new ReplicaSet({
      ...watcher,
      primary: this,
      make,
      config,
      clock,
    });
  }

  async whenReady(signal?: AbortSignal): Promise<void> {
    if (!this.#guard.mayConnect && this.gate.retryAfterMs > 0) throw this.openError();
    await this.lanes.whenReady(signal);
  }

  /** The server replied that it cannot serve any more: replaces its connections, but those
   * that are so young that the server was resolved just now. Commands in flight and leases
   * finish. */
  reresolve(reason: string): void {
    this.#context.nearCache?.serverChanged(this.lanes.connections);
    this.lanes.replaceAll(reason);
    const latest = this.#context.clock.now() - RERESOLVE_AFTER_MS;
    this.#pool.evict(({ connection }) => connection.createdAt <= latest, false);
  }

  notReady(connection: Connection): void {
    void this.#health.notReady(connection);
  }

  transactionRefused(): void {
    this.lanes.transactionRefused();
  }

  check(signal?: AbortSignal): Promise<boolean> {
    return this.probe.check(signal);
  }

  reap(): number {
    const own = this.lanes.replaceExpired() + this.lanes.shrink() + this.#pool.reap();
    return own + (this.#replicas?.reap() ?? 0);
  }

  connections(): ConnectionCounts {
    // Connections that are being validated are open; those being opened are not.
    const { connecting, total, validating } = this.#pool.numbers();
    const own = { opened: this.#tracker.opened, open: total - (connecting - validating) };
    const { opened = 0, open = 0 } = this.#replicas?.connections() ?? {};
    return { opened: own.opened + opened, open: own.open + open };
  }

  openConnections(): OpenConnection<PooledConnection>[] {
    return [...this.#pool.connections(), ...this.#replicas?.openConnections() ?? []];
  }

  stats(): ServerStats {
    const own: ServerStats = {
      gauges: this.#pool.numbers(),
      counters: this.#pool.statistics(),
      waiting: this.lanes.waiting,
      inFlight: this.lanes.inFlight,
    };
    return this.#replicas === undefined ? own : addStats(own, this.#replicas.stats());
  }

  health(): DatabaseHealth {
    const health = this.#health.health();
    const replicas = this.#replicas?.health();
    return replicas === undefined ? health : Object.freeze({ ...health, replicas });
  }

  resetBreakers(): void {
    this.#guard.reset("by hand");
    this.#replicas?.resetBreakers();
  }

  stopReporting(): void {
    this.#health.stop();
    this.#replicas?.stopReporting();
  }

  async close(drainMs: number): Promise<number> {
    const { clock } = this.#context;
    const deadline = clock.now() + drainMs;
    this.#health.stop();
    this.probe.stop();
    this.#renewal?.stop();
    const replicas = this.#replicas?.close(drainMs);
    // Commands that wait for a lane still get one; leases have what is left of the time.
    const cutOnLanes = await this.lanes.close(drainMs);
    const leftMs = Math.max(0, deadline - clock.now());
    const cut = await this.#pool.close(leftMs);
    await this.#opener.close();
    // Last: connections that were still opened needed the location.
    this.#location.close?.();
    this.#releaseLibrary?.();
    this.#releaseLibrary = undefined;
    this.#graceTimer?.cancel();
    return cutOnLanes + cut + (await replicas ?? 0);
  }

  /** Closes every connection at once: for a server whose closing takes too long. */
  cut(): void {
    this.#tracker.closeAll();
    this.#replicas?.cut();
  }

  #makeOpener(): Connector {
    const { budget, config, statistics } = this.#context;
    const { confirm, resolve, where } = this.#location;
    return new Connector({
      ...openerSettings(this.#context),
      where,
      resolve,
      confirm,
      expiring: (connection, expiresAt) => this.#renewal?.add(connection, expiresAt),
      attemptRepeated: () => statistics.counts.totalRetryAttempts++,
      reached: () => {
        this.#health.connected();
        this.#guard.connected();
        this.#health.update();
      },
      attemptFailed: (error, endpoint, kind) => {
        this.#health.connectFailed(error);
        statistics.connectFailed(error, endpoint);
        this.gate.recordFailure(kind);
        this.probe.attemptFailed();
        this.#context.emit("connection", {
          database: config.name,
          action: "failed",
          id: 0,
          endpoint,
          reason: error.message,
        });
        this.#node?.troubled();
      },
      loading: (progress, waitedMs) => this.#health.loading(progress, waitedMs),
      observer: {
        answered: (sentAt, now, count) => {
          statistics.answered(sentAt, now, count);
          budget.deposit(count);
          this.gate.recordReply();
        },
        blockingAnswered: (sentAt, now) => {
          statistics.blockingAnswered(sentAt, now);
          budget.deposit(1);
          this.gate.recordReply();
        },
        troubled: (kind) => {
          statistics.troubled();
          if (kind === "idle") return this.#health.idleEnded();
          this.#health.troubled();
          this.gate.recordFailure(kind);
          this.#health.update();
        },
      },
    });
  }

  /** In a pool of one connection, a lane ends when a lease needs its place. */
  async #openLane(signal: AbortSignal): Promise<Lane> {
    const slot = await this.#pool.openLane(signal);
    const { connection } = slot.connection;
    this.#context.nearCache?.opened(connection);
    slot.onWanted(() =>
      this.lanes.replace(connection, "its place is needed for a lease")
    );
    const { expiresAt } = slot;
    const release: Lane["release"] = (words, counted) => slot.release(counted, words);
    return { connection, expiresAt, release };
  }

  #opened(connection: Connection, purpose: "lane" | "lease"): void {
    this.#health.connected();
    this.#tracker.add(connection);
    this.#context.opened(connection, purpose);
  }

  /**
   * The primary is another server now: new connections lead to it. Leases and commands in
   * flight elsewhere get a moment to finish, as the old primary, if it is up, drops them
   * too, or loses what they write once it follows the new one.
   */
  #moved(from: string, to: string): void {
    const { clock, config, emit } = this.#context;
    this.#opener.redirect();
    this.#replicas?.relist(true);
    // Its failures were those of another server.
    this.#guard.reset(`the primary is ${to} now`);
    this.#context.nearCache?.serverChanged(this.lanes.connections);
    this.lanes.replaceAll(`the primary is ${to} now`);
    const leadsAway = ({ connection }: PooledConnection) => connection.endpoint !== to;
    this.#pool.evict(leadsAway, false);
    // A holder keeps the connection for that moment; it is not leased again.
    for (const { connection } of this.#pool.connections()) {
      if (leadsAway(connection)) connection.session?.poison();
    }
    this.#graceTimer?.cancel();
    this.#graceTimer = clock.setTimer(
      () => this.#pool.evict(leadsAway, true),
      FAILOVER_GRACE_MS,
    );
    emit("failover", { database: config.name, from, to });
  }
}
