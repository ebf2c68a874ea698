import type { CommandOwner, TrackedCommand } from "../connection/tracked.ts";
import type { Clock, Timer } from "../core/clock.ts";
import type { CircuitOpenError, ConnectError } from "../core/errors/mod.ts";
import type { Emit } from "../core/events.ts";
import type { RedisConfig } from "../config/mod.ts";
import type { Connection } from "../connection/connection.ts";
import type { Command } from "../connection/driver.ts";
import type { CredentialRenewal } from "../connection/credential_renewal.ts";
import type { Opener } from "../connection/opener.ts";
import { RERESOLVE_AFTER_MS } from "../commands/dispatcher.ts";
import { ConnectionRegister } from "./connection_register.ts";
import type { DatabaseLocation } from "./location.ts";
import { HealthRecord } from "./health_record.ts";
import { makeCredentialRenewal } from "./credentials.ts";
import { makeOpener } from "./parts.ts";
import { makePool, type PooledConnection } from "./pool.ts";
import type { AcquireOptions } from "./lease.ts";
import { Loan } from "./loan.ts";
import type {
  ConnectionCounts,
  DatabaseStatistics,
} from "../observability/database_statistics.ts";
import type { DatabaseTelemetry } from "../observability/telemetry/database_telemetry.ts";
import type { ConnectionBudget } from "../pool/connection_budget.ts";
import type { Lane } from "../pool/lane_choice.ts";
import { LaneSet } from "../pool/lanes.ts";
import type { Lease } from "../pool/lease.ts";
import type { Pool } from "../pool/pool.ts";
import type { OpenConnection, PoolCounters, PoolGauges } from "../pool/types.ts";
import type { CircuitBreaker } from "../resilience/circuit_breaker.ts";
import type { RetryBudget } from "../resilience/retry_budget.ts";
import { readPrimaryRedirect } from "../topology/standalone.ts";
import type { OpenChannel } from "../transport/channel.ts";
import { keepLibrary } from "../transport/keepalive_ffi.ts";
import { BreakerGuard } from "./breaker_guard.ts";
import { ServerProbe } from "./server_probe.ts";

/** What the servers of a database have in common. */
export interface ServerContext {
  /** The database. */
  readonly config: RedisConfig;
  /** Counts what its commands do. */
  readonly statistics: DatabaseStatistics;
  /** How many retries there may be. */
  readonly budget: RetryBudget;
  /** The common limit of all databases' connections, if there is one. */
  readonly limit: ConnectionBudget | undefined;
  /** Judges the commands of leases. */
  readonly leaseOwner: CommandOwner;
  /** Deadline of a command on a lease, in milliseconds. */
  readonly timeoutOf: (command: Command) => number;
  /** Puts the keys of a command on a lease in place; unset without a key prefix. */
  readonly placeKeys?: (command: Command) => void;
  /** A connection has been opened. */
  readonly opened: (connection: Connection) => void;
  /** Reports through OpenTelemetry, if anything does. */
  readonly telemetry: DatabaseTelemetry | undefined;
  /** Reports events. */
  readonly emit: Emit;
  /** Opens byte channels in place of the transport that is configured. */
  readonly openChannel?: OpenChannel;
  /** Time. */
  readonly clock: Clock;
}

/** What is in flight to a server that is not the primary any more may take so long, in
 * milliseconds. */
const FAILOVER_GRACE_MS = 250;

/** Where one server is, and who is told how it goes there. */
export interface ServerPlace {
  /** Says where it is; told whom to tell when it is another one than before. */
  readonly locate: (moved: (from: string, to: string) => void) => DatabaseLocation;
  /** Whether it is one of several, so that what is said of it names it. */
  readonly isNode?: boolean;
  /** A connection to it was lost, or could not be opened. */
  readonly troubled?: () => void;
}

/** What a server's connections are at, and have done since the start. */
export interface ServerNumbers {
  /** What the pool is at. */
  readonly gauges: PoolGauges;
  /** What the pool has done. */
  readonly counters: Pick<
    PoolCounters,
    "created" | "acquireTimeouts" | "evictions" | "lastCleanup"
  >;
  /** Commands that wait for a lane. */
  readonly waiting: number;
  /** Commands in flight on lanes. */
  readonly inFlight: number;
}

/**
 * All that belongs to one server: what opens connections to it, its pool and lanes, its
 * circuit breaker, and how well it serves. A database has one; one in a cluster has one for
 * each node.
 */
