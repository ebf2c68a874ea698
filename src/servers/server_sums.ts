import type { ConnectionCounts } from "../observability/metrics.ts";
import { EVICTION_REASONS } from "../pool/types.ts";
import type { ServerNumbers } from "./server_connections.ts";

/**
 * Adds up what the connections of several servers are at, and have done.
 *
 * @param servers The numbers of each.
 * @returns Their sum; nothing if there is none.
 */
export function sumNumbers(servers: readonly ServerNumbers[]): ServerNumbers {
  const sum = (of: (numbers: ServerNumbers) => number) =>
    servers.reduce((all, each) => all + of(each), 0);
  const cleanups = servers.map(({ counters }) => counters.lastCleanup ?? -Infinity);
  const lastCleanup = Math.max(-Infinity, ...cleanups);
  const evictions = EVICTION_REASONS.map((reason) => [
    reason,
    sum(({ counters }) => counters.evictions[reason]),
  ]);
  return {
    gauges: {
      total: sum(({ gauges }) => gauges.total),
      lanes: sum(({ gauges }) => gauges.lanes),
      inUse: sum(({ gauges }) => gauges.inUse),
      idle: sum(({ gauges }) => gauges.idle),
      connecting: sum(({ gauges }) => gauges.connecting),
      waiting: sum(({ gauges }) => gauges.waiting),
      max: sum(({ gauges }) => gauges.max),
      leased: sum(({ gauges }) => gauges.leased),
      recycling: sum(({ gauges }) => gauges.recycling),
      validating: sum(({ gauges }) => gauges.validating),
      lanesWaiting: sum(({ gauges }) => gauges.lanesWaiting),
    },
    counters: {
      created: sum(({ counters }) => counters.created),
      acquireTimeouts: sum(({ counters }) => counters.acquireTimeouts),
      evictions: Object.fromEntries(
        evictions,
      ) as ServerNumbers["counters"]["evictions"],
      lastCleanup: lastCleanup === -Infinity ? null : lastCleanup,
    },
    waiting: sum(({ waiting }) => waiting),
    inFlight: sum(({ inFlight }) => inFlight),
  };
}

/**
 * What a server that is gone has done: it is at nothing any more.
 *
 * @param numbers Its last numbers.
 * @returns The same without what it was at.
 */
export function pastOf(numbers: ServerNumbers): ServerNumbers {
  const { counters } = numbers;
  return { ...sumNumbers([]), counters };
}

/**
 * Adds up connections.
 *
 * @param counts Those of each server.
 * @returns Their sum.
 */
export function sumConnections(counts: readonly ConnectionCounts[]): ConnectionCounts {
  return {
    opened: counts.reduce((all, { opened }) => all + opened, 0),
    open: counts.reduce((all, { open }) => all + open, 0),
  };
}
