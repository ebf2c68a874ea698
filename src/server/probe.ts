import { abortable } from "@std/async/abortable";
import type { RedisConfig } from "../config/mod.ts";
import type { Answer } from "../connection/connection.ts";
import type { Opener } from "../connection/opener.ts";
import type { Clock } from "../core/clock.ts";
import type { LaneSet } from "../pool/lanes.ts";
import type { BreakerGuard } from "./breaker_guard.ts";
import type { HealthRecord } from "./health.ts";

/** What a server probe needs. */
export interface ServerProbeParts {
  /** The database. */
  readonly config: RedisConfig;
  /** Where they are sent. */
  readonly lanes: LaneSet;
  /** Connects to it. */
  readonly opener: Opener;
  /** Whether they may be sent. */
  readonly guard: BreakerGuard;
  /** What is learned from the answers. */
  readonly health: HealthRecord;
  /** Time. */
  readonly clock: Clock;
}

/** How long a lane may take to be given the connection that was found, in milliseconds. */
const TAKE_MS = 1000;
/** A health check waits for the next attempt to connect if that is due within this time, in
 * milliseconds; else the last one that failed is its answer. */
const WAIT_FOR_ATTEMPT_MS = 500;

/** What a look at a server shows; "waits" if it is there and does not serve now. */
type Found = "serves" | "waits" | "unreachable";

/** What a database asks one server for itself, over the lanes that there are for all. */
export class ServerProbe {
  readonly #parts: ServerProbeParts;
  readonly #stop = new AbortController();
  /** Ends looks that wait for a connection, when an attempt to connect has failed. */
  #attempt = new AbortController();

  /**
   * Asks nothing yet.
   *
   * @param parts What it needs.
   */
  constructor(parts: ServerProbeParts) {
    this.#parts = parts;
  }

  /**
   * Ends over a lane what another connection waits for; opens one if it has to.
   *
   * @param clientId Number of that connection.
   * @param withinMs How long the server may take to answer, in milliseconds.
   * @returns Whether the connection waited for anything; `undefined` if the server cannot
   * be asked or does not answer. Never rejects.
   */
  async unblock(clientId: number, withinMs: number): Promise<boolean | undefined> {
    const { clock, lanes } = this.#parts;
    const until = clock.now() + withinMs;
    if (this.#openLane() === undefined) {
      const tooLate = new AbortController();
      const timer = clock.setTimer(() => tooLate.abort(), withinMs);
      await lanes.whenReady(tooLate.signal).catch(() => {});
      timer.cancel();
    }
    const leftMs = until - clock.now();
    const lane = this.#openLane();
    const answer = await lane?.query(leftMs, "client", "unblock", clientId, "ERROR");
    return answer === undefined || "error" in answer ? undefined : answer.reply === 1;
  }

  /**
   * Asks something over a lane; it opens one if it has to. While the circuit breaker is
   * open, that is a probe, if one is due.
   *
   * @param signal Ends the wait for a lane.
   * @param name Name of the command.
   * @param args Its arguments.
   * @returns The answer; `undefined` if none came in time.
   */
  async query(
    signal: AbortSignal,
    name: string,
    ...args: string[]
  ): Promise<Answer | undefined> {
    const { config, guard, lanes } = this.#parts;
    const probe = guard.breaker.tryProbe();
    if (probe === undefined && !guard.mayConnect) throw guard.openError();
    try {
      await lanes.whenReady(signal);
      const answer = await this.#openLane()?.query(
        config.commandTimeoutMs,
        name,
        ...args,
      );
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
   * Asks the server now whether it serves. A connection that turns out to be dead is not
   * its last word: a new one is tried. A server that was not reached is asked when the next
   * attempt to connect is due; one that hangs only when a probe of the circuit breaker is
   * due, and this is that probe.
   *
   * @param signal Ends the wait.
   * @returns Whether it serves.
   */
  async check(signal?: AbortSignal): Promise<boolean> {
    const { guard, health } = this.#parts;
    if (guard.mayConnect) return await this.#look(signal) === "serves";
    const probe = guard.breaker.tryProbe();
    if (probe === undefined) {
      health.pinged(null);
      return false;
    }
    try {
      const found = await this.#look(signal);
      if (found === "serves") probe.succeed();
      else if (found === "unreachable") probe.fail("refused");
      return found === "serves";
    } finally {
      // Does nothing to a probe that was settled.
      probe.cancel();
    }
  }

  /** Looks at a server that does not serve fully; opens a lane to one that is back. */
  async recover(): Promise<void> {
    const { clock, lanes, opener } = this.#parts;
    if (!opener.isUnreachable) return void await this.check();
    const stop = new AbortController();
    const signal = AbortSignal.any([stop.signal, this.#stop.signal]);
    if (!await opener.probe(signal)) return;
    const timer = clock.setTimer(() => stop.abort(), TAKE_MS);
    try {
      await lanes.whenReady(signal);
    } catch {
      // The pool has no place for a lane, or is being closed.
    } finally {
      timer.cancel();
      opener.dropFound();
    }
  }

  /** An attempt to connect failed: looks that wait for a connection end. */
  attemptFailed(): void {
    const last = this.#attempt;
    this.#attempt = new AbortController();
    last.abort();
  }

  /** Looks no more. */
  stop(): void {
    this.#stop.abort();
  }

  async #look(signal: AbortSignal | undefined): Promise<Found> {
    const { clock, config, health, lanes } = this.#parts;
    for (let attempt = 0; attempt < 2; attempt++) {
      const missing = await this.#connect(signal);
      if (missing !== undefined) {
        health.pinged(null);
        return missing;
      }
      const startedAt = clock.now();
      const [lane] = lanes.connections;
      const asking = lane?.query(config.commandTimeoutMs, "ping");
      const answer = await (signal && asking ? abortable(asking, signal) : asking);
      health.pinged(answer === undefined ? null : clock.now() - startedAt);
      if (lane !== undefined && answer !== undefined) {
        return health.serves(lane, answer) ? "serves" : "waits";
      }
    }
    return "unreachable";
  }

  /** Waits for a lane, but for no longer than an attempt to connect takes; gives what is
   * the matter where there is none. */
  async #connect(signal: AbortSignal | undefined): Promise<Found | undefined> {
    const { lanes, opener } = this.#parts;
    if (lanes.size > 0) return undefined;
    if (opener.isUnreachable && opener.nextAttemptInMs > WAIT_FOR_ATTEMPT_MS) {
      return "unreachable";
    }
    const { signal: failed } = this.#attempt;
    try {
      await lanes.whenReady(signal ? AbortSignal.any([signal, failed]) : failed);
      return undefined;
    } catch {
      signal?.throwIfAborted();
      return opener.isUnreachable ? "unreachable" : "waits";
    }
  }

  #openLane() {
    return this.#parts.lanes.connections.find(({ isOpen }) => isOpen);
  }
}
