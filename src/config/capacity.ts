import type { ManagerConfig, RedisConfig } from "./types.ts";
import { endpointOf } from "./resolve/endpoint.ts";

/**
 * How many connections a configuration may open to each server at most.
 *
 * @param config The configuration.
 * @returns The most connections by endpoint, such as `localhost:6379`; under
 * `maxTotalConnections`, no endpoint has more than that.
 *
 * @example Usage
 * ```ts
 * import { connectionDemand, RedisConfigLoader } from "@mooring/redis/config";
 * import { assertEquals } from "@std/assert";
 *
 * const config = RedisConfigLoader.fromOptions({
 *   databases: { cache: { db: 1, maxConnections: 8 }, jobs: { db: 2 } },
 * });
 * assertEquals(connectionDemand(config).get("localhost:6379"), 28);
 * ```
 */
export function connectionDemand(config: ManagerConfig): Map<string, number> {
  const demand = new Map<string, number>();
  for (const database of Object.values(config.databases)) {
    const endpoint = endpointOf(database);
    const sum = (demand.get(endpoint) ?? 0) + database.maxConnections;
    demand.set(endpoint, Math.min(sum, config.maxTotalConnections ?? sum));
  }
  return demand;
}

/**
 * Compares what a configuration may open with what a server takes. To be asked once
 * connected, with the server's own `maxclients`.
 *
 * @param config The configuration.
 * @param database A database on that server.
 * @param maxClients The server's `maxclients`.
 * @returns A warning with the numbers, or `undefined` when all connections fit.
 *
 * @example Usage
 * ```ts
 * import { checkMaxClients, RedisConfigLoader } from "@mooring/redis/config";
 * import { assertEquals, assertStringIncludes } from "@std/assert";
 *
 * const config = RedisConfigLoader.fromOptions({ databases: { cache: { db: 1 } } });
 * assertEquals(checkMaxClients(config, config.databases.cache, 10_000), undefined);
 * assertStringIncludes(checkMaxClients(config, config.databases.cache, 10) ?? "", "20");
 * ```
 */
export function checkMaxClients(
  config: ManagerConfig,
  database: RedisConfig,
  maxClients: number,
): string | undefined {
  const endpoint = endpointOf(database);
  const most = connectionDemand(config).get(endpoint) ?? database.maxConnections;
  if (most <= maxClients) return undefined;
  return `the databases on ${endpoint} may open ${most} connections, the server takes ` +
    `${maxClients} (maxclients), from all its clients; lower max_connections or set ` +
    "max_total_connections";
}
