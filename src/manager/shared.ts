import type { RedisClient } from "../commands/client.ts";
import type { DatabaseName } from "./compat.ts";
import {
  type CloseOptions,
  type CloseReport,
  RedisConnectionManager,
} from "./manager.ts";

/**
 * A database's client from the process-wide manager. The first call creates that manager from
 * the configuration in files and environment, unless {@linkcode getRedisManager} did so.
 *
 * @example Usage
 * ```ts
 * import { closeAllRedisConnections, getRedisClient, getRedisManager } from "@mooring/redis";
 * import { assertEquals } from "@std/assert";
 *
 * getRedisManager({
 *   url: Deno.env.get("REDIS_URL") ?? "redis://localhost:6379",
 *   databases: { main: { db: 0 } },
 * });
 * const main = getRedisClient({ database: "main" });
 * assertEquals(await main.set("mooring:example", "ahoy", "EX", 1), "OK");
 * await closeAllRedisConnections();
 * ```
 *
 * @param options Name or number of the database, `main` by default; `asyncClient: true` gives
 * a promise that resolves when the database is connected.
 * @returns The client, or a promise of it with `asyncClient: true`.
 * @throws {UnknownDatabaseError} If the configuration has no such database.
 * @throws {ConfigError} If the configuration cannot be used.
 */
export function getRedisClient(
  options: { database?: DatabaseName; asyncClient: true },
): Promise<RedisClient>;
/**
 * A database's client from the process-wide manager, at once.
 *
 * @param options Name or number of the database. Default `main`.
 * @returns The client.
 * @throws {UnknownDatabaseError} If the configuration has no such database.
 * @throws {ConfigError} If the configuration cannot be used.
 */
export function getRedisClient(
  options?: { database?: DatabaseName; asyncClient?: false },
): RedisClient;
export function getRedisClient(
  options: { database?: DatabaseName; asyncClient?: boolean } = {},
): RedisClient | Promise<RedisClient> {
  const { database = "main", asyncClient = false } = options;
  return asyncClient
    ? whenReady(database)
    : RedisConnectionManager.shared().getClient(database);
}

async function whenReady(database: DatabaseName): Promise<RedisClient> {
  return await RedisConnectionManager.shared().getAsyncClient(database);
}

/**
 * The process-wide manager.
 *
 * @example Usage
 * ```ts
 * import { closeAllRedisConnections, getRedisManager } from "@mooring/redis";
 * import { assertStrictEquals } from "@std/assert";
 *
 * const manager = getRedisManager({ databases: { main: { db: 0 } } });
 * assertStrictEquals(getRedisManager(), manager);
 * await closeAllRedisConnections();
 * ```
 *
 * @param config Its configuration or options; used only by the call that creates it.
 * @returns The same manager every time, until it is closed.
 * @throws {ConfigError} If the configuration cannot be used.
 */
export function getRedisManager(
  config?: ConstructorParameters<typeof RedisConnectionManager>[0],
): RedisConnectionManager {
  return RedisConnectionManager.shared(config);
}

/**
 * Closes the process-wide manager; the next call that needs one creates another.
 *
 * @example Usage
 * ```ts
 * import { closeAllRedisConnections } from "@mooring/redis";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals((await closeAllRedisConnections()).cutCommands, 0);
 * ```
 *
 * @param options How long commands may take to finish.
 * @returns How many commands were cut.
 */
export async function closeAllRedisConnections(
  options: CloseOptions = {},
): Promise<CloseReport> {
  return await RedisConnectionManager.closeShared(options);
}
