import type { RedisClient } from "../commands/client.ts";
import type { RedisDatabase } from "../config/databases.ts";

/** A database, by its name or by its number in {@linkcode RedisDatabase}. */
export type DatabaseName = string | RedisDatabase;

/**
 * The databases that have a method of their own: `manager.main()` is
 * `manager.getAsyncClient("main")`.
 *
 * @example Usage
 * ```ts
 * import { RedisConnectionManager } from "@mooring/redis";
 * import { assertEquals } from "@std/assert";
 *
 * await using manager = new RedisConnectionManager({
 *   url: Deno.env.get("REDIS_URL") ?? "redis://localhost:6379",
 *   databases: { sessions: { db: 6 } },
 * });
 * const sessions = await manager.sessions();
 * assertEquals(sessions, await manager.getAsyncClient("sessions"));
 * ```
 */
export abstract class NamedDatabases {
  /**
   * The client of a database when it is connected, authenticated, and the server has
   * loaded its data.
   *
   * @param database Name or number of the database. Default `main`.
   * @param options `signal` ends the wait.
   * @returns The client.
   */
  abstract getAsyncClient(
    database?: DatabaseName,
    options?: { signal?: AbortSignal },
  ): Promise<RedisClient>;

  /** The client of `main` when ready. */
  main(): Promise<RedisClient> {
    return this.getAsyncClient("main");
  }

  /** The client of `knowledge` when ready. */
  knowledge(): Promise<RedisClient> {
    return this.getAsyncClient("knowledge");
  }

  /** The client of `prompts` when ready. */
  prompts(): Promise<RedisClient> {
    return this.getAsyncClient("prompts");
  }

  /** The client of `agents` when ready. */
  agents(): Promise<RedisClient> {
    return this.getAsyncClient("agents");
  }

  /** The client of `metrics` when ready. */
  metrics(): Promise<RedisClient> {
    return this.getAsyncClient("metrics");
  }

  /** The client of `sessions` when ready. */
  sessions(): Promise<RedisClient> {
    return this.getAsyncClient("sessions");
  }

  /** The client of `workflows` when ready. */
  workflows(): Promise<RedisClient> {
    return this.getAsyncClient("workflows");
  }

  /** The client of `vectors` when ready. */
  vectors(): Promise<RedisClient> {
    return this.getAsyncClient("vectors");
  }

  /** The client of `models` when ready. */
  models(): Promise<RedisClient> {
    return this.getAsyncClient("models");
  }

  /** The client of `memory` when ready. */
  memory(): Promise<RedisClient> {
    return this.getAsyncClient("memory");
  }

  /** The client of `analytics` when ready. */
  analytics(): Promise<RedisClient> {
    return this.getAsyncClient("analytics");
  }
}
