import { Secret } from "../../core/secret.ts";
import { readEndpointUrl } from "../endpoint_url.ts";
import { Layer, type ValueMap } from "../layer.ts";
import { warnIfMilliseconds } from "../schema/milliseconds.ts";
import { settingOf, writtenName } from "../schema/names.ts";
import type { EnvReader } from "./env_reader.ts";
import {
  envNameOf,
  ROOT_VARIABLES,
  TLS_FILE_VARIABLES,
  TLS_PORT_VARIABLE,
} from "./env_names.ts";
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
  // The URL may enable TLS, and its port goes before the port of TLS.
  const url: ValueMap = new Map();
  readUrl(env, "REDIS_URL", layer, url);
  for (const [key, located] of url) {
    if (key === "tls.enabled") layer.root.set(key, located);
  }
  readTls(env, layer);
  mergeUrl(url, layer.root);
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
    // Where all of the environment speaks TLS, its files are at the root already.
    if (isTlsEnabled(values) && !isTlsEnabled(layer.root)) {
      readTlsFiles(env, layer, values, prefix);
    }
    readVariable(env, `REDIS_${upper}_PASSWORD`, "password", layer, values, prefix);
    readVariable(env, `REDIS_DB_${upper}`, "db", layer, values, prefix);
    const first = values.values().next().value;
    if (first === undefined) continue;
    const into = layer.database(name, first.origin);
    for (const [key, located] of values) into.set(key, located);
  }
}

function readFirst(
  env: EnvReader,
  names: readonly string[],
  key: string,
  layer: Layer,
  into: ValueMap = layer.root,
  prefix: string = "",
): void {
  for (const name of names) {
    if (readVariable(env, name, key, layer, into, prefix)) return;
  }
}

function readTls(env: EnvReader, layer: Layer): void {
  if (!isTlsEnabled(layer.root)) return;
  readTlsFiles(env, layer, layer.root);
  // The port of TLS replaces that of AUTOBOT_REDIS_PORT, never an explicit REDIS_PORT.
  if (env.get("REDIS_PORT") === undefined) {
    readVariable(env, TLS_PORT_VARIABLE, "port", layer, layer.root);
  }
}

function isTlsEnabled(values: ValueMap): boolean {
  return values.get("tls.enabled")?.value === true;
}

function readTlsFiles(
  env: EnvReader,
  layer: Layer,
  into: ValueMap,
  prefix: string = "",
): void {
  for (const { names, key } of TLS_FILE_VARIABLES) {
    readFirst(env, names, key, layer, into, prefix);
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
  for (const [key, value] of url.values) {
    const kept = key === "password" ? new Secret(value as string) : value;
    into.set(key, { value: kept, origin });
    const written = `${prefix}${writtenName(key, "yaml")}`;
    warnIfMilliseconds(layer, settingOf(key), value, origin, written);
  }
}

/** The URL wins over the single variables, which fill in what it leaves out. */
function mergeUrl(url: ValueMap, into: ValueMap): void {
  for (const [key, located] of url) into.set(key, located);
  if (url.has("unixSocket")) into.delete("host");
  else if (url.has("host")) into.delete("unixSocket");
  if (url.has("password")) into.delete("passwordFile");
}
