/**
 * A connection manager for Redis: named databases from configuration, a connection pool for
 * each, commands that are fast under load, failures that say whether the command ran, and
 * statistics.
 *
 * The types of single settings, the sources of a configuration and the service registries are
 * exported by `@mooring/redis/config`, which does not import ioredis.
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
export {
  type CloseOptions,
  type CloseReport,
  type ManagerExtras,
  RedisConnectionManager,
} from "./src/manager/manager.ts";
export type { DatabaseName } from "./src/manager/compat.ts";
export {
  closeAllRedisConnections,
  getRedisClient,
  getRedisManager,
} from "./src/manager/shared.ts";

export {
  type ExplainedValue,
  type LoadOptions,
  type ManagerConfig,
  type ManagerOptions,
  type RedisConfig,
  RedisConfigLoader,
  type RedisConfigOptions,
  type ServiceRegistry,
} from "./src/config/mod.ts";
export { RedisDatabase } from "./src/config/databases.ts";
export type { Credentials } from "./src/core/secret.ts";
export { Secret, type SecretProvider } from "./src/core/secret.ts";

export type { CallOptions } from "./src/commands/call_options.ts";
export type { RedisClient } from "./src/commands/client.ts";
export type { CreateClientOptions } from "./src/commands/owned/client.ts";
export type { Lock, LockOptions } from "./src/commands/lock.ts";
export type {
  ElementScanOptions,
  ScanMethods,
  ScanOptions,
  ScanRestart,
} from "./src/commands/scan.ts";
export type {
  PipelineFill,
  PipelineOptions,
  PipelineReplies,
} from "./src/commands/pipeline.ts";
export type { TransactionFill, TransactionOptions } from "./src/commands/transaction.ts";
export type { Subscription } from "./src/commands/pubsub/subscription.ts";
export type {
  MessageHandler,
  SubscribeOptions,
  SubscriptionGap,
  SubscriptionItem,
  SubscriptionMessage,
  SubscriptionTargets,
} from "./src/commands/pubsub/types.ts";
export type { AcquireOptions, ConnectionLease } from "./src/server/lease.ts";
export {
  type Codec,
  json,
  type StandardResult,
  type StandardSchema,
  type ValueSchema,
} from "./src/values/codec.ts";
export { defineScript, type Script, type ScriptDefinition } from "./src/values/script.ts";
export type { GetOrSetOptions, SetValueOptions, Values } from "./src/values/values.ts";
export type {
  IORedis,
  IORedisCommand,
  IORedisPipeline,
} from "./src/connection/ioredis.ts";

export {
  AcquireTimeoutError,
  AuthError,
  type BatchResult,
  CircuitOpenError,
  CommandAbortedError,
  CommandRefusedError,
  CommandTimeoutError,
  ConfigError,
  type ConfigProblem,
  ConnectError,
  ConnectionLostError,
  DecodeError,
  type Delivery,
  DurabilityError,
  type ErrorCode,
  InitializationError,
  LeaseReleasedError,
  LockError,
  ManagerClosedError,
  NotReadyError,
  OverloadedError,
  PartialError,
  type PartResult,
  type PhaseTimes,
  PipelineError,
  ProtocolError,
  RedisManagerError,
  TransactionConflictError,
  TransactionError,
  UnknownDatabaseError,
} from "./src/core/errors/mod.ts";
export {
  isMooringError,
  type MooringError,
  ReplyError,
  type ReplyErrorClass,
} from "./src/connection/reply_error.ts";

export type { ManagerEventMap } from "./src/core/events.ts";
export { ConnectionState } from "./src/core/events.ts";
export type { SocketDetails } from "./src/core/address.ts";
export type {
  ConnectionDetails,
  ConnectionMetrics,
  DatabaseHealth,
  DatabaseListing,
  HealthStatus,
  LatencyStats,
  PoolStatistics,
  ReplicaHealth,
} from "./src/observability/types.ts";
export type { ManagerStats, RedisStats } from "./src/observability/metrics.ts";
export type { Logger } from "./src/observability/logging.ts";
export type {
  OpenTelemetryApi,
  TelemetryOptions,
} from "./src/observability/telemetry/telemetry.ts";
export { PROMETHEUS_CONTENT_TYPE } from "./src/observability/prometheus.ts";
