import {
  BOOLEAN,
  choice,
  duration,
  integer,
  NODES,
  number,
  SECRET,
  type SettingKind,
  text,
  URL_KIND,
} from "./kinds.ts";

/** One setting: the only place where its name, unit, range and default are said. */
export interface Setting {
  /** Path in code, such as `connectRetry.minMs`. */
  readonly key: string;
  /** Path in YAML, such as `connect_retry.min`. */
  readonly yaml: string;
  /** Other names that YAML takes for it. */
  readonly aliases: readonly string[];
  /** What it may hold. */
  readonly kind: SettingKind;
  /** Its default as code sees it (durations in ms); `undefined` when there is none. */
  readonly default: unknown;
  /** One line for people. */
  readonly description: string;
  /** Whether it says where the server is, or how to get in: an alias takes it over. */
  readonly endpoint: boolean;
}

/** A setting without the parts that most do not have. */
interface Row {
  readonly key: string;
  readonly yaml: string;
  readonly kind: SettingKind;
  readonly default?: unknown;
  readonly description: string;
  readonly aliases?: readonly string[];
}

function rows(endpoint: boolean, list: readonly Row[]): Setting[] {
  return list.map((row) => ({
    key: row.key,
    yaml: row.yaml,
    aliases: row.aliases ?? [],
    kind: row.kind,
    default: row.default,
    description: row.description,
    endpoint,
  }));
}

/** Largest database number that is taken; the server decides which exist. */
const MAX_DB = 2_147_483_647;
/** Most connections that may be asked for. */
const MAX_CONNECTIONS = 100_000;

const WHERE: Setting[] = rows(true, [
  {
    key: "mode",
    yaml: "mode",
    kind: choice("standalone", "sentinel", "cluster"),
    default: "standalone",
    description: "How the server is found.",
  },
  {
    key: "url",
    yaml: "url",
    kind: URL_KIND,
    description:
      "Host, port, user, password and number in one; options of this table in its query.",
  },
  {
    key: "host",
    yaml: "host",
    kind: text("host", 253),
    default: "localhost",
    description: "Host name or address.",
  },
  {
    key: "port",
    yaml: "port",
    kind: integer(1, 65_535),
    default: 6379,
    description: "TCP port.",
  },
  {
    key: "unixSocket",
    yaml: "unix_socket",
    kind: text("path"),
    description: "Path of a Unix socket, in place of host and port.",
  },
  {
    key: "nodes",
    yaml: "nodes",
    kind: NODES,
    default: [],
    description: "Sentinels, or nodes of a cluster.",
  },
  {
    key: "sentinelName",
    yaml: "sentinel_name",
    kind: text("word", 256),
    description: "Name of the primary as the sentinels know it.",
  },
  {
    key: "db",
    yaml: "db",
    kind: integer(0, MAX_DB),
    default: 0,
    description:
      "Database number; a name of RedisDatabase has its own by default, others 0.",
  },
  {
    key: "username",
    yaml: "username",
    kind: text("word", 1024),
    description: "ACL user.",
  },
  {
    key: "password",
    yaml: "password",
    kind: SECRET,
    description: "Password; in code also a function, asked for each new connection.",
  },
  {
    key: "passwordFile",
    yaml: "password_file",
    kind: text("path"),
    description: "File that holds the password; read again for each new connection.",
  },
  {
    key: "tls.enabled",
    yaml: "tls.enabled",
    kind: BOOLEAN,
    default: false,
    description: "Whether TLS is spoken; a rediss:// URL says so by itself.",
  },
  {
    key: "tls.caFile",
    yaml: "tls.ca_file",
    kind: text("path"),
    description: "File of the certificate authorities that are trusted, PEM.",
  },
  {
    key: "tls.certFile",
    yaml: "tls.cert_file",
    kind: text("path"),
    description: "File of the client certificate, PEM.",
  },
  {
    key: "tls.keyFile",
    yaml: "tls.key_file",
    kind: text("path"),
    description: "File of the client certificate's key, PEM.",
  },
  {
    key: "tls.serverName",
    yaml: "tls.server_name",
    kind: text("host", 253),
    description: "Name that the server's certificate must carry; the host by default.",
  },
  {
    key: "tls.verify",
    yaml: "tls.verify",
    kind: BOOLEAN,
    default: true,
    description: "Whether the server's certificate is verified.",
  },
]);

