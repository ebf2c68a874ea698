import { parse } from "@std/yaml/parse";
import { Layer, type Origin } from "../layer.ts";
import { quote } from "../messages.ts";
import { knownPath } from "../names.ts";
import { readDocument } from "../read_document.ts";
import type { Entry, Reading } from "../read_settings.ts";
import type { EnvReader } from "./environment.ts";
import {
  displayPath,
  fetchSmallFile,
  type FileResult,
  isDenoPresent,
  readSmallFileSync,
} from "./files.ts";
import { locateYaml, MAX_DEPTH, type YamlPositions } from "./yaml_positions.ts";

/** Longest text that is parsed: room for some 2,000 databases. */
const MAX_YAML_LENGTH = 262_144;

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
  const url = choice.yamlText === undefined ? remoteUrl(choice.yamlPath) : undefined;
  if (url === undefined) return findYamlSync(choice, env);
  return layerOf(await fetchSmallFile(url, MAX_BYTES), displayPath(url), env);
}

/** The same as {@linkcode findYaml} without waiting: no file behind `http:`. */
export function findYamlSync({ yamlPath, yamlText }: YamlChoice, env: EnvReader): Layer {
  if (yamlText === undefined && yamlPath === undefined) return searchYaml(env);
  if (yamlText !== undefined && yamlPath !== undefined) {
    return refused("yamlPath", "yamlPath and yamlText are both given; leave one out");
  }
  if (yamlPath === undefined) {
    if (typeof yamlText === "string") return readYaml(yamlText, "yaml text", env);
    return refused("yamlText", `found a ${typeof yamlText}, allowed: a text`);
  }
  const url = remoteUrl(yamlPath);
  const message = "it has to be fetched; use RedisConfigLoader.load()";
  const result: FileResult = url === undefined
    ? readSmallFileSync(localPath(yamlPath), MAX_BYTES)
    : { kind: "unreadable", message };
  return layerOf(result, displayPath(url ?? yamlPath), env);
}

function remoteUrl(path: string | URL | undefined): URL | undefined {
  if (typeof path === "string" && !/^https?:/i.test(path)) return undefined;
  const url = URL.parse(String(path));
  return url === null || url.protocol === "file:" ? undefined : url;
}

