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
  /** Whether it belongs to the endpoint, which an alias takes over. */
  readonly endpoint: boolean;
}

/** A row of the table. */
interface Row<T = unknown, D = T | undefined> {
  readonly kind: SettingKind<T>;
  readonly default: D;
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
const ENDPOINT = {
  mode: setting(choice("standalone", "sentinel", "cluster"), "standalone"),
  url: optional(URL_KIND),
  host: setting(text("host", 253), "localhost"),
  port: setting(integer(1, 65_535), 6379),
  resolve: optional({ type: "function" }),
  unixSocket: optional(text("path")),
  nodes: setting(NODES, Object.freeze([])),
  sentinelName: optional(text("word", 256)),
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
const BEHAVIOR: Omit<DatabaseTable, keyof typeof ENDPOINT> = {
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
  transport: setting(choice("node", "deno"), "node"),
  protocol: setting(choice("auto", 2, 3), "auto"),
  replyMapping: setting(choice("legacy", "resp3"), "legacy"),
  clientName: optional(text("visible", 256)),
  decodeResponses: setting(BOOLEAN, true),
  aliasOf: optional(text("database")),
  description: optional(text("any")),
};

const MANAGER: ManagerTable = {
  unknownDatabase: setting(choice("error", "main"), "error"),
  maxTotalConnections: optional(integer(1, 10_000_000)),
  cleanupIntervalMs: setting(duration(0), 60_000),
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
    const { yaml = yamlName(key), aliases = [], kind } = entry;
    return [{ key, yaml, aliases, kind, default: entry.default, endpoint }];
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
  ["log_commands", "commands are never logged; OpenTelemetry spans show them"],
  ["log_level", "the level is a setting of the injected logger"],
]);

/** Prefix of root keys that hold templates for anchors, as in a Compose file. */
export const TEMPLATE_PREFIX = "x-";

/** The two names of the map of databases in YAML. */
export const DATABASES_KEYS: readonly string[] = ["redis_databases", "databases"];
