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

/** A row of the table: a member that is always there in `C` must have a default. */
type RowOf<C, K extends keyof C> =
  & {
    readonly kind: SettingKind<NonNullable<C[K]>>;
    readonly description: string;
    /** Path in YAML where it is not the key in snake_case without its unit. */
    readonly yaml?: string;
    readonly aliases?: readonly string[];
  }
  & (undefined extends C[K] ? { readonly default?: undefined }
    : { readonly default: C[K] });

type Leaf = string | number | boolean | readonly unknown[] | Secret | HostResolver;

/** A row for each member of a configuration, and a group for each object in it. */
type TableOf<C> = {
  readonly [K in keyof C]-?: [NonNullable<C[K]>] extends [Leaf] ? RowOf<C, K>
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

function tlsSettings(peer: string, enabled: string): TableOf<TlsConfig> {
  return {
    enabled: { kind: BOOLEAN, default: false, description: enabled },
    caFile: {
      kind: text("path"),
      description: `File of the certificate authorities trusted for the ${peer}, PEM.`,
    },
    certFile: {
      kind: text("path"),
      description: `File of the client certificate for the ${peer}, PEM.`,
    },
    keyFile: {
      kind: text("path"),
      description: `File of the key of the client certificate for the ${peer}, PEM.`,
    },
    serverName: {
      kind: text("host", 253),
      description: `Name that the ${peer}'s certificate must carry; its host by default.`,
    },
    verify: {
      kind: BOOLEAN,
      default: true,
      description: `Whether the ${peer}'s certificate is verified.`,
    },
  };
}

/** Where the server is, and how to get in. */
const ENDPOINT = {
  mode: {
    kind: choice("standalone", "sentinel", "cluster"),
    default: "standalone",
    description: "How the server is found.",
  },
  url: {
    kind: URL_KIND,
    description:
      "Host, port, user, password and number in one; options of this table in its query.",
  },
  host: {
    kind: text("host", 253),
    default: "localhost",
    description: "Host name or address.",
  },
  port: { kind: integer(1, 65_535), default: 6379, description: "TCP port." },
  resolve: {
    kind: { type: "function" },
    description: "Finds the addresses of host; called for each attempt to connect.",
  },
  unixSocket: {
    kind: text("path"),
    description: "Path of a Unix socket, in place of host and port.",
  },
  nodes: {
    kind: NODES,
    default: Object.freeze([]),
    description: "Sentinels, or nodes of a cluster.",
  },
  sentinelName: {
    kind: text("word", 256),
    description: "Name of the primary as the sentinels know it.",
  },
  sentinelUsername: {
    kind: text("word", 1024),
    description: "ACL user of the sentinels, which have users of their own.",
  },
  sentinelPassword: {
    kind: SECRET,
    description: "Password of the sentinels; in code also a function.",
  },
  db: {
    kind: integer(0, MAX_DB),
    default: 0,
    description:
      "Database number; a name of RedisDatabase has its own by default, others 0.",
  },
  username: { kind: text("word", 1024), description: "ACL user." },
  password: {
    kind: SECRET,
    description: "Password; in code also a function, called for each new connection.",
  },
  passwordFile: {
    kind: text("path"),
    description: "File that holds the password; read again for each new connection.",
  },
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
  keyPrefix: {
    kind: text("any", 1024),
    default: "",
    description: "Prefix of each key.",
  },
  maxConnections: {
    kind: integer(1, MAX_CONNECTIONS),
    default: 20,
    description:
      "Most connections, lanes and leases together; in a cluster of each node.",
  },
  minConnections: {
    kind: integer(0, MAX_CONNECTIONS),
    default: 0,
    description: "Connections for leases kept ready, once one has opened.",
  },
  maxLanes: {
    kind: integer(1, 1000),
    default: 1,
    description: "Most shared connections.",
  },
  maxWaiting: {
    kind: integer(0, 10_000_000),
    default: 10_000,
    description: "Most callers that wait for a connection; more are refused at once.",
  },
  commandTimeoutMs: {
    yaml: "socket_timeout",
    aliases: ["timeout", "timeout_seconds"],
    kind: duration(1),
    default: 5000,
    description: "Deadline of a command.",
  },
  connectTimeoutMs: {
    yaml: "socket_connect_timeout",
    kind: duration(1),
    default: 5000,
    description: "Deadline of one attempt to connect.",
  },
  acquireTimeoutMs: {
    kind: duration(1),
    default: 3000,
    description: "Deadline of the wait for a connection.",
  },
  idleTimeoutMs: {
    kind: duration(1),
    default: 300_000,
    description: "Idle connections are closed after this.",
  },
  maxLifetimeMs: {
    kind: duration(0),
    default: 1_800_000,
    description: "Connections are replaced after this, with jitter; 0 = never.",
  },
  loadingTimeoutMs: {
    kind: duration(1),
    default: 60_000,
    description: "Longest wait for a server that loads its data.",
  },
  leakDetectionThresholdMs: {
    kind: duration(0),
    default: 0,
    description: "Leases held longer are reported with the stack; 0 = off.",
  },
  healthCheckIntervalMs: {
    kind: duration(0),
    default: 30_000,
    description:
      "Interval of the idle heartbeat, and longest between health checks; 0 = off.",
  },
  socketKeepalive: {
    kind: BOOLEAN,
    default: true,
    description: "Whether TCP keepalive is set.",
  },
  socketKeepaliveOptions: {
    idleMs: {
      kind: duration(1000, 32_767_000),
      default: 600_000,
      description: "Silence before the first keepalive probe.",
    },
    intervalMs: {
      kind: duration(1000, 32_767_000),
      default: 60_000,
      description: "Time between keepalive probes.",
    },
    count: {
      kind: integer(1, 127),
      default: 5,
      description: "Unanswered keepalive probes before the socket is closed.",
    },
  },
  retryOnTimeout: {
    kind: BOOLEAN,
    default: true,
    description: "Whether reading commands are retried after a lost connection.",
  },
  maxRetries: {
    aliases: ["retry_attempts"],
    kind: integer(0, 1000),
    default: 3,
    description: "Most retries of one command.",
  },
  retryDelayMs: {
    kind: duration(0),
    default: 50,
    description: "First wait before a command's retry.",
  },
  retryWrites: {
    kind: BOOLEAN,
    default: false,
    description: "Whether ambiguous writes are sent again, and may run twice.",
  },
  retryBudget: {
    ratio: {
      kind: number(0, 10),
      default: 0.2,
      description: "Retries for each command, as a share.",
    },
    minPerSecond: {
      kind: number(0, 1_000_000),
      default: 10,
      description: "Retries a second that are always allowed.",
    },
  },
  connectRetry: {
    attempts: {
      kind: integer(1, 1000),
      default: 5,
      description:
        "Most attempts of one call that opens a connection, such as initializeAll().",
    },
    minMs: {
      kind: duration(0),
      default: 2000,
      description: "Wait before the second attempt to connect.",
    },
    maxMs: {
      kind: duration(0),
      default: 30_000,
      description: "Longest wait between attempts to connect.",
    },
    multiplier: {
      kind: number(1, 100),
      default: 2,
      description: "Factor by which the wait between attempts to connect grows.",
    },
    jitter: {
      kind: number(0, 1),
      default: 1,
      description: "Share of the wait between attempts to connect that is random.",
    },
  },
  circuitBreakerThreshold: {
    kind: integer(1, 1_000_000),
    default: 5,
    description: "Failures in a row that open the breaker.",
  },
  circuitBreakerTimeoutMs: {
    kind: duration(1),
    default: 60_000,
    description: "How long a server that hangs is left alone while the breaker is open.",
  },
  replyLimits: {
    maxDepth: {
      kind: integer(8, 1024),
      default: 128,
      description: "Most aggregates inside each other in a reply.",
    },
    maxAggregateElements: {
      kind: integer(64, 2 ** 30),
      default: 8_388_608,
      description: "Most elements of one aggregate in a reply.",
    },
    maxReplyElements: {
      kind: integer(64, 2 ** 30),
      default: 8_388_608,
      description: "Most elements of one reply altogether.",
    },
    maxBulkBytes: {
      kind: integer(65_536, 2 ** 40),
      default: 536_870_912,
      description: "Most bytes of one string in a reply.",
    },
    maxReplyBytes: {
      kind: integer(65_536, 2 ** 50),
      default: 2_147_483_648,
      description: "Most bytes of one reply.",
    },
    maxLineBytes: {
      kind: integer(1024, 2 ** 29 - 64),
      default: 16_777_216,
      description: "Most bytes of a line, an error and a map's key in a reply.",
    },
  },
  transport: {
    kind: choice("node", "deno"),
    default: "node",
    description: "Which socket of the runtime is used.",
  },
  protocol: {
    kind: choice("auto", 2, 3),
    default: "auto",
    description: "Version of the protocol (RESP); auto is 3 where the server knows it.",
  },
  replyMapping: {
    kind: choice("legacy", "resp3"),
    default: "legacy",
    description: "Shape of replies: as RESP2 gives them, or maps, doubles and booleans.",
  },
  clientName: {
    kind: text("visible", 256),
    description:
      "Name of the connections in CLIENT LIST; mooring:DATABASE:PURPOSE by default.",
  },
  decodeResponses: {
    kind: BOOLEAN,
    default: true,
    description: "Whether replies are strings; false gives Buffers.",
  },
  aliasOf: {
    kind: text("database"),
    description:
      "Database whose endpoint and number this one takes over, sharing on purpose.",
  },
  description: {
    kind: text("any"),
    description: "What the database holds, in words.",
  },
};

const MANAGER: ManagerTable = {
  unknownDatabase: {
    kind: choice("error", "main"),
    default: "error",
    description: "What happens when an unknown database is asked for.",
  },
  maxTotalConnections: {
    kind: integer(1, 10_000_000),
    description: "Most connections of all databases together; no limit by default.",
  },
  cleanupIntervalMs: {
    kind: duration(0),
    default: 60_000,
    description: "Time between rounds of the idle cleanup; 0 = off.",
  },
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

type Row = RowOf<Record<string, unknown>, string>;

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
