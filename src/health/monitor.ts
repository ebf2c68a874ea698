import type { Clock, Timer } from "../core/clock.ts";
import { ConnectionState } from "../core/events.ts";
import type { HealthJudgement } from "./health.ts";

/** Time between two looks at a database that does not serve fully, in milliseconds: what
 * is held against it is forgotten without an event. */
const LOOK_AGAIN_MS = 1000;

/** What a health monitor needs. */
export interface HealthMonitorOptions {
  /** Judges how well the database serves now. */
  readonly judge: () => HealthJudgement;
  /** Told of each change. */
  readonly changed: (
    from: ConnectionState,
    to: ConnectionState,
    reason: string,
  ) => void;
  /** Time. */
  readonly clock: Clock;
}

/** Notices when a database begins to serve better or worse. It only reports. */
export class HealthMonitor {
  readonly #options: HealthMonitorOptions;
  #state: ConnectionState = ConnectionState.HEALTHY;
  #timer: Timer | undefined;
  #stopped = false;

  /**
   * Begins with a healthy database.
   *
   * @param options What it needs.
   */
  constructor(options: HealthMonitorOptions) {
    this.#options = options;
  }

  /** Something happened: judges anew. */
  update(): void {
    if (this.#stopped) return;
    const { state, reason } = this.#options.judge();
    const from = this.#state;
    this.#state = state;
    this.#timer?.cancel();
    if (state !== ConnectionState.HEALTHY) {
      this.#timer = this.#options.clock.setTimer(() => this.update(), LOOK_AGAIN_MS);
    }
    if (state !== from) this.#options.changed(from, state, reason);
  }

  /** Looks no more. */
  stop(): void {
    this.#stopped = true;
    this.#timer?.cancel();
  }
}
