import {
  ADDRESS_MAP,
  BOOLEAN,
  choice,
  duration,
  integer,
  NODES,
  number,
  SECRET,
  type SettingKind,
  text,
  TEXTS,
  URL_KIND,
} from "./kinds.ts";
import type { Secret } from "../core/secret.ts";

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

/**
 * Where servers are that other servers name: the addresses to connect to by the announced ones,
 * or a function that is given an announced address and returns the one to connect to. What it
 * does not know stays as it is.
 */
export type NodeAddressMap =
  | Readonly<Record<string, string>>
  | ((announced: NodeAddress) => NodeAddress | string | undefined);

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

/** The near cache of one database: replies of reads that are kept in this process until the
 * server says that they have changed. */
export interface NearCacheConfig {
  /**
   * Most replies in the near cache; 0 = no near cache. Default 0; 10,000 where another
   * setting of it is given.
   */
  readonly maxEntries: number;
  /** Most bytes of memory that the near cache takes, estimated. Default 67,108,864. */
  readonly maxBytes: number;
  /** Replies of the near cache are asked for anew after this, changed or not; 0 = never.
   * Default 0. */
  readonly ttlMs: number;
  /**
   * Prefixes of the keys whose replies the near cache keeps; none, the default: all. With them
   * the server announces every change to such a key (`BCAST`) and remembers nothing of what
   * this process has read. The key prefix is put before each.
   */
  readonly prefixes: readonly string[];
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
  readonly mode: "standalone" | "sentinel" | "cluster";
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
  /**
   * Where servers are that sentinels and cluster nodes announce; in code also a function.
   * For Docker, port forwards and NAT: `"host:port"` as it is announced, by the `"host:port"`
   * to connect to. It applies to what sentinels, `CLUSTER SHARDS`, `CLUSTER SLOTS`, `MOVED`
   * and `ASK` name, and not to `host` and `nodes`. With TLS, certificates must carry the
   * host that was announced. None by default.
   */
  readonly nodeAddressMap?: NodeAddressMap;
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
  /** Replies of reads that are kept in this process. */
  readonly nearCache: NearCacheConfig;
  /** How many retries may be added to the load. */
  readonly retryBudget: RetryBudgetConfig;
  /** How much a server may make this process hold for one reply. */
  readonly replyLimits: ReplyLimitsConfig;
  /** Whether ambiguous writes are sent again, and may run twice. Default `false`. */
  readonly retryWrites: boolean;
  /** Which socket of the runtime is used. Default `node`. */
  readonly transport: "node" | "deno";
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
  /**
   * Which servers reads go to, in mode `sentinel` and `cluster`. Default `primary`.
   * `prefer_replica`: the replicas in turn, the primary if none is in sync. `replica`: the
   * replicas alone; without one reads wait within their deadlines. `az_affinity`: as
   * `prefer_replica`, and first those in the availability zone `clientAz`. Replication is
   * asynchronous: a replica may not have what was written a moment ago.
   * `client.with({ readFrom: "primary" })` reads what its caller has written.
   */
  readonly readFrom: "primary" | "prefer_replica" | "replica" | "az_affinity";
  /**
   * Availability zone that this process is in, for `az_affinity`. Servers report theirs as
   * `availability_zone` (Valkey 8.1 and later).
   */
  readonly clientAz?: string;
}

/** What happens when a database is asked for that the configuration does not have. */
export type UnknownDatabasePolicy = "error" | "main";

/** A row of the table. */
export interface Row<T = unknown, D = T | undefined> {
  readonly kind: SettingKind<T>;
  readonly default: D;
  /** Path in YAML where it is not the key in snake_case without its unit. */
  readonly yaml?: string;
  readonly aliases?: readonly string[];
}

type Leaf =
  | string
  | number
  | boolean
  | readonly unknown[]
  | Secret
  | HostResolver
  | NodeAddressMap;

/**
 * A row for each member of a configuration, and a group for each object in it. A member
 * that is always there must have a default, another one has none.
 */
type TableOf<C> = {
  readonly [K in keyof C]-?: [NonNullable<C[K]>] extends [Leaf]
    ? Row<NonNullable<C[K]>, undefined extends C[K] ? undefined : C[K]>
    : TableOf<C[K]>;
};

/** The settings of a database: those of its configuration, and two that set others. */
type DatabaseTable = TableOf<
  Omit<RedisConfig, "name"> & { readonly url?: string; readonly passwordFile?: string }
>;

/** Largest database number; the server decides which exist. */
const MAX_DB = 2_147_483_647;
const MAX_CONNECTIONS = 100_000;

/** A setting with a default. */
function setting<T>(
  kind: SettingKind<T>,
  value: NoInfer<T>,
  names: Pick<Row, "yaml" | "aliases"> = {},
): Row<T, T> {
  return { kind, default: value, ...names };
}

/** A setting without a default. */
function optional<T>(kind: SettingKind<T>): Row<T, undefined> {
  return { kind, default: undefined };
}

const TLS: TableOf<TlsConfig> = {
  enabled: setting(BOOLEAN, false),
  caFile: optional(text("path")),
  certFile: optional(text("path")),
  keyFile: optional(text("path")),
  serverName: optional(text("host", 253)),
  verify: setting(BOOLEAN, true),
};

