import { ConfigError, UnknownDatabaseError } from "../core/errors/base.ts";
import { Secret } from "../core/secret.ts";
import type { Layer } from "./layer.ts";
import { formatOrigin, type Origin } from "./origin.ts";
import { buildDatabase } from "./resolve/build.ts";
import { checkAlias } from "./resolve/check_alias.ts";
import type { EffectiveValues } from "./resolve/check_database.ts";
import type { Effective } from "./resolve/effective.ts";
import { findShared } from "./resolve/separation.ts";
import { checkTlsFiles } from "./resolve/tls_files.ts";
import type { EnvReader } from "./sources/env_reader.ts";
import { addDatabaseVariables } from "./sources/environment.ts";
import { readDatabaseOptions } from "./sources/overrides.ts";
import type {
  ExplainedValue,
  ManagerConfig,
  RedisConfig,
  RedisConfigOptions,
  SharedDatabase,
  UnknownDatabasePolicy,
} from "./types.ts";

/** What a {@linkcode ResolvedManagerConfig} is made of. */
export interface ManagerConfigParts {
  /** The sources, highest priority first. */
  readonly layers: readonly Layer[];
  /** The environment, for databases that are added later; `undefined` without one. */
  readonly env?: EnvReader;
  /** The manager's own values. */
  readonly manager: EffectiveValues;
  /** The databases in order. */
  readonly databases: ReadonlyMap<string, RedisConfig>;
  /** The databases' values. */
  readonly values: ReadonlyMap<string, EffectiveValues>;
  /** Where each database is named. */
  readonly declared: ReadonlyMap<string, Origin>;
  /** What is allowed but probably not meant. */
  readonly warnings: readonly string[];
}

/** What a secret looks like where it is shown. */
const MASK = "***";

/** The resolved configuration: frozen data, and questions about where it came from. */
export class ResolvedManagerConfig implements ManagerConfig {
  readonly databases: Readonly<Record<string, RedisConfig>>;
  readonly unknownDatabase: UnknownDatabasePolicy;
  readonly maxTotalConnections?: number;
  readonly cleanupIntervalMs: number;
  readonly warnings: readonly string[];
  readonly #parts: ManagerConfigParts;

  constructor(parts: ManagerConfigParts) {
    this.#parts = parts;
    // No prototype: a database called "toString" is one, and none else is there.
    const databases: Record<string, RedisConfig> = Object.create(null);
    for (const [name, config] of parts.databases) databases[name] = config;
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

  /** Whether a value is a configuration that this class made. */
  static is(value: unknown): value is ResolvedManagerConfig {
    return typeof value === "object" && value !== null && #parts in value;
  }

  origin(path: string): string | undefined {
    const own = this.#parts.manager.get(path);
    if (own !== undefined) return formatOrigin(own.origin);
    for (const [name, values] of this.#parts.values) {
      const prefix = `databases.${name}`;
      if (path === prefix) return formatOrigin(this.#parts.declared.get(name)!);
      if (!path.startsWith(`${prefix}.`)) continue;
      const found = values.get(path.slice(prefix.length + 1));
      if (found !== undefined) return formatOrigin(found.origin);
    }
    return undefined;
  }

  explain(database?: string): ExplainedValue[] {
    if (database === undefined) {
      const manager = [...this.#parts.manager].map(([key, found]) =>
        explained(key, found)
      );
      return [
        ...manager,
        ...Object.keys(this.databases).flatMap((name) => this.explain(name)),
      ];
    }
    const values = this.#parts.values.get(database);
    if (values === undefined) {
      throw new UnknownDatabaseError(database, Object.keys(this.databases));
    }
    return [...values].map(([key, found]) =>
      explained(`databases.${database}.${key}`, found)
    );
  }

  validateDatabaseSeparation(): SharedDatabase[] {
    return findShared(Object.values(this.databases));
  }

  resolveDatabase(
    name: string,
    options: RedisConfigOptions,
    onWarning?: (warning: string) => void,
  ): RedisConfig {
    const added = readDatabaseOptions(name, options);
    const layers = this.#layersWith(name);
    const names = new Set([...Object.keys(this.databases), name]);
    const built = buildDatabase([added, ...layers], name, names);
    const { config, values } = built;
    const target = config.aliasOf === undefined
      ? undefined
      : this.databases[config.aliasOf];
    const files = checkTlsFiles([built], [added, ...layers]);
    const problems = [
      ...added.problems,
      ...layers.flatMap(({ problems }) => problems),
      ...built.problems,
      ...(target === undefined
        ? []
        : checkAlias(config, values, target, [added, ...layers])),
      ...files.problems,
    ];
    if (problems.length > 0) throw new ConfigError(problems);
    for (const warning of files.warnings) onWarning?.(warning);
    for (const warning of built.warnings) onWarning?.(`database ${name}: ${warning}`);
    return config;
  }

  /** The sources, with what the environment says of a database that is new. */
  #layersWith(name: string): Layer[] {
    const { layers, env } = this.#parts;
    return layers.map((layer) => {
      if (layer.source !== "environment" || env === undefined) return layer;
      const fork = layer.fork();
      addDatabaseVariables(fork, env, [name]);
      return fork;
    });
  }
}

function explained(path: string, { value, origin, overrode }: Effective): ExplainedValue {
  return {
    path,
    value: shown(value),
    origin: formatOrigin(origin),
    overrode: overrode.map((other) => ({
      value: shown(other.value),
      origin: formatOrigin(other.origin),
    })),
  };
}

function shown(value: unknown): unknown {
  return value instanceof Secret ? MASK : value;
}
