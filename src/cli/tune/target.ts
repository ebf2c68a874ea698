import { type ManagerConfig, type RedisConfig, RedisConfigLoader } from "../../../mod.ts";
import { type RedisServer, startRedis } from "../../testing/main.ts";
import { targetsOf } from "../load_config.ts";

/** The server to measure. */
export interface Target extends AsyncDisposable {
  /** The database, with its present settings. */
  readonly config: RedisConfig;
  /** Where it is, without secrets. */
  readonly endpoint: string;
  /** Name of the database in the file; `undefined` without a file. */
  readonly database?: string;
  /** Whether the server was started for the run. */
  readonly isThrowAway: boolean;
}

/**
 * Finds the server to measure: `--config`, `--url`, `REDIS_URL`, or one of its own.
 *
 * @param options Options of the command.
 * @param env Reads a variable of the environment.
 * @returns The server; disposing ends one that was started.
 * @throws {ConfigError} If the configuration is not valid.
 * @throws {Error} If no server can be started.
 */
export async function findTarget(
  { config: file, database, url: given }: {
    readonly url?: string;
    readonly config?: string;
    readonly database?: string;
  },
  env: (name: string) => string | undefined,
): Promise<Target> {
  const named = given ?? env("REDIS_URL");
  await using started = new AsyncDisposableStack();
  const isThrowAway = file === undefined && named === undefined;
  const url = isThrowAway ? started.use(await startForRun()).url : named;
  const loaded = file === undefined
    ? RedisConfigLoader.fromOptions({ url, databases: { main: {} } })
    : await RedisConfigLoader.load({ yamlPath: file, env });
  const config = pick(loaded, database);
  const running = started.move();
  return {
    config,
    endpoint: config.unixSocket ?? targetsOf(config).join(", "),
    database: file === undefined ? undefined : config.name,
    isThrowAway,
    [Symbol.asyncDispose]: () => running.disposeAsync(),
  };
}

function pick({ databases }: ManagerConfig, name: string | undefined): RedisConfig {
  const wanted = name ?? ("main" in databases ? "main" : Object.keys(databases)[0]!);
  const found = databases[wanted];
  if (found !== undefined) return found;
  const known = Object.keys(databases).join(", ");
  throw new Error(`Cannot find the database "${wanted}"; the file has ${known}`);
}

async function startForRun(): Promise<RedisServer> {
  try {
    return await startRedis();
  } catch (error) {
    const { message } = error as Error;
    throw new Error(`${message}; or name a server with --url or --config`, {
      cause: error,
    });
  }
}
