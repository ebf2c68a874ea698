import { ConfigError, type ConfigProblem } from "../core/errors/base.ts";
import { Layer } from "./layer.ts";
import { ResolvedManagerConfig } from "./manager_config.ts";
import { DEFAULT_ORIGIN, formatOrigin, type Origin } from "./origin.ts";
import { buildDatabase, type BuiltDatabase } from "./resolve/build.ts";
import { checkAlias } from "./resolve/check_alias.ts";
import {
  type Effective,
  findManagerValue,
  knownNames,
  numberOf,
} from "./resolve/effective.ts";
import { checkTlsFiles } from "./resolve/tls_files.ts";
import { databaseWarnings } from "./resolve/warnings.ts";
import { wordsOf } from "./resolve/words.ts";
import { MANAGER_SETTINGS } from "./schema/settings.ts";
import type { EnvReader } from "./sources/env_reader.ts";
import { addDatabaseVariables } from "./sources/environment.ts";
import { databasesOfEnvironment } from "./sources/named_by_environment.ts";
import type { ManagerConfig } from "./types.ts";

/** What a configuration is put together from. */
export interface Sources {
  /** The sources, highest priority first. */
  readonly layers: readonly Layer[];
  /** The environment; `undefined` when it has no say. */
  readonly env?: EnvReader;
}

/**
 * Merges the sources, checks all of it and freezes it.
 *
 * @param sources What the configuration is put together from.
 * @returns The configuration.
 * @throws {ConfigError} If anything is wrong, with all that is wrong.
 */
export function assembleConfig(sources: Sources): ManagerConfig {
  const { env } = sources;
  const layers = [...sources.layers];
  if (layers.some(({ isUnreadable }) => isUnreadable)) {
    // What else could be found would be about a configuration that nobody wrote.
    throw new ConfigError(layers.flatMap(({ problems }) => problems));
  }
  const declared = declaredDatabases(layers, env);
  const names = new Set(declared.keys());
  const built = new Map<string, BuiltDatabase>();
  for (const name of names) built.set(name, buildDatabase(layers, name, names));
  const manager = new Map<string, Effective>();
  for (const setting of MANAGER_SETTINGS) {
    const found = findManagerValue(layers, setting);
    if (found !== undefined) manager.set(setting.key, found);
  }
  const files = checkTlsFiles(built.values(), layers);
  const problems = [
    ...layers.flatMap(({ problems }) => problems),
    ...uniqueProblems(built.values()),
    ...checkAliases(built, layers),
    ...checkTotal(built, manager),
    ...files.problems,
  ];
  if (problems.length > 0) throw new ConfigError(problems);
  const databases = new Map([...built].map(([name, { config }]) => [name, config]));
  return new ResolvedManagerConfig({
    layers,
    ...(env === undefined ? {} : { env }),
    manager,
    databases,
    values: new Map([...built].map(([name, { values }]) => [name, values])),
    declared,
    warnings: [
      ...layers.flatMap(({ warnings }) => warnings),
      ...(env?.warnings() ?? []),
      ...files.warnings,
      ...databaseWarnings([...built.values()], declared),
    ],
  });
}

/**
 * The databases that there are: those that a file or code names, or, when neither names
 * any, the 18 of `RedisDatabase`; and those that the environment names. The environment's
 * layer gets what it says of each of them.
 */
function declaredDatabases(
  layers: Layer[],
  env: EnvReader | undefined,
): Map<string, Origin> {
  const declared = new Map<string, Origin>();
  // A file's order is the one that people know.
  for (const { declared: names } of layers.toReversed()) {
    for (const [name, origin] of names) {
      if (!declared.has(name)) declared.set(name, origin);
    }
  }
  const named = declared.size > 0;
  if (!named) {
    const defaults = defaultDatabases();
    layers.push(defaults);
    for (const [name, origin] of defaults.declared) declared.set(name, origin);
  }
  const environment = layers.find(({ source }) => source === "environment");
  if (environment !== undefined && env !== undefined) {
    for (const [name, origin] of databasesOfEnvironment(env, environment, !named)) {
      if (!declared.has(name)) declared.set(name, origin);
    }
    addDatabaseVariables(environment, env, declared.keys());
  }
  return declared;
}

/** The 18 names; those that share a number by design are each other's aliases. */
function defaultDatabases(): Layer {
  const layer = new Layer("default");
  const owners = new Map<number, string>();
  for (const name of knownNames()) {
    const values = layer.database(name, DEFAULT_ORIGIN);
    const db = numberOf(name)!;
    const owner = owners.get(db);
    if (owner === undefined) owners.set(db, name);
    else values.set("aliasOf", { value: owner, origin: DEFAULT_ORIGIN });
  }
  return layer;
}

/** What is wrong with a value for everybody is said once, not for each database. */
function uniqueProblems(built: Iterable<BuiltDatabase>): ConfigProblem[] {
  const unique = new Map<string, ConfigProblem>();
  for (const { problems } of built) {
    for (const problem of problems) {
      const id = `${problem.origin}\0${problem.message}`;
      if (!unique.has(id)) unique.set(id, problem);
    }
  }
  return [...unique.values()];
}

function checkAliases(
  built: ReadonlyMap<string, BuiltDatabase>,
  layers: readonly Layer[],
): ConfigProblem[] {
  return [...built.values()].flatMap(({ config, values }) => {
    const target = config.aliasOf === undefined ? undefined : built.get(config.aliasOf);
    return target === undefined ? [] : checkAlias(config, values, target.config, layers);
  });
}

function checkTotal(
  built: ReadonlyMap<string, BuiltDatabase>,
  manager: ReadonlyMap<string, Effective>,
): ConfigProblem[] {
  const limit = manager.get("maxTotalConnections");
  let least = 0;
  for (const { config } of built.values()) least += config.minConnections;
  if (limit === undefined || typeof limit.value !== "number" || least <= limit.value) {
    return [];
  }
  const { name } = wordsOf(limit.origin);
  return [{
    origin: formatOrigin(limit.origin),
    key: name("maxTotalConnections"),
    message: `found ${limit.value}, but ${
      name("minConnections")
    } of all databases is ${least}`,
  }];
}
