/**
 * What must not be left of a manager that was closed.
 *
 * @module
 */
import { assertEquals } from "@std/assert";
import type { RedisConnectionManager } from "../../mod.ts";

/**
 * Holds the numbers of a closed manager to each connection that it ever began being gone,
 * for a reason, and nobody holding or waiting for any.
 *
 * @param manager The manager.
 */
export function assertNothingHeld(manager: RedisConnectionManager): void {
  for (const name of Object.keys(manager.getStatistics().databaseStats)) {
    const s = manager.getPoolStatistics(name);
    const { lanes, leases, idleConnections, connecting, waiting, inFlight } = s;
    assertEquals(
      { lanes, leases, idleConnections, connecting, waiting, inFlight },
      {
        lanes: 0,
        leases: 0,
        idleConnections: 0,
        connecting: 0,
        waiting: 0,
        inFlight: 0,
      },
      `left in the pool of "${name}"`,
    );
    const gone = Object.values(s.evictions).reduce((sum, count) => sum + count, 0);
    assertEquals([s.createdConnections, s.connections], [gone, []]);
  }
}

/** Notes the timers that are set while it watches. */
export class TimerWatch implements Disposable {
  readonly #pending = new Map<unknown, number>();
  readonly #setTimeout = globalThis.setTimeout;
  readonly #clearTimeout = globalThis.clearTimeout;

  /** Watches from now on. */
  constructor() {
    const set = (fn: () => void, ms = 0) => {
      const id: unknown = this.#setTimeout.call(globalThis, () => {
        this.#pending.delete(id);
        fn();
      }, ms);
      this.#pending.set(id, ms);
      return id;
    };
    const clear = (id: unknown) => {
      this.#pending.delete(id);
      this.#clearTimeout.call(globalThis, id as number);
    };
    Object.assign(globalThis, { setTimeout: set, clearTimeout: clear });
  }

  /** Delays of those that have neither come nor been cleared, in milliseconds. */
  get pending(): number[] {
    return [...this.#pending.values()];
  }

  /** Watches no more. */
  [Symbol.dispose](): void {
    const setTimeout = this.#setTimeout;
    const clearTimeout = this.#clearTimeout;
    Object.assign(globalThis, { setTimeout, clearTimeout });
  }
}
