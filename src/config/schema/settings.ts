import { ENDPOINT_SETTINGS } from "./endpoint_settings.ts";
import { BOOLEAN, choice, duration, integer, text } from "./kinds.ts";
import { SIZE_SETTINGS } from "./pool_settings.ts";
import { RESILIENCE_SETTINGS } from "./resilience_settings.ts";
import { rows, type Setting } from "./setting.ts";
import { TIME_SETTINGS } from "./time_settings.ts";

const REST: Setting[] = rows(false, [
  {
    key: "transport",
    yaml: "transport",
    kind: choice("node", "deno"),
    default: "node",
    description: "Which socket of the runtime is used.",
  },
  {
    key: "protocol",
    yaml: "protocol",
    kind: choice("auto", 2, 3),
    default: "auto",
    description: "Version of the protocol (RESP); auto is 3 where the server knows it.",
  },
  {
    key: "replyMapping",
    yaml: "reply_mapping",
    kind: choice("legacy", "resp3"),
    default: "legacy",
    description: "Shape of replies: as RESP2 gives them, or maps, doubles and booleans.",
  },
  {
    key: "clientName",
    yaml: "client_name",
    kind: text("visible", 256),
    description:
      "Name of the connections in CLIENT LIST; mooring:DATABASE:PURPOSE by default.",
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
  ...ENDPOINT_SETTINGS,
  ...SIZE_SETTINGS,
  ...TIME_SETTINGS,
  ...RESILIENCE_SETTINGS,
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

/**
 * What the root keys of a YAML file begin with that hold nothing but templates: their
 * anchors are used elsewhere in the file, as in a Compose file.
 */
export const TEMPLATE_PREFIX = "x-";

/** The two names of the map of databases in YAML. */
export const DATABASES_KEYS: readonly string[] = ["redis_databases", "databases"];