/** Where the server is, and how to get in. */
export const ENDPOINT = {
  mode: setting(choice("standalone", "sentinel", "cluster"), "standalone"),
  url: optional(URL_KIND),
  host: setting(text("host", 253), "localhost"),
  port: setting(integer(1, 65_535), 6379),
  resolve: optional({ type: "function" }),
  unixSocket: optional(text("path")),
  nodes: setting(NODES, Object.freeze([])),
  sentinelName: optional(text("word", 256)),
  nodeAddressMap: optional(ADDRESS_MAP),
  sentinelUsername: optional(text("word", 1024)),
  sentinelPassword: optional(SECRET),
  db: setting(integer(0, MAX_DB), 0),
  username: optional(text("word", 1024)),
  password: optional(SECRET),
  passwordFile: optional(text("path")),
  tls: TLS,
  sentinelTls: TLS,
} satisfies Partial<DatabaseTable>;

/** Sizes, times, retries and what else a database may set. */
export const BEHAVIOR: Omit<DatabaseTable, keyof typeof ENDPOINT> = {
  keyPrefix: setting(text("any", 1024), ""),
  maxConnections: setting(integer(1, MAX_CONNECTIONS), 20),
  minConnections: setting(integer(0, MAX_CONNECTIONS), 0),
  maxLanes: setting(integer(1, 1000), 1),
  maxWaiting: setting(integer(0, 10_000_000), 10_000),
  commandTimeoutMs: setting(duration(1), 5000, {
    yaml: "socket_timeout",
    aliases: ["timeout", "timeout_seconds"],
  }),
  connectTimeoutMs: setting(duration(1), 5000, {
    yaml: "socket_connect_timeout",
  }),
  acquireTimeoutMs: setting(duration(1), 3000),
  idleTimeoutMs: setting(duration(1), 300_000),
  maxLifetimeMs: setting(duration(0), 1_800_000),
  loadingTimeoutMs: setting(duration(1), 60_000),
  leakDetectionThresholdMs: setting(duration(0), 0),
  healthCheckIntervalMs: setting(duration(0), 30_000),
  socketKeepalive: setting(BOOLEAN, true),
  socketKeepaliveOptions: {
    idleMs: setting(duration(1000, 32_767_000), 600_000),
    intervalMs: setting(duration(1000, 32_767_000), 60_000),
    count: setting(integer(1, 127), 5),
  },
  retryOnTimeout: setting(BOOLEAN, true),
  maxRetries: setting(integer(0, 1000), 3, {
    aliases: ["retry_attempts"],
  }),
  retryDelayMs: setting(duration(0), 50),
  retryWrites: setting(BOOLEAN, false),
  retryBudget: {
    ratio: setting(number(0, 10), 0.2),
    minPerSecond: setting(number(0, 1_000_000), 10),
  },
  connectRetry: {
    attempts: setting(integer(1, 1000), 5),
    minMs: setting(duration(0), 2000),
    maxMs: setting(duration(0), 30_000),
    multiplier: setting(number(1, 100), 2),
    jitter: setting(number(0, 1), 1),
  },
  circuitBreakerThreshold: setting(integer(1, 1_000_000), 5),
  circuitBreakerTimeoutMs: setting(duration(1), 60_000),
  replyLimits: {
    maxDepth: setting(integer(8, 1024), 128),
    maxAggregateElements: setting(integer(64, 2 ** 30), 8_388_608),
    maxReplyElements: setting(integer(64, 2 ** 30), 8_388_608),
    maxBulkBytes: setting(integer(65_536, 2 ** 40), 536_870_912),
    maxReplyBytes: setting(integer(65_536, 2 ** 50), 2_147_483_648),
    maxLineBytes: setting(integer(1024, 2 ** 29 - 64), 16_777_216),
  },
  nearCache: {
    maxEntries: setting(integer(0, 10_000_000), 0),
    maxBytes: setting(integer(65_536, 2 ** 40), 67_108_864),
    ttlMs: setting(duration(0), 0),
    prefixes: setting(TEXTS, Object.freeze([])),
  },
  transport: setting(choice("node", "deno"), "node"),
  protocol: setting(choice("auto", 2, 3), "auto"),
  replyMapping: setting(choice("legacy", "resp3"), "legacy"),
  clientName: optional(text("visible", 256)),
  decodeResponses: setting(BOOLEAN, true),
  readFrom: setting(
    choice("primary", "prefer_replica", "replica", "az_affinity"),
    "primary",
  ),
  clientAz: optional(text("word", 256)),
  aliasOf: optional(text("database")),
  description: optional(text("any")),
};

/** Settings of the manager: at the root only. */
export const MANAGER: TableOf<{
  unknownDatabase: UnknownDatabasePolicy;
  maxTotalConnections?: number;
  cleanupIntervalMs: number;
}> = {
  unknownDatabase: setting(choice("error", "main"), "error"),
  maxTotalConnections: optional(integer(1, 10_000_000)),
  cleanupIntervalMs: setting(duration(0), 60_000),
};
