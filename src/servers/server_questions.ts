import { abortable } from "@std/async/abortable";
import type { Clock } from "../core/clock.ts";
import { ConnectError } from "../core/errors/mod.ts";
import type { RedisConfig } from "../config/mod.ts";
import type { Answer } from "../connection/connection.ts";
import type { HealthRecord } from "./health_record.ts";
import { isOverOnceAnswered } from "../health/patrol.ts";
import type { LaneSet } from "../pool/lanes.ts";
import type { ServerGate } from "./server_gate.ts";

/** What questions to a server need. */
export interface ServerQuestionsParts {
  /** The database. */
  readonly config: RedisConfig;
  /** Where they are sent. */
  readonly lanes: LaneSet;
  /** Whether they may be sent. */
  readonly gate: ServerGate;
  /** What is learned from the answers. */
  readonly health: HealthRecord;
  /** Time. */
  readonly clock: Clock;
}

/** What a look at a server shows; "waits" if it is there and does not serve now. */
type Found = "serves" | "waits" | "unreachable";

/** What a database asks one server for itself, over the lanes that there are for all. */
export class ServerQuestions {
  readonly #parts: ServerQuestionsParts;

  /**
   * Asks nothing yet.
   *
   * @param parts What it needs.
   */
  constructor(parts: ServerQuestionsParts) {
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
    const { config, gate, lanes } = this.#parts;
    const probe = gate.breaker.tryProbe();
    if (probe === undefined && !gate.breaker.allows()) throw gate.openError();
    try {
      await lanes.whenReady(signal);
      const answer = await this.#openLane()?.query(
        config.commandTimeoutMs,
        name,
        ...args,
      );
      if (answer === undefined) probe?.fail("timeout");
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
   * its last word: a new one is tried. While the circuit breaker is not closed, it asks
   * only when a probe is due, and is that probe.
   *
   * @param signal Ends the wait.
   * @returns Whether it serves.
   */
  async check(signal?: AbortSignal): Promise<boolean> {
    const { gate: { breaker }, health } = this.#parts;
    if (breaker.allows()) return await this.#look(signal) === "serves";
    const probe = breaker.tryProbe();
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

  /**
   * The patrol's look at a server that does not serve fully. The circuit breaker's
   * cooldown spares a server that is gone from its callers; one connection now and then
   * is no burden, so that one that is back is found before the cooldown is over.
   */
  async patrol(): Promise<void> {
    const { gate } = this.#parts;
    const { breaker } = gate;
    const { cause, retryAfterMs, state } = breaker.snapshot();
    if (state !== "open" || retryAfterMs === 0) return void await this.check();
    if (!isOverOnceAnswered(cause) || await this.#look(undefined) !== "serves") return;
    // It may have been opened anew meanwhile: what the server just said holds all the same.
    if (breaker.state === "open") gate.reset("the server was found to serve");
  }

  async #look(signal: AbortSignal | undefined): Promise<Found> {
    const { clock, config, health, lanes } = this.#parts;
    for (let attempt = 0; attempt < 2; attempt++) {
      try {
        await lanes.whenReady(signal);
      } catch (error) {
        signal?.throwIfAborted();
        health.pinged(null);
        return error instanceof ConnectError ? "unreachable" : "waits";
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

  #openLane() {
    return this.#parts.lanes.connections.find(({ isOpen }) => isOpen);
  }
}
