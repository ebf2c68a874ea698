import {
  ConfigError,
  type ConfigProblem,
  UnknownDatabaseError,
} from "../../core/errors/base.ts";
import { Secret } from "../../core/secret.ts";
import { declaredDatabases } from "../databases.ts";
import {
  type Effective,
  type EffectiveValues,
  formatOrigin,
  Layer,
  type Located,
  type Origin,
} from "../layer.ts";
import { problemAt, wordingOf } from "../messages.ts";
import { MANAGER_SETTINGS } from "../names.ts";
import { readDatabaseOptions } from "../read_document.ts";
import type { RedisConfig, UnknownDatabasePolicy } from "../settings.ts";
import { addDatabaseVariables, type EnvReader } from "../sources/environment.ts";
import type {
  ExplainedValue,
  ManagerConfig,
  RedisConfigOptions,
  SharedDatabase,
} from "../types.ts";
import { checkAlias, databaseWarnings, findShared } from "./checks.ts";
import { checkTlsFiles } from "./credential_files.ts";
import { buildDatabase, type BuiltDatabase, findManagerValue } from "./database.ts";

/**
 * Merges the sources, checks the result and freezes it.
 *
 * @param sources The sources, highest priority first.
 * @param env The environment; `undefined` if it is not a source.
 * @throws {ConfigError} If anything is wrong, with everything that is wrong.
 */
export function assembleConfig(
  sources: readonly Layer[],
  env?: EnvReader,
): ManagerConfig {
  const layers = [...sources];
  if (layers.some(({ isUnreadable }) => isUnreadable)) {
    // Other problems would be about an incomplete configuration.
    throw new ConfigError(layers.flatMap(({ problems }) => problems));
  }
  const declared = declaredDatabases(layers, env);
  const names = new Set(declared.keys());
  const databases = new Map<string, BuiltDatabase>();
  for (const name of names) databases.set(name, buildDatabase(layers, name, names));
  const manager = new Map<string, Effective>();
  for (const setting of MANAGER_SETTINGS) {
    const found = findManagerValue(layers, setting);
    if (found !== undefined) manager.set(setting.key, found);
  }
  const built = [...databases.values()];
  const fileWarnings = checkBuilt(
    built,
    layers,
    (name) => databases.get(name)?.config,
    totalProblems(built, manager.get("maxTotalConnections")),
  );
  const warnings = [
    ...layers.flatMap(({ warnings }) => warnings),
    ...(env?.warnings() ?? []),
    ...fileWarnings,
    ...databaseWarnings(built, declared),
  ];
  return new ResolvedManagerConfig({ layers, env, manager, built, declared, warnings });
}

/**
 * Checks resolved databases, and gives the warnings about their files.
 *
 * @param find Finds the target of an alias.
 * @throws {ConfigError} If anything is wrong, with everything that is wrong.
 */
function checkBuilt(
  built: readonly BuiltDatabase[],
  layers: readonly Layer[],
  find: (name: string) => RedisConfig | undefined,
  more: readonly ConfigProblem[] = [],
): string[] {
  const files = checkTlsFiles(built, layers);
  const own = built.flatMap(({ problems }) => problems);
  // A problem with a value for all databases is reported once.
  const unique = Map.groupBy(own, ({ origin, message }) => `${origin}\0${message}`);
  const problems = [
    ...layers.flatMap(({ problems }) => problems),
    ...unique.values().map(([first]) => first!),
    ...built.flatMap(({ config, values }) => {
      const found = checkAlias(config, values, find(config.aliasOf ?? ""));
      if (found === undefined) return [];
      return problemAt(layers, config.name, "aliasOf", found.origin, found.message);
    }),
    ...more,
    ...files.problems,
  ];
  if (problems.length > 0) throw new ConfigError(problems);
  return files.warnings;
}

function totalProblems(
  built: readonly BuiltDatabase[],
  limit: Located | undefined,
): ConfigProblem[] {
  const least = built.reduce((sum, { config }) => sum + config.minConnections, 0);
  if (limit === undefined || least <= Number(limit.value)) return [];
  const { name } = wordingOf(limit.origin);
  return [{
    origin: formatOrigin(limit.origin),
    key: name("maxTotalConnections"),
    message: `found ${limit.value}, but ${name("minConnections")} of all databases is ` +
      `${least}`,
  }];
}

/** What a {@linkcode ResolvedManagerConfig} is made of. */
interface Parts {
  /** The sources, highest priority first. */
  readonly layers: readonly Layer[];
  /** The environment, for databases that are added later. */
  readonly env: EnvReader | undefined;
  /** The manager's own values. */
  readonly manager: EffectiveValues;
  /** The databases in order. */
  readonly built: readonly BuiltDatabase[];
  /** Where each database is named. */
  readonly declared: ReadonlyMap<string, Origin>;
  readonly warnings: readonly string[];
}

