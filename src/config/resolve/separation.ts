import type { RedisConfig, SharedDatabase } from "../types.ts";
import { endpointOf } from "./endpoint.ts";

/**
 * Finds names that share one database number on one endpoint without saying so by
 * `alias_of`.
 *
 * @param databases The databases.
 * @returns Each shared number with its names, in the order of the databases.
 */
export function findShared(databases: Iterable<RedisConfig>): SharedDatabase[] {
  const places = new Map<string, RedisConfig[]>();
  for (const config of databases) {
    const place = `${config.db} ${endpointOf(config)}`;
    const there = places.get(place);
    if (there === undefined) places.set(place, [config]);
    else there.push(config);
  }
  const shared: SharedDatabase[] = [];
  for (const there of places.values()) {
    if (countOwners(there) < 2) continue;
    const { db } = there[0]!;
    shared.push({
      db,
      endpoint: endpointOf(there[0]!),
      names: there.map(({ name }) => name),
    });
  }
  return shared;
}

/** How many of the names are there without being an alias of another one there. */
function countOwners(there: readonly RedisConfig[]): number {
  const names = new Set(there.map(({ name }) => name));
  return there.filter(({ aliasOf }) => aliasOf === undefined || !names.has(aliasOf))
    .length;
}
