import { ConfigError } from "../core/errors/base.ts";
import { databasesOfEnvironment, KNOWN_NUMBERS } from "./databases.ts";
import { formatOrigin, type Layer, type ValueMap } from "./layer.ts";
import { readOptions } from "./read_document.ts";
import { setAt } from "./resolve/database.ts";
import { assembleConfig } from "./resolve/manager_config.ts";
import {
  addDatabaseVariables,
  EnvReader,
  type EnvSource,
  readEnvironment,
  readTimeouts,
} from "./sources/environment.ts";
import {
  askRegistry,
  askRegistrySync,
  askStrictly,
  type ServiceRegistry,
} from "./sources/registry.ts";
import { findYaml, findYamlSync, readYaml } from "./sources/yaml.ts";
import type { ManagerConfig, ManagerOptions } from "./types.ts";

/** Where {@linkcode RedisConfigLoader.load} looks. */
export interface LoadOptions {
  /**
   * The YAML file: a path, or a URL such as `new URL("redis.yaml", import.meta.url)`.
   * It must exist. By default the search path is tried, where a missing file is normal.
   */
  yamlPath?: string | URL;
  /** The YAML itself, for platforms without files. */
  yamlText?: string;
  /** The environment: an object or a function; the process' own by default. */
  env?: EnvSource;
  /** Looks up where Redis is, for what environment and YAML do not give. */
  registry?: ServiceRegistry;
  /** Milliseconds to wait for the registry, from 1. Default 3,000. */
  registryTimeoutMs?: number;
  /** Settings given in code; they win over everything. */
  overrides?: ManagerOptions;
}

/**
 * Loads the configuration of a manager out of its sources. From the highest priority to
 * the lowest: overrides in code, environment, YAML, service registry, central timeouts,
 * defaults. Inside one source, the settings of a database have priority over those for
 * all.
 *
 * When neither code nor YAML names a database there are the 18 of `RedisDatabase`.
 *
 * @example Usage
 * ```ts
 * import { RedisConfigLoader } from "@mooring/redis/config";
 * import { assertEquals } from "@std/assert";
 *
 * const config = await RedisConfigLoader.load({
 *   yamlText: "databases:\n  cache: { db: 5 }\nsocket_timeout: 2.5\n",
 *   env: { REDIS_HOST: "redis.internal" },
 *   overrides: { databases: { cache: { maxConnections: 8 } } },
 * });
 * assertEquals(config.databases.cache.host, "redis.internal");
 * assertEquals(config.databases.cache.commandTimeoutMs, 2500);
 * assertEquals(config.origin("databases.cache.maxConnections"), "overrides");
 * assertEquals(config.origin("databases.cache.db"), "yaml text:2");
 * ```
 */
export class RedisConfigLoader {
  /**
   * Loads a configuration from all sources.
   *
   * @param options Where to look.
   * @returns The resolved, frozen configuration.
   * @throws {ConfigError} If anything is wrong, with all that is wrong.
   */
  static async load(options: LoadOptions = {}): Promise<ManagerConfig> {
    const env = new EnvReader(options.env);
    const { registry, registryTimeoutMs } = options;
    const [yaml, found] = await Promise.all([
      findYaml(options, env),
      registry && askRegistry(registry, registryTimeoutMs),
    ]);
    return assembleAll(options, env, yaml, found);
  }

  /**
   * Loads a configuration from all sources without waiting.
   *
   * @param options Where to look; not behind `http:`, and with no registry that answers
   * later.
   * @returns The resolved, frozen configuration.
   * @throws {ConfigError} If anything is wrong, with all that is wrong.
   *
   * @example Usage
   * ```ts
   * import { RedisConfigLoader } from "@mooring/redis/config";
   * import { assertEquals } from "@std/assert";
   *
   * const config = RedisConfigLoader.loadSync({
   *   yamlText: "",
   *   env: { REDIS_URL: "rediss://redis.internal" },
   * });
   * assertEquals(config.databases.sessions.tls.enabled, true);
   * ```
   */
  static loadSync(options: LoadOptions = {}): ManagerConfig {
    const env = new EnvReader(options.env);
    const { registry } = options;
    const found = registry && askRegistrySync(registry);
    return assembleAll(options, env, findYamlSync(options, env), found);
  }

  /**
   * Makes a configuration of options alone: no file, no environment.
   *
   * @param options Settings, as a manager takes them.
   * @returns The resolved, frozen configuration.
   * @throws {ConfigError} If anything is wrong, with all that is wrong.
   *
   * @example Usage
   * ```ts
   * import { RedisConfigLoader } from "@mooring/redis/config";
   * import { assertEquals } from "@std/assert";
   *
   * const config = RedisConfigLoader.fromOptions({ databases: { carts: { db: 12 } } });
   * assertEquals(config.databases.carts.maxConnections, 20);
   * ```
   */
  static fromOptions(options: ManagerOptions): ManagerConfig {
    return assembleConfig([readOptions(options)]);
  }

  /**
   * The settings of a YAML text alone.
   *
   * @param text The YAML.
   * @param origin What it is known by, such as its path.
   * @param env The variables for `${NAME}`; the process' environment by default.
   * @returns Its settings with their origins.
   * @throws {ConfigError} If anything in it is wrong.
   *
   * @example Usage
   * ```ts
   * import { RedisConfigLoader } from "@mooring/redis/config";
   * import { assertEquals } from "@std/assert";
   *
   * const partial = RedisConfigLoader.fromYaml("\ntimeout: 3", "redis.yaml", {});
   * assertEquals(partial.options.commandTimeoutMs, 3000);
   * assertEquals(partial.origins.commandTimeoutMs, "redis.yaml:2");
   * ```
   */
  static fromYaml(
    text: string,
    origin: string = "yaml text",
    env?: EnvSource,
  ): PartialConfig {
    const reader = new EnvReader(env);
    const layer = readYaml(text, origin, reader);
    return partialOf(layer, reader);
  }

