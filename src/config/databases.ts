import { readEndpointUrl } from "./endpoint_url.ts";
import { isDatabaseName } from "./kinds.ts";
import { DEFAULT_ORIGIN, Layer, type Origin } from "./layer.ts";
import { keyName } from "./messages.ts";
import {
  addDatabaseVariables,
  type EnvReader,
  variableOrigin,
} from "./sources/environment.ts";

/**
 * The named databases of the seed and their numbers: 18 names over the 16 databases
 * of a default Redis server. `MEMORY` shares with `MODELS`, `TESTING` with
 * `TIMESERIES`.
 *
 * The configuration decides where a name lives; the number here is what the name
 * gets when the configuration says nothing.
 *
 * @example Usage
 * ```ts
 * import { RedisDatabase } from "@mooring/redis";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(RedisDatabase.KNOWLEDGE, 1);
 * assertEquals(RedisDatabase[1], "KNOWLEDGE");
 * ```
 */
export enum RedisDatabase {
  /** Main application data. */
  MAIN = 0,
  /** Knowledge base and documents. */
  KNOWLEDGE = 1,
  /** Prompt templates. */
  PROMPTS = 2,
  /** Agent communication. */
  AGENTS = 3,
  /** Performance metrics. */
  METRICS = 4,
  /** Logs. */
  LOGS = 5,
  /** User sessions. */
  SESSIONS = 6,
  /** Workflow state. */
  WORKFLOWS = 7,
  /** Vectors. */
  VECTORS = 8,
  /** Models. */
  MODELS = 9,
  /** Memory; shares the models' number. */
  MEMORY = 9,
  /** Audit log. */
  AUDIT = 10,
  /** Analytics. */
  ANALYTICS = 11,
  /** Notifications. */
  NOTIFICATIONS = 12,
  /** Jobs. */
  JOBS = 13,
  /** Search. */
  SEARCH = 14,
  /** Time series. */
  TIMESERIES = 15,
  /** Tests; shares the time series' number. */
  TESTING = 15,
}

/** The numbers of the 18 names of `RedisDatabase`, in small letters. */
export const KNOWN_NUMBERS: ReadonlyMap<string, number> = new Map(
  Object.entries(RedisDatabase).flatMap(([key, number]) =>
    typeof number === "number" ? [[key.toLowerCase(), number]] : []
  ),
);

/** The 18 databases; those that share a number by design are aliases. */
function defaultDatabases(): Layer {
  const layer = new Layer("default");
  const owners = new Map<number, string>();
  for (const [name, db] of KNOWN_NUMBERS) {
    const values = layer.database(name, DEFAULT_ORIGIN);
    const owner = owners.get(db);
    if (owner === undefined) owners.set(db, name);
    else values.set("aliasOf", { value: owner, origin: DEFAULT_ORIGIN });
  }
  return layer;
}

/**
 * The databases of a configuration, with the place that names each: those that a file or
 * code names, or, if neither names any, the 18 of `RedisDatabase`, whose layer is added to
 * the layers; and those that the environment names. The environment's layer gets the
 * variables of each of them.
 */
export function declaredDatabases(
  layers: Layer[],
  env: EnvReader | undefined,
): Map<string, Origin> {
  const declared = new Map<string, Origin>();
  const declare = (names: Iterable<[string, Origin]>): void => {
    for (const [name, origin] of names) {
      if (!declared.has(name)) declared.set(name, origin);
    }
  };
  // Lowest priority first: the order of the file is kept.
  for (const layer of layers.toReversed()) declare(layer.declared);
  const isNamed = declared.size > 0;
  if (!isNamed) {
    const defaults = defaultDatabases();
    layers.push(defaults);
    declare(defaults.declared);
  }
  const environment = layers.find(({ source }) => source === "environment");
  if (environment !== undefined && env !== undefined) {
    declare(databasesOfEnvironment(env, environment, !isNamed));
    addDatabaseVariables(environment, env, declared.keys());
  }
  return declared;
}

/** Largest number that an unlisted variable may give: above it are ports and times. */
const MAX_FOUND_DB = 1023;

/**
 * Words for a server, the way to it or a setting, not for the contents of a database:
 * platforms and images use them in variables of their own.
 */
const FOREIGN_WORDS: ReadonlySet<string> = new Set(
  [
    // Ways to a server: Heroku, Railway, Render, and by hand.
    "tls ssl secure public private internal external proxy local remote default base",
    "http https rest api tcp udp sctp grpc ws unix socket ip ipv4 ipv6 vpc lan wan",
    "connection conn connect endpoint url uri dsn address addr host hostname port ports",
    // Servers, their parts and their kinds.
    "redis valkey dragonfly keydb kv stack db database databases server service services",
    "node nodes sentinel sentinels cluster shard master primary leader follower",
    "replica replicas slave slaves secondary reader readers read readonly ro",
    "writer write rw standby backup fallback failover",
    // Tools beside them.
    "ui gui admin insight commander exporter dashboard console om image docker",
    // Where it runs.
    "dev development test testing tests ci stage staging prod production preview",
    // Settings.
    "name user username pass password passwd auth token secret acl cert ca key",
    "index idx number num no id count counts size max min limit total pool timeout",
    "timeouts ttl expire expiry expiration retry retries attempts interval delay",
    "seconds secs ms version enabled disabled disable enable prefix env",
    "threads memory maxmemory policy persistence aof rdb save log level verify",
    "connections clients",
  ].join(" ").split(" "),
);

