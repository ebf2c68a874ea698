import { type ManagerConfig, type ManagerOptions, RedisConfigLoader } from "../../mod.ts";
import { requirePermissions } from "./permissions.ts";

/** Where the commands take their configuration from. */
export interface ConfigSource {
  /** A file; by default the first one of the search path. */
  readonly config?: string;
  /** A server: alone, without a file and without the environment's settings. */
  readonly url?: string;
}

/**
 * Loads the configuration that a command is about.
 *
 * @param command The command, for the sentence that names a missing permission.
 * @param source Where it is.
 * @param overrides Settings that win over all others.
 * @returns The configuration.
 * @throws {ConfigError} If it cannot be used.
 * @throws {CliExit} If a permission is missing that it needs.
 */
export async function loadConfig(
  command: string,
  { config, url }: ConfigSource,
  overrides: ManagerOptions = {},
): Promise<ManagerConfig> {
  const server = url === undefined ? {} : { url };
  if (config === undefined && url !== undefined) {
    return RedisConfigLoader.fromOptions({ ...overrides, url, databases: { main: {} } });
  }
  const path = config === undefined ? {} : { path: config };
  requirePermissions(command, { name: "read", ...path });
  return await RedisConfigLoader.load({
    ...(config === undefined ? {} : { yamlPath: config }),
    overrides: { ...overrides, ...server },
  });
}
