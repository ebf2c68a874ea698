import { readEndpointUrl } from "../endpoint_url.ts";
import { Layer, type Origin, type ValueMap } from "../layer.ts";
import { settingOf } from "../names.ts";
import { setFromUrl, setScalar } from "../read_settings.ts";
import { isDenoPresent } from "./files.ts";

/** Where environment variables come from: an object, or a function that reads one. */
export type EnvSource =
  | Readonly<Record<string, string | undefined>>
  | ((name: string) => string | undefined);

/** Variables for every database, the one that wins first. */
const ROOT_VARIABLES: readonly [key: string, ...names: string[]][] = [
  ["host", "REDIS_HOST", "AUTOBOT_REDIS_HOST"],
  ["port", "REDIS_PORT", "AUTOBOT_REDIS_PORT"],
  ["username", "REDIS_USERNAME"],
  ["password", "REDIS_PASSWORD", "AUTOBOT_REDIS_PASSWORD"],
  ["passwordFile", "REDIS_PASSWORD_FILE"],
  ["db", "REDIS_DB"],
  ["tls.enabled", "REDIS_TLS", "AUTOBOT_REDIS_TLS_ENABLED"],
];

/** Files of TLS, read where the environment enables TLS. */
const TLS_FILE_VARIABLES: readonly [key: string, name: string][] = [
  ["tls.caFile", "AUTOBOT_TLS_CA_PATH"],
  ["tls.certFile", "AUTOBOT_TLS_CERT_PATH"],
  ["tls.keyFile", "AUTOBOT_TLS_KEY_PATH"],
];

/** The central timeouts of the Python original. */
const TIMEOUT_VARIABLES: readonly [key: string, name: string][] = [
  ["commandTimeoutMs", "AUTOBOT_REDIS_SOCKET_TIMEOUT"],
  ["connectTimeoutMs", "AUTOBOT_REDIS_CONNECT_TIMEOUT"],
  ["retryOnTimeout", "AUTOBOT_REDIS_RETRY_ON_TIMEOUT"],
  ["maxRetries", "AUTOBOT_REDIS_MAX_RETRIES"],
  ["circuitBreakerTimeoutMs", "AUTOBOT_REDIS_CIRCUIT_BREAKER_TIMEOUT"],
];

/** Most names that the warning about denied variables lists. */
const MAX_NAMED = 3;

/**
 * Reads single environment variables, never the whole environment, and remembers which
 * ones it was not allowed to read.
 */
export class EnvReader {
  readonly #source: EnvSource | undefined;
  readonly #denied = new Set<string>();
  readonly #seen = new Map<string, string | undefined>();

  /** Reads from the process environment by default. */
  constructor(source?: EnvSource) {
    this.#source = source;
  }

