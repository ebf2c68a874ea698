import type { PoolOptions } from "./types.ts";

/**
 * Refuses settings that no pool can work with. The configuration has checked them
 * before: this is for who uses the pool without it.
 *
 * @param options The settings.
 * @throws {RangeError} If one is out of its range.
 */
export function checkOptions(options: PoolOptions): void {
  checkWhole("maxConnections", options.maxConnections, 1);
  checkWhole("minConnections", options.minConnections, 0);
  checkWhole("maxConnecting", options.maxConnecting, 1);
  checkWhole("maxWaiting", options.maxWaiting, 0);
  checkDuration("acquireTimeoutMs", options.acquireTimeoutMs);
  checkDuration("idleTimeoutMs", options.idleTimeoutMs);
  checkDuration("maxLifetimeMs", options.maxLifetimeMs);
  checkDuration("validateAfterMs", options.validateAfterMs);
  checkDuration("leakDetectionThresholdMs", options.leakDetectionThresholdMs);
}

/**
 * What is wrong with a duration.
 *
 * @param name Its name, for the message.
 * @param ms The duration, in milliseconds; may be infinite.
 * @returns The error, if it is negative or not a number.
 */
export function durationError(name: string, ms: number): RangeError | undefined {
  return ms >= 0 ? undefined : new RangeError(outOfRange(name, "0 or more", ms));
}

function checkDuration(name: string, ms: number): void {
  const error = durationError(name, ms);
  if (error !== undefined) throw error;
}

function checkWhole(name: string, value: number, least: number): void {
  if (!Number.isSafeInteger(value) || value < least) {
    throw new RangeError(outOfRange(name, `a whole number of ${least} or more`, value));
  }
}

function outOfRange(name: string, allowed: string, value: number): string {
  return `Cannot use the pool as ${name} must be ${allowed}: current value is ${value}`;
}
