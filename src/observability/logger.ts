/**
 * Where the manager logs to. `console`, a logger of `@std/log` and one of LogTape fit as
 * they are; without one nothing is logged and nothing is printed.
 *
 * The message is a whole sentence with the numbers in it; the fields hold the same for
 * those who keep structured logs. What a method throws, or rejects with, is ignored.
 *
 * @example Usage
 * ```ts
 * import { type Logger, RedisConnectionManager } from "@mooring/redis";
 * import { assertEquals } from "@std/assert";
 *
 * const lines: string[] = [];
 * const keep = (message: string) => lines.push(message);
 * const logger: Logger = { debug: keep, info: keep, warn: keep, error: keep };
 * await using manager = new RedisConnectionManager({
 *   url: Deno.env.get("REDIS_URL") ?? "redis://localhost:6379",
 *   databases: { main: { db: 0 } },
 *   logger,
 * });
 * await manager.getClient("main").ping();
 * assertEquals(lines.some((line) => line.includes("was opened")), true);
 * ```
 */
export interface Logger {
  /** Takes what is of interest when looking for a fault only: connections opened. */
  debug(message: string, fields: Record<string, unknown>): unknown;
  /** Takes what is normal: connections closed by us, a server that loads, a breaker that closes. */
  info(message: string, fields: Record<string, unknown>): unknown;
  /** Takes what somebody should look at: lost connections, failed attempts, leaks, gaps,
   * warnings. */
  warn(message: string, fields: Record<string, unknown>): unknown;
  /** Takes what keeps a database from serving: it failed, its breaker opened. */
  error(message: string, fields: Record<string, unknown>): unknown;
}

/** How bad it is: the name of a method of {@linkcode Logger}. */
export type LogLevel = keyof Logger;
