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
import type { Secret } from "../core/secret.ts";
import type { HostResolver, ManagerConfig, RedisConfig, TlsConfig } from "./types.ts";

/** One setting: its names, range and default. */
export interface Setting {
  /** Path in code, such as `connectRetry.minMs`. */
  readonly key: string;
  /** Path in YAML, such as `connect_retry.min`. */
  readonly yaml: string;
  /** Other names in YAML. */
  readonly aliases: readonly string[];
  /** What it may hold. */
  readonly kind: SettingKind;
  /** Its default in code (durations in ms); `undefined` if there is none. */
  readonly default: unknown;
  /** One line for users. */
  readonly description: string;
  /** Whether it belongs to the endpoint, which an alias takes over. */
  readonly endpoint: boolean;
}

/** A row of the table. */
interface Row<T = unknown, D = T | undefined> {
  readonly kind: SettingKind<T>;
  readonly default: D;
  readonly description: string;
  /** Path in YAML where it is not the key in snake_case without its unit. */
  readonly yaml?: string;
  readonly aliases?: readonly string[];
}

type Leaf = string | number | boolean | readonly unknown[] | Secret | HostResolver;

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

type ManagerTable = TableOf<
  Pick<ManagerConfig, "unknownDatabase" | "maxTotalConnections" | "cleanupIntervalMs">
>;

/** Largest database number; the server decides which exist. */
const MAX_DB = 2_147_483_647;
const MAX_CONNECTIONS = 100_000;

/** A setting with a default. */
function setting<T>(
  kind: SettingKind<T>,
  value: NoInfer<T>,
  description: string,
  names: Pick<Row, "yaml" | "aliases"> = {},
): Row<T, T> {
  return { kind, default: value, description, ...names };
}

/** A setting without a default. */
function optional<T>(kind: SettingKind<T>, description: string): Row<T, undefined> {
  return { kind, default: undefined, description };
}

function tlsSettings(peer: string, enabled: string): TableOf<TlsConfig> {
  return {
    enabled: setting(BOOLEAN, false, enabled),
    caFile: optional(
      text("path"),
      `File of the certificate authorities trusted for the ${peer}, PEM.`,
    ),
    certFile: optional(
      text("path"),
      `File of the client certificate for the ${peer}, PEM.`,
    ),
    keyFile: optional(
      text("path"),
      `File of the key of the client certificate for the ${peer}, PEM.`,
    ),
    serverName: optional(
      text("host", 253),
      `Name that the ${peer}'s certificate must carry; its host by default.`,
    ),
    verify: setting(BOOLEAN, true, `Whether the ${peer}'s certificate is verified.`),
  };
}

/** Where the server is, and how to get in. */
const ENDPOINT = {
  mode: setting(
    choice("standalone", "sentinel", "cluster"),
    "standalone",
    "How the server is found.",
  ),
  url: optional(
    URL_KIND,
    "Host, port, user, password and number in one; options of this table in its query.",
  ),
  host: setting(text("host", 253), "localhost", "Host name or address."),
  port: setting(integer(1, 65_535), 6379, "TCP port."),
  resolve: optional(
    { type: "function" },
    "Finds the addresses of host; called for each attempt to connect.",
  ),
  unixSocket: optional(text("path"), "Path of a Unix socket, in place of host and port."),
  nodes: setting(NODES, Object.freeze([]), "Sentinels, or nodes of a cluster."),
  sentinelName: optional(
    text("word", 256),
    "Name of the primary as the sentinels know it.",
  ),
  sentinelUsername: optional(
    text("word", 1024),
    "ACL user of the sentinels, which have users of their own.",
  ),
  sentinelPassword: optional(
    SECRET,
    "Password of the sentinels; in code also a function.",
  ),
  db: setting(
    integer(0, MAX_DB),
    0,
    "Database number; a name of RedisDatabase has its own by default, others 0.",
  ),
  username: optional(text("word", 1024), "ACL user."),
  password: optional(
    SECRET,
    "Password; in code also a function, called for each new connection.",
  ),
  passwordFile: optional(
    text("path"),
    "File that holds the password; read again for each new connection.",
  ),
  tls: tlsSettings(
    "server",
    "Whether TLS is used; tls: true is short for it, a rediss:// URL enables it too.",
  ),
  sentinelTls: tlsSettings(
    "sentinel",
    "Whether TLS is used to the sentinels, independent of the database.",
  ),
} satisfies Partial<DatabaseTable>;