/** The resolved configuration: frozen data, with the origin of each value. */
class ResolvedManagerConfig implements ManagerConfig {
  readonly databases: Readonly<Record<string, RedisConfig>>;
  readonly unknownDatabase: UnknownDatabasePolicy;
  readonly maxTotalConnections?: number;
  readonly cleanupIntervalMs: number;
  readonly warnings: readonly string[];
  readonly #parts: Parts;

  constructor(parts: Parts) {
    this.#parts = parts;
    // No prototype: a database may be called "toString".
    const databases: Record<string, RedisConfig> = Object.create(null);
    for (const { config } of parts.built) databases[config.name] = config;
    this.databases = Object.freeze(databases);
    const valueOf = (key: string): unknown => parts.manager.get(key)?.value;
    // The table of settings gives both a default, of just these types.
    this.unknownDatabase = valueOf("unknownDatabase") as UnknownDatabasePolicy;
    this.cleanupIntervalMs = valueOf("cleanupIntervalMs") as number;
    const total = valueOf("maxTotalConnections");
    if (typeof total === "number") this.maxTotalConnections = total;
    this.warnings = Object.freeze([...parts.warnings]);
    Object.freeze(this);
  }

  static is(value: unknown): value is ResolvedManagerConfig {
    return typeof value === "object" && value !== null && #parts in value;
  }

  origin(path: string): string | undefined {
    const { built, declared, manager } = this.#parts;
    const own = manager.get(path);
    if (own !== undefined) return formatOrigin(own.origin);
    for (const { config: { name }, values } of built) {
      const prefix = `databases.${name}`;
      if (path === prefix) return formatOrigin(declared.get(name)!);
      if (!path.startsWith(`${prefix}.`)) continue;
      const found = values.get(path.slice(prefix.length + 1));
      if (found !== undefined) return formatOrigin(found.origin);
    }
    return undefined;
  }

  explain(database?: string): ExplainedValue[] {
    const { built, manager } = this.#parts;
    const chosen = built.filter(({ config: { name } }) => name === (database ?? name));
    if (chosen.length === 0 && database !== undefined) {
      throw new UnknownDatabaseError(database, Object.keys(this.databases));
    }
    return [
      ...(database === undefined ? explainAll(manager, "") : []),
      ...chosen.flatMap(({ config: { name }, values }) =>
        explainAll(values, `databases.${name}.`)
      ),
    ];
  }

  validateDatabaseSeparation(): SharedDatabase[] {
    return findShared(Object.values(this.databases));
  }

  resolveDatabase(
    name: string,
    options: RedisConfigOptions,
    onWarning?: (warning: string) => void,
  ): RedisConfig {
    const layers = [readDatabaseOptions(name, options), ...this.#layersWith(name)];
    const names = new Set([...Object.keys(this.databases), name]);
    const built = buildDatabase(layers, name, names);
    const warnings = checkBuilt([built], layers, (target) => this.databases[target]);
    for (const warning of warnings) onWarning?.(warning);
    for (const warning of built.warnings) onWarning?.(`database ${name}: ${warning}`);
    return built.config;
  }

  /** The sources, and before the environment its variables for a new database. */
  #layersWith(name: string): Layer[] {
    const { layers, env } = this.#parts;
    return layers.flatMap((layer) => {
      if (layer.source !== "environment" || env === undefined) return [layer];
      const added = new Layer("environment");
      addDatabaseVariables(added, env, [name], layer.root);
      return [added, layer];
    });
  }
}

/**
 * Whether a value is a resolved configuration, rather than options for one.
 *
 * @param value Any value.
 * @returns `true` if a loader made it.
 *
 * @example Usage
 * ```ts
 * import { isManagerConfig, RedisConfigLoader } from "@mooring/redis/config";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(isManagerConfig(RedisConfigLoader.fromOptions({})), true);
 * assertEquals(isManagerConfig({ databases: {} }), false);
 * ```
 */
export function isManagerConfig(value: unknown): value is ManagerConfig {
  return ResolvedManagerConfig.is(value);
}

function explainAll(values: EffectiveValues, prefix: string): ExplainedValue[] {
  const show = ({ value, origin }: Located) => ({
    value: value instanceof Secret ? String(value) : value,
    origin: formatOrigin(origin),
  });
  return [...values].map(([key, found]) => ({
    path: `${prefix}${key}`,
    ...show(found),
    overrode: found.overrode.map(show),
  }));
}
