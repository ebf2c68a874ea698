import { type ManagerConfig, type RedisConfig, RedisConfigLoader } from "../../../mod.ts";
import { delay } from "@std/async/delay";
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

/** Programs that speak the Redis protocol, in the order in which they are tried. */
const PROGRAMS = ["redis-server", "valkey-server"] as const;
/** How long a server may take to start, in milliseconds. */
const START_MS = 10_000;
/** How often another port is tried when another program took the first one. */
const ATTEMPTS = 5;

async function startForRun(): Promise<ThrowAwayServer> {
  try {
    return await startThrowAway();
  } catch (error) {
    const { message } = error as Error;
    throw new Error(`${message}; name one with --url or --config`, { cause: error });
  }
}

/** A server that is there for one run. */
interface ThrowAwayServer extends AsyncDisposable {
  /** Where it is. */
  readonly url: string;
  /** Its port, on loopback. */
  readonly port: number;
  /** Fulfilled when its process has ended, by itself or because it was told to. */
  readonly ended: Promise<Deno.CommandStatus>;
}

/**
 * Starts a server on loopback that keeps nothing: no persistence, a temporary folder.
 *
 * @param wanted Its port; another one if that is taken. Default: any that is free.
 * @returns The server; disposing ends it, by its process, and removes the folder.
 * @throws {Deno.errors.NotFound} If there is no program on PATH.
 * @throws {Error} If it does not start.
 */
export async function startThrowAway(wanted?: number): Promise<ThrowAwayServer> {
  await using started = new AsyncDisposableStack();
  const dir = await Deno.makeTempDir({ prefix: "mooring-server-" });
  started.defer(() => Deno.remove(dir, { recursive: true }));
  let port = freePort(wanted);
  for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
    const child = spawn(port, dir);
    if (await isReached(child, port)) {
      started.defer(() => end(child));
      const running = started.move();
      return {
        ...{ url: `redis://127.0.0.1:${port}`, port, ended: child.status },
        [Symbol.asyncDispose]: () => running.disposeAsync(),
      };
    }
    await end(child);
    port = freePort();
  }
  throw new Error(`Cannot start a server: none answered within ${START_MS} ms`);
}

/** A free port: the wanted one, if it is. */
function freePort(wanted = 0): number {
  try {
    using listener = Deno.listen({ hostname: "127.0.0.1", port: wanted });
    return (listener.addr as Deno.NetAddr).port;
  } catch (error) {
    if (wanted === 0 || !(error instanceof Deno.errors.AddrInUse)) throw error;
    return freePort();
  }
}

function spawn(port: number, dir: string): Deno.ChildProcess {
  const args = [
    ...["--port", String(port), "--bind", "127.0.0.1", "--dir", dir],
    ...["--save", "", "--appendonly", "no", "--daemonize", "no"],
  ];
  for (const program of PROGRAMS) {
    try {
      const options = { args, stdin: "null", stdout: "null", stderr: "null" } as const;
      return new Deno.Command(program, options).spawn();
    } catch (error) {
      if (!(error instanceof Deno.errors.NotFound)) throw error;
    }
  }
  throw new Deno.errors.NotFound(
    `Cannot start a server: there is no ${PROGRAMS.join(" or ")} on PATH`,
  );
}

async function isReached(child: Deno.ChildProcess, port: number): Promise<boolean> {
  let isOver = false;
  child.status.then(() => isOver = true);
  const until = performance.now() + START_MS;
  while (!isOver && performance.now() < until) {
    try {
      (await Deno.connect({ hostname: "127.0.0.1", port })).close();
      // It ends soon if what answered is another program that has the port.
      await delay(50);
      return !isOver;
    } catch {
      await delay(20);
    }
  }
  return false;
}

async function end(child: Deno.ChildProcess): Promise<void> {
  try {
    child.kill("SIGTERM");
  } catch {
    // It has ended already.
  }
  await child.status;
}
