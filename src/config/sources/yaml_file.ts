import { Layer } from "../layer.ts";
import type { Origin } from "../origin.ts";
import { MAX_YAML_LENGTH } from "../yaml/parse.ts";
import type { EnvReader } from "./env_reader.ts";
import {
  displayPath,
  type FileResult,
  readSmallFile,
  readSmallFileSync,
} from "./files.ts";
import { isDenoPresent } from "./host.ts";
import { fetchSmallFile } from "./remote_file.ts";
import { readYaml } from "./yaml.ts";

/** Which YAML is meant. */
export interface YamlChoice {
  /** The file. */
  readonly yamlPath?: string | URL;
  /** The text, in place of a file. */
  readonly yamlText?: string;
}

/** Most bytes of a file: a character takes at most four. */
const MAX_BYTES = MAX_YAML_LENGTH * 4;
/** What the text is called that no file holds. */
const TEXT_LABEL = "yaml text";
/** Where containers have the file. */
const CONTAINER_PATH = "/app/config/redis-databases.yaml";
/** Where it is below the working directory, or below a base directory. */
const RELATIVE_PATH = "config/redis-databases.yaml";

/**
 * Reads the YAML that is meant: the text, the file, or the first file of the search
 * path that there is.
 *
 * @param choice Which YAML is meant.
 * @param env What `${NAME}` and the search path's variables stand for.
 * @returns The layer; empty when there is no file.
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

/**
 * The same as {@linkcode findYaml} without waiting: no file behind `http:`.
 *
 * @param choice Which YAML is meant.
 * @param env What `${NAME}` and the search path's variables stand for.
 * @returns The layer; empty when there is no file.
 */
export function findYamlSync(choice: YamlChoice, env: EnvReader): Layer {
  const { yamlPath, yamlText } = choice;
  if (yamlText !== undefined || yamlPath === undefined) return findLocal(choice, env);
  const url = remoteUrl(yamlPath);
  const result: FileResult = url === undefined
    ? readSmallFileSync(localPath(yamlPath), MAX_BYTES)
    : {
      kind: "unreadable",
      message: "it has to be fetched; use RedisConfigLoader.load()",
    };
  return layerOf(result, displayPath(url ?? yamlPath), env);
}

function remoteUrl(path: string | URL): URL | undefined {
  const url = typeof path === "string" && !/^https?:/i.test(path)
    ? undefined
    : URL.parse(String(path));
  return url === null || url === undefined || url.protocol === "file:" ? undefined : url;
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
  if (typeof yamlText === "string") return readYaml(yamlText, TEXT_LABEL, env);
  return refused("yamlText", `found a ${typeof yamlText}, allowed: a text`);
}

/** What was found where a file was asked for by name. */
function layerOf(result: FileResult, label: string, env: EnvReader): Layer {
  if (result.kind === "text") return readYaml(result.text, label, env);
  const reason = result.kind === "missing" ? "the file does not exist" : result.message;
  return refused(label, `cannot read the configuration: ${reason}`);
}

function refused(label: string, message: string): Layer {
  const layer = new Layer("yaml");
  const origin: Origin = { source: "yaml", label };
  layer.refuseAll(origin, "", message);
  return layer;
}

/**
 * The files that are looked for when none is named.
 *
 * @param env `REDIS_CONFIG_PATH`, `MOORING_BASE_DIR`, `AUTOBOT_BASE_DIR`.
 * @returns The paths, first the one that wins.
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
    // Looking must not ask the user five times: only what is granted is looked at.
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
      `no configuration was looked for in ${
        denied.join(", ")
      }: reading is not allowed; ` +
        `run with --allow-read=${denied.join(",")}`,
    );
  }
  layer ??= new Layer("yaml");
  layer.warnings.unshift(...warnings);
  return layer;
}