const SIZES: Setting[] = rows(false, [
  {
    key: "keyPrefix",
    yaml: "key_prefix",
    kind: text("any", 1024),
    default: "",
    description: "What is put before each key.",
  },
  {
    key: "maxConnections",
    yaml: "max_connections",
    kind: integer(1, MAX_CONNECTIONS),
    default: 20,
    description: "Most connections, lanes and leases together.",
  },
  {
    key: "minConnections",
    yaml: "min_connections",
    kind: integer(0, MAX_CONNECTIONS),
    default: 0,
    description: "Connections kept ready.",
  },
  {
    key: "maxLanes",
    yaml: "max_lanes",
    kind: integer(1, 1000),
    default: 1,
    description: "Most shared connections.",
  },
  {
    key: "maxWaiting",
    yaml: "max_waiting",
    kind: integer(0, 10_000_000),
    default: 10_000,
    description: "Most callers that wait for a connection; more are refused at once.",
  },
]);

const TIMES: Setting[] = rows(false, [
  {
    key: "commandTimeoutMs",
    yaml: "socket_timeout",
    aliases: ["timeout", "timeout_seconds"],
    kind: duration(1),
    default: 5000,
    description: "Deadline of a command.",
  },
  {
    key: "connectTimeoutMs",
    yaml: "socket_connect_timeout",
    kind: duration(1),
    default: 5000,
    description: "Deadline of one attempt to connect.",
  },
  {
    key: "acquireTimeoutMs",
    yaml: "acquire_timeout",
    kind: duration(1),
    default: 3000,
    description: "Deadline of the wait for a connection.",
  },
  {
    key: "idleTimeoutMs",
    yaml: "idle_timeout",
    kind: duration(1),
    default: 300_000,
    description: "Idle connections are closed after this.",
  },
  {
    key: "maxLifetimeMs",
    yaml: "max_lifetime",
    kind: duration(0),
    default: 1_800_000,
    description: "Connections are replaced after this, with jitter; 0 = never.",
  },
  {
    key: "loadingTimeoutMs",
    yaml: "loading_timeout",
    kind: duration(1),
    default: 60_000,
    description: "Longest wait for a server that loads its data.",
  },
  {
    key: "leakDetectionThresholdMs",
    yaml: "leak_detection_threshold",
    kind: duration(0),
    default: 0,
    description: "Leases held longer are reported with the stack; 0 = off.",
  },
  {
    key: "healthCheckIntervalMs",
    yaml: "health_check_interval",
    kind: duration(0),
    default: 30_000,
    description: "Time between health checks and of the idle heartbeat; 0 = off.",
  },
  {
    key: "socketKeepalive",
    yaml: "socket_keepalive",
    kind: BOOLEAN,
    default: true,
    description: "Whether TCP keepalive is set.",
  },
  {
    key: "socketKeepaliveOptions.idleMs",
    yaml: "socket_keepalive_options.idle",
    kind: duration(1000, 32_767_000),
    default: 600_000,
    description: "Silence before the first keepalive probe.",
  },
  {
    key: "socketKeepaliveOptions.intervalMs",
    yaml: "socket_keepalive_options.interval",
    kind: duration(1000, 32_767_000),
    default: 60_000,
    description: "Time between keepalive probes.",
  },
  {
    key: "socketKeepaliveOptions.count",
    yaml: "socket_keepalive_options.count",
    kind: integer(1, 127),
    default: 5,
    description: "Unanswered keepalive probes before the socket is dead.",
  },
]);

