import { Secret } from "../../core/secret.ts";
import { readEndpointUrl } from "../endpoint_url.ts";
import { Layer, type ValueMap } from "../layer.ts";
import type { Origin } from "../origin.ts";
import { isDatabaseName } from "../schema/check.ts";
import { keyName } from "../schema/found.ts";
import type { EnvReader } from "./env_reader.ts";
import { envNameOf, ROOT_VARIABLES, TLS_VARIABLES } from "./env_names.ts";
import { readVariable, variableOrigin } from "./read_variable.ts";

/**
 * What the environment says of the manager and of every database.
 *
 * @param env The variables.
 * @returns The layer.
 */
export function readEnvironment(env: EnvReader): Layer {
  const layer = new Layer("environment");
  for (const { names, key } of ROOT_VARIABLES) readFirst(env, names, key, layer);
  readTls(env, layer);
  readUrl(env, "REDIS_URL", layer, layer.root);
  return layer;
}

/**
 * Adds what the environment says of some databases: `REDIS_<NAME>_URL`,
 * `REDIS_<NAME>_PASSWORD` and `REDIS_DB_<NAME>`.
 *
 * @param layer The environment's layer.
 * @param env The variables.
 * @param names The databases' names.
 */
export function addDatabaseVariables(
  layer: Layer,
  env: EnvReader,
  names: Iterable<string>,
): void {
  for (const name of names) {
    const upper = envNameOf(name);
    const prefix = `databases.${name}.`;
    const values: ValueMap = new Map();
    readUrl(env, `REDIS_${upper}_URL`, layer, values, prefix);
    readVariable(env, `REDIS_${upper}_PASSWORD`, "password", layer, values, prefix);
    readVariable(env, `REDIS_DB_${upper}`, "db", layer, values, prefix);
    const first = values.values().next().value;
    if (first === undefined) continue;
    const into = layer.database(name, first.origin);
    for (const [key, located] of values) into.set(key, located);
  }
}

/**
 * Databases that the environment itself names: those listed in `REDIS_DATABASES`, and,
 * when the variables were given as an object, those with a `REDIS_<NAME>_URL` or a
 * number in `REDIS_DB_<NAME>`.
 *
 * @param env The variables.
 * @param layer The environment's layer; gets the problems.
 * @param discover Whether names are looked for beside the list.
 * @returns The names with where they come from.
 */
export function databasesOfEnvironment(
  env: EnvReader,
  layer: Layer,
  discover: boolean,
): Map<string, Origin> {
  const names = new Map<string, Origin>();
  const listed = env.get("REDIS_DATABASES") ?? "";
  const origin = variableOrigin("REDIS_DATABASES", layer.source);
  for (const name of listed.split(",").map((name) => name.trim())) {
    if (name === "") continue;
    if (isDatabaseName(name)) names.set(name, origin);
    else layer.refuse(origin, "databases", `found the name "${keyName(name)}"`);
  }
  if (!discover) return names;
  for (const variable of env.names()) {
    const match = /^REDIS_DB_([A-Z0-9_]+)$/.exec(variable) ??
      /^REDIS_([A-Z0-9_]+)_URL$/.exec(variable);
    const name = match?.[1]?.toLowerCase();
    const value = env.get(variable);
    // Others may use such names for things of their own: only what fits is taken.
    const fits = value !== undefined &&
      (variable.endsWith("_URL") ? readEndpointUrl(value).ok : /^[0-9]+$/.test(value));
    if (fits && name !== undefined && isDatabaseName(name) && !names.has(name)) {
      names.set(name, variableOrigin(variable, layer.source));
    }
  }
  return names;
}

function readFirst(
  env: EnvReader,
  names: readonly string[],
  key: string,
  layer: Layer,
): void {
  for (const name of names) {
    if (readVariable(env, name, key, layer, layer.root)) return;
  }
}

function readTls(env: EnvReader, layer: Layer): void {
  const name = "AUTOBOT_REDIS_TLS_ENABLED";
  readVariable(env, name, "tls.enabled", layer, layer.root);
  if (layer.root.get("tls.enabled")?.value !== true) return;
  // The port of TLS replaces that of AUTOBOT_REDIS_PORT, never an explicit REDIS_PORT.
  const explicit = env.get("REDIS_PORT") !== undefined;
  for (const { names, key } of TLS_VARIABLES) {
    if (!(key === "port" && explicit)) readFirst(env, names, key, layer);
  }
}

function readUrl(
  env: EnvReader,
  name: string,
  layer: Layer,
  into: ValueMap,
  prefix: string = "",
): void {
  const raw = env.get(name);
  if (raw === undefined) return;
  const origin = variableOrigin(name, layer.source);
  const url = readEndpointUrl(raw);
  if (!url.ok) return layer.refuse(origin, `${prefix}url`, url.message);
  // The URL wins over the single variables, which fill in what it leaves out.
  for (const [key, value] of url.values) {
    into.set(key, {
      value: key === "password" ? new Secret(value as string) : value,
      origin,
    });
  }
  if (url.values.has("unixSocket")) into.delete("host");
  else if (url.values.has("host")) into.delete("unixSocket");
  if (url.values.has("password")) into.delete("passwordFile");
}
