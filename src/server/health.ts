import type { Connection } from "../connection/connection.ts";
import type { Connector } from "../connection/connector.ts";
import type { QueryResult } from "../connection/pending_command.ts";
import { type LoadingProgress, waitUntilReady } from "../connection/readiness.ts";
import type { Clock, Timer } from "../core/clock.ts";
import { describeNoConnection } from "../core/errors/connection.ts";
import { ConnectionState, type Emit } from "../core/events.ts";
import { maskSecrets } from "../core/secret.ts";
import type { ConnectionCounts } from "../observability/metrics.ts";
import type { DatabaseHealth } from "../observability/types.ts";
import type { CircuitBreaker } from "../resilience/circuit_breaker.ts";
import { classifyReplyError } from "../resilience/reply_errors.ts";
import { RecoveryProbe, type ServerProbe } from "./probe.ts";
import type { ServerContext } from "./topology.ts";

/** The facts that decide about the health of a server. */
export interface HealthFacts {
  readonly breaker: CircuitBreaker["state"];
  /** Whether the server is loading its data. */
  readonly loading: boolean;
  /** Why the last attempt to connect failed, if it did. */
  readonly connectError: string | undefined;
  /** Milliseconds until the next attempt to connect, if one is planned. */
  readonly nextAttemptMs?: number | undefined;
  readonly openConnections: number;
  readonly everConnected: boolean;
  /** Failed connections and passed deadlines in the last window. */
  readonly recentFailures: number;
}

/** Judges how well a server serves, and why. */
export function judgeHealth(
  facts: HealthFacts,
): Pick<DatabaseHealth, "state" | "reason"> {
  const { FAILED, DEGRADED, HEALTHY } = ConnectionState;
  const { breaker, connectError, nextAttemptMs, recentFailures } = facts;
  const next = nextAttemptMs === undefined
    ? ""
    : `; next attempt in ${(nextAttemptMs / 1000).toFixed(1)} s`;
  if (breaker === "open") {
    // What opened the breaker comes first: it explains more.
    const cause = connectError === undefined ? "" : `${connectError}; `;
    return { state: FAILED, reason: `${cause}circuit breaker open${next}` };
  }
  if (facts.loading) return { state: DEGRADED, reason: "server is loading its data" };
  if (facts.openConnections === 0 && connectError !== undefined) {
    return { state: FAILED, reason: connectError + next };
  }
  if (breaker === "half_open") {
    return { state: DEGRADED, reason: "circuit breaker is probing" };
  }
  if (connectError !== undefined) return { state: DEGRADED, reason: connectError };
  if (recentFailures > 0) {
    const what = recentFailures === 1 ? "failure" : "failures";
    return { state: DEGRADED, reason: `${recentFailures} ${what} lately` };
  }
  if (facts.openConnections > 0) return { state: HEALTHY, reason: "connected" };
  return {
    state: HEALTHY,
    reason: facts.everConnected ? "idle, no connection open" : "not connected yet",
  };
}

/** Time between two judgements of a database that is not healthy, in milliseconds: failures
 * are forgotten without an event. */
const JUDGE_AGAIN_MS = 1000;

/** Reports when a database begins to serve better or worse. */
export class HealthMonitor {
  readonly #context: Pick<ServerContext, "clock" | "config" | "emit">;
  readonly #judge: () => Omit<DatabaseHealth, "since">;
  readonly #judged: ((isHealthy: boolean) => void) | undefined;
  /** The state that was reported last. */
  #reported: ConnectionState = ConnectionState.HEALTHY;
  /** The state that was found last, and since when. */
  #state: ConnectionState = ConnectionState.HEALTHY;
  #since: number;
  #timer: Timer | undefined;
  #stopped = false;

  /**
   * @param judge Judges how well the database serves now.
   * @param judged Called after each update, before a change is reported.
   */
  constructor(
    context: Pick<ServerContext, "clock" | "config" | "emit">,
    judge: () => Omit<DatabaseHealth, "since">,
    judged?: (isHealthy: boolean) => void,
  ) {
    this.#context = context;
    this.#judge = judge;
    this.#judged = judged;
    this.#since = context.clock.wallNow();
  }

