/**
 * How often servers ran a command, by their own count.
 *
 * @module
 */
import type { RedisServer } from "./redis_server.ts";

/** How often a server has run a command since its start, or since CONFIG RESETSTAT. */
export async function callsOf(server: RedisServer, command: string): Promise<number> {
  const stats = await server.info("commandstats");
  const line = stats[`cmdstat_${command}`] ?? "";
  return Number(/calls=(\d+)/.exec(line)?.[1] ?? 0);
}
