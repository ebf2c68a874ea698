import type { Secret, SecretProvider } from "../core/secret.ts";

/** How a database's server is found. */
export type TopologyMode = "standalone" | "sentinel" | "cluster";

/** Which socket of the runtime carries the commands. */
export type TransportKind = "node" | "deno";

/**
 * Finds the addresses of a host name, in place of the runtime's own look-up. It is asked
 * for each attempt to connect; what it throws fails the attempt, which is tried again as
 * `connectRetry` says.
 *
 * @param host The configured host.
 * @param signal Aborted when the attempt is given up.
 * @returns One address or several, which are then tried in turn.
 */
export type HostResolver = (
  host: string,
  signal: AbortSignal,
) => string | readonly string[] | Promise<string | readonly string[]>;

/** One server of a sentinel or cluster setup. */
export interface NodeAddress {
  /** Host name or address. */
  readonly host: string;
  /** TCP port, 1 to 65535. */
  readonly port: number;
}

/** TLS of one database, or of its sentinels. */
export interface TlsConfig {
  /**
   * Whether TLS is used; in YAML `tls: true` is short for it. Default `false`, `true` for
   * a `rediss://` URL.
   */
  readonly enabled: boolean;
  /** File of the trusted certificate authorities, PEM. */
  readonly caFile?: string;
  /** File of the client certificate, PEM. */
  readonly certFile?: string;
  /** File of the client certificate's key, PEM. */
  readonly keyFile?: string;
  /** Name that the server's certificate must carry; its host by default. */
  readonly serverName?: string;
  /** Whether the server's certificate is verified. Default `true`. */
  readonly verify: boolean;
}

/** TCP keepalive of one database's sockets. */
export interface KeepaliveConfig {
  /** Silence before the first keepalive probe. Default 600,000. */
  readonly idleMs: number;
  /** Time between keepalive probes. Default 60,000. */
  readonly intervalMs: number;
  /** Unanswered keepalive probes before the socket is closed. Default 5. */
  readonly count: number;
}

/** How the opening of connections is tried again. */
export interface ConnectRetryConfig {
  /**
   * Most attempts of one call that opens a connection, such as `initializeAll()`. Default
   * 5.
   */
  readonly attempts: number;
  /** Wait before the second attempt to connect. Default 2,000. */
  readonly minMs: number;
  /** Longest wait between attempts to connect. Default 30,000. */
  readonly maxMs: number;
  /** Factor by which the wait between attempts to connect grows. Default 2. */
  readonly multiplier: number;
  /** Share of the wait between attempts to connect that is random. Default 1. */
  readonly jitter: number;
}

/** How much a server may make this process hold for one reply; what is beyond it ends the
 * connection with a `ProtocolError`, before memory is taken for it. */
export interface ReplyLimitsConfig {
  /** Most aggregates inside each other in a reply. Default 128. */
  readonly maxDepth: number;
  /**
   * Most elements of one aggregate in a reply; a map's pairs count twice. Default
   * 8,388,608.
   */
  readonly maxAggregateElements: number;
  /** Most elements of one reply altogether. Default 8,388,608. */
  readonly maxReplyElements: number;
  /** Most bytes of one string in a reply. Default 536,870,912. */
  readonly maxBulkBytes: number;
  /** Most bytes of one reply. Default 2,147,483,648. */
  readonly maxReplyBytes: number;
  /** Most bytes of a line, an error and a map's key in a reply. Default 16,777,216. */
  readonly maxLineBytes: number;
}

/** How many retries a database's commands may add to its load. */
export interface RetryBudgetConfig {
  /** Retries for each command, as a share. Default 0.2. */
  readonly ratio: number;
  /** Retries a second that are always allowed. Default 10. */
  readonly minPerSecond: number;
}

/**
 * The resolved, frozen configuration of one database: what the Python
 * original calls `RedisConfig`. Durations are milliseconds.
 */
