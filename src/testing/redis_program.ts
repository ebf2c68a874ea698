/**
 * Finds the server program of Redis or Valkey on this machine.
 *
 * @module
 */

/** Where {@linkcode findRedisServer} looks; given by its own tests only. */
export interface FindServerOptions {
  /** Folders to search, as in `PATH`. Default: `PATH` of the environment. */
  path?: string;
  /** The program to use without a search. Default: `REDIS_SERVER` of the environment. */
  server?: string;
}

const PROGRAMS = ["redis-server", "valkey-server"];

/** What to do on a machine without a server. */
export const INSTALL_HINT = "install redis-server or valkey-server (Debian and Ubuntu: " +
  "`apt-get install redis-server`; macOS: `brew install redis`; Alpine: `apk add valkey`), " +
  "or name the executable in REDIS_SERVER";

/** The full name of the first of `names` that is an executable file in `path`. */
export async function which(
  names: readonly string[],
  path: string = Deno.env.get("PATH") ?? "",
): Promise<string | undefined> {
  for (const name of names) {
    for (const folder of path.split(":").filter((folder) => folder !== "")) {
      const file = `${folder}/${name}`;
      if (await isExecutable(file)) return file;
    }
  }
  return undefined;
}

/**
 * The server that `REDIS_SERVER` names; without it `redis-server` or `valkey-server` on
 * `PATH`; `undefined` if there is none.
 *
 * @throws {Error} If `REDIS_SERVER` does not name an executable file, or on Windows.
 */
export async function lookForRedisServer(
  options: FindServerOptions = {},
): Promise<string | undefined> {
  const { path, server = Deno.env.get("REDIS_SERVER") } = options;
  if (Deno.build.os === "windows") {
    throw new Error(
      "Cannot start a Redis server: servers of the test kit need Linux or macOS (or WSL)",
    );
  }
  if (server === undefined || server === "") return await which(PROGRAMS, path);
  if (await isExecutable(server)) return server;
  throw new Error(
    `Cannot start a Redis server: REDIS_SERVER names "${server}", ` +
      `which is not an executable file`,
  );
}

/**
 * What {@linkcode lookForRedisServer} finds.
 *
 * @throws {Error} If there is no server; the message says how to get one.
 */
export async function findRedisServer(options: FindServerOptions = {}): Promise<string> {
  const found = await lookForRedisServer(options);
  if (found !== undefined) return found;
  throw new Error(`Cannot find a Redis server on PATH: ${INSTALL_HINT}`);
}

async function isExecutable(file: string): Promise<boolean> {
  try {
    const { isFile, mode } = await Deno.stat(file);
    return isFile && (mode === null || (mode & 0o111) !== 0);
  } catch (error) {
    // Without --allow-read nothing can be found: that is not the same as "not there".
    if (error instanceof Deno.errors.NotCapable) throw error;
    return false;
  }
}
