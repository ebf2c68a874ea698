import type { RedisConfig } from "../config/mod.ts";
import { flagsOf } from "../connection/command_flags.ts";
import type { ConnectionObserver } from "../connection/connection.ts";
import { Opener, type OpenerOptions } from "../connection/opener.ts";
import type { Clock } from "../core/clock.ts";
import {
  CircuitBreaker,
  type CircuitBreakerOptions,
} from "../resilience/circuit_breaker.ts";
import { CommandClassifier } from "../resilience/command_class.ts";
import { RetryBudget } from "../resilience/retry.ts";
import type { OpenChannel } from "../transport/channel.ts";
import { openDenoChannel } from "../transport/deno_channel.ts";
import { openNodeChannel } from "../transport/node_channel.ts";
import { readTlsMaterial } from "../transport/tls.ts";

/** What commands are, the same for every database. */
export const classifier: CommandClassifier = new CommandClassifier(flagsOf);

/** Where an opener connects to, and who is told what it does. */
export type OpenerReports =
  & Pick<OpenerOptions, "attemptFailed" | "attemptRepeated" | "loading" | "reached">
  & Pick<OpenerOptions, "confirm" | "expiring" | "resolve" | "where">
  & {
    readonly observer: ConnectionObserver;
    /** Opens byte channels in place of the transport that is configured. */
    readonly openChannel?: OpenChannel;
  };

/**
 * What opens a database's connections.
 *
 * @param config The database.
 * @param clock Time.
 * @param reports Where it connects to, and who is told.
 * @returns The opener; nothing is open yet.
 */
export function makeOpener(
  config: RedisConfig,
  clock: Clock,
  reports: OpenerReports,
): Opener {
  const { tls } = config;
  return new Opener({
    database: config.name,
    db: config.db,
    keyPrefix: config.keyPrefix,
    protocol: config.protocol,
    replyMapping: config.replyMapping,
    ...(config.clientName === undefined ? {} : { clientName: config.clientName }),
    connectTimeoutMs: config.connectTimeoutMs,
    loadingTimeoutMs: config.loadingTimeoutMs,
    silenceLimitMs: config.commandTimeoutMs,
    heartbeatMs: config.healthCheckIntervalMs,
    replyLimits: config.replyLimits,
    retry: config.connectRetry,
    openChannel: config.transport === "deno" ? openDenoChannel : openNodeChannel,
    clock,
    ...(config.username === undefined ? {} : { username: config.username }),
    ...(config.password === undefined ? {} : { password: config.password }),
    ...(config.socketKeepalive ? { keepalive: config.socketKeepaliveOptions } : {}),
    ...(tls.enabled ? { tls: () => readTlsMaterial(tls) } : {}),
    ...reports,
  });
}

/**
 * A server's circuit breaker.
 *
 * @param config The database.
 * @param clock Time.
 * @param onChange Told of every change.
 * @returns The breaker, closed.
 */
export function makeBreaker(
  config: RedisConfig,
  clock: Clock,
  onChange: NonNullable<CircuitBreakerOptions["onChange"]>,
): CircuitBreaker {
  return new CircuitBreaker({
    clock,
    threshold: config.circuitBreakerThreshold,
    attemptEveryMs: config.connectRetry.minMs,
    cooldownMs: config.circuitBreakerTimeoutMs,
    onChange,
  });
}

/**
 * A database's retry budget.
 *
 * @param config The database.
 * @param clock Time.
 * @returns The budget, with its whole reserve.
 */
export function makeBudget(config: RedisConfig, clock: Clock): RetryBudget {
  return new RetryBudget({ clock, ...config.retryBudget });
}
