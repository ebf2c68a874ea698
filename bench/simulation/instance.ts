import type { RedisConfig } from "../../src/config/main.ts";
import type { ManagerEventMap } from "../../src/core/events.ts";
import { Database } from "../../src/manager/database.ts";
import type { ModelServer } from "./model_server.ts";
import type { SimClock } from "./sim_clock.ts";

/** What instances count together. */
export interface InstanceCounts {
  /** Commands that were asked for. */
  asked: number;
  /** Those that were answered. */
  answered: number;
  /** Those that failed; at the end all others are answered. */
  failed: number;
  /** Circuit breakers that opened. */
  trips: number;
  /** What the commands that were answered took, in milliseconds, added up. */
  answeredMs: number;
}

/**
 * One process that uses one database: the real one, wired as the manager wires it, with a
 * modelled server in place of a socket.
 */
export class Instance {
  readonly #clock: SimClock;
  readonly #database: Database;
  readonly #counts: InstanceCounts;

  /**
   * Makes an instance; opens nothing.
   *
   * @param config Its database.
   * @param server The server.
   * @param clock The time of the simulation.
   * @param counts What is added to; may be shared.
   */
  constructor(
    config: RedisConfig,
    server: ModelServer,
    clock: SimClock,
    counts: InstanceCounts,
  ) {
    this.#clock = clock;
    this.#counts = counts;
    this.#database = new Database(config, {
      clock,
      openChannel: server.openChannel,
      nearCaches: new Set(),
      opened: () => {},
      emit: (type, detail) => {
        if (type !== "breaker") return;
        const { from, to } = detail as ManagerEventMap["breaker"];
        if (from === "closed" && to === "open") counts.trips++;
      },
    });
  }

  /** Whether it has a lane. */
  get isConnected(): boolean {
    return this.#database.stats.pool().lanes > 0;
  }

  /** Sends a GET. */
  ask(): void {
    const counts = this.#counts;
    const askedAt = this.#clock.now();
    counts.asked++;
    this.#database.execute("get", ["key"]).then(() => {
      counts.answered++;
      counts.answeredMs += this.#clock.now() - askedAt;
    }, () => counts.failed++);
  }
}