  /** A frozen snapshot of how well the database serves, as far as is known. */
  health(): DatabaseHealth {
    const judgement = this.#judge();
    const { state } = judgement;
    if (state !== this.#state) this.#since = this.#context.clock.wallNow();
    this.#state = state;
    return Object.freeze({ ...judgement, since: new Date(this.#since).toISOString() });
  }

  /** Judges again, as something happened. */
  update(): void {
    if (this.#stopped) return;
    const { clock, config: { name: database }, emit } = this.#context;
    const { state: to, reason } = this.health();
    const isHealthy = to === ConnectionState.HEALTHY;
    this.#judged?.(isHealthy);
    const from = this.#reported;
    this.#reported = to;
    this.#timer?.cancel();
    if (!isHealthy) this.#timer = clock.setTimer(() => this.update(), JUDGE_AGAIN_MS);
    if (to !== from) emit("statechange", { database, from, to, reason });
  }

  stop(): void {
    this.#stopped = true;
    this.#timer?.cancel();
  }
}

/** How long a failure counts, in milliseconds. */
const WINDOW_MS = 30_000;
/** Most failures that are counted: more do not change the health. */
const MAX_FAILURES = 100;

/** Counts the failures of the last 30 s. */
class FailureWindow {
  readonly #clock: Clock;
  #times: number[] = [];

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  add(): void {
    this.#times.push(this.#clock.now());
    if (this.#times.length > MAX_FAILURES) this.#times.shift();
  }

  get count(): number {
    const since = this.#clock.now() - WINDOW_MS;
    this.#times = this.#times.filter((time) => time > since);
    return this.#times.length;
  }
}

/** What the health of a server is judged by. */
interface HealthSource {
  readonly endpoint: string;
  readonly gate: Pick<CircuitBreaker, "state">;
  readonly probe: Pick<ServerProbe, "recover">;
  connections(): ConnectionCounts;
}

/** Health signals of one server: judges by them how well it serves, and reports changes. */
export class ServerHealth {
  readonly #context: ServerContext;
  readonly #server: HealthSource;
  readonly #opener: Connector;
  readonly #failures: FailureWindow;
  readonly #monitor: HealthMonitor;
  readonly #probe: RecoveryProbe;
  #connectError: string | undefined;
  #loading = false;
  /** Whether {@linkcode notReady} polls the server. */
  #polling = false;
  #pingMs: number | null = null;

  /** Begins healthy. */
  constructor(context: ServerContext, server: HealthSource, opener: Connector) {
    const { clock, config } = context;
    this.#context = context;
    this.#server = server;
    this.#opener = opener;
    this.#failures = new FailureWindow(clock);
    this.#probe = new RecoveryProbe({
      intervalMs: config.healthCheckIntervalMs,
      nextAttemptInMs: () => this.#nextAttemptInMs,
      check: () => server.probe.recover(),
      clock,
    });
    const judged = (isHealthy: boolean) => this.#probe.update(isHealthy);
    this.#monitor = new HealthMonitor(context, () => this.#judge(), judged);
  }

  /** Emits an event, and judges again: whatever is reported may change the health. */
  readonly emit: Emit = (type, detail) => {
    this.#context.emit(type, detail);
    this.update();
  };

  update(): void {
    this.#monitor.update();
  }

  /** Reports no more changes, and probes no more. */
  stop(): void {
    this.#monitor.stop();
    this.#probe.stop();
  }

  /** An attempt to connect failed. */
  connectFailed(error: Error): void {
    // The text may come from a password's provider, or from a resolver.
    this.#connectError = maskSecrets(error.message);
    this.#failures.add();
  }

  /** An attempt to connect succeeded: the server serves. */
  connected(): void {
    this.#connectError = undefined;
    this.#loading = false;
  }

  /** An idle connection ended: no failure, but a reason to check the server. */
  idleEnded(): void {
    this.#probe.checkOnce();
  }

  /** A connection was lost, or a deadline passed on it. */
  troubled(): void {
    this.#failures.add();
  }

  /** The server is loading its data. */
  loading(progress: LoadingProgress, waitedMs: number): void {
    this.#loading = true;
    const { name: database } = this.#context.config;
    this.emit("loading", { database, waitedMs, ...progress });
  }

  /** The server replied that it does not serve yet: polls it on that connection until it
   * does, and reports the progress. Refused commands are retried elsewhere. */
  async notReady(connection: Connection): Promise<void> {
    if (this.#polling) return;
    this.#polling = true;
    const { clock, config } = this.#context;
    const ended = new AbortController();
    connection.onEnd(({ text }) => ended.abort(new Error(text)));
    const call = async (name: string) => {
      const timeoutMs = config.commandTimeoutMs;
      const answer = await connection.query(timeoutMs, name);
      if (answer === undefined) throw new Error(`no answer within ${timeoutMs} ms`);
      if ("error" in answer) throw answer.error;
      return answer.reply;
    };
    try {
      await waitUntilReady({
        database: config.name,
        timeoutMs: config.loadingTimeoutMs,
        ping: () => call("ping"),
        info: async () => String(await call("info")),
        progress: (progress, waitedMs) => this.loading(progress, waitedMs),
        clock,
        signal: ended.signal,
      });
    } catch {
      // The connection ended, or it takes too long: whoever connects next gets the error.
    } finally {
      this.#polling = this.#loading = false;
      this.update();
    }
  }

  /** A health check measured a PING, in milliseconds; `null` if there was no answer. */
  pinged(ms: number | null): void {
    this.#pingMs = ms;
  }

  /** Whether an answer to PING shows that the server serves; most errors do, too. */
  serves(connection: Connection, answer: QueryResult): boolean {
    if (!("error" in answer)) return true;
    const { code, rule } = classifyReplyError(answer.error.message);
    if (rule.kind !== "loading") return true;
    this.#loading = code === "LOADING";
    void this.notReady(connection);
    this.update();
    return false;
  }

  /** A frozen snapshot of how well the server serves, as far as is known without asking. */
  health(): DatabaseHealth {
    return this.#monitor.health();
  }

  /** Milliseconds until a server that was not reached may be tried again; `undefined` while
   * it is reached. */
  get #nextAttemptInMs(): number | undefined {
    const { isUnreachable, nextAttemptInMs } = this.#opener;
    return isUnreachable ? nextAttemptInMs : undefined;
  }

  /** Why the last attempt to connect failed. */
  get #whyUnreachable(): string | undefined {
    if (this.#connectError === undefined) return undefined;
    const { error } = this.#opener.failures;
    return error === undefined
      ? this.#connectError
      : maskSecrets(describeNoConnection(error));
  }

  #judge(): Omit<DatabaseHealth, "since"> {
    const { endpoint, gate: { state: breaker } } = this.#server;
    const { config, statistics } = this.#context;
    const { open, opened } = this.#server.connections();
    return {
      ...judgeHealth({
        breaker,
        loading: this.#loading,
        connectError: this.#whyUnreachable,
        nextAttemptMs: this.#nextAttemptInMs,
        openConnections: open,
        everConnected: opened > 0,
        recentFailures: this.#failures.count,
      }),
      endpoint,
      db: config.db,
      circuitBreaker: breaker,
      lastError: statistics.lastError,
      pingMs: this.#pingMs,
    };
  }
}
