/**
 * A connection manager for Redis: named databases from configuration, a pool for each,
 * commands that are fast in good weather and honest in bad weather, and numbers that
 * say how it is going.
 *
 * @example Usage
 * ```ts
 * import { RedisConnectionManager } from "@mooring/redis";
 *
 * await using manager = new RedisConnectionManager({
 *   url: Deno.env.get("REDIS_URL") ?? "redis://localhost:6379",
 *   databases: { main: { db: 0 }, cache: { db: 5, maxConnections: 8 } },
 * });
 *
 * const cache = manager.getClient("cache");
 * await cache.set("greeting", "ahoy", "EX", 60);
 * console.log(await cache.get("greeting"));
 * ```
 *
 * @module
 */
export type { KeepaliveTier, KernelKeepalive, TlsSession } from "./src/core/address.ts";
export { RedisDatabase } from "./src/config/databases.ts";
export {
  type Credentials,
  type Provided,
  Secret,
  type SecretProvider,
} from "./src/core/secret.ts";
export * from "./src/core/errors/mod.ts";
export * from "./src/core/events.ts";

export * from "./src/config/mod.ts";

export type * from "./src/connection/library_types.ts";
export {
  isMooringError,
  type MooringError,
  ReplyError,
  type ReplyErrorClass,
} from "./src/connection/reply_error.ts";
export type { CallOptions } from "./src/commands/with.ts";
export type { RedisClient } from "./src/commands/client.ts";
export type {
  PipelineFill,
  PipelineOptions,
  PipelineReplies,
  RepliesOf,
} from "./src/commands/pipeline.ts";
export type { Subscription } from "./src/commands/subscription.ts";
export type {
  MessageHandler,
  SubscribeOptions,
  SubscriptionGap,
  SubscriptionItem,
  SubscriptionMessage,
  SubscriptionTargets,
} from "./src/commands/subscription_types.ts";
export type { TransactionFill, TransactionOptions } from "./src/commands/transaction.ts";
export type { AcquireOptions, ConnectionLease } from "./src/servers/lease.ts";

export type * from "./src/observability/types.ts";
export type { ManagerStats, RedisStats } from "./src/observability/metrics.ts";
export type { Logger, LogLevel } from "./src/observability/log_entries.ts";
export type {
  OpenTelemetryApi,
  TelemetryOptions,
} from "./src/observability/telemetry/telemetry.ts";
export type { QueryText } from "./src/observability/telemetry/operations.ts";
export { PROMETHEUS_CONTENT_TYPE } from "./src/observability/prometheus.ts";

export {
  type ManagerEventListener,
  RedisConnectionManager,
} from "./src/manager/manager.ts";
export type { CloseOptions, CloseReport, ManagerExtras } from "./src/manager/options.ts";
export { type DatabaseName, NamedDatabases } from "./src/manager/named_databases.ts";
export {
  closeAllRedisConnections,
  getRedisClient,
  type GetRedisClientOptions,
  getRedisManager,
} from "./src/manager/shared.ts";
