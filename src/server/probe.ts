import { abortable } from "@std/async/abortable";
import type { Connection } from "../connection/connection.ts";
import type { Connector } from "../connection/connector.ts";
import type { QueryResult } from "../connection/pending_command.ts";
import type { Clock, Timer } from "../core/clock.ts";
import type { LaneSet } from "../pool/lanes.ts";
import { backoffMs } from "../resilience/backoff.ts";
import type { BreakerGuard } from "./breaker_guard.ts";
import type { ServerContext } from "./topology.ts";

/** Takes the results of checks: the health of the server. */
interface CheckResults {
  pinged(ms: number | null): void;
  serves(connection: Connection, answer: QueryResult): boolean;
}

/** How long a lane may take to get the connection that was found, in milliseconds. */
const TAKE_MS = 1000;
/** A health check waits for the next attempt to connect if that is due within this time, in
 * milliseconds; else the last one that failed is its answer. */
const WAIT_FOR_ATTEMPT_MS = 500;

/** What a check shows; "waits" if the server is reached and does not serve now. */
type Found = "serves" | "waits" | "unreachable";

/** The commands that the database itself sends to one server, over the shared lanes. */
export class ServerProbe {
  readonly #context: Pick<ServerContext, "clock" | "config">;
  readonly #lanes: LaneSet;
  readonly #opener: Connector;
  readonly #guard: BreakerGuard;
  readonly #health: CheckResults;
  readonly #stop = new AbortController();
  /** Ends checks that wait for a connection, when an attempt to connect has failed. */
  #attempt = new AbortController();

  constructor(
    context: Pick<ServerContext, "clock" | "config">,
    lanes: LaneSet,
    opener: Connector,
    guard: BreakerGuard,
    health: CheckResults,
  ) {
    this.#context = context;
    this.#lanes = lanes;
    this.#opener = opener;
    this.#guard = guard;
    this.#health = health;
  }