/** Sizes, times, retries and what else a database may set. */
const BEHAVIOR: Omit<DatabaseTable, keyof typeof ENDPOINT> = {
  keyPrefix: setting(text("any", 1024), "", "Prefix of each key."),
  maxConnections: setting(
    integer(1, MAX_CONNECTIONS),
    20,
    "Most connections, lanes and leases together; in a cluster of each node.",
  ),
  minConnections: setting(
    integer(0, MAX_CONNECTIONS),
    0,
    "Connections for leases kept ready, once one has opened.",
  ),
  maxLanes: setting(integer(1, 1000), 1, "Most shared connections."),
  maxWaiting: setting(
    integer(0, 10_000_000),
    10_000,
    "Most callers that wait for a connection; more are refused at once.",
  ),
  commandTimeoutMs: setting(duration(1), 5000, "Deadline of a command.", {
    yaml: "socket_timeout",
    aliases: ["timeout", "timeout_seconds"],
  }),
  connectTimeoutMs: setting(duration(1), 5000, "Deadline of one attempt to connect.", {
    yaml: "socket_connect_timeout",
  }),
  acquireTimeoutMs: setting(duration(1), 3000, "Deadline of the wait for a connection."),
  idleTimeoutMs: setting(duration(1), 300_000, "Idle connections are closed after this."),
  maxLifetimeMs: setting(
    duration(0),
    1_800_000,
    "Connections are replaced after this, with jitter; 0 = never.",
  ),
  loadingTimeoutMs: setting(
    duration(1),
    60_000,
    "Longest wait for a server that loads its data.",
  ),
  leakDetectionThresholdMs: setting(
    duration(0),
    0,
    "Leases held longer are reported with the stack; 0 = off.",
  ),
  healthCheckIntervalMs: setting(
    duration(0),
    30_000,
    "Interval of the idle heartbeat, and longest between health checks; 0 = off.",
  ),
  socketKeepalive: setting(BOOLEAN, true, "Whether TCP keepalive is set."),
  socketKeepaliveOptions: {
    idleMs: setting(
      duration(1000, 32_767_000),
      600_000,
      "Silence before the first keepalive probe.",
    ),
    intervalMs: setting(
      duration(1000, 32_767_000),
      60_000,
      "Time between keepalive probes.",
    ),
    count: setting(
      integer(1, 127),
      5,
      "Unanswered keepalive probes before the socket is closed.",
    ),
  },
  retryOnTimeout: setting(
    BOOLEAN,
    true,
    "Whether reading commands are retried after a lost connection.",
  ),
  maxRetries: setting(integer(0, 1000), 3, "Most retries of one command.", {
    aliases: ["retry_attempts"],
  }),
  retryDelayMs: setting(duration(0), 50, "First wait before a command's retry."),
  retryWrites: setting(
    BOOLEAN,
    false,
    "Whether ambiguous writes are sent again, and may run twice.",
  ),
  retryBudget: {
    ratio: setting(number(0, 10), 0.2, "Retries for each command, as a share."),
    minPerSecond: setting(
      number(0, 1_000_000),
      10,
      "Retries a second that are always allowed.",
    ),
  },
  connectRetry: {
    attempts: setting(
      integer(1, 1000),
      5,
      "Most attempts of one call that opens a connection, such as initializeAll().",
    ),
    minMs: setting(duration(0), 2000, "Wait before the second attempt to connect."),
    maxMs: setting(duration(0), 30_000, "Longest wait between attempts to connect."),
    multiplier: setting(
      number(1, 100),
      2,
      "Factor by which the wait between attempts to connect grows.",
    ),
    jitter: setting(
      number(0, 1),
      1,
      "Share of the wait between attempts to connect that is random.",
    ),
  },
  circuitBreakerThreshold: setting(
    integer(1, 1_000_000),
    5,
    "Failures in a row that open the breaker.",
  ),
  circuitBreakerTimeoutMs: setting(
    duration(1),
    60_000,
    "How long a server that hangs is left alone while the breaker is open.",
  ),
  replyLimits: {
    maxDepth: setting(
      integer(8, 1024),
      128,
      "Most aggregates inside each other in a reply.",
    ),
    maxAggregateElements: setting(
      integer(64, 2 ** 30),
      8_388_608,
      "Most elements of one aggregate in a reply.",
    ),
    maxReplyElements: setting(
      integer(64, 2 ** 30),
      8_388_608,
      "Most elements of one reply altogether.",
    ),
    maxBulkBytes: setting(
      integer(65_536, 2 ** 40),
      536_870_912,
      "Most bytes of one string in a reply.",
    ),
    maxReplyBytes: setting(
      integer(65_536, 2 ** 50),
      2_147_483_648,
      "Most bytes of one reply.",
    ),
    maxLineBytes: setting(
      integer(1024, 2 ** 29 - 64),
      16_777_216,
      "Most bytes of a line, an error and a map's key in a reply.",
    ),
  },
  transport: setting(
    choice("node", "deno"),
    "node",
    "Which socket of the runtime is used.",
  ),
  protocol: setting(
    choice("auto", 2, 3),
    "auto",
    "Version of the protocol (RESP); auto is 3 where the server knows it.",
  ),
  replyMapping: setting(
    choice("legacy", "resp3"),
    "legacy",
    "Shape of replies: as RESP2 gives them, or maps, doubles and booleans.",
  ),
  clientName: optional(
    text("visible", 256),
    "Name of the connections in CLIENT LIST; mooring:DATABASE:PURPOSE by default.",
  ),
  decodeResponses: setting(
    BOOLEAN,
    true,
    "Whether replies are strings; false gives Buffers.",
  ),
  aliasOf: optional(
    text("database"),
    "Database whose endpoint and number this one takes over, sharing on purpose.",
  ),
  description: optional(text("any"), "What the database holds, in words."),
};

