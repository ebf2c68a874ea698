import type { RedisConfig } from "../config/mod.ts";
import type { Answer, Connection } from "../connection/connection.ts";
import type { LoadingProgress } from "../connection/readiness.ts";
import type { Clock } from "../core/clock.ts";
import { describeNoConnection } from "../core/errors/connection.ts";
import type { ConnectError } from "../core/errors/mod.ts";
import { ConnectionState, type Emit } from "../core/events.ts";
import { maskSecrets } from "../core/secret.ts";
import { FailureWindow } from "../health/failure_window.ts";
import { judgeHealth } from "../health/health.ts";
import { LoadingWatch } from "../health/loading_watch.ts";
import { HealthMonitor } from "../health/monitor.ts";
import { RecoveryProbe } from "../health/recovery_probe.ts";
import type { ConnectionCounts } from "../observability/metrics.ts";
import type { DatabaseHealth } from "../observability/types.ts";
import type { CircuitBreaker } from "../resilience/circuit_breaker.ts";
import { classifyReplyError } from "../resilience/reply_errors.ts";

/** What a health record needs to know from elsewhere. */
export interface HealthRecordParts {
  /** The database. */
  readonly config: RedisConfig;
  /** Where it is, in words. */
  readonly endpoint: () => string;
  /** Its circuit breaker's state. */
  readonly breaker: () => CircuitBreaker["state"];
  /** Its connections. */
  readonly connections: () => ConnectionCounts;
  /** Why no connection can be opened at the moment, as far as is known. */
  readonly unreachable: () => ConnectError | undefined;
  /** The last error of a command or connection. */
  readonly lastError: () => string | null;
  /** Milliseconds until a server that was not reached may be tried again; `undefined` while
   * it is reached. */
  readonly nextAttemptInMs: () => number | undefined;
  /** Looks at a server that does not serve fully, and connects where it is back. */
  readonly recover: () => Promise<unknown>;
  /** Reports events. */
  readonly emit: Emit;
  /** Time. */
  readonly clock: Clock;
}

/**
 * What is held for and against one database: why it was not reached, whether its server
 * is loading, what failed lately. Judges from that how well it serves, and reports when
 * the judgement changes.
 */
export class HealthRecord {
  readonly #parts: HealthRecordParts;
  readonly #failures: FailureWindow;
  readonly #monitor: HealthMonitor;
  readonly #loadingWatch: LoadingWatch;
  readonly #probe: RecoveryProbe;
  #connectError: string | undefined;
  #loading = false;
  #pingMs: number | null = null;
  /** The state that it was last found in, and since when. */
  #judged: { state: ConnectionState; since: number };

  /**
   * Begins with a healthy database.
   *
   * @param parts What it needs.
   */
  constructor(parts: HealthRecordParts) {
    const { clock, config, emit } = parts;
    this.#parts = parts;
    this.#judged = { state: ConnectionState.HEALTHY, since: clock.wallNow() };
    this.#failures = new FailureWindow(clock);
    this.#probe = new RecoveryProbe({
      intervalMs: config.healthCheckIntervalMs,
      nextAttemptInMs: parts.nextAttemptInMs,
      look: parts.recover,
      clock,
    });
    this.#monitor = new HealthMonitor({
      judge: () => this.#judgeForProbe(),
      changed: (from, to, reason) =>
        emit("statechange", { database: config.name, from, to, reason }),
      clock,
    });
    this.#loadingWatch = new LoadingWatch({
      database: config.name,
      timeoutMs: config.loadingTimeoutMs,
      answerTimeoutMs: config.commandTimeoutMs,
      progress: (progress, waitedMs) => this.loading(progress, waitedMs),
      over: () => {
        this.#loading = false;
        this.update();
      },
      clock,
    });
  }

  /** Reports an event; whatever is reported may have changed how well it serves. */
  readonly emit: Emit = (type, detail) => {
    this.#parts.emit(type, detail);
    this.update();
  };

  /** Judges anew. */
  update(): void {
    this.#monitor.update();
  }

  /** Reports no more changes, and asks no more. */
  stop(): void {
    this.#monitor.stop();
    this.#probe.stop();
  }

  /**
   * An attempt to connect failed.
   *
   * @param error Why.
   */
  connectFailed(error: Error): void {
    // A password's provider, or a resolver, may have written it.
    this.#connectError = maskSecrets(error.message);
    this.#failures.add();
  }

  /** An attempt to connect succeeded: the server serves. */
  connected(): void {
    this.#connectError = undefined;
    this.#loading = false;
  }

  /** An idle connection ended: no trouble, but a reason to look. */
  idleEnded(): void {
    this.#probe.suspect();
  }

  /** A connection was lost, or a deadline passed on it. */
  troubled(): void {
    this.#failures.add();
  }

  /**
   * The server is loading its data.
   *
   * @param progress How far it is.
   * @param waitedMs How long it has been waited for.
   */
  loading(progress: LoadingProgress, waitedMs: number): void {
    this.#loading = true;
    const { name: database } = this.#parts.config;
    this.emit("loading", { database, waitedMs, ...progress });
  }

  /**
   * A server that was connected says that it does not serve yet.
   *
   * @param connection The connection that it said so on.
   */
  notReady(connection: Connection): void {
    this.#loadingWatch.notice(connection);
  }

  /**
   * A health check measured a PING.
   *
   * @param ms How long it took, in milliseconds; `null` if there was no answer.
   */
  pinged(ms: number | null): void {
    this.#pingMs = ms;
  }

  /**
   * Whether an answer to PING says that the server serves; an error mostly does too.
   *
   * @param connection The connection that it came on.
   * @param answer The answer.
   * @returns `true` if it does.
   */
  serves(connection: Connection, answer: Answer): boolean {
    if (!("error" in answer)) return true;
    const { code, rule } = classifyReplyError(answer.error.message);
    if (rule.kind !== "loading") return true;
    this.#loading = code === "LOADING";
    this.notReady(connection);
    this.update();
    return false;
  }

  /** Why the last attempt to connect failed, in words. */
  #whyUnreachable(): string | undefined {
    if (this.#connectError === undefined) return undefined;
    const known = this.#parts.unreachable();
    return known === undefined
      ? this.#connectError
      : maskSecrets(describeNoConnection(known));
  }

  #judgeForProbe(): DatabaseHealth {
    const judged = this.judge();
    this.#probe.notice(judged.state === ConnectionState.HEALTHY);
    return judged;
  }

  /**
   * How well the database serves, as far as is known without asking.
   *
   * @returns A frozen snapshot.
   */
  judge(): DatabaseHealth {
    const { breaker, clock, config, connections, endpoint, lastError, nextAttemptInMs } =
      this.#parts;
    const { open, opened } = connections();
    const judgement = judgeHealth({
      breaker: breaker(),
      loading: this.#loading,
      connectError: this.#whyUnreachable(),
      nextAttemptMs: nextAttemptInMs(),
      openConnections: open,
      everConnected: opened > 0,
      recentTroubles: this.#failures.count,
    });
    const { state } = judgement;
    if (state !== this.#judged.state) this.#judged = { state, since: clock.wallNow() };
    return Object.freeze({
      ...judgement,
      since: new Date(this.#judged.since).toISOString(),
      endpoint: endpoint(),
      db: config.db,
      circuitBreaker: breaker(),
      lastError: lastError(),
      pingMs: this.#pingMs,
    });
  }
}
