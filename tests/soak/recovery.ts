/** How soon callers are served again. */
import { LATE_FACTOR } from "../support/stopwatch.ts";

/** One fault that is over, and the first success after it. */
export interface Recovery {
  /** The fault, and where, in words. */
  readonly what: string;
  /** Whether the server could not be reached, or did nothing. */
  readonly isOutage: boolean;
  /** From the server's being back to the first success of a caller, in milliseconds. */
  readonly ms: number;
  /** The bound on this machine, in milliseconds. */
  readonly allowedMs: number;
}

/** By when somebody is served again on a machine that is not busy, in milliseconds: the
 * outages of a soak are shorter than 10 s. */
export const RECOVERY_MS = 1000;

/**
 * The bound of a recovery: everything takes longer on a machine that has more to do than
 * cores for it, and whatever keeps this process from running keeps the servers from it, too.
 *
 * @param lateMs How late the event loop was since the server is back, altogether.
 * @param load The machine's load, for each core.
 */
export function allowedRecoveryMs(
  lateMs: number,
  load: number = Deno.loadavg()[0]! / navigator.hardwareConcurrency,
): number {
  return RECOVERY_MS * Math.max(1, load) + LATE_FACTOR * lateMs;
}

/** Those that took longer than they may, in words. */
export function lateRecoveries(recoveries: readonly Recovery[]): string[] {
  return recoveries.filter(({ ms, allowedMs }) => ms > allowedMs).map((
    { what, ms, allowedMs },
  ) =>
    `after ${what} nobody was served for ${Math.round(ms)} ms, ` +
    `${Math.round(allowedMs)} ms are allowed`
  );
}

/** The distribution of times, in a line. */
export function distribution(times: readonly number[]): string {
  const sorted = [...times].sort((a, b) => a - b);
  if (sorted.length === 0) return "none";
  const at = (share: number) =>
    `${Math.round(sorted[Math.ceil(share * sorted.length) - 1]!)} ms`;
  return `p50 ${at(0.5)}, p99 ${at(0.99)}, max ${at(1)}, of ${sorted.length}`;
}
