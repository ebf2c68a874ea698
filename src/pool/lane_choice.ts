import type { PendingCommand } from "../connection/pending_command.ts";

/** What is asked of a connection to choose among lanes. */
export interface LaneLoad {
  /** Whether it can take commands. */
  readonly isOpen: boolean;
  /** Commands sent and not answered. */
  readonly inFlight: number;
  /** Its stream. */
  readonly stream: {
    /** Bytes that the kernel has not taken. */
    readonly bufferedBytes: number;
  };
}

/** A lane to choose: its connection, and the last large command on it. */
export interface LaneChoice<C extends LaneLoad = LaneLoad> {
  /** The connection. */
  readonly connection: C;
  /** The last large command that was sent on it, as long as it is of interest. */
  large?: PendingCommand | undefined;
}

/** Commands in flight at which a lane counts as saturated. */
export const SATURATED_IN_FLIGHT = 256;
/** Unsent bytes at which a lane counts as saturated. */
const SATURATED_BYTES = 1024 * 1024;
/** Bytes of arguments from which on a command is a large one. */
const LARGE_BYTES = 64 * 1024;

/**
 * How busy a lane is: commands in flight, and unsent bytes on the same scale.
 *
 * @param connection Its connection.
 * @returns From 0; {@linkcode SATURATED_IN_FLIGHT} is saturated.
 */
export function loadOf(connection: LaneLoad): number {
  const bytes = connection.stream.bufferedBytes;
  const scaled = bytes === 0 ? 0 : bytes * (SATURATED_IN_FLIGHT / SATURATED_BYTES);
  return connection.inFlight + scaled;
}

/**
 * Whether a command is so large that others would wait behind its bytes.
 *
 * @param command The command.
 * @returns `true` from 64 KiB of arguments on.
 */
export function isLarge({ args }: Pick<PendingCommand, "args">): boolean {
  let bytes = 0;
  for (const arg of args) {
    if (typeof arg === "string" || arg instanceof Uint8Array) bytes += arg.length;
  }
  return bytes >= LARGE_BYTES;
}

/** Whether a large command is still on its way on a lane. */
function carriesLarge(lane: LaneChoice): boolean {
  const { large } = lane;
  if (large === undefined) return false;
  const { connection, settled } = large.tracking;
  // It may have been tried again on another lane.
  if (!settled && connection === lane.connection as unknown) return true;
  lane.large = undefined;
  return false;
}

/**
 * The lane for a command: the least loaded one. Large commands keep together on as few
 * lanes as there were, and small ones keep away from these, so that nobody waits behind
 * a large payload as long as there is a lane without one.
 *
 * @param lanes The lanes; those that are not open are passed over.
 * @param large Whether it is a large command.
 * @returns The lane; `undefined` if none is open.
 */
export function chooseLane<L extends LaneChoice>(
  lanes: readonly L[],
  large: boolean,
): L | undefined {
  let best: L | undefined;
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
