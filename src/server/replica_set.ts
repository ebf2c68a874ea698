import { abortable } from "@std/async/abortable";
import type { NodeAddress, RedisConfig } from "../config/settings.ts";
import type { Connection } from "../connection/connection.ts";
import type { PendingCommand } from "../connection/pending_command.ts";
import type { Clock, Timer } from "../core/clock.ts";
import type { ConnectError } from "../core/errors/mod.ts";
import { maskSecrets } from "../core/secret.ts";
import type { ConnectionCounts } from "../observability/metrics.ts";
import type { ReplicaHealth } from "../observability/types.ts";
import type { LaneSet } from "../pool/lanes.ts";
import type { OpenConnection } from "../pool/types.ts";
import type { CircuitBreaker } from "../resilience/circuit_breaker.ts";
import type { PooledConnection } from "./lease.ts";
import type { ServerProbe } from "./probe.ts";
import { readReplication, type ReplicationInfo, ReplicationLag } from "./replication.ts";
import { type GroupMember, ServerGroup } from "./server_group.ts";
import type { ReadFrom, Replicas, ServerStats } from "./topology.ts";

/** Time between two looks at the replicas, in milliseconds. */
const LOOK_EVERY_MS = 1000;
/** How long a server may take to answer a look, in milliseconds. */
const LOOK_TIMEOUT_MS = 1000;
/** Looks until the replicas are listed again. */
const LIST_EVERY = 10;
/** The same while the primary has more replicas than are listed. */
const LIST_AGAIN_IN = 2;
/** Reads wait for the first look no longer than this, in milliseconds. */
const FIRST_LOOK_MS = 1000;
/** The first look is over when a replica is in sync, and the others had so much longer, in
 * milliseconds. */
const SETTLE_MS = 100;
/** A replica that is further behind gets no reads, in milliseconds. Sentinels and Redis'
 * `min-replicas-max-lag` allow 10 s; a second of it is the replica's own report. */
export const MAX_LAG_MS = 3000;

const NOT_ASKED = "not asked yet";

/** A server that looks can be made at. */
interface Asked {
  readonly probe: Pick<ServerProbe, "query">;
}

/** A replica's server. */
export interface ReplicaServer extends GroupMember, Asked {
  readonly endpoint: string;
  readonly lanes: LaneSet;
  readonly gate: Pick<CircuitBreaker, "allows">;
  /** Why no connection to it can be opened, as far as is known. */
  readonly unreachable: ConnectError | undefined;
  notReady(connection: Connection): void;
  reap(): number;
  resetBreakers(): void;
}

/** Finds the replicas of a primary, and observes them. */
export interface ReplicaWatcher {
  /** Lists where the replicas of the primary are. */
  readonly list: () => Promise<readonly NodeAddress[]>;
  /** Called when replicas have become usable, or one has gone, with the reads that waited for
   * it. */
  readonly changed: (left: readonly PendingCommand[]) => void;
}

interface ReplicaSetOptions extends ReplicaWatcher {
  readonly primary: Asked & { readonly endpoint: string };
  /** Creates the server of a replica. */
  readonly make: (address: NodeAddress) => ReplicaServer;
  readonly config: Pick<RedisConfig, "clientAz" | "commandTimeoutMs">;
  readonly clock: Clock;
}

/** What is known of a replica. */
interface ReplicaState {
  readonly server: ReplicaServer;
  isInSync: boolean;
  /** Why it is left out, or that it is not. */
  reason: string;
  role: ReplicaHealth["role"];
  lagMs: number | null;
  zone: string | undefined;
  /** Since when it has not answered, on the monotonic clock. */
  silentSince: number | undefined;
}

/**
 * The replicas of one primary, each with its own pool. They are asked every second how far they
 * are; one that is not connected to its primary, lags, loads or does not answer gets no
 * reads until it is in sync again.
 *
 * While the primary itself does not answer, nobody is known to write: replicas that were in sync
 * stay in use, although their links are down.
 */
export class ReplicaSet implements Replicas {
  readonly #options: ReplicaSetOptions;
  readonly #servers: ServerGroup<ReplicaServer>;
  readonly #stop = new AbortController();
  readonly #lag = new ReplicationLag();
  #replicas: readonly ReplicaState[] = [];
  /** Of whom the next read's turn is. */
  #turn = 0;
  #isKnown = false;
  #knownTimer: Timer | undefined;
  /** Looks until the replicas are listed. */
  #listIn = 0;
  #followers: string | undefined;
  /** Ends the wait for the next look. */
  #hurry = new AbortController();