const RESILIENCE: Setting[] = rows(false, [
  {
    key: "retryOnTimeout",
    yaml: "retry_on_timeout",
    kind: BOOLEAN,
    default: true,
    description: "Whether reading commands are tried again after a lost connection.",
  },
  {
    key: "maxRetries",
    yaml: "max_retries",
    aliases: ["retry_attempts"],
    kind: integer(0, 1000),
    default: 3,
    description: "Most retries of one command.",
  },
  {
    key: "retryDelayMs",
    yaml: "retry_delay",
    kind: duration(0),
    default: 50,
    description: "First wait before a command's retry.",
  },
  {
    key: "retryWrites",
    yaml: "retry_writes",
    kind: BOOLEAN,
    default: false,
    description: "Whether ambiguous writes are sent again, and may run twice.",
  },
  {
    key: "retryBudget.ratio",
    yaml: "retry_budget.ratio",
    kind: number(0, 10),
    default: 0.2,
    description: "Retries for each command, as a share.",
  },
  {
    key: "retryBudget.minPerSecond",
    yaml: "retry_budget.min_per_second",
    kind: number(0, 1_000_000),
    default: 10,
    description: "Retries a second that are always allowed.",
  },
  {
    key: "connectRetry.attempts",
    yaml: "connect_retry.attempts",
    kind: integer(1, 1000),
    default: 5,
    description: "Attempts to connect altogether.",
  },
  {
    key: "connectRetry.minMs",
    yaml: "connect_retry.min",
    kind: duration(0),
    default: 2000,
    description: "Wait before the second attempt to connect.",
  },
  {
    key: "connectRetry.maxMs",
    yaml: "connect_retry.max",
    kind: duration(0),
    default: 30_000,
    description: "Longest wait between attempts to connect.",
  },
  {
    key: "connectRetry.multiplier",
    yaml: "connect_retry.multiplier",
    kind: number(1, 100),
    default: 2,
    description: "What the wait between attempts to connect grows by each time.",
  },
  {
    key: "connectRetry.jitter",
    yaml: "connect_retry.jitter",
    kind: number(0, 1),
    default: 1,
    description: "Share of the wait between attempts to connect that is random.",
  },
  {
    key: "circuitBreakerThreshold",
    yaml: "circuit_breaker_threshold",
    kind: integer(1, 1_000_000),
    default: 5,
    description: "Consecutive failures that open the breaker.",
  },
  {
    key: "circuitBreakerTimeoutMs",
    yaml: "circuit_breaker_timeout",
    kind: duration(1),
    default: 60_000,
    description: "How long the breaker stays open.",
  },
]);

const REST: Setting[] = rows(false, [
  {
    key: "transport",
    yaml: "transport",
    kind: choice("node", "deno"),
    default: "node",
    description: "Which socket of the runtime is used.",
  },
  {
    key: "decodeResponses",
    yaml: "decode_responses",
    kind: BOOLEAN,
    default: true,
    description: "Whether replies are strings; false gives Buffers.",
  },
  {
    key: "aliasOf",
    yaml: "alias_of",
    kind: text("database"),
    description:
      "Database whose endpoint and number this one takes over, sharing on purpose.",
  },
  {
    key: "description",
    yaml: "description",
    kind: text("any"),
    description: "What the database holds, in words.",
  },
]);

/** Settings of a database; at the root they are the defaults of every database. */
export const DATABASE_SETTINGS: readonly Setting[] = [
  ...WHERE,
  ...SIZES,
  ...TIMES,
  ...RESILIENCE,
  ...REST,
];

/** Settings of the manager: at the root only. */
export const MANAGER_SETTINGS: readonly Setting[] = rows(false, [
  {
    key: "unknownDatabase",
    yaml: "unknown_database",
    kind: choice("error", "main"),
    default: "error",
    description: "What happens when an unknown database is asked for.",
  },
  {
    key: "maxTotalConnections",
    yaml: "max_total_connections",
    kind: integer(1, 10_000_000),
    description: "Most connections of all databases together; no limit by default.",
  },
  {
    key: "cleanupIntervalMs",
    yaml: "cleanup_interval",
    kind: duration(0),
    default: 60_000,
    description: "Time between rounds of the idle cleanup; 0 = off.",
  },
]);

/** Settings that make sense for one database only, never as everybody's default. */
export const PER_DATABASE_ONLY: ReadonlySet<string> = new Set(["aliasOf", "description"]);

/** Root keys of files written for the seed that mean nothing here, and why. */
export const LEGACY_KEYS: ReadonlyMap<string, string> = new Map([
  ["log_commands", "commands are never logged; OpenTelemetry spans tell them"],
  ["log_level", "the level is the injected logger's own business"],
]);

/** The two names of the map of databases in YAML. */
export const DATABASES_KEYS: readonly string[] = ["redis_databases", "databases"];