const MANAGER: ManagerTable = {
  unknownDatabase: setting(
    choice("error", "main"),
    "error",
    "What happens when an unknown database is asked for.",
  ),
  maxTotalConnections: optional(
    integer(1, 10_000_000),
    "Most connections of all databases together; no limit by default.",
  ),
  cleanupIntervalMs: setting(
    duration(0),
    60_000,
    "Time between rounds of the idle cleanup; 0 = off.",
  ),
};

/** The name in YAML of a path in code: `connectRetry.minMs` is `connect_retry.min`. */
export function yamlName(key: string): string {
  return key.replace(/Ms$/, "").replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
}

/** A default as YAML writes it, durations in seconds; empty if there is none. */
export function yamlDefault({ default: value, kind }: Setting): string {
  if (value === undefined) return "";
  if (kind.type === "duration") return String(Number(value) / 1000);
  return typeof value === "object" || value === ""
    ? JSON.stringify(value)
    : String(value);
}

function settingsOf(table: object, endpoint: boolean, prefix = ""): Setting[] {
  return Object.entries(table).flatMap(([name, entry]: [string, Row | object]) => {
    const key = `${prefix}${name}`;
    if (!("kind" in entry)) return settingsOf(entry, endpoint, `${key}.`);
    const { yaml = yamlName(key), aliases = [], kind, description } = entry;
    return [{ key, yaml, aliases, kind, default: entry.default, description, endpoint }];
  });
}

/** Settings of a database; at the root they are the defaults of every database. */
export const DATABASE_SETTINGS: readonly Setting[] = [
  ...settingsOf(ENDPOINT, true),
  ...settingsOf(BEHAVIOR, false),
];

/** Settings of the manager: at the root only. */
export const MANAGER_SETTINGS: readonly Setting[] = settingsOf(MANAGER, false);

/** Settings of one database only, never defaults of all. */
export const PER_DATABASE_ONLY: ReadonlySet<string> = new Set(["aliasOf", "description"]);

/** Root keys of files written for the Python original that have no effect, and why. */
export const LEGACY_KEYS: ReadonlyMap<string, string> = new Map([
  ["log_commands", "commands are never logged; OpenTelemetry spans tell them"],
  ["log_level", "the level is the injected logger's own business"],
]);

/** Prefix of root keys that hold templates for anchors, as in a Compose file. */
export const TEMPLATE_PREFIX = "x-";

/** The two names of the map of databases in YAML. */
export const DATABASES_KEYS: readonly string[] = ["redis_databases", "databases"];
