import { type ManagerConfig, type RedisConfig, RedisConfigLoader } from "../../../mod.ts";
import { targetsOf, targetText } from "../targets.ts";
import { startThrowAway } from "./throw_away.ts";

/** Which server is asked for. */
export interface TargetOptions {
  /** A URL. */
  readonly url?: string;
  /** A configuration's file. */
  readonly config?: string;
  /** Name of its database; `main`, else the first one, by default. */
  readonly database?: string;
  /** A variable of the environment. */
  readonly env: (name: string) => string | undefined;
}

/** The server to measure. */
export interface Target extends AsyncDisposable {
  /** The database, with what it is set to now. */
  readonly config: RedisConfig;
  /** Where it is, in words without secrets. */
  readonly endpoint: string;
  /** Name of the database in the file; `undefined` without a file. */
  readonly database?: string;
  /** Whether the server was started for the run. */
  readonly isThrowAway: boolean;
}

function pick(config: ManagerConfig, name: string | undefined): RedisConfig {
  const { databases } = config;
  const wanted = name ?? ("main" in databases ? "main" : Object.keys(databases)[0]!);
  const found = databases[wanted];
  if (found !== undefined) return found;
  const known = Object.keys(databases).join(", ");
  throw new Error(`Cannot find the database "${wanted}"; the file has ${known}`);
}

function endpointOf(config: RedisConfig): string {
  return config.unixSocket ?? targetsOf(config).map(targetText).join(", ");
}

/**
 * Finds the server to measure: `--config`, `--url`, `REDIS_URL`, or one of its own.
 *
 * @param options What is asked for.
 * @returns The server; disposing ends one that was started.
 * @throws {ConfigError} If the configuration is wrong.
 * @throws {Error} If no server can be started.
 */
export async function findTarget(options: TargetOptions): Promise<Target> {
  const { config: file, database, env } = options;
  if (file !== undefined) {
    const loaded = await RedisConfigLoader.load({ yamlPath: file, env });
    const config = pick(loaded, database);
    return {
      config,
      endpoint: endpointOf(config),
      database: config.name,
      isThrowAway: false,
      [Symbol.asyncDispose]: () => Promise.resolve(),
    };
  }
  const named = options.url ?? env("REDIS_URL");
  const server = named === undefined ? await startThrowAway() : undefined;
  try {
    const url = named ?? server!.url;
    const config = pick(
      RedisConfigLoader.fromOptions({ url, databases: { main: {} } }),
      "main",
    );
    return {
      config,
      endpoint: endpointOf(config),
      isThrowAway: server !== undefined,
      [Symbol.asyncDispose]: async () => await server?.[Symbol.asyncDispose](),
    };
  } catch (error) {
    await server?.[Symbol.asyncDispose]();
    throw error;
  }
}
