import type { Lease } from "./lease.ts";
import type { LinkedQueue } from "./linked_queue.ts";
import type { Leased, Slot } from "./slot.ts";
import type { LeakReport, Pooled } from "./types.ts";
import type { CallSite } from "./waiter.ts";

/**
 * Finds leases that are held for too long, and those that nobody can release any more.
 *
 * It knows what was granted, not the leases: those are reached by a
 * `FinalizationRegistry` alone, so none lives longer for being watched.
 */
export class LeakWatch<C extends Pooled> {
  readonly #thresholdMs: number;
  readonly #registry: FinalizationRegistry<Leased<C>>;

  /**
   * Watches nothing yet.
   *
   * @param thresholdMs How long a lease may be held before it is reported, in
   * milliseconds; 0 = off, also for the stacks of acquisition.
   * @param collected Told of what was granted to a lease that was collected.
   */
  constructor(thresholdMs: number, collected: (grant: Leased<C>) => void) {
    this.#thresholdMs = thresholdMs;
    this.#registry = new FinalizationRegistry(collected);
  }

  /**
   * Where a call was made, if detection is on.
   *
   * @param caller The function whose caller is meant.
   * @returns What has the stack; it is put into words when it is read.
   */
  siteOf(caller: (...args: never[]) => unknown): CallSite | undefined {
    if (this.#thresholdMs === 0) return undefined;
    const site: CallSite = {};
    Error.captureStackTrace(site, caller);
    return site;
  }

  /**
   * Watches a lease.
   *
   * @param lease The lease.
   * @param grant What it was granted.
   */
  track(lease: Lease<C>, grant: Leased<C>): void {
    this.#registry.register(lease, grant, lease);
  }

  /**
   * The lease has been released.
   *
   * @param lease The lease.
   */
  untrack(lease: Lease<C>): void {
    this.#registry.unregister(lease);
  }

  /**
   * When a lease will have been held for too long.
   *
   * @param grant What was granted.
   * @returns The time, on the monotonic clock; infinite if detection is off.
   */
  dueAt(grant: Leased<C>): number {
    return this.#thresholdMs === 0 ? Infinity : grant.since + this.#thresholdMs;
  }

  /**
   * When the next lease will have been held for too long.
   *
   * @param leased What is leased, the longest held first.
   * @returns The time, on the monotonic clock; infinite if there is none.
   */
  nextDue(leased: LinkedQueue<Slot<C>>): number {
    if (this.#thresholdMs === 0) return Infinity;
    for (const { state } of leased) {
      if (state.name === "leased" && !state.reported) {
        return state.since + this.#thresholdMs;
      }
    }
    return Infinity;
  }

  /**
   * Finds the leases that are held for too long; each is found once.
   *
   * @param leased What is leased, the longest held first.
   * @param now The time, on the monotonic clock.
   * @returns A report of each.
   */
  takeDue(leased: LinkedQueue<Slot<C>>, now: number): LeakReport[] {
    const reports: LeakReport[] = [];
    if (this.#thresholdMs === 0) return reports;
    for (const { state } of leased) {
      if (state.name !== "leased" || now - state.since < this.#thresholdMs) break;
      if (state.reported) continue;
      state.reported = true;
      reports.push(reportLeak(state, now, false));
    }
    return reports;
  }
}

/**
 * What is said of a leak.
 *
 * @param grant What was granted.
 * @param now The time, on the monotonic clock.
 * @param collected Whether the lease was collected.
 * @returns The report.
 */
export function reportLeak<C extends Pooled>(
  grant: Leased<C>,
  now: number,
  collected: boolean,
): LeakReport {
  const stack = callersOf(grant.site);
  return {
    collected,
    heldMs: now - grant.since,
    connectionId: grant.connection.id,
    ...(stack === undefined ? {} : { stack }),
  };
}

/**
 * Who holds a lease, for the error of a caller who did not get one.
 *
 * @param grant What was granted.
 * @param now The time, on the monotonic clock.
 * @returns The words; `undefined` if it is not known where the lease was acquired.
 */
export function describeHolder<C extends Pooled>(
  grant: Leased<C>,
  now: number,
): string | undefined {
  const stack = callersOf(grant.site);
  if (stack === undefined) return undefined;
  const heldMs = Math.round(now - grant.since);
  return `the oldest lease has been held for ${heldMs} ms, acquired\n${stack}`;
}

/** The lines of a stack that say where a call was made. */
function callersOf(site: CallSite | undefined): string | undefined {
  return site?.stack?.split("\n").slice(1).map((line) => line.trim()).join("\n");
}
