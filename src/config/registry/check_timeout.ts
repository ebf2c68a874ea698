/**
 * Checks a timeout.
 *
 * @param timeoutMs Milliseconds.
 * @returns The same number.
 * @throws {RangeError} If it is not a number from 1 to 2^31 - 1.
 */
export function checkTimeout(timeoutMs: number): number {
  if (Number.isFinite(timeoutMs) && timeoutMs >= 1 && timeoutMs < 2 ** 31) {
    return timeoutMs;
  }
  throw new RangeError(
    "Cannot wait for a service registry as timeoutMs must be from 1 to 2147483647: " +
      `current value is ${timeoutMs}`,
  );
}
