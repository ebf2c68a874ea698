import { RedisConnectionManager } from "../../../mod.ts";
import { targetsOf } from "../doctor/resolve_names.ts";
import { loadConfig } from "../load.ts";
import { requirePermissions } from "../permissions.ts";
import type { StatsOptions } from "./command.ts";

/** How long one look may take, in milliseconds. */
const LOOK_MS = 5000;
/** How long an attempt to connect may take: less, so that the look shows what came of it. */
const CONNECT_MS = 4000;

/**
 * Opens the databases of a configuration for their numbers: each look asks them once.
 *
 * @param options Which configuration.
 * @returns The numbers as text metrics.
 * @throws {ConfigError} If the configuration cannot be used.
 * @throws {CliExit} If a permission is missing.
 */
export async function openManagerSource(options: StatsOptions): Promise<
  AsyncDisposable & { read(): Promise<string> }
> {
  // One attempt each: a server that is not there is a row of the table.
  const config = await loadConfig("stats", { config: options.config }, {
    connectRetry: { attempts: 1 },
    connectTimeoutMs: CONNECT_MS,
  });
  const hosts = Object.values(config.databases).flatMap((database) =>
    targetsOf(database).map(({ host, port }) => `${host}:${port}`)
  );
  const needed = [...new Set(hosts)].map((host) => ({ name: "net", host }) as const);
  requirePermissions("stats", ...needed);
  const manager = new RedisConnectionManager(config);
  return {
    async read() {
      const signal = AbortSignal.timeout(LOOK_MS);
      // What has not answered by then is shown as it is known.
      await manager.healthCheck({ signal }).catch((error) => {
        if (!signal.aborted) throw error;
      });
      return manager.toPrometheus();
    },
    [Symbol.asyncDispose]: () => manager[Symbol.asyncDispose](),
  };
}