  /** The value of a variable; `undefined` if it is not set, empty, or may not be read. */
  get(name: string): string | undefined {
    if (this.#seen.has(name)) return this.#seen.get(name);
    // A function in plain JavaScript may give null.
    const value = this.#read(name) ?? "";
    const kept = value === "" ? undefined : String(value);
    this.#seen.set(name, kept);
    return kept;
  }

  /** Whether reading a variable was denied. */
  isDenied(name: string): boolean {
    return this.#denied.has(name);
  }

  /** The names that are set; known for an object only. */
  names(): string[] {
    return typeof this.#source === "object" ? Object.keys(this.#source) : [];
  }

  /** One warning about the variables that may not be read, if there are any. */
  warnings(): string[] {
    if (this.#denied.size === 0) return [];
    const names = [...this.#denied];
    const named = names.slice(0, MAX_NAMED).join(", ");
    const more = names.length > MAX_NAMED ? ` and ${names.length - MAX_NAMED} more` : "";
    return [
      `environment variables ${named}${more} may not be read and count as not set; ` +
      `run with --allow-env=${names[0]},… or --allow-env to let them count`,
    ];
  }

  #read(name: string): string | undefined {
    const source = this.#source;
    if (typeof source === "object") {
      return Object.hasOwn(source, name) ? source[name] : undefined;
    }
    try {
      if (source !== undefined) return source(name);
      if (!isDenoPresent()) return undefined;
      const { state } = Deno.permissions.querySync({ name: "env", variable: name });
      if (state === "granted") return Deno.env.get(name);
    } catch {
      // A function that reads the real environment throws where that is not allowed.
    }
    this.#denied.add(name);
    return undefined;
  }
}

/** The origin of a value in a variable. */
export function variableOrigin(layer: Layer, name: string): Origin {
  return { source: layer.source, label: `env ${name}` };
}

/** The settings that the environment gives the manager and every database. */
export function readEnvironment(env: EnvReader): Layer {
  const layer = new Layer("environment");
  const { root } = layer;
  const variables = new VariableReader(env, layer, root);
  for (const [key, ...names] of ROOT_VARIABLES) {
    names.some((name) => variables.read(name, key));
  }
  // The URL may enable TLS, and its port has priority over the port of TLS.
  const url: ValueMap = new Map();
  new VariableReader(env, layer, url).readUrl("REDIS_URL");
  if (url.has("tls.enabled")) root.set("tls.enabled", url.get("tls.enabled")!);
  if (isTlsEnabled(root)) {
    variables.readTlsFiles();
    // It replaces AUTOBOT_REDIS_PORT, never an explicit REDIS_PORT.
    if (env.get("REDIS_PORT") === undefined) {
      variables.read("AUTOBOT_REDIS_TLS_PORT", "port");
    }
  }
  // The URL wins over the single variables, which fill in what it leaves out.
  for (const [key, located] of url) root.set(key, located);
  if (url.has("unixSocket")) root.delete("host");
  else if (url.has("host")) root.delete("unixSocket");
  if (url.has("password")) root.delete("passwordFile");
  return layer;
}

/** The central timeouts of the Python original. */
export function readTimeouts(env: EnvReader): Layer {
  const layer = new Layer("timeouts");
  const variables = new VariableReader(env, layer, layer.root);
  for (const [key, name] of TIMEOUT_VARIABLES) variables.read(name, key);
  return layer;
}

/** A database in the name of a variable. */
function envNameOf(database: string): string {
  return database.toUpperCase().replace(/[^A-Z0-9]/g, "_");
}

/**
 * Adds the variables of some databases: `REDIS_<NAME>_URL`, `REDIS_<NAME>_PASSWORD` and
 * `REDIS_DB_<NAME>`.
 *
 * @param root The environment's settings for every database.
 */
export function addDatabaseVariables(
  layer: Layer,
  env: EnvReader,
  names: Iterable<string>,
  root: ValueMap = layer.root,
): void {
  for (const name of names) {
    const upper = envNameOf(name);
    const values: ValueMap = new Map();
    const variables = new VariableReader(env, layer, values, `databases.${name}.`);
    variables.readUrl(`REDIS_${upper}_URL`);
    // Where the whole environment uses TLS, its files are at the root already.
    if (isTlsEnabled(values) && !isTlsEnabled(root)) variables.readTlsFiles();
    variables.read(`REDIS_${upper}_PASSWORD`, "password");
    variables.read(`REDIS_DB_${upper}`, "db");
    const first = values.values().next().value;
    if (first === undefined) continue;
    const into = layer.database(name, first.origin);
    for (const [key, located] of values) into.set(key, located);
  }
}

function isTlsEnabled(values: ValueMap): boolean {
  return values.get("tls.enabled")?.value === true;
}

/** What Kubernetes and Docker links put into `REDIS_PORT` for a service called redis. */
const SERVICE_LINK = /^tcp:\/\//;

/** Reads variables into the settings of one level. */
class VariableReader {
  readonly #env: EnvReader;
  readonly #layer: Layer;
  readonly #into: ValueMap;
  readonly #prefix: string;

  constructor(env: EnvReader, layer: Layer, into: ValueMap, prefix = "") {
    this.#env = env;
    this.#layer = layer;
    this.#into = into;
    this.#prefix = prefix;
  }

  readTlsFiles(): void {
    for (const [key, name] of TLS_FILE_VARIABLES) this.read(name, key);
  }

  readUrl(name: string): void {
    const raw = this.#env.get(name);
    if (raw === undefined) return;
    const origin = variableOrigin(this.#layer, name);
    const url = readEndpointUrl(raw);
    if (!url.ok) return this.#layer.refuse(origin, `${this.#prefix}url`, url.message);
    for (const [key, value] of url.values) {
      setFromUrl(this.#layer, key, value, origin, this.#into, this.#prefix);
    }
  }

  /** Reads a setting out of a variable; whether the variable is set, usable or not. */
  read(name: string, key: string): boolean {
    const layer = this.#layer;
    const raw = this.#env.get(name);
    if (raw === undefined) return false;
    if (key === "port" && SERVICE_LINK.test(raw)) {
      layer.warnings.push(
        `env ${name} holds a service link of Kubernetes or Docker, not a port; ignored`,
      );
      return false;
    }
    const setting = settingOf(key);
    const value = setting.kind.type === "boolean" ? shellBoolean(raw) : raw;
    const label = `${this.#prefix}${setting.yaml}`;
    const origin = variableOrigin(layer, name);
    setScalar({ dialect: "yaml", layer }, setting, value, this.#into, origin, label);
    return true;
  }
}

/** Shells write booleans in more ways than YAML. */
function shellBoolean(raw: string): string {
  if (/^(1|true)$/i.test(raw)) return "true";
  return /^(0|false)$/i.test(raw) ? "false" : raw;
}
