import { Layer } from "../layer.ts";
import type { EnvReader } from "./environment.ts";
import {
  displayPath,
  fetchSmallFile,
  type FileResult,
  isDenoPresent,
  readSmallFile,
  readSmallFileSync,
} from "./files.ts";
import { MAX_YAML_LENGTH, readYaml } from "./yaml.ts";

/** Which YAML is read: a file, a text, or what the search path has. */
interface YamlChoice {
  readonly yamlPath?: string | URL;
  readonly yamlText?: string;
}

/** A character takes at most four bytes. */
const MAX_BYTES = MAX_YAML_LENGTH * 4;
/** Where containers have the file. */
const CONTAINER_PATH = "/app/config/redis-databases.yaml";
/** Where it is below the working directory, or below a base directory. */
const RELATIVE_PATH = "config/redis-databases.yaml";

/**
 * The layer of the YAML text, the YAML file, or the first file of the search path that
 * exists; empty if there is none.
 */
export async function findYaml(choice: YamlChoice, env: EnvReader): Promise<Layer> {
  const { yamlPath, yamlText } = choice;
  if (yamlText !== undefined || yamlPath === undefined) return findLocal(choice, env);
  const url = remoteUrl(yamlPath);
  const result = url === undefined
    ? await readSmallFile(localPath(yamlPath), MAX_BYTES)
    : await fetchSmallFile(url, MAX_BYTES);
  return layerOf(result, displayPath(url ?? yamlPath), env);
}

/** The same as {@linkcode findYaml} without waiting: no file behind `http:`. */
export function findYamlSync(choice: YamlChoice, env: EnvReader): Layer {
  const { yamlPath, yamlText } = choice;
  if (yamlText !== undefined || yamlPath === undefined) return findLocal(choice, env);
  const url = remoteUrl(yamlPath);
  const message = "it has to be fetched; use RedisConfigLoader.load()";
  const result: FileResult = url === undefined
    ? readSmallFileSync(localPath(yamlPath), MAX_BYTES)
    : { kind: "unreadable", message };
  return layerOf(result, displayPath(url ?? yamlPath), env);
}

function remoteUrl(path: string | URL): URL | undefined {
  if (typeof path === "string" && !/^https?:/i.test(path)) return undefined;
  const url = URL.parse(String(path));
  return url === null || url.protocol === "file:" ? undefined : url;
}

/** A `file:` URL as text is a URL all the same. */
function localPath(path: string | URL): string | URL {
  if (typeof path !== "string" || !path.startsWith("file:")) return path;
  return URL.parse(path) ?? path;
}

/** The text, or the first file of the search path. */
function findLocal({ yamlPath, yamlText }: YamlChoice, env: EnvReader): Layer {
  if (yamlText === undefined) return searchYaml(env);
  if (yamlPath !== undefined) {
    return refused("yamlPath", "yamlPath and yamlText are both given; leave one out");
  }
  if (typeof yamlText === "string") return readYaml(yamlText, "yaml text", env);
  return refused("yamlText", `found a ${typeof yamlText}, allowed: a text`);
}

/** The layer of a file that was asked for by name. */
function layerOf(result: FileResult, label: string, env: EnvReader): Layer {
  if (result.kind === "text") return readYaml(result.text, label, env);
  const reason = result.kind === "missing" ? "the file does not exist" : result.message;
  return refused(label, `cannot read the configuration: ${reason}`);
}

function refused(label: string, message: string): Layer {
  const layer = new Layer("yaml");
  layer.refuseAll({ source: "yaml", label }, "", message);
  return layer;
}

/**
 * The paths of the file if none is given, the one that wins first, by the variables
 * `REDIS_CONFIG_PATH`, `MOORING_BASE_DIR` and `AUTOBOT_BASE_DIR`.
 */
export function searchPath(env: EnvReader): string[] {
  const paths: string[] = [];
  const configured = env.get("REDIS_CONFIG_PATH");
  if (configured !== undefined) paths.push(configured);
  paths.push(CONTAINER_PATH, RELATIVE_PATH);
  for (const name of ["MOORING_BASE_DIR", "AUTOBOT_BASE_DIR"]) {
    const base = env.get(name);
    if (base !== undefined) paths.push(`${base.replace(/\/+$/, "")}/${RELATIVE_PATH}`);
  }
  return [...new Set(paths)];
}

function searchYaml(env: EnvReader): Layer {
  if (!isDenoPresent()) return new Layer("yaml");
  const configured = env.get("REDIS_CONFIG_PATH");
  const denied: string[] = [];
  const warnings: string[] = [];
  let layer: Layer | undefined;
  for (const path of searchPath(env)) {
    // A search must not prompt the user five times: only granted paths are read.
    if (Deno.permissions.querySync({ name: "read", path }).state !== "granted") {
      denied.push(path);
      continue;
    }
    const result = readSmallFileSync(path, MAX_BYTES);
    if (result.kind !== "missing") {
      layer = layerOf(result, displayPath(path), env);
      break;
    }
    if (path === configured) {
      warnings.push(`env REDIS_CONFIG_PATH: the file ${path} does not exist`);
    }
  }
  if (denied.length > 0) {
    warnings.push(
      `no configuration was looked for in ${denied.join(", ")}: reading is not ` +
        `allowed; run with --allow-read=${denied.join(",")}`,
    );
  }
  layer ??= new Layer("yaml");
  layer.warnings.unshift(...warnings);
  return layer;
}
