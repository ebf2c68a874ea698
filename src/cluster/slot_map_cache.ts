import { abortable } from "@std/async/abortable";
import { delay } from "@std/async/delay";
import type { Clock, Timer } from "../core/clock.ts";
import { type Redirect, SlotMap, type SlotRange } from "./slots.ts";

/** Least time from the start of one load to the start of the next, in milliseconds. */
const MIN_GAP_MS = 500;
/** How long a slot counts as moving after a redirect, in milliseconds: the next one may be of
 * another key. */
const MOVING_MS = 5000;

interface SlotMapCacheOptions {
  /** Asks the cluster which node serves which slot. */
  readonly load: (signal: AbortSignal) => Promise<readonly SlotRange[]>;
  /** Called with each new map, and the one before. */
  readonly changed: (map: SlotMap, before: SlotMap) => void;
  /** Called when no node has answered. */
  readonly failed: (error: Error) => void;
  readonly clock: Clock;
}

/**
 * The slot map as far as it is known: loaded when it is first needed, and when something
 * shows that it has changed; corrected slot by slot by MOVED replies meanwhile.
 *
 * There is one load at a time, and a least gap between two. What is requested while one is
 * under way, whose answer may be out of date, is loaded once more after it.
 */
export class SlotMapCache {
  readonly #options: SlotMapCacheOptions;
  readonly #stop = new AbortController();
  #map = SlotMap.empty;
  #loadedAt = -Infinity;
  #isLoading = false;
  /** Whether a refresh was requested while one was loading. */
  #isStale = false;
  /** Starts the next load, after the gap. */
  #timer: Timer | undefined;
  #keepsProcess = false;
  /** Resolves when the load that is under way, or the next one, has ended. */
  #loaded: PromiseWithResolvers<void> | undefined;
  /** Until when slots count as moving, on the monotonic clock. */
  readonly #moving = new Map<number, number>();
  /** Settles when a map is known, or no node has answered. */
  #pending: PromiseWithResolvers<void> | undefined;

  /** Loads nothing yet. */
  constructor(options: SlotMapCacheOptions) {
    this.#options = options;
  }

  get map(): SlotMap {
    return this.#map;
  }

  /** Whether a map was loaded. */
  get isKnown(): boolean {
    return this.#map.primaries.length > 0;
  }

  /** The map may be out of date: loads it again, but not too often. */
  refresh(): void {
    if (this.#isLoading) this.#isStale = true;
    else if (this.#timer === undefined) this.#loadAfterGap();
  }

  /** The same for a caller that waits for it: keeps the process alive until it is loaded. */
  refreshForCaller(): void {
    this.refresh();
    if (this.#keepsProcess) return;
    this.#keepsProcess = true;
    const { signal } = this.#stop;
    // Timers of the clock let the process end.
    delay(MIN_GAP_MS, { signal }).then(() => this.#keepsProcess = false, () => {});
  }

  /** A node replied that another one serves a slot now, or has some of its keys. */
  redirected({ kind, node, slot }: Pick<Redirect, "kind" | "node" | "slot">): void {
    this.moves(slot);
    if (kind === "ask") return;
    this.#set(this.#map.withOwner(slot, node));
    this.refresh();
  }

  /** A slot is being moved. */
  moves(slot: number): void {
    this.#moving.set(slot, this.#options.clock.now() + MOVING_MS);
  }

  /** Whether a slot is being moved, or has been a moment ago, as far as replies have shown. */
  isMoving(slot: number): boolean {
    if (this.#moving.size === 0) return false;
    const until = this.#moving.get(slot);
    if (until === undefined) return false;
    if (until > this.#options.clock.now()) return true;
    return !this.#moving.delete(slot);
  }

  /**
   * Waits until a map is known; loads it if none is.
   *
   * @param signal Ends the wait; the promise rejects with its reason, if no node answers,
   * or when the cache is closed.
   */
  async ready(signal?: AbortSignal): Promise<void> {
    signal?.throwIfAborted();
    if (this.isKnown) return;
    this.#stop.signal.throwIfAborted();
    const { promise } = this.#pending ??= Promise.withResolvers<void>();
    this.refreshForCaller();
    await (signal === undefined ? promise : abortable(promise, signal));
  }

  /**
   * Waits until a map was loaded, or could not be, by a load that started at `since` or
   * later; starts one if none did.
   *
   * @param since Monotonic time.
   */
  async loadedSince(since: number): Promise<void> {
    while (this.#isLoading || this.#loadedAt < since) {
      if (this.#stop.signal.aborted) return;
      const { promise } = this.#loaded ??= Promise.withResolvers();
      if (!this.#isLoading) this.refreshForCaller();
      await promise;
    }
  }

  /** Loads no more, and rejects those that wait, or come later, with a reason. */
  close(reason: Error): void {
    this.#stop.abort(reason);
    this.#timer?.cancel();
    this.#settle(reason);
    this.#loadEnded();
  }

  #loadEnded(): void {
    this.#loaded?.resolve();
    this.#loaded = undefined;
  }

  #settle(error?: Error): void {
    const pending = this.#pending;
    this.#pending = undefined;
    if (error === undefined) pending?.resolve();
    else pending?.reject(error);
  }

  #loadAfterGap(): void {
    if (this.#stop.signal.aborted) return;
    const { clock } = this.#options;
    const leftMs = this.#loadedAt + MIN_GAP_MS - clock.now();
    if (leftMs <= 0) void this.#load();
    else this.#timer = clock.setTimer(() => void this.#load(), leftMs);
  }

  async #load(): Promise<void> {
    const { clock, failed, load } = this.#options;
    const { signal } = this.#stop;
    this.#timer = undefined;
    this.#isStale = false;
    this.#isLoading = true;
    this.#loadedAt = clock.now();
    try {
      const ranges = await load(signal);
      if (!signal.aborted) this.#set(SlotMap.of(ranges));
    } catch (error) {
      if (signal.aborted) return;
      this.#settle(error as Error);
      failed(error as Error);
    } finally {
      this.#isLoading = false;
      this.#loadEnded();
    }
    if (this.#isStale) this.#loadAfterGap();
  }

  #set(map: SlotMap): void {
    if (map === this.#map) return;
    const before = this.#map;
    this.#map = map;
    this.#settle();
    this.#options.changed(map, before);
  }
}