export class ServerConnections {
  /** The shared connections: a sink of ordinary commands. */
  readonly lanes: LaneSet;
  /** Whether it may be asked at all. */
  readonly breaker: CircuitBreaker;
  /** How well it serves. */
  readonly health: HealthRecord;
  /** What the database asks it for itself. */
  readonly probe: ServerProbe;
  readonly #context: ServerContext;
  readonly #place: ServerPlace;
  readonly #location: DatabaseLocation;
  readonly #guard: BreakerGuard;
  /** Only where a provider gives the password. */
  readonly #renewal: CredentialRenewal<Connection> | undefined;
  readonly #opener: Opener;
  readonly #pool: Pool<PooledConnection>;
  readonly #emit: Emit;
  /** Ids of the leased connections that the database itself holds. */
  readonly #ours = new Set<number>();
  readonly #register: ConnectionRegister;
  #graceTimer: Timer | undefined;
  /** Lets go of the C library; `undefined` until a connection has been opened, `null` once
   * all are closed. */
  #endKeepalive: (() => void) | undefined | null;

  /**
   * Opens nothing yet.
   *
   * @param context What it has in common with others of its database.
   * @param place Where it is.
   */
  constructor(context: ServerContext, place: ServerPlace) {
    const { clock, config } = context;
    this.#context = context;
    this.#place = place;
    this.#location = place.locate((from, to) => this.#moved(from, to));
    this.health = this.#makeHealth();
    // Whatever is reported may have changed how well it serves.
    const emit = this.#emit = this.health.emit;
    this.#guard = this.#makeGuard();
    this.breaker = this.#guard.breaker;
    this.#register = this.#makeRegister();
    this.#renewal = makeCredentialRenewal({
      config,
      pool: () => this.#pool,
      lanes: () => this.lanes,
      emit,
      clock,
    });
    this.#opener = this.#makeOpener();
    this.#pool = this.#makePool();
    this.lanes = new LaneSet({
      ...config,
      database: config.name,
      clock,
      open: (signal) => this.#openLane(signal),
      unreachable: () => this.unreachable,
    });
    const { health, lanes } = this;
    this.probe = new ServerProbe({
      config,
      lanes,
      opener: this.#opener,
      guard: this.#guard,
      health,
      clock,
    });
  }

  /** Why no connection to it can be opened at the moment, as far as is known. */
  get unreachable(): ConnectError | undefined {
    return this.#opener.trouble.error;
  }

  /** Where it is as far as is known, in words. */
  get endpoint(): string {
    return this.#location.current();
  }

  /**
   * Sends a command, or tells that the circuit breaker is open: for commands that nobody
   * has asked it about.
   *
   * @param command The command.
   */
  submit(command: TrackedCommand): void {
    if (this.#guard.admits(command)) this.lanes.submit(command);
  }

  /**
   * The same for commands with nothing in between.
   *
   * @param commands The commands.
   */
  submitBatch(commands: readonly TrackedCommand[]): void {
    // The last one is the probe, if one is due: nobody hears how an ASKING before it went.
    if (this.#guard.admits(commands.at(-1)!)) return this.lanes.submitBatch(commands);
    for (const command of commands.slice(0, -1)) this.#guard.refuse(command);
  }

  /** The error for callers while the circuit breaker is open. */
  openError(): CircuitOpenError {
    return this.#guard.openError();
  }

  /**
   * Notes what an error reply tells of where the primary is.
   *
   * @param message The server's text.
   */
  learn(message: string): void {
    const primary = readPrimaryRedirect(message);
    if (primary !== undefined) this.#location.redirected?.(primary);
    // With fewer replicas than it wants: a failover may have taken them.
    else if (message.startsWith("NOREPLICAS")) this.#location.suspect?.();
  }

  /** Closes the circuit breaker by hand, and forgets its failures. */
  resetBreaker(): void {
    this.#guard.reset("by hand");
  }

  /**
   * Waits until a lane is open.
   *
   * @param signal Ends the wait.
   */
  async whenReady(signal?: AbortSignal): Promise<void> {
    if (!this.#guard.mayConnect && this.breaker.retryAfterMs > 0) throw this.openError();
    await this.lanes.whenReady(signal);
  }

  /**
   * Leases a connection to a caller.
   *
   * @param options How long to wait.
   * @returns The lease.
   */
  acquire(options: AcquireOptions = {}): Promise<Lease<PooledConnection>> {
    const { telemetry } = this.#context;
    const take = () => this.#pool.acquire(options);
    return telemetry === undefined ? take() : telemetry.acquire(take);
  }

  /**
   * Leases a connection to the database itself.
   *
   * @param options How long to wait.
   * @returns The lease.
   */
  async lend(options: AcquireOptions = {}): Promise<Loan> {
    const { commandTimeoutMs: timeoutMs } = this.#context.config;
    const passed = (ms: number) => this.lanes.flush(ms);
    const writes = this.#place.isNode ? undefined : { timeoutMs, passed };
    return new Loan(await this.acquire(options), this.#ours, writes);
  }

  /**
   * The server says that it cannot serve any more: what leads to it is replaced, unless it
   * is so young that a look at the server was taken just now. What is held or in flight is
   * let finish.
   *
   * @param reason What the server says.
   */
  replaceAll(reason: string): void {
    this.lanes.replaceAll(reason);
    const latest = this.#context.clock.now() - RERESOLVE_AFTER_MS;
    const isOld = ({ connection }: PooledConnection) => connection.createdAt <= latest;
    this.#pool.evict(isOld, false);
  }

  /**
   * Closes connections that have been idle, or have lived, for too long.
   *
   * @returns How many.
   */
  reap(): number {
    return this.lanes.replaceExpired() + this.lanes.shrink() + this.#pool.reap();
  }

  /**
   * Takes no more commands, lets those it has finish, and closes every connection.
   *
   * @param drainMs How long they may take, in milliseconds.
   * @returns How many commands were cut.
   */
  async close(drainMs: number): Promise<number> {
    const { clock } = this.#context;
    const deadline = clock.now() + drainMs;
    this.health.stop();
    this.probe.stop();
    this.#renewal?.stop();
    // Commands that wait for a lane still get one; leases have what is left of the time.
    const cutOnLanes = await this.lanes.close(drainMs);
    const leftMs = Math.max(0, deadline - clock.now());
    const cut = await this.#pool.close(leftMs);
    await this.#opener.close();
    // Last: those who still got a connection had to be told where.
    this.#location.close();
    this.#endKeepalive?.();
    this.#endKeepalive = null;
    this.#graceTimer?.cancel();
    return cutOnLanes + cut;
  }

  /** Ends every connection at once: for one that is being closed, and takes too long. */
  cut(): void {
    this.#register.cut();
  }

  /**
   * Connections that are being validated are open; those being opened are not.
   *
   * @returns Opened so far, and open now.
   */
  connections(): ConnectionCounts {
    const { connecting, total, validating } = this.#pool.numbers();
    return { opened: this.#register.opened, open: total - (connecting - validating) };
  }

  /**
   * What its connections are at, and have done.
   *
   * @returns A snapshot.
   */
  numbers(): ServerNumbers {
    return {
      gauges: this.#pool.numbers(),
      counters: this.#pool.statistics(),
      waiting: this.lanes.waiting,
      inFlight: this.lanes.inFlight,
    };
  }

  /**
   * The connections that are open.
   *
   * @returns A list of its own.
   */
  openConnections(): OpenConnection<PooledConnection>[] {
    return this.#pool.connections();
  }

  #makeGuard(): BreakerGuard {
    const { clock, config, statistics } = this.#context;
    return new BreakerGuard({
      config,
      nodeName: () => this.#place.isNode ? this.endpoint : undefined,
      statistics,
      nextAttemptInMs: () => this.#opener.nextAttemptInMs,
      unreachable: () => this.unreachable,
      emit: this.#emit,
      clock,
    });
  }

  #makeRegister(): ConnectionRegister {
    const { config, statistics } = this.#context;
    return new ConnectionRegister({
      database: config.name,
      traffic: statistics.traffic,
      // Of one that was idle nothing was asked: it was not useless.
      lost: ({ hasAnswered, inFlight }) =>
        this.#opener.connectionLost(hasAnswered || inFlight === 0),
      troubled: () => this.#place.troubled?.(),
      emit: this.#emit,
    });
  }

  #makeHealth(): HealthRecord {
    const { clock, config, emit, statistics } = this.#context;
    return new HealthRecord({
      config,
      endpoint: () => this.endpoint,
      breaker: () => this.breaker.state,
      connections: () => this.connections(),
      unreachable: () => this.unreachable,
      lastError: () => statistics.lastError,
      nextAttemptInMs: () =>
        this.#opener.isUnreachable ? this.#opener.nextAttemptInMs : undefined,
      recover: () => this.probe.recover(),
      emit,
      clock,
    });
  }

  #makeOpener(): Opener {
    const { budget, clock, config, openChannel, statistics } = this.#context;
    const { confirm, resolve, where } = this.#location;
    return makeOpener(config, clock, {
      where,
      resolve,
      ...(confirm === undefined ? {} : { confirm }),
      ...(openChannel === undefined ? {} : { openChannel }),
      expiring: (connection, expiresAt) => this.#renewal?.add(connection, expiresAt),
      attemptRepeated: () => statistics.retried(),
      reached: () => {
        this.health.connected();
        this.#guard.connected();
        this.health.update();
      },
      attemptFailed: (error, endpoint, kind) => {
        this.health.connectFailed(error);
        statistics.connectFailed(error, endpoint);
        this.breaker.recordFailure(kind);
        this.probe.attemptFailed();
        this.#emit("connection", {
          database: config.name,
          action: "failed",
          id: 0,
          endpoint,
          reason: error.message,
        });
        this.#place.troubled?.();
      },
      loading: (progress, waitedMs) => this.health.loading(progress, waitedMs),
      observer: {
        answered: (sentAt, now, count) => {
          statistics.answered(sentAt, now, count);
          budget.deposit(count);
          this.breaker.recordReply();
        },
        blockingAnswered: (sentAt, now) => {
          statistics.blockingAnswered(sentAt, now);
          budget.deposit(1);
          this.breaker.recordReply();
        },
        troubled: (kind) => {
          statistics.troubled();
          if (kind === "idle") return this.health.idleEnded();
          this.health.troubled();
          this.breaker.recordFailure(kind);
          this.health.update();
        },
      },
    });
  }

  #makePool(): Pool<PooledConnection> {
    const { clock, config, leaseOwner, limit, placeKeys, telemetry, timeoutOf } =
      this.#context;
    return makePool({
      config,
      opener: this.#opener,
      session: {
        db: config.db,
        decodeResponses: config.decodeResponses,
        resetTimeoutMs: config.commandTimeoutMs,
        owner: leaseOwner,
        timeoutOf,
        observer: telemetry,
        ...(placeKeys === undefined ? {} : { placeKeys }),
      },
      telemetry,
      opened: (connection) => this.#connectionOpened(connection),
      budget: limit,
      ours: this.#ours,
      emit: this.#emit,
      clock,
    });
  }

  /** A lane ends when its place is needed for a lease, in a pool of one. */
  async #openLane(signal: AbortSignal): Promise<Lane> {
    const slot = await this.#pool.openLane(signal);
    const { connection } = slot.connection;
    slot.onWanted(() =>
      this.lanes.replace(connection, "its place is needed for a lease")
    );
    const { expiresAt } = slot;
    const release: Lane["release"] = (words, counted) => slot.release(counted, words);
    return { connection, expiresAt, release };
  }

  #connectionOpened(connection: Connection): void {
    if (this.#endKeepalive === undefined) this.#endKeepalive = keepLibrary();
    this.health.connected();
    this.#register.add(connection);
    this.#context.opened(connection);
  }

  /**
   * The primary is another server now: everything leads to it from here on. What is held
   * or in flight elsewhere gets a moment to finish, as its server, if it lives, drops it
   * too, or keeps what is written only until it follows the new one.
   */
  #moved(from: string, to: string): void {
    const { clock, config } = this.#context;
    this.#opener.redirect();
    // Its failures were those of another server.
    this.#guard.reset(`the primary is ${to} now`);
    this.lanes.replaceAll(`the primary is ${to} now`);
    const leadsAway = ({ connection }: PooledConnection) => connection.endpoint !== to;
    this.#pool.evict(leadsAway, false);
    // Who holds one keeps it for that moment; nobody gets it after him.
    for (const { connection } of this.#pool.connections()) {
      if (leadsAway(connection)) connection.session?.spoil();
    }
    this.#graceTimer?.cancel();
    this.#graceTimer = clock.setTimer(
      () => this.#pool.evict(leadsAway, true),
      FAILOVER_GRACE_MS,
    );
    this.#emit("failover", { database: config.name, from, to });
  }
}