/** A `file:` URL as text is a URL all the same. */
function localPath(path: string | URL): string | URL {
  if (typeof path !== "string" || !path.startsWith("file:")) return path;
  return URL.parse(path) ?? path;
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

/**
 * The layer of a YAML text.
 *
 * Every scalar stays text (YAML's `failsafe` schema): its meaning is decided by its
 * setting, so `010`, `1_000`, `yes` and bare dates are never guessed at. The parser's own
 * messages quote the line, and with it any password on it; they are never passed on.
 *
 * @param label How users know the text, such as its path.
 */
export function readYaml(text: string, label: string, env: EnvReader): Layer {
  const layer = new Layer("yaml");
  const origin: Origin = { source: "yaml", label };
  const refuse = (message: string, at: object = {}, path: readonly string[] = []) =>
    layer.refuseAll({ ...origin, ...at }, knownPath(path), message);
  if (text.length > MAX_YAML_LENGTH) {
    refuse(`found ${text.length} characters, allowed: at most ${MAX_YAML_LENGTH}`);
    return layer;
  }
  const positions = locateYaml(text);
  const { tab, tooDeep } = positions;
  if (tab !== undefined) {
    const at = positions.position(tab);
    const path = positions.pathAt(at.line - 1);
    refuse("a tab indents the line, allowed: spaces only", at, path);
    return layer;
  }
  if (tooDeep !== undefined) {
    const message = `lists and mappings are nested deeper than ${MAX_DEPTH}`;
    refuse(message, positions.position(tooDeep.at), tooDeep.path);
    return layer;
  }
  let document: unknown;
  try {
    document = parse(text, { schema: "failsafe" });
  } catch (error) {
    explainSyntax(text, positions, error, refuse);
    return layer;
  }
  if (document === null) layer.warnings.push(`${label}: the file is empty`);
  else {
    try {
      readDocument(readingOf(layer, origin, positions, env), document);
    } catch (error) {
      if (!(error instanceof BudgetError)) throw error;
      refuse(error.message, positions.find(error.path), error.path);
    }
  }
  return layer;
}

/** Reports why the parser could not read a text. */
function explainSyntax(
  text: string,
  positions: YamlPositions,
  error: unknown,
  refuse: (message: string, at?: object, path?: readonly string[]) => void,
): void {
  const { duplicate, second } = positions;
  if (error instanceof RangeError) {
    return refuse("lists and mappings are nested too deeply to be read");
  }
  if (second !== undefined) {
    return refuse("a second document starts, allowed: one", positions.position(second));
  }
  if (duplicate !== undefined) {
    const at = positions.position(duplicate.at);
    return refuse("this key is given twice", at, duplicate.path);
  }
  const at = errorPosition(error);
  if (at === undefined) return refuse("this is not valid YAML");
  const line = text.split("\n")[at.line - 1] ?? "";
  const unquoted = line.search(/[^'"]\$\{/);
  const hint = unquoted >= 0 && /[{[]/.test(line.slice(0, unquoted + 1))
    ? "; within {…} and […] a ${NAME} needs quotes around it"
    : "";
  refuse(`this is not valid YAML${hint}`, at, positions.pathAt(at.line));
}

/** Line and column of a parser's error; some versions have them in the message only. */
function errorPosition(error: unknown): { line: number; column: number } | undefined {
  if (!(error instanceof Error)) return undefined;
  const { line, column } = error as { line?: unknown; column?: unknown };
  if (typeof line === "number" && typeof column === "number") return { line, column };
  const match = /at line (\d+), column (\d+)/.exec(error.message);
  return match ? { line: Number(match[1]), column: Number(match[2]) } : undefined;
}

/** YAML's spellings of null, unless in quotes. */
const NULLS: ReadonlySet<string> = new Set(["null", "Null", "NULL", "~"]);

function readingOf(
  layer: Layer,
  file: Origin,
  positions: YamlPositions,
  env: EnvReader,
): Reading {
  const budget = { left: MAX_ENTRIES };
  const origin: Reading["origin"] = (path, part) => ({
    ...file,
    ...positions.find(path, part),
  });
  return {
    dialect: "yaml",
    layer,
    origin,
    entries: (value, path) => {
      if (!isMapping(value)) return undefined;
      const entries = new Map<string, Entry>();
      collectEntries(value, path, entries, budget);
      return [...entries.values()];
    },
    expand: (value, { path }, key) => {
      if (typeof value !== "string") return value ?? undefined;
      if (NULLS.has(value) && !positions.isQuoted(path)) return undefined;
      if (!value.includes("${")) return value;
      const expanded = expandVariables(value, env);
      if (expanded.problem !== undefined) {
        layer.refuse(origin(path, "value"), key, expanded.problem);
        return undefined;
      }
      // Variables that leave nothing count as absent: `${REDIS_PASSWORD:-}`.
      return expanded.text === "" ? undefined : expanded.text;
    },
  };
}

/** Most entries of a document; one that aliases repeat counts each time. */
const MAX_ENTRIES = 50_000;
/** Deepest chain of merges. */
const MAX_MERGE_DEPTH = 8;

/** A document is too large with its aliases, or its merges are too deep. */
class BudgetError extends Error {
  readonly path: readonly string[];

  constructor(message: string, path: readonly string[]) {
    super(message);
    this.path = path;
  }
}

type Mapping = Record<string, unknown>;

function isMapping(value: unknown): value is Mapping {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/**
 * Collects the entries of a mapping, its own before those of its merge keys (`<<`), and
 * counts them: a few aliases of aliases can stand for billions of entries.
 */
function collectEntries(
  mapping: Mapping,
  path: readonly string[],
  into: Map<string, Entry>,
  budget: { left: number },
  depth = 0,
): void {
  if (depth > MAX_MERGE_DEPTH) {
    throw new BudgetError(`merge keys are nested deeper than ${MAX_MERGE_DEPTH}`, path);
  }
  const keys = Object.keys(mapping);
  budget.left -= keys.length + 1;
  if (budget.left < 0) {
    throw new BudgetError(
      `found more than ${MAX_ENTRIES} entries, those behind aliases counted each time`,
      path,
    );
  }
  let merged: Mapping[] = [];
  for (const key of keys) {
    const value = mapping[key];
    const sources = Array.isArray(value) ? value : [value];
    if (key === "<<" && sources.every(isMapping)) merged = sources;
    else if (!into.has(key)) into.set(key, { key, value, path: [...path, key] });
  }
  for (const source of merged) {
    collectEntries(source, [...path, "<<"], into, budget, depth + 1);
  }
}

/** `$${` (a literal `${`), `${NAME}`, `${NAME:-default}`, or a `${` that is neither. */
const REFERENCE = /\$\$\{|\$\{([A-Za-z_][A-Za-z0-9_]*)(?::-([^}]*))?\}|\$\{/g;

/** Fills in `${NAME}` and `${NAME:-default}`; the value of a variable is literal. */
function expandVariables(
  text: string,
  env: EnvReader,
): { text: string; problem: string | undefined } {
  let problem: string | undefined;
  const expand = (match: string, name?: string, fallback?: string): string => {
    if (match === "$${") return "${";
    if (name === undefined) {
      problem ??= "found ${ that starts no variable, allowed: ${NAME}, " +
        "${NAME:-default} or $${ for the text ${";
      return "";
    }
    const value = env.get(name) ?? fallback;
    if (value === undefined) {
      const remedy = env.isDenied(name)
        ? `may not be read; run with --allow-env=${name}, or`
        : "is not set; set it, or";
      problem ??= `environment variable ${quote(name)} ${remedy} write ` +
        `\${${name}:-default}`;
    }
    return value ?? "";
  };
  return { text: text.replace(REFERENCE, expand), problem };
}
