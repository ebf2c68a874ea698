import type { Secret, SecretProvider } from "../core/secret.ts";
import type {
  HostResolver,
  NodeAddress,
  NodeAddressMap,
  RedisConfig,
  TlsConfig,
  UnknownDatabasePolicy,
} from "./settings.ts";

/** Settings of one database as a user gives them in code; all optional. */
export type RedisConfigOptions =
  & {
    -readonly [
      K in Exclude<
        keyof RedisConfig,
        | "name"
        | "nodeAddressMap"
        | "nodes"
        | "password"
        | "resolve"
        | "sentinelPassword"
        | "sentinelTls"
        | "tls"
      >
    ]?:
      | (RedisConfig[K] extends object
        ? { -readonly [M in keyof RedisConfig[K]]?: RedisConfig[K][M] | undefined }
        : RedisConfig[K])
      | undefined;
  }
  & {
    /** Sentinels, or nodes of a cluster: `{ host, port }` or `"host:port"` each. */
    nodes?: readonly (NodeAddress | string)[] | null;
    /**
     * Where servers are that sentinels and cluster nodes announce; in code also a function.
     * It is given an announced address and returns the one to connect to, or `undefined`
     * for the same one.
     */
    nodeAddressMap?: NodeAddressMap | null;
    /** Finds the addresses of the host, for each attempt to connect. */
    resolve?: HostResolver | null;
    /** TLS; `true` is short for `{ enabled: true }`. */
    tls?:
      | boolean
      | { -readonly [M in keyof TlsConfig]?: TlsConfig[M] | undefined }
      | null;
    /** TLS to the sentinels; `true` is short for `{ enabled: true }`. */
    sentinelTls?: RedisConfigOptions["tls"];
    /** Password of the sentinels, or a function called for each connection to one. */
    sentinelPassword?: string | SecretProvider | Secret | null;
    /** Password, or a function called for each new connection, and before the expiry that
     * it gives. */
    password?: string | SecretProvider | Secret | null;
    /**
     * Host, port, user, password and number in one; options of this table in its query. A
     * `redis://`, `rediss://` or `unix://` URL.
     */
    url?: string;
    /** File that holds the password; read again for each new connection. */
    passwordFile?: string;
  };

/** Settings of a manager as a user gives them in code: root values are the defaults
 * of every database. `Names` are the names of the databases. */
export type ManagerOptions<Names extends string = string> =
  & Omit<RedisConfigOptions, "maxConnections" | "aliasOf" | "description">
  & {
    /** The databases by name. */
    databases?: Record<Names, RedisConfigOptions>;
    /** Most connections of each database that has no own setting. */
    maxConnections?: number;
    /** Most connections of all databases together; no limit by default. */
    maxTotalConnections?: number;
    /** `error` (default) throws; `main` gives the database called main, as the Python original did. */
    unknownDatabase?: UnknownDatabasePolicy;
    /** Milliseconds between rounds of the idle cleanup. Default 60,000; 0 = off. */
    cleanupIntervalMs?: number;
  };

/** Names that share one database number on one endpoint without saying so. */
export interface SharedDatabase {
  /** The database number. */
  db: number;
  /** Where, such as `localhost:6379`. */
  endpoint: string;
  /** The names that share it. */
  names: string[];
}

/** One effective value and where it came from. */
export interface ExplainedValue {
  /** Path, such as `databases.cache.maxConnections`. */
  path: string;
  /** The value; secrets masked. */
  value: unknown;
  /** Where it came from, such as `config/redis-databases.yaml:14` or `default`. */
  origin: string;
  /** What it overrode, nearest first; secrets masked. */
  overrode: readonly { readonly value: unknown; readonly origin: string }[];
}

/** The resolved, frozen configuration of a manager. */
export interface ManagerConfig {
  /** The databases by name; frozen. */
  readonly databases: Readonly<Record<string, RedisConfig>>;
  /** What happens when an unknown database is asked for. Default `error`. */
  readonly unknownDatabase: UnknownDatabasePolicy;
  /** Most connections of all databases together; no limit by default. */
  readonly maxTotalConnections?: number;
  /** Time between rounds of the idle cleanup; 0 = off. Default 60,000. */
  readonly cleanupIntervalMs: number;
  /** Settings that are allowed but probably mistakes, in words. */
  readonly warnings: readonly string[];
  /** Where a value came from. */
  origin(path: string): string | undefined;
  /** Every effective value with its origin. */
  explain(database?: string): ExplainedValue[];
  /** Names that share one database number on one endpoint without saying so. */
  validateDatabaseSeparation(): SharedDatabase[];
  /**
   * Resolves and validates the settings of one more database, under the same rules as
   * the others: it inherits the values at the root of every source.
   *
   * @param name The database's name.
   * @param options Its settings; they win over every source.
   * @param onWarning Called with each setting that is allowed but probably a mistake.
   * @returns The resolved, frozen settings.
   * @throws {ConfigError} If anything is wrong, with all that is wrong.
   */
  resolveDatabase(
    name: string,
    options: RedisConfigOptions,
    onWarning?: (warning: string) => void,
  ): RedisConfig;
}
