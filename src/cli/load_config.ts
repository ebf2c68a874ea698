import {
  type ManagerConfig,
  type ManagerOptions,
  type RedisConfig,
  RedisConfigLoader,
} from "../../mod.ts";
import { formatAddress } from "../core/address.ts";
import { requirePermissions } from "./permissions.ts";

/** Options of the commands that read a configuration. */
export interface ConfigOptions {
  /** The configuration's file; by default the first one of the search path. */
  readonly config?: string;
  /** Whether JSON is printed. */
  readonly json?: boolean;
}

/**
 * Loads the configuration of a command.
 *
 * @param command The command, for the message that names a missing permission.
 * @param source A file, by default the first one of the search path; or a server: alone,
 * without a file and without the environment's settings.
 * @param overrides Settings that win over all others.
 * @returns The configuration.
 * @throws {ConfigError} If it is not valid.
 * @throws {CliExit} If a permission is missing.
 */
export async function loadConfig(
  command: string,
  { config, url }: { readonly config?: string; readonly url?: string },
  overrides: ManagerOptions = {},
): Promise<ManagerConfig> {
  const all = url === undefined ? overrides : { ...overrides, url };
  if (config === undefined && url !== undefined) {
    return RedisConfigLoader.fromOptions({ ...all, databases: { main: {} } });
  }
  requirePermissions(command, { name: "read", path: config });
  return await RedisConfigLoader.load({ yamlPath: config, overrides: all });
}

/** What a configuration was read from, for people: its file, or that there is none. */
export function sourceOf(config: ManagerConfig): string {
  const named = Object.keys(config.databases)
    .map((name) => config.origin(`databases.${name}`));
  return [...named, ...config.explain().map(({ origin }) => origin)]
    .map((origin) => /^(.+):\d+$/.exec(origin ?? "")?.[1])
    .find((file) => file !== undefined) ??
    "the defaults and the environment (there is no file)";
}

/**
 * Where connections of a database begin: its server, or the nodes that know the server.
 *
 * @param config The database.
 * @returns Host and port of each, as in the flags of the runtime; none for a Unix socket.
 */
export function targetsOf(
  { host, mode, nodes, port, unixSocket }: RedisConfig,
): string[] {
  if (unixSocket !== undefined) return [];
  return (mode === "standalone" ? [{ host, port }] : nodes).map(formatAddress);
}