  /**
   * Sends CLIENT UNBLOCK for another connection; opens a lane if it has to.
   *
   * @param clientId Id of that connection.
   * @returns Whether the connection was blocked; `undefined` if the server cannot be
   * asked or does not answer. Never rejects.
   */
  async unblock(clientId: number, withinMs: number): Promise<boolean | undefined> {
    const { clock } = this.#context;
    const until = clock.now() + withinMs;
    if (this.#openLane() === undefined) await this.#waitForLane(withinMs);
    const leftMs = until - clock.now();
    const lane = this.#openLane();
    const answer = await lane?.query(leftMs, "client", "unblock", clientId, "ERROR");
    return answer === undefined || "error" in answer ? undefined : answer.reply === 1;
  }

  /**
   * Sends a command over a lane; opens one if it has to. While the circuit breaker is open,
   * the command is a probe, if one is due.
   *
   * @param signal Ends the wait for a lane.
   * @returns The answer; `undefined` if none came in time.
   */
  async query(
    signal: AbortSignal,
    name: string,
    ...args: (string | Uint8Array)[]
  ): Promise<QueryResult | undefined> {
    const probe = this.#guard.breaker.tryProbe();
    if (probe === undefined && !this.#guard.mayConnect) throw this.#guard.openError();
    try {
      await this.#lanes.whenReady(signal);
      const { commandTimeoutMs } = this.#context.config;
      const answer = await this.#openLane()?.query(commandTimeoutMs, name, ...args);
      if (answer === undefined) probe?.fail("silent");
      else probe?.succeed();
      return answer;
    } catch (error) {
      if (signal.aborted) probe?.cancel();
      else probe?.fail("refused");
      throw error;
    }
  }

  /**
   * Checks now whether the server serves. If the connection turns out to be dead, a new one
   * is tried. A server that was not reached is checked when the next attempt to connect is
   * due; one that does not answer only when a probe of the circuit breaker is due, and then
   * the check is that probe.
   */
  async check(signal?: AbortSignal): Promise<boolean> {
    if (this.#guard.mayConnect) return await this.#check(signal) === "serves";
    const probe = this.#guard.breaker.tryProbe();
    if (probe === undefined) {
      this.#health.pinged(null);
      return false;
    }
    try {
      const found = await this.#check(signal);
      if (found === "serves") probe.succeed();
      else if (found === "unreachable") probe.fail("refused");
      return found === "serves";
    } finally {
      // Does nothing to a probe that was settled.
      probe.cancel();
    }
  }

  /** Checks a server that is not healthy; opens a lane to one that is back. */
  async recover(): Promise<void> {
    if (!this.#opener.isUnreachable) return void await this.check();
    if (!await this.#opener.probe(this.#stop.signal)) return;
    // Fails if the pool has no place for a lane, or is being closed.
    await this.#waitForLane(TAKE_MS);
    this.#opener.dropProbed();
  }

  /** An attempt to connect failed: checks that wait for a connection end. */
  attemptFailed(): void {
    const last = this.#attempt;
    this.#attempt = new AbortController();
    last.abort();
  }

  stop(): void {
    this.#stop.abort();
  }

  async #check(signal: AbortSignal | undefined): Promise<Found> {
    const { clock, config: { commandTimeoutMs } } = this.#context;
    for (let attempt = 0; attempt < 2; attempt++) {
      const missing = await this.#connect(signal);
      if (missing !== undefined) {
        this.#health.pinged(null);
        return missing;
      }
      const startedAt = clock.now();
      const [lane] = this.#lanes.connections;
      const pinging = lane?.query(commandTimeoutMs, "ping");
      const answer = await (signal && pinging ? abortable(pinging, signal) : pinging);
      this.#health.pinged(answer === undefined ? null : clock.now() - startedAt);
      if (lane !== undefined && answer !== undefined) {
        return this.#health.serves(lane, answer) ? "serves" : "waits";
      }
    }
    return "unreachable";
  }

  /** Waits for a lane, but no longer than an attempt to connect takes; returns why there is
   * none. */
  async #connect(signal: AbortSignal | undefined): Promise<Found | undefined> {
    if (this.#lanes.size > 0) return undefined;
    if (
      this.#opener.isUnreachable && this.#opener.nextAttemptInMs > WAIT_FOR_ATTEMPT_MS
    ) {
      return "unreachable";
    }
    const { signal: failed } = this.#attempt;
    try {
      await this.#lanes.whenReady(signal ? AbortSignal.any([signal, failed]) : failed);
      return undefined;
    } catch {
      signal?.throwIfAborted();
      return this.#opener.isUnreachable ? "unreachable" : "waits";
    }
  }

  /** Waits until a lane is open, or a time has passed. Never rejects. */
  async #waitForLane(withinMs: number): Promise<void> {
    const stop = new AbortController();
    const timer = this.#context.clock.setTimer(() => stop.abort(), withinMs);
    const signal = AbortSignal.any([stop.signal, this.#stop.signal]);
    await this.#lanes.whenReady(signal).catch(() => {});
    timer.cancel();
  }

  #openLane() {
    return this.#lanes.connections.find(({ isOpen }) => isOpen);
  }
}

interface RecoveryProbeOptions {
  /** Most time between two checks of a server that is reached and not healthy, in
   * milliseconds, and half of it the least; 0 = it is not checked. */
  readonly intervalMs: number;
  /** Milliseconds until a server that was not reached may be tried again; `undefined` while
   * it is reached. */
  readonly nextAttemptInMs: () => number | undefined;
  /** Checks the server, and connects to it if no connection is open. */
  readonly check: () => Promise<unknown>;
  readonly clock: Clock;
  /** Numbers from 0 up to 1. Default: `Math.random`. */
  readonly random?: () => number;
}

/** Least time between two checks while others try to connect, in milliseconds. */
const MIN_WAIT_MS = 50;

/**
 * Checks a server that is not healthy again and again, so that it is known to serve again,
 * and is connected, before a caller needs it. One that was not reached is tried as soon as
 * the distance between attempts allows; one that is reached, and does not answer, loads or
 * refuses the credentials, at a random moment of the second half of an interval. A healthy
 * server is left alone: there the heartbeat looks after open connections.
 */
export class RecoveryProbe {
  readonly #options: RecoveryProbeOptions;
  #timer: Timer | undefined;
  #dueAt = Infinity;
  #isChecking = false;
  #isHealthy = true;
  /** Whether to check once although the server is healthy. */
  #isSuspect = false;
  #stopped = false;

  constructor(options: RecoveryProbeOptions) {
    this.#options = options;
  }

  /** Called with the state of the server whenever that may have changed. */
  update(isHealthy: boolean): void {
    this.#isHealthy = isHealthy;
    if (isHealthy && !this.#isSuspect) this.#disarm();
    else this.#arm();
  }

  /** An idle connection ended, as they do: checks once, within the interval, so that a
   * server that is gone is noticed without a caller. */
  checkOnce(): void {
    this.#isSuspect = true;
    this.#arm();
  }

  stop(): void {
    this.#stopped = true;
    this.#disarm();
  }

  #disarm(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
    this.#dueAt = Infinity;
  }

  #arm(): void {
    if (this.#stopped || this.#isChecking) return;
    if (this.#isHealthy && !this.#isSuspect) return;
    const { intervalMs, nextAttemptInMs, random = Math.random } = this.#options;
    const soonMs = nextAttemptInMs();
    if (soonMs !== undefined) return this.#armIn(Math.max(MIN_WAIT_MS, soonMs));
    if (this.#timer !== undefined || intervalMs === 0) return;
    const wait = { minMs: intervalMs, maxMs: intervalMs };
    this.#armIn(backoffMs(1, wait, random()));
  }

  /** Sets the timer, unless it is due sooner. */
  #armIn(ms: number): void {
    const dueAt = this.#options.clock.now() + ms;
    if (this.#dueAt <= dueAt) return;
    this.#timer?.cancel();
    this.#dueAt = dueAt;
    this.#timer = this.#options.clock.setTimer(() => this.#check(), ms);
  }

  async #check(): Promise<void> {
    this.#disarm();
    this.#isSuspect = false;
    this.#isChecking = true;
    try {
      await this.#options.check();
    } finally {
      this.#isChecking = false;
      this.#arm();
    }
  }
}
