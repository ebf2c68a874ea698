import { RedisConnectionManager } from "../../../mod.ts";
import { loadConfig } from "../load.ts";
import { requirePermissions } from "../permissions.ts";
import { targetsOf, targetText } from "../targets.ts";
import type { StatsOptions } from "./command.ts";
import type { Source } from "./source.ts";

/**
 * Opens the databases of a configuration for their numbers: each look asks them once.
 *
 * @param options Which configuration.
 * @returns The numbers as text metrics.
 * @throws {ConfigError} If the configuration cannot be used.
 * @throws {CliExit} If a permission is missing.
 */
export async function openManagerSource(options: StatsOptions): Promise<Source> {
  const config = await loadConfig("stats", { config: options.config });
  const hosts = Object.values(config.databases).flatMap(targetsOf).map(targetText);
  const needed = [...new Set(hosts)].map((host) => ({ name: "net", host }) as const);
  requirePermissions("stats", ...needed);
  const manager = new RedisConnectionManager(config);
  return {
    async read(signal) {
      await manager.healthCheck(signal === undefined ? {} : { signal });
      return manager.toPrometheus();
    },
    [Symbol.asyncDispose]: () => manager[Symbol.asyncDispose](),
  };
}