  /** Begins to look at once. */
  constructor(options: ReplicaSetOptions) {
    const { clock, config, make } = this.#options = options;
    this.#servers = new ServerGroup({ make, drainMs: config.commandTimeoutMs, clock });
    this.#setKnownTimer(FIRST_LOOK_MS);
    void this.#watch();
  }

  get isKnown(): boolean {
    return this.#isKnown;
  }

  pick(from: ReadFrom, tried?: ReadonlySet<string>): ReplicaServer | undefined {
    if (from === "az_affinity") {
      const { clientAz } = this.#options.config;
      const near = this.#next(tried, clientAz);
      if (near !== undefined) return near;
    }
    return this.#next(tried);
  }

  /** The replica of a name such as `10.0.0.7:7000`, if there is one. */
  named(name: string): ReplicaServer | undefined {
    return this.#servers.named(name);
  }

  get names(): string[] {
    return this.#servers.names;
  }

  leaveOut(name: string, reason: string): void {
    const replica = this.#replicas.find(({ server }) => server.endpoint === name);
    if (!replica?.isInSync) return;
    this.#leaveOut(replica, maskSecrets(reason));
    this.#hurry.abort();
  }

  /** Other replicas are there, or the primary is another server: looks at once. */
  relist(isNewPrimary: boolean = false): void {
    if (isNewPrimary) this.#lag.reset();
    this.#listIn = 0;
    this.#hurry.abort();
  }

