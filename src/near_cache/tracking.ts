import type { Connection } from "../connection/connection.ts";
import type { Clock, Timer } from "../core/clock.ts";

/** A connection whose reads the server may remember. */
export type TrackedConnection =
  & Pick<
    Connection,
    "ask" | "isOpen" | "lastReceivedAt" | "onEnd" | "onInvalidation" | "query"
  >
  & { readonly redis: Pick<Connection["redis"], "condition"> };

/** What tracking needs. */
export interface TrackingOptions {
  /** Deadline of a command, in milliseconds. */
  readonly timeoutMs: number;
  /** Beginnings of the keys whose changes are announced; none: of those that were read. */
  readonly prefixes: readonly string[];
  /** The server announces that a key has changed, or may have; `undefined` for all. */
  readonly changed: (key: string | undefined) => void;
  /** Changes are not announced any more of what a connection has read. */
  readonly lost: (connection: TrackedConnection) => void;
  /** Whether anything is kept. */
  readonly isNeeded: () => boolean;
  /** Says why no changes are announced. */
  readonly warn: (message: string) => void;
  readonly clock: Clock;
}

/** A connection that has been silent for so long is asked whether it lives, and has as long
 * to answer, in milliseconds. */
const SILENCE_MS = 1000;

/**
 * The connections on which the server announces changes of keys (`CLIENT TRACKING`).
 *
 * One that is dead without notice announces nothing: as long as something is kept, each is
 * asked by PING after a second of silence, and counts as lost for what it has read so far
 * if it does not answer within another one.
 */
export class Tracking {
  readonly #options: TrackingOptions;
  readonly #tracked = new Set<object>();
  /** Those that were asked and have not answered. */
  readonly #asked = new Set<object>();
  #timer: Timer | undefined;
  #isRefused = false;
  #isClosed = false;

  constructor(options: TrackingOptions) {
    this.#options = options;
  }

  /** Whether changes are announced, or may be as soon as a connection is open. */
  get isPossible(): boolean {
    return !this.#isClosed && (!this.#isRefused || this.#tracked.size > 0);
  }

  /** Whether changes of what a connection reads are announced. */
  has(connection: object): boolean {
    return this.#tracked.has(connection);
  }

  /** Asks the server to announce changes on a connection that no caller has yet. */
  start(connection: TrackedConnection): void {
    if (this.#isClosed) return;
    if (connection.redis.condition?.protocol !== 3) {
      return this.#refused("it speaks RESP2, and tracking needs RESP3");
    }
    const { changed, lost, prefixes, timeoutMs } = this.#options;
    connection.onInvalidation(changed);
    connection.onEnd(() => {
      this.#tracked.delete(connection);
      lost(connection);
    });
    const which = prefixes.flatMap((prefix) => ["prefix", prefix]);
    const mode = which.length === 0 ? [] : ["bcast", ...which];
    // Whatever is read behind it is remembered.
    void connection.query(timeoutMs, "client", "tracking", "on", ...mode)
      .then((result) => {
        if (result === undefined || !connection.isOpen || this.#isClosed) return;
        if ("error" in result) return this.#refused(result.error.message);
        this.#isRefused = false;
        this.#tracked.add(connection);
      });
  }

  /** What is read on some connections does not count any more. */
  stop(connections: Iterable<object>): void {
    for (const connection of connections) this.#tracked.delete(connection);
  }

  close(): void {
    this.#isClosed = true;
    this.#timer?.cancel();
    this.#tracked.clear();
  }

  /** Something is kept: looks after the connections until nothing is. */
  watch(): void {
    if (this.#timer !== undefined || this.#isClosed) return;
    this.#timer = this.#options.clock.setTimer(() => {
      this.#timer = undefined;
      if (!this.#options.isNeeded()) return;
      for (const connection of this.#tracked) {
        void this.#look(connection as TrackedConnection);
      }
      this.watch();
    }, SILENCE_MS);
  }

  async #look(connection: TrackedConnection): Promise<void> {
    const idleMs = this.#options.clock.now() - connection.lastReceivedAt;
    if (idleMs < SILENCE_MS || this.#asked.has(connection)) return;
    this.#asked.add(connection);
    const isAnswered = await connection.ask(SILENCE_MS, "ping");
    this.#asked.delete(connection);
    // What comes once it answers again comes in order.
    if (!isAnswered) this.#options.lost(connection);
  }

  /** Says once that no changes are announced, and why. */
  #refused(why: string): void {
    if (this.#isRefused) return;
    this.#isRefused = true;
    this.#options.warn(
      `the near cache keeps nothing, as the server does not announce changes: ${why}`,
    );
  }
}
