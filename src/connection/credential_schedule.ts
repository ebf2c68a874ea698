/** Share of the time that is left which is kept for the renewal. */
const MARGIN_SHARE = 0.25;
/** Most of it, in milliseconds. */
const MAX_MARGIN_MS = 30_000;
/** Up to so much more of the margin is random, so that processes that were given theirs
 * together do not ask together. */
const JITTER = 0.5;
/** Least time between two questions to a provider, in milliseconds. */
const MIN_PAUSE_MS = 1000;

/** Time between two looks at a connection that is busy, in milliseconds. */
export const LOOK_AGAIN_MS = 50;
/** Longest time without a look at the wall clock, in milliseconds. */
export const MAX_SLEEP_MS = 60_000;

/**
 * When credentials are to be renewed: a quarter of their time, at most 30 seconds, before
 * they expire, and up to half of that earlier.
 *
 * @param expiresAt When they expire, in milliseconds.
 * @param now The time on the same clock.
 * @param random A number from 0 up to 1.
 * @returns When, on the same clock; never less than a second from now, so that a provider
 * that gives what has expired is not asked without a pause.
 */
export function renewalTime(expiresAt: number, now: number, random: number): number {
  const marginMs = Math.min((expiresAt - now) * MARGIN_SHARE, MAX_MARGIN_MS);
  return Math.max(expiresAt - marginMs * (1 + JITTER * random), now + MIN_PAUSE_MS);
}

/**
 * When to try again what has failed: after half of the time that is left.
 *
 * @param expiresAt When the credentials expire, in milliseconds.
 * @param now The time on the same clock.
 * @returns When; `undefined` if it would be too late.
 */
export function nextTryAt(expiresAt: number, now: number): number | undefined {
  const at = now + Math.max((expiresAt - now) / 2, MIN_PAUSE_MS);
  return at < expiresAt ? at : undefined;
}
