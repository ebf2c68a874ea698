/**
 * The configuration of Redis databases without the client: the loader, its sources, the
 * schema and their types. Importing this does not import ioredis.
 *
 * @example Usage
 * ```ts
 * import { RedisConfigLoader } from "@mooring/redis/config";
 * import { assertEquals } from "@std/assert";
 *
 * const config = await RedisConfigLoader.load({
 *   yamlText: "databases:\n  cache: { db: 5 }\n",
 *   env: {},
 * });
 * assertEquals(config.databases.cache.db, 5);
 * ```
 *
 * @module
 */

export * from "./mod.ts";
export { RedisDatabase } from "./databases.ts";
export {
  ConfigError,
  type ConfigProblem,
  type Delivery,
  type ErrorCode,
  type PhaseTimes,
  RedisManagerError,
  type RedisManagerErrorOptions,
  type SpentOptions,
  UnknownDatabaseError,
} from "../core/errors/base.ts";
export {
  type Credentials,
  type GivenCredentials,
  Secret,
  type SecretProvider,
} from "../core/secret.ts";
export { editSettings, type EditSettingsOptions } from "./edit_settings.ts";
export { configJsonSchema, type JsonSchema } from "./json_schema.ts";
export { DnsServiceRegistry, type DnsServiceRegistryOptions } from "./registries.ts";
export { HttpServiceRegistry, type HttpServiceRegistryOptions } from "./registries.ts";
export { starterYaml } from "./starter.ts";
