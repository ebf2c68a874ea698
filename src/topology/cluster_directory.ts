import { delay } from "@std/async/delay";
import type { TcpAddress } from "../core/address.ts";
import type { Clock } from "../core/clock.ts";
import { RefreshGate } from "./refresh_gate.ts";
import { SlotMap, type SlotRange } from "./slot_map.ts";

/** Least time from one question to the cluster to the next, in milliseconds. */
const MIN_GAP_MS = 500;

/** What a directory needs. */
export interface ClusterDirectoryOptions {
  /** Asks the cluster who serves what. */
  readonly ask: (signal: AbortSignal) => Promise<readonly SlotRange[]>;
  /** Told of each new map. */
  readonly changed: (map: SlotMap) => void;
  /** Told when nobody has answered. */
  readonly failed: (error: Error) => void;
  /** Time. */
  readonly clock: Clock;
}

/**
 * Who serves which slot, as far as is known: asked of the cluster when first needed and
 * when something shows that it has changed, and corrected slot by slot by what nodes say
 * meanwhile.
 */
export class ClusterDirectory {
  readonly #options: ClusterDirectoryOptions;
  readonly #gate: RefreshGate;
  readonly #stop = new AbortController();
  #isHeld = false;
  #map = SlotMap.empty;
  #waiters: { resolve: () => void; reject: (error: Error) => void }[] = [];

  /**
   * Knows nothing, and asks nobody yet.
   *
   * @param options What it needs.
   */
  constructor(options: ClusterDirectoryOptions) {
    this.#options = options;
    this.#gate = new RefreshGate({
      refresh: (signal) => this.#refresh(signal),
      minGapMs: MIN_GAP_MS,
      clock: options.clock,
    });
  }

  /** Who serves what. */
  get map(): SlotMap {
    return this.#map;
  }

  /** Whether anything is known. */
  get isKnown(): boolean {
    return this.#map.primaries.length > 0;
  }

  /** What is known may be out of date: asks the cluster, but not too often. */
  request(): void {
    this.#gate.request();
  }

  /** The same, for somebody who waits for it: the process stays alive until it is asked. */
  requestForWaiting(): void {
    this.request();
    if (this.#isHeld) return;
    this.#isHeld = true;
    const { signal } = this.#stop;
    // No timer of the clock's: those let the process end, and a caller waits for this.
    delay(MIN_GAP_MS, { signal }).then(() => this.#isHeld = false, () => {});
  }

  /**
   * A node says that another one serves a slot now.
   *
   * @param slot The slot.
   * @param node The node that it named.
   */
  moved(slot: number, node: TcpAddress): void {
    this.#become(this.#map.withOwner(slot, node));
    this.request();
  }

  /**
   * Waits until something is known; asks if nothing is.
   *
   * @param signal Ends the wait.
   * @returns A promise that rejects with the signal's reason, when nobody answered, or
   * when the directory is closed.
   */
  async ready(signal?: AbortSignal): Promise<void> {
    signal?.throwIfAborted();
    if (this.isKnown) return;
    this.#stop.signal.throwIfAborted();
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const abort = () => reject(signal!.reason);
    signal?.addEventListener("abort", abort, { once: true });
    this.#waiters.push({ resolve, reject });
    this.requestForWaiting();
    try {
      await promise;
    } finally {
      signal?.removeEventListener("abort", abort);
    }
  }

  /**
   * Asks no more, and fails those that wait or come later.
   *
   * @param reason What they are told.
   */
  close(reason: Error): void {
    this.#gate.close();
    this.#stop.abort(reason);
    for (const waiter of this.#waiters.splice(0)) waiter.reject(reason);
  }

  async #refresh(signal: AbortSignal): Promise<void> {
    try {
      const ranges = await this.#options.ask(signal);
      if (!signal.aborted) this.#become(SlotMap.of(ranges));
    } catch (error) {
      if (signal.aborted) return;
      for (const waiter of this.#waiters.splice(0)) waiter.reject(error as Error);
      this.#options.failed(error as Error);
    }
  }

  #become(map: SlotMap): void {
    if (map === this.#map) return;
    this.#map = map;
    for (const waiter of this.#waiters.splice(0)) waiter.resolve();
    this.#options.changed(map);
  }
}
