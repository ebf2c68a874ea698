/** What an eviction is decided by. */
export interface EvictionCandidate {
  /** When it became idle, on the monotonic clock. */
  readonly since: number;
  /** When it is too old, on the monotonic clock. */
  readonly expiresAt: number;
}

/** What is allowed. */
export interface EvictionLimits {
  /** Longest idle time, in milliseconds; 0 = no limit. */
  readonly idleTimeoutMs: number;
  /** How many may go because nobody wanted them: those beyond the ones kept ready. */
  readonly spare: number;
}

/** One that has to go, and why. */
export interface Eviction<T> {
  /** Who. */
  readonly candidate: T;
  /** Why. */
  readonly reason: "idle_timeout" | "max_lifetime";
}

/**
 * Decides which idle connections have to go: every one that is too old, and of those
 * that nobody wanted for too long the longest idle ones, as far as enough are left.
 *
 * @param idle The idle connections, the longest idle first.
 * @param now The time, on the monotonic clock.
 * @param limits What is allowed.
 * @returns Who has to go, in the same order.
 */
export function selectEvictions<T extends EvictionCandidate>(
  idle: Iterable<T>,
  now: number,
  limits: EvictionLimits,
): Eviction<T>[] {
  const candidates = [...idle];
  const tooOld = (candidate: T) => now >= candidate.expiresAt;
  // The old ones go whatever is left, and count as gone before the others are judged.
  let spare = limits.spare - candidates.filter(tooOld).length;
  const evictions: Eviction<T>[] = [];
  for (const candidate of candidates) {
    if (tooOld(candidate)) {
      evictions.push({ candidate, reason: "max_lifetime" });
    } else if (
      limits.idleTimeoutMs > 0 && now - candidate.since >= limits.idleTimeoutMs &&
      spare > 0
    ) {
      spare--;
      evictions.push({ candidate, reason: "idle_timeout" });
    }
  }
  return evictions;
}

/**
 * Share of the maximum lifetime that is random, so that connections opened together do
 * not end together: HikariCP's 2.5 %.
 */
export const LIFETIME_VARIANCE = 0.025;

/**
 * How long one connection may live.
 *
 * @param maxLifetimeMs The limit, in milliseconds; 0 = none.
 * @param random A number from 0 up to 1.
 * @returns Up to {@linkcode LIFETIME_VARIANCE} less than the limit; infinite if there is
 * none.
 */
export function lifetimeMs(maxLifetimeMs: number, random: number): number {
  if (maxLifetimeMs === 0) return Infinity;
  return maxLifetimeMs * (1 - LIFETIME_VARIANCE * random);
}
