import type { RedisClient } from "../commands/client.ts";
import type { RedisDatabase } from "../config/databases.ts";

/** A database, by one of `Names` or by its number in {@linkcode RedisDatabase}. */
export type DatabaseName<Names extends string = string> = Names | RedisDatabase;

/**
 * The methods that a manager has for callers of the Python original: another name for
 * `getClient()`, and a method for each of its eleven databases.
 *
 * @internal
 */
export abstract class CompatMethods<Names extends string> {
  /** The client of a database, at once. */
  abstract getClient(database?: DatabaseName<Names>): RedisClient;

  /** The client of a database when its server serves. */
  abstract getAsyncClient(database?: DatabaseName): Promise<RedisClient>;

  /**
   * The same object as `getClient()`, under the name of the Python original.
   *
   * @param database Name or number of the database. Default `main`.
   * @returns The client.
   * @throws {UnknownDatabaseError} If the configuration has no such database.
   * @throws {ManagerClosedError} If the manager has been closed.
   */
  getSyncClient(database?: DatabaseName<Names>): RedisClient {
    return this.getClient(database);
  }

  /** `getAsyncClient("main")`. */
  main(): Promise<RedisClient> {
    return this.getAsyncClient("main");
  }

  /** `getAsyncClient("knowledge")`. */
  knowledge(): Promise<RedisClient> {
    return this.getAsyncClient("knowledge");
  }

  /** `getAsyncClient("prompts")`. */
  prompts(): Promise<RedisClient> {
    return this.getAsyncClient("prompts");
  }

  /** `getAsyncClient("agents")`. */
  agents(): Promise<RedisClient> {
    return this.getAsyncClient("agents");
  }

  /** `getAsyncClient("metrics")`. */
  metrics(): Promise<RedisClient> {
    return this.getAsyncClient("metrics");
  }

  /** `getAsyncClient("sessions")`. */
  sessions(): Promise<RedisClient> {
    return this.getAsyncClient("sessions");
  }

  /** `getAsyncClient("workflows")`. */
  workflows(): Promise<RedisClient> {
    return this.getAsyncClient("workflows");
  }

  /** `getAsyncClient("vectors")`. */
  vectors(): Promise<RedisClient> {
    return this.getAsyncClient("vectors");
  }

  /** `getAsyncClient("models")`. */
  models(): Promise<RedisClient> {
    return this.getAsyncClient("models");
  }

  /** `getAsyncClient("memory")`. */
  memory(): Promise<RedisClient> {
    return this.getAsyncClient("memory");
  }

  /** `getAsyncClient("analytics")`. */
  analytics(): Promise<RedisClient> {
    return this.getAsyncClient("analytics");
  }
}
