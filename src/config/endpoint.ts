import type { ManagerConfig, RedisConfig, SharedDatabase } from "./types.ts";

/**
 * Where a database is, in words: equal for databases on the same server.
 *
 * @returns Text such as `localhost:6379`, `unix:/run/redis.sock`,
 * `sentinel mymaster at a:26379,b:26379` or `cluster a:7000,b:7000`.
 */
export function endpointOf(config: RedisConfig): string {
  const nodes = config.nodes.map(hostPort).sort().join(",");
  if (config.mode === "sentinel") return `sentinel ${config.sentinelName} at ${nodes}`;
  if (config.mode === "cluster") return `cluster ${nodes}`;
  return config.unixSocket === undefined ? hostPort(config) : `unix:${config.unixSocket}`;
}

function hostPort({ host, port }: { host: string; port: number }): string {
  return host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`;
}

/** Whether a host is this machine, so that nothing passes a network. */
export function isLoopback(host: string): boolean {
  const name = host.toLowerCase().replace(/\.$/, "");
  return name === "localhost" || name.endsWith(".localhost") || name === "::1" ||
    name === "0:0:0:0:0:0:0:1" || /^(::ffff:)?127\.\d{1,3}\.\d{1,3}\.\d{1,3}$/.test(name);
}

/** Names that share one number on one endpoint without saying so by `alias_of`. */
export function findShared(databases: Iterable<RedisConfig>): SharedDatabase[] {
  const places = Map.groupBy(databases, (config) => `${config.db} ${endpointOf(config)}`);
  return [...places.values()].flatMap((there) => {
    const names = there.map(({ name }) => name);
    // An alias of another one there does not count.
    const owners = there.filter(({ aliasOf }) =>
      aliasOf === undefined || !names.includes(aliasOf)
    );
    if (owners.length < 2) return [];
    return [{ db: there[0]!.db, endpoint: endpointOf(there[0]!), names }];
  });
}

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