/** Variables that Kubernetes and Docker links make of a service's name. */
const SERVICE_LINK =
  /_SERVICE_(HOST|PORT)(_|$)|_PORT(_[0-9]+_(TCP|UDP|SCTP)(_|$)|$)|_ENV_/;

/**
 * Databases that the environment itself names: those listed in `REDIS_DATABASES`, and,
 * if the variables were given as an object, those with a `REDIS_<NAME>_URL` or a number
 * in `REDIS_DB_<NAME>`. Platforms, images and other programs use such names for things of
 * their own: a variable that may be theirs names no database, and a warning says how it
 * could.
 *
 * @param discover Whether names are looked for beside the list.
 */
export function databasesOfEnvironment(
  env: EnvReader,
  layer: Layer,
  discover: boolean,
): Map<string, Origin> {
  const names = listedDatabases(env, layer);
  if (!discover) return names;
  const known = new Set([...KNOWN_NUMBERS.keys(), ...names.keys()]);
  const ignored = new Map<string, string[]>();
  for (const variable of env.names()) {
    if (SERVICE_LINK.test(variable)) continue;
    const value = env.get(variable) ?? "";
    const name = databaseNameIn(variable, value);
    if (name === undefined || known.has(name)) continue;
    const main = env.get("REDIS_URL");
    if (!isForeign(name, value, main)) names.set(name, variableOrigin(layer, variable));
    else if (value !== main) {
      ignored.set(name, [...ignored.get(name) ?? [], variable]);
    }
  }
  for (const [name, variables] of ignored) {
    layer.warnings.push(
      `env ${variables.join(" and ")} ${variables.length === 1 ? "names" : "name"} no ` +
        `database; if one is meant, list it: REDIS_DATABASES=${name}`,
    );
  }
  return names;
}

function listedDatabases(env: EnvReader, layer: Layer): Map<string, Origin> {
  const names = new Map<string, Origin>();
  const listed = env.get("REDIS_DATABASES") ?? "";
  const origin = variableOrigin(layer, "REDIS_DATABASES");
  for (const name of listed.split(",").map((name) => name.trim())) {
    if (name === "") continue;
    if (isNumber(name)) {
      // Images of the server take the count of their databases under this name.
      layer.warnings.push(
        `env REDIS_DATABASES holds the number ${keyName(name)}, allowed: names of ` +
          "databases, with commas between; ignored",
      );
    } else if (isDatabaseName(name)) names.set(name, origin);
    else layer.refuse(origin, "databases", `found the name "${keyName(name)}"`);
  }
  return names;
}

const isNumber = (text: string): boolean => /^[0-9]+$/.test(text);

/** The database that a variable names if it is a URL, or a number. */
function databaseNameIn(variable: string, value: string): string | undefined {
  const pattern = isNumber(value)
    ? /^REDIS_DB_([A-Z0-9_]+)$/
    : /^REDIS_([A-Z0-9_]+)_URL$/;
  const name = pattern.exec(variable)?.[1]?.toLowerCase() ?? "";
  // `REDIS_DB_1` counts databases.
  if (!isDatabaseName(name) || /^[0-9_]+$/.test(name)) return undefined;
  return isNumber(value) || readEndpointUrl(value).ok ? name : undefined;
}

/**
 * Whether a variable is probably not about a database.
 *
 * @param main The value of `REDIS_URL`.
 */
function isForeign(name: string, value: string, main = ""): boolean {
  const words = name.split("_").map((word) => word.replace(/[0-9]+$/, ""));
  if (words.some((word) => FOREIGN_WORDS.has(word))) return true;
  return isNumber(value) ? Number(value) > MAX_FOUND_DB : isSameServer(main, value);
}

/**
 * Whether two URLs are ways to the same database: the same password, or the same host and
 * port, and the same number.
 */
function isSameServer(main: string, other: string): boolean {
  const valuesOf = (text: string): ReadonlyMap<string, unknown> => {
    const url = readEndpointUrl(text);
    return url.ok ? url.values : new Map();
  };
  const [a, b] = [valuesOf(main), valuesOf(other)];
  const isSame = (key: string): boolean => a.has(key) && a.get(key) === b.get(key);
  if ((a.get("db") ?? 0) !== (b.get("db") ?? 0)) return false;
  return (isSame("host") && isSame("port")) || isSame("password");
}
