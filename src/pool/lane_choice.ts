/** Which lane a command goes to, and how many lanes are needed. */
import type { Connection } from "../connection/connection.ts";
import type { PendingCommand } from "../connection/pending_command.ts";
import type { EvictionReason } from "./types.ts";

/** What lanes need of a connection. */
export type LaneConnection =
  & Pick<Connection, "awaited" | "inFlight" | "isOpen" | "send" | "sendBatch">
  & {
    onEnd(fn: () => void): void;
    readonly stream: Pick<
      Connection["stream"],
      "bufferedBytes" | "congested" | "maxBufferedBytes" | "tick"
    >;
  };

/** A shared connection under the pool's limit. */
export interface Lane<C extends LaneConnection = Connection> {
  /** The connection. */
  readonly connection: C;
  /** When it should be replaced, on the monotonic clock; infinite for never. */
  readonly expiresAt: number;
  /** The last large command that was sent on it, until it is known to be answered. */
  large?: PendingCommand | undefined;
  /** Ends the connection and frees its place: why in words, and what it is counted as. */
  release(reason: string, counted: EvictionReason): void;
}

/** Commands in flight at which a lane counts as saturated. */
export const SATURATED_IN_FLIGHT = 256;
/** Unsent bytes at which a lane counts as saturated. */
const SATURATED_BYTES = 1024 * 1024;
/** Bytes of arguments from which on a command is large. */
const LARGE_BYTES = 64 * 1024;
/** Ticks in a row with every lane saturated after which another is opened. Fewer are a burst,
 * which the open lanes serve sooner than one that must be opened. */
const SATURATED_TICKS = 8;
/** Load per lane, if there were one less, from which on all lanes are needed: half of what
 * opens another, so that a set that has just shrunk does not grow again at once. */
const BUSY_LOAD = SATURATED_IN_FLIGHT / 2;

/**
 * How busy a lane is, from 0: commands in flight, and unsent bytes on the same scale. At
 * {@linkcode SATURATED_IN_FLIGHT} it is saturated.
 */
export function loadOf(connection: LaneConnection): number {
  const bytes = connection.stream.bufferedBytes;
  const scaled = bytes === 0 ? 0 : bytes * (SATURATED_IN_FLIGHT / SATURATED_BYTES);
  return connection.inFlight + scaled;
}

/** Whether a command is so large that others would wait behind its bytes. */
export function isLarge({ args }: Pick<PendingCommand, "args">): boolean {
  let bytes = 0;
  for (const arg of args) {
    if (typeof arg === "string" || arg instanceof Uint8Array) bytes += arg.length;
  }
  return bytes >= LARGE_BYTES;
}

/** Whether a large command is in flight on a lane. */
function carriesLarge(lane: Lane<LaneConnection>): boolean {
  const { large } = lane;
  if (large === undefined) return false;
  const { connection, settled } = large.tracking;
  // It may have been retried on another lane.
  if (!settled && connection === lane.connection as unknown) return true;
  lane.large = undefined;
  return false;
}

/**
 * The lane for a command: the least loaded one that is open, if any. Large commands keep
 * together on as few lanes as there were, and small ones keep away from these, so that nothing
 * waits behind a large payload as long as there is a lane without one.
 */
export function chooseLane<C extends LaneConnection>(
  lanes: readonly Lane<C>[],
  large: boolean,
): Lane<C> | undefined {
  let best: Lane<C> | undefined;
  let bestFits = false;
  for (const lane of lanes) {
    if (!lane.connection.isOpen) continue;
    const fits = carriesLarge(lane) === large;
    const isBetter = best === undefined || fits !== bestFits
      ? best === undefined || fits
      : loadOf(lane.connection) < loadOf(best.connection);
    if (isBetter) [best, bestFits] = [lane, fits];
  }
  return best;
}

/** Whether one lane less would be busy with the same commands. */
export function areAllNeeded(lanes: number, leastLoad: number): boolean {
  return leastLoad * lanes >= BUSY_LOAD * (lanes - 1);
}

/**
 * Decides when one more lane helps: when the least loaded one has been saturated for some
 * ticks. A tick counts if it was at any time in it, as a tick begins with what has been
 * answered.
 *
 * @example Usage
 * ```ts
 * import { LaneGrowth } from "./lane_choice.ts";
 * import { assertEquals } from "@std/assert";
 *
 * const growth = new LaneGrowth();
 * const ticks = Array.from({ length: 9 }, (_, tick) => growth.wantsLane(tick, 1e6, true));
 * assertEquals(ticks.indexOf(true), 7);
 * ```
 */
export class LaneGrowth {
  #saturatedTicks = 0;
  #tick = -1;
  #isSaturated = false;

  /**
   * Notes that a command is about to be sent in a tick, when the least loaded lane has the load
   * `least`. Gives whether another lane is to be opened, if it may be; the count restarts then.
   */
  wantsLane(tick: number, least: number, mayOpen: boolean): boolean {
    if (tick !== this.#tick) {
      if (!this.#isSaturated) this.#saturatedTicks = 0;
      this.#tick = tick;
      this.#isSaturated = false;
    }
    if (this.#isSaturated || least < SATURATED_IN_FLIGHT) return false;
    this.#isSaturated = true;
    if (++this.#saturatedTicks < SATURATED_TICKS || !mayOpen) return false;
    this.#saturatedTicks = 0;
    return true;
  }
}
