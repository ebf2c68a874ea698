/**
 * The part of the configuration that `mod.ts` and the layers above use. Without what only
 * tools need: editing, the schema, the starter file, and the registries for DNS and HTTP.
 *
 * @module
 */

export { checkMaxClients, connectionDemand } from "./resolve/checks.ts";
export { type LoadOptions, type PartialConfig, RedisConfigLoader } from "./loader.ts";
export { isManagerConfig } from "./resolve/manager_config.ts";
export type { EnvSource } from "./sources/environment.ts";
export type {
  ServiceConfig,
  ServiceRegistry,
  ServiceRequest,
} from "./sources/registry.ts";
export type {
  ConnectRetryConfig,
  HostResolver,
  KeepaliveConfig,
  NodeAddress,
  NodeAddressMap,
  RedisConfig,
  ReplyLimitsConfig,
  RetryBudgetConfig,
  TlsConfig,
  UnknownDatabasePolicy,
} from "./settings.ts";
export type * from "./types.ts";