  /** What is known of each replica. */
  health(): ReplicaHealth[] {
    const primary = this.#options.primary.endpoint;
    return this.#replicas.map(({ server, isInSync, lagMs, reason, role, zone }) =>
      Object.freeze({
        endpoint: server.endpoint,
        primary,
        role,
        state: isInSync ? "in_sync" : "left_out",
        reason,
        lagMs,
        zone: zone ?? null,
      })
    );
  }

  connections(): ConnectionCounts {
    return this.#servers.connections();
  }

  openConnections(): OpenConnection<PooledConnection>[] {
    return this.#servers.openConnections();
  }

  stats(): ServerStats {
    return this.#servers.stats();
  }

  reap(): number {
    return this.#servers.current.reduce((sum, server) => sum + server.reap(), 0);
  }

  resetBreakers(): void {
    for (const server of this.#servers.current) server.resetBreakers();
  }

  cut(): void {
    for (const server of this.#servers.all) server.cut();
  }

  stopReporting(): void {
    for (const server of this.#servers.all) server.stopReporting();
  }

  async close(drainMs: number): Promise<number> {
    this.#stop.abort();
    this.#knownTimer?.cancel();
    this.#hurry.abort();
    return await this.#servers.close(drainMs);
  }

  #next(
    tried: ReadonlySet<string> | undefined,
    zone?: string,
  ): ReplicaServer | undefined {
    const replicas = this.#replicas;
    const { length } = replicas;
    for (let i = 0; i < length; i++) {
      const turn = (this.#turn + i) % length;
      const { isInSync, server, zone: its } = replicas[turn]!;
      if (!isInSync || (zone !== undefined && its !== zone)) continue;
      if (server.lanes.size === 0 || !server.gate.allows()) continue;
      if (tried?.has(server.endpoint)) continue;
      this.#turn = turn + 1;
      return server;
    }
    return undefined;
  }

  async #watch(): Promise<void> {
    const { clock, list } = this.#options;
    const { signal } = this.#stop;
    while (!signal.aborted) {
      this.#hurry = new AbortController();
      if (--this.#listIn <= 0) {
        this.#listIn = LIST_EVERY;
        const listed = await this.#within(list());
        // What could not be listed is as it was.
        if (listed !== undefined) this.update(listed);
      }
      await this.#look();
      this.#known();
      const sleep = { signal: this.#hurry.signal, ref: false };
      await clock.sleep(LOOK_EVERY_MS, sleep).catch(() => {});
    }
  }

  /** Connects to these replicas, and to no others. */
  update(addresses: readonly NodeAddress[]): void {
    if (this.#stop.signal.aborted) return;
    const left = this.#servers.keepOnly(addresses, true);
    const before = new Map(this.#replicas.map((each) => [each.server, each]));
    const servers = new Set(addresses.map((address) => this.#servers.at(address)));
    if ([...servers].some((server) => !before.has(server))) this.#hurry.abort();
    this.#replicas = [...servers].map((server) =>
      before.get(server) ?? {
        server,
        isInSync: false,
        reason: NOT_ASKED,
        role: "replica",
        lagMs: null,
        zone: undefined,
        silentSince: undefined,
      }
    );
    if (left.length > 0) this.#options.changed(left);
  }

  /** Asks the primary and every replica how far they are. */
  async #look(): Promise<void> {
    const { clock, primary } = this.#options;
    const answered = this.#ask(primary).then((info) => {
      if (info?.role !== "primary") return false;
      this.#lag.note(clock.now(), info.offset);
      const { followers } = info;
      if (this.#followers !== undefined && this.#followers !== followers) this.relist();
      this.#followers = followers;
      // The others that list them do not know of all yet.
      const isShort = followers.split("slave").length - 1 > this.#replicas.length;
      if (isShort) this.#listIn = Math.min(this.#listIn, LIST_AGAIN_IN);
      return true;
    });
    await Promise.all(this.#replicas.map(async (replica) => {
      const askedAt = clock.now();
      const info = await this.#ask(replica.server);
      if (this.#stop.signal.aborted) return;
      if (info === undefined) this.#unanswered(replica, askedAt);
      else this.#judge(replica, info, await answered);
    }));
  }

  #judge(replica: ReplicaState, info: ReplicationInfo, isPrimaryThere: boolean): void {
    replica.silentSince = undefined;
    replica.zone = info.zone;
    replica.role = info.role;
    if (info.role !== "replica") {
      this.#leaveOut(replica, "it is a primary now");
      return this.relist();
    }
    const { clock } = this.#options;
    replica.lagMs = this.#lag.of(clock.now(), info.offset);
    if (!info.isLinked) {
      // What it has is the latest that anybody can read.
      if (replica.isInSync && !isPrimaryThere) return;
      return this.#leaveOut(replica, "its link to the primary is down");
    }
    if (replica.lagMs > MAX_LAG_MS) {
      return this.#leaveOut(replica, `it is ${Math.round(replica.lagMs)} ms behind`);
    }
    replica.reason = "in sync";
    if (replica.isInSync) return;
    replica.isInSync = true;
    if (this.#isKnown) this.#options.changed([]);
    // The others answer about now: reads are to be spread from the first one on.
    else this.#setKnownTimer(SETTLE_MS);
  }

  /** A replica that hangs keeps the reads that it was sent: they are sent elsewhere while there
   * is time. */
  #unanswered(replica: ReplicaState, askedAt: number): void {
    const { clock, config } = this.#options;
    const { server } = replica;
    const { unreachable } = server;
    this.#leaveOut(
      replica,
      unreachable === undefined ? "it does not answer" : maskSecrets(unreachable.message),
    );
    replica.lagMs = null;
    const since = replica.silentSince ??= askedAt;
    const isSilent = server.lanes.connections.every(({ lastReceivedAt }) =>
      lastReceivedAt <= since
    );
    if (isSilent && clock.now() - since >= config.commandTimeoutMs / 2) server.cut();
  }

  #leaveOut(replica: ReplicaState, reason: string): void {
    replica.isInSync = false;
    replica.reason = reason;
  }

  #setKnownTimer(ms: number): void {
    this.#knownTimer?.cancel();
    this.#knownTimer = this.#options.clock.setTimer(() => this.#known(), ms);
  }

  #known(): void {
    this.#knownTimer?.cancel();
    if (this.#isKnown || this.#stop.signal.aborted) return;
    this.#isKnown = true;
    this.#options.changed([]);
  }

  async #ask({ probe }: Asked): Promise<ReplicationInfo | undefined> {
    const answer = await this.#within((signal) =>
      probe.query(signal, "info", "server", "replication")
    );
    if (answer === undefined || "error" in answer) return undefined;
    return readReplication(answer.reply);
  }

  /** What a promise gives in time; `undefined` if it does not. */
  async #within<T>(
    work: Promise<T> | ((signal: AbortSignal) => Promise<T>),
  ): Promise<T | undefined> {
    const late = new AbortController();
    const timer = this.#options.clock.setTimer(() => late.abort(), LOOK_TIMEOUT_MS);
    const signal = AbortSignal.any([this.#stop.signal, late.signal]);
    try {
      return await abortable(typeof work === "function" ? work(signal) : work, signal);
    } catch {
      return undefined;
    } finally {
      timer.cancel();
    }
  }
}