export interface RedisConfig {
  /** The database's name. */
  readonly name: string;
  /** What the database holds, in words. */
  readonly description?: string;
  /** How the server is found. Default `standalone`. */
  readonly mode: TopologyMode;
  /** Host name or address. Default `localhost`. */
  readonly host: string;
  /** TCP port. Default 6379. */
  readonly port: number;
  /**
   * Finds the addresses of host; called for each attempt to connect. In mode `standalone`
   * alone; the runtime does it by default.
   */
  readonly resolve?: HostResolver;
  /** Path of a Unix socket, in place of host and port. */
  readonly unixSocket?: string;
  /** Sentinels, or nodes of a cluster. */
  readonly nodes: readonly NodeAddress[];
  /** Name of the primary as the sentinels know it. */
  readonly sentinelName?: string;
  /** ACL user of the sentinels, which have users of their own. */
  readonly sentinelUsername?: string;
  /**
   * Password of the sentinels; in code also a function. Masked wherever it is printed.
   */
  readonly sentinelPassword?: Secret;
  /** TLS of the sentinels. */
  readonly sentinelTls: TlsConfig;
  /**
   * Database number; a name of {@linkcode RedisDatabase} has its own by default, others
   * 0.
   */
  readonly db: number;
  /** ACL user. */
  readonly username?: string;
  /**
   * Password; in code also a function, called for each new connection. Masked wherever it
   * is printed.
   */
  readonly password?: Secret;
  /** Prefix of each key; none by default. */
  readonly keyPrefix: string;
  /** TLS. */
  readonly tls: TlsConfig;
  /** Most connections, lanes and leases together; in a cluster of each node. Default 20. */
  readonly maxConnections: number;
  /** Connections for leases kept ready, once one has opened. Default 0. */
  readonly minConnections: number;
  /** Most shared connections. Default 1. */
  readonly maxLanes: number;
  /** Deadline of a command. Default 5,000. */
  readonly commandTimeoutMs: number;
  /** Deadline of one attempt to connect. Default 5,000. */
  readonly connectTimeoutMs: number;
  /** Deadline of the wait for a connection. Default 3,000. */
  readonly acquireTimeoutMs: number;
  /** Idle connections are closed after this. Default 300,000. */
  readonly idleTimeoutMs: number;
  /** Connections are replaced after this, with jitter; 0 = never. Default 1,800,000. */
  readonly maxLifetimeMs: number;
  /** Whether TCP keepalive is set. Default `true`. */
  readonly socketKeepalive: boolean;
  /** TCP keepalive's times. */
  readonly socketKeepaliveOptions: KeepaliveConfig;
  /**
   * Interval of the idle heartbeat, and longest between health checks; 0 = off. Default
   * 30,000.
   */
  readonly healthCheckIntervalMs: number;
  /** Whether reading commands are retried after a lost connection. Default `true`. */
  readonly retryOnTimeout: boolean;
  /** Most retries of one command. Default 3. */
  readonly maxRetries: number;
  /** First wait before a command's retry. Default 50. */
  readonly retryDelayMs: number;
  /** How the opening of connections is tried again. */
  readonly connectRetry: ConnectRetryConfig;
  /** Longest wait for a server that loads its data. Default 60,000. */
  readonly loadingTimeoutMs: number;
  /** Consecutive failures that open the breaker. Default 5. */
  readonly circuitBreakerThreshold: number;
  /**
   * How long a server that hangs is left alone while the breaker is open. Default 60,000.
   */
  readonly circuitBreakerTimeoutMs: number;
  /** How many retries may be added to the load. */
  readonly retryBudget: RetryBudgetConfig;
  /** How much a server may make this process hold for one reply. */
  readonly replyLimits: ReplyLimitsConfig;
  /** Whether ambiguous writes are sent again, and may run twice. Default `false`. */
  readonly retryWrites: boolean;
  /** Which socket of the runtime is used. Default `node`. */
  readonly transport: TransportKind;
  /**
   * Version of the protocol (RESP); auto is 3 where the server knows it. With `auto`, the
   * default, it is else 2, as with proxies that do not know `HELLO`. With 3, a server
   * that does not know it is refused.
   */
  readonly protocol: "auto" | 2 | 3;
  /**
   * Shape of replies: as RESP2 gives them, or maps, doubles and booleans. `legacy`, the
   * default: what it was before RESP3, whatever is spoken. `resp3`: maps are objects,
   * doubles numbers and booleans booleans, as ioredis gives them; a server that speaks
   * RESP2 alone has nothing to be mapped.
   */
  readonly replyMapping: "legacy" | "resp3";
  /**
   * Name of the connections in `CLIENT LIST`; `mooring:DATABASE:PURPOSE` by default.
   * ASCII characters without spaces; the purpose is `lane` or `lease`.
   */
  readonly clientName?: string;
  /** Database whose endpoint and number this one takes over, sharing on purpose. */
  readonly aliasOf?: string;
  /** Leases held longer are reported with the stack; 0 = off. Default 0. */
  readonly leakDetectionThresholdMs: number;
  /**
   * Most callers that wait for a connection; more are refused at once. Default 10,000.
   */
  readonly maxWaiting: number;
  /** Whether replies are strings; `false` gives Buffers. Default `true`. */
  readonly decodeResponses: boolean;
}

/** Settings of one database as a user gives them in code; all optional. */
export type RedisConfigOptions =
  & {
    -readonly [
      K in Exclude<
        keyof RedisConfig,
        | "name"
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

/** What happens when a database is asked for that the configuration does not have. */
export type UnknownDatabasePolicy = "error" | "main";

/** Settings of a manager as a user gives them in code: root values are the defaults
 * of every database. */
export type ManagerOptions =
  & Omit<RedisConfigOptions, "maxConnections" | "aliasOf" | "description">
  & {
    /** The databases by name. */
    databases?: Record<string, RedisConfigOptions>;
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
