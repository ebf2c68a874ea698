import { keepBeating } from "../connection/heartbeat.ts";
import type { TcpAddress } from "../core/address.ts";
import type { Clock, Timer } from "../core/clock.ts";
import { reconnectDelayMs } from "../resilience/backoff.ts";
import type { SentinelLink } from "./sentinel_link.ts";

/** What a watch needs. */
export interface SentinelWatchOptions {
  /** What the sentinels call the primary. */
  readonly name: string;
  /** Connects to the sentinel. */
  readonly open: (signal: AbortSignal) => Promise<SentinelLink>;
  /** Told where the primary is, and by whom, at each failover. */
  readonly switched: (address: TcpAddress, by: SentinelLink) => void;
  /** Told which replica is about to be promoted. */
  readonly selected: (address: TcpAddress) => void;
  /** Told where the sentinel takes the primary to be when it begins to listen: what
   * happened before is not announced again. */
  readonly found: (address: TcpAddress, by: SentinelLink) => void;
  /** How often a silent sentinel is asked for a sign of life, in milliseconds. */
  readonly heartbeatMs: number;
  /** How long it may take to answer, in milliseconds. */
  readonly timeoutMs: number;
  /** Time. */
  readonly clock: Clock;
}

type State =
  | { readonly name: "idle" }
  | { readonly name: "connecting"; readonly attempt: number }
  | { readonly name: "listening"; readonly link: SentinelLink }
  | { readonly name: "pausing"; readonly timer: Timer }
  | { readonly name: "closed" };

/**
 * Listens to one sentinel for failovers, and connects to it again when it is gone.
 *
 * ```
 * idle ── start() ──► connecting ──► listening ── lost ──► connecting
 *                        ▲ │ failed
 *                        └─┴── pausing
 * ```
 */
export class SentinelWatch {
  readonly #options: SentinelWatchOptions;
  readonly #stop = new AbortController();
  #state: State = { name: "idle" };

  /**
   * Makes a watch; opens nothing.
   *
   * @param options What it needs.
   */
  constructor(options: SentinelWatchOptions) {
    this.#options = options;
  }

  /** Begins to listen, unless it has begun. */
  start(): void {
    if (this.#state.name === "idle") void this.#connect(0);
  }

  /** Ends for good. */
  close(): void {
    const last = this.#state;
    this.#state = { name: "closed" };
    this.#stop.abort();
    if (last.name === "listening") last.link.close();
    else if (last.name === "pausing") last.timer.cancel();
  }

  async #connect(attempt: number): Promise<void> {
    const state: State = { name: "connecting", attempt };
    this.#state = state;
    const { found, name, open, selected, switched } = this.#options;
    let link: SentinelLink | undefined;
    try {
      const opened = link = await open(this.#stop.signal);
      await link.listen(name, {
        selected,
        switched: (address) => switched(address, opened),
      });
      // What happened while nobody listened.
      const address = await link.primary(name);
      if (this.#state !== state) return link.close();
      this.#listening(link);
      found(address, link);
    } catch {
      link?.close();
      if (this.#state === state) this.#pause(attempt + 1);
    }
  }

  #listening(link: SentinelLink): void {
    const { clock, heartbeatMs: intervalMs, timeoutMs } = this.#options;
    const state: State = { name: "listening", link };
    this.#state = state;
    keepBeating(link.connection, { intervalMs, timeoutMs }, clock);
    link.connection.onEnd(() => {
      if (this.#state === state) void this.#connect(0);
    });
  }

  #pause(attempt: number): void {
    const timer = this.#options.clock.setTimer(
      () => void this.#connect(attempt),
      reconnectDelayMs(attempt, Math.random(), { maxMs: 5000 }),
    );
    this.#state = { name: "pausing", timer };
  }
}
