import {
  isManagerConfig,
  type ManagerConfig,
  type ManagerOptions,
  RedisConfigLoader,
} from "../config/mod.ts";
import type { Logger } from "../observability/log_entries.ts";
import type { TelemetryOptions } from "../observability/telemetry/telemetry.ts";

/** What a manager works with beside its configuration. */
export interface ManagerExtras {
  /** Where it logs to, such as `console`. By default nothing is logged. */
  logger?: Logger;
  /**
   * What it reports through OpenTelemetry; `false` for nothing. By default it reports spans
   * and metrics where a provider was registered when the program began, as Deno does under
   * `OTEL_DENO=true`.
   */
  telemetry?: boolean | TelemetryOptions;
}

/** How the closing of a manager goes. */
export interface CloseOptions {
  /** How long commands in flight may take to finish, in milliseconds, 0 or more. Default
   * 5,000. */
  drainMs?: number;
}

/** What the closing of a manager did. */
export interface CloseReport {
  /** Commands that were cut: in flight or waiting when the time was over. */
  readonly cutCommands: number;
}

/**
 * Tells what a manager is to work with from what it was made with.
 *
 * @param config A loaded configuration, or plain options with the extras among them;
 * without it, what is found in files and environment.
 * @param extras What it works with beside that; goes before what stands among options.
 * @returns The configuration and the rest.
 * @throws {ConfigError} If the configuration cannot be used.
 */
export function resolveOptions(
  config: ManagerConfig | (ManagerOptions & ManagerExtras) | undefined,
  extras: ManagerExtras,
): { config: ManagerConfig; extras: ManagerExtras } {
  if (config === undefined) return { config: RedisConfigLoader.loadSync({}), extras };
  if (isManagerConfig(config)) return { config, extras };
  // A URL alone, say: the loader says what is wanted in its place.
  if (!isObject(config)) return { config: RedisConfigLoader.fromOptions(config), extras };
  const { logger, telemetry, ...settings } = config;
  return {
    config: RedisConfigLoader.fromOptions(settings),
    extras: {
      ...(logger === undefined ? {} : { logger }),
      ...(telemetry === undefined ? {} : { telemetry }),
      ...extras,
    },
  };
}

function isObject(value: object): boolean {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
