import type { Clock } from "./core/clock.ts";
import { ConfigError } from "./core/errors/mod.ts";
import type { RedisConfig } from "./config/mod.ts";
import { flagsOf } from "./connection/command_flags.ts";
import type { ConnectionObserver } from "./connection/connection.ts";
import { Opener, type OpenerOptions } from "./connection/opener.ts";
import {
  CircuitBreaker,
  type CircuitBreakerOptions,
} from "./resilience/circuit_breaker.ts";
import { CommandClassifier } from "./resilience/command_class.ts";
import { RetryBudget } from "./resilience/retry_budget.ts";
import { ConsecutiveFailures } from "./resilience/trip_strategy.ts";
import { standaloneEndpoint } from "./topology/standalone.ts";
import type { Endpoint } from "./transport/channel.ts";
import { openDenoChannel } from "./transport/deno_channel.ts";
import { openNodeChannel } from "./transport/node_channel.ts";
import { readTlsMaterial } from "./transport/tls.ts";

/** What commands are, the same for every database. */
export const classifier: CommandClassifier = new CommandClassifier(flagsOf);

/** Who is told what an opener does. */
export type OpenerReports =
  & Pick<OpenerOptions, "attemptFailed" | "attemptRepeated" | "loading" | "mayRetry">
  & Partial<Pick<OpenerOptions, "resolve">>
  & {
    readonly observer: ConnectionObserver;
  };

/**
 * What opens a database's connections.
 *
 * @param config The database.
 * @param clock Time.
 * @param reports Who is told.
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
    connectTimeoutMs: config.connectTimeoutMs,
    loadingTimeoutMs: config.loadingTimeoutMs,
    silenceLimitMs: config.commandTimeoutMs,
    heartbeatMs: config.healthCheckIntervalMs,
    retry: config.connectRetry,
    resolve: () => resolveEndpoint(config),
    openChannel: config.transport === "deno" ? openDenoChannel : openNodeChannel,
    clock,
    ...(config.username === undefined ? {} : { username: config.username }),
    ...(config.password === undefined ? {} : { password: config.password }),
    ...(config.socketKeepalive ? { keepalive: config.socketKeepaliveOptions } : {}),
    ...(tls.enabled ? { tls: () => readTlsMaterial(tls) } : {}),
    ...reports,
  });
}

/** Where a database is; the nodes of a cluster are found by what they say of each other. */
function resolveEndpoint(config: RedisConfig): Promise<Endpoint> {
  const { mode, name } = config;
  if (mode === "standalone") return Promise.resolve(standaloneEndpoint(config));
  const message = `found "${mode}", which this version can check but not connect; ` +
    'allowed: "standalone" or "cluster"';
  const key = `databases.${name}.mode`;
  return Promise.reject(new ConfigError([{ origin: "connecting", key, message }]));
}

/**
 * A database's circuit breaker.
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
    strategy: new ConsecutiveFailures(config.circuitBreakerThreshold),
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