  /**
   * The settings of the environment alone.
   *
   * @param env The variables; the process' environment by default.
   * @param databases Databases whose own variables are looked for; by default the names
   * of `RedisDatabase` and those that the environment itself names.
   * @returns Its settings with their origins.
   * @throws {ConfigError} If anything in it is wrong.
   *
   * @example Usage
   * ```ts
   * import { RedisConfigLoader } from "@mooring/redis/config";
   * import { assertEquals } from "@std/assert";
   *
   * const partial = RedisConfigLoader.fromEnv({ REDIS_PORT: "6380", REDIS_DB_CACHE: "5" });
   * assertEquals(partial.options.port, 6380);
   * assertEquals(partial.origins["databases.cache.db"], "env REDIS_DB_CACHE");
   * ```
   */
  static fromEnv(env?: EnvSource, databases?: Iterable<string>): PartialConfig {
    const reader = new EnvReader(env);
    const layer = readEnvironment(reader);
    const names = databases ??
      [...KNOWN_NUMBERS.keys(), ...databasesOfEnvironment(reader, layer, true).keys()];
    addDatabaseVariables(layer, reader, names);
    return partialOf(layer, reader);
  }

  /**
   * The settings of a service registry alone.
   *
   * @param registry The registry.
   * @param timeoutMs Milliseconds to wait, from 1. Default 3,000.
   * @returns Its settings with their origins.
   * @throws {ConfigError} If it fails, is late, or answers something unusable.
   *
   * @example Usage
   * ```ts
   * import { RedisConfigLoader } from "@mooring/redis/config";
   * import { assertEquals } from "@std/assert";
   *
   * const partial = await RedisConfigLoader.fromServiceRegistry({
   *   getServiceConfig: () => ({ host: "10.0.0.7", port: 6379 }),
   * });
   * assertEquals(partial.options.host, "10.0.0.7");
   * assertEquals(partial.origins.host, "service registry");
   * ```
   */
  static async fromServiceRegistry(
    registry: ServiceRegistry,
    timeoutMs?: number,
  ): Promise<PartialConfig> {
    return partialOf(await askStrictly(registry, timeoutMs));
  }

  /**
   * The central timeout variables of the Python original alone.
   *
   * @param env The variables; the process' environment by default.
   * @returns Its settings with their origins.
   * @throws {ConfigError} If anything in it is wrong.
   *
   * @example Usage
   * ```ts
   * import { RedisConfigLoader } from "@mooring/redis/config";
   * import { assertEquals } from "@std/assert";
   *
   * const partial = RedisConfigLoader.timeouts({ AUTOBOT_REDIS_SOCKET_TIMEOUT: "2" });
   * assertEquals(partial.options.commandTimeoutMs, 2000);
   * ```
   */
  static timeouts(env?: EnvSource): PartialConfig {
    const reader = new EnvReader(env);
    return partialOf(readTimeouts(reader), reader);
  }

  /**
   * Writes a commented starter file with every setting and its default. A file that
   * exists is never touched.
   *
   * @param path Where; directories are made.
   * @returns Whether it was written; `false` when there is a file already.
   * @throws {ConfigError} If it cannot be written.
   *
   * @example Usage
   * ```ts
   * import { RedisConfigLoader } from "@mooring/redis/config";
   * import { assertEquals } from "@std/assert";
   *
   * const path = `${await Deno.makeTempDir()}/config/redis-databases.yaml`;
   * assertEquals(await RedisConfigLoader.writeDefaultConfig(path), true);
   * assertEquals(await RedisConfigLoader.writeDefaultConfig(path), false);
   * ```
   */
  static async writeDefaultConfig(path: string | URL): Promise<boolean> {
    const { writeStarter } = await import("./starter.ts");
    return await writeStarter(path);
  }
}

/** Puts the sources into the order of their priority. */
function assembleAll(
  options: LoadOptions,
  env: EnvReader,
  yaml: Layer,
  registry: Layer | undefined,
): ManagerConfig {
  const layers = [
    readOptions(options.overrides ?? {}),
    readEnvironment(env),
    yaml,
    ...(registry === undefined ? [] : [registry]),
    readTimeouts(env),
  ];
  return assembleConfig(layers, env);
}

/** The settings of one source alone. */
export interface PartialConfig {
  /** Its settings, in code's names and milliseconds. */
  readonly options: ManagerOptions;
  /** The origin of each, by its path such as `databases.cache.db`. */
  readonly origins: Readonly<Record<string, string>>;
  /** Settings that are allowed but probably mistakes. */
  readonly warnings: readonly string[];
}

function partialOf(layer: Layer, env?: EnvReader): PartialConfig {
  const { problems } = layer;
  if (problems.length > 0) throw new ConfigError(problems);
  const origins: Record<string, string> = Object.create(null);
  const options: Record<string, unknown> = {};
  const collect = (
    values: ValueMap,
    into: Record<string, unknown>,
    prefix: string,
  ): Record<string, unknown> => {
    for (const [key, { value, origin }] of values) {
      origins[`${prefix}${key}`] = formatOrigin(origin);
      setAt(into, key, value);
    }
    return into;
  };
  collect(layer.root, options, "");
  if (layer.databases.size > 0) {
    const databases: Record<string, unknown> = Object.create(null);
    for (const [name, values] of layer.databases) {
      databases[name] = collect(values, {}, `databases.${name}.`);
    }
    options.databases = databases;
  }
  return { options, origins, warnings: [...layer.warnings, ...(env?.warnings() ?? [])] };
}
