/**
 * Finds a Redis server on this machine, or installs Debian's.
 *
 * @module
 */

import {
  type FindServerOptions,
  INSTALL_HINT,
  lookForRedisServer,
  which,
} from "../../src/testing/redis_program.ts";

/** Options of {@linkcode ensureRedisServer}; the tests' way to show it another machine. */
export interface EnsureOptions extends FindServerOptions {
  /** Whether this process may install packages. Default: whether it is root's. */
  mayInstall?: boolean;
  /** File that is locked while one process installs. Default: one in the temporary folder. */
  lockFile?: string;
  /** Debian's switch that keeps an installed service from being started. */
  policyFile?: string;
}

/**
 * The server to start: `REDIS_SERVER`, or `redis-server` or `valkey-server` on `PATH`, or
 * Debian's package, installed now, when this process is root's and there is `apt-get`. The
 * package's own service is not started.
 *
 * @throws {Error} If there is none and none can be installed; the message says what to do.
 */
export async function ensureRedisServer(options: EnsureOptions = {}): Promise<string> {
  const { path } = options;
  const found = await lookForRedisServer(options);
  if (found !== undefined) return found;
  const aptGet = await which(["apt-get"], path);
  if (aptGet === undefined || !(options.mayInstall ?? Deno.uid() === 0)) {
    throw new Error(`Cannot find a Redis server on PATH: ${INSTALL_HINT}`);
  }
  const lockFile = options.lockFile ?? `${temporaryFolder()}/mooring-install-redis.lock`;
  using lock = await Deno.open(lockFile, { create: true, write: true });
  await lock.lock(true);
  // Another process may have installed it while this one waited for the lock.
  return await lookForRedisServer(options) ??
    await install(aptGet, path, options.policyFile ?? "/usr/sbin/policy-rc.d");
}

async function install(
  aptGet: string,
  path: string | undefined,
  policyFile: string,
): Promise<string> {
  note("no redis-server on PATH: installing Debian's package with apt-get …");
  const ownPolicy = await forbidServices(policyFile);
  try {
    await run(aptGet, ["update"]);
    await run(aptGet, ["install", "-y", "--no-install-recommends", "redis-server"]);
  } finally {
    if (ownPolicy) await Deno.remove(policyFile);
  }
  const server = await lookForRedisServer({ path, server: "" });
  if (server === undefined) {
    throw new Error(
      `apt-get installed redis-server, yet none is on PATH: ${INSTALL_HINT}`,
    );
  }
  note(`installed ${server}`);
  return server;
}

/** Whether it wrote the policy; a policy that stands there already is the machine's own. */
async function forbidServices(policyFile: string): Promise<boolean> {
  try {
    await Deno.writeTextFile(policyFile, "#!/bin/sh\nexit 101\n", {
      createNew: true,
      mode: 0o755,
    });
    return true;
  } catch (error) {
    if (error instanceof Deno.errors.AlreadyExists) return false;
    throw error;
  }
}

async function run(command: string, args: string[]): Promise<void> {
  const { success, code, stderr } = await new Deno.Command(command, {
    args,
    env: { DEBIAN_FRONTEND: "noninteractive" },
    stdin: "null",
    stdout: "null",
    stderr: "piped",
  }).output();
  if (success) return;
  const said = new TextDecoder().decode(stderr).trim().split("\n").slice(-3).join(" ");
  throw new Error(
    `Cannot install redis-server: apt-get ${
      args[0]
    } ended with code ${code} (${said}); ` +
      INSTALL_HINT,
  );
}

function temporaryFolder(): string {
  return Deno.env.get("TMPDIR")?.replace(/\/+$/, "") || "/tmp";
}

function note(text: string): void {
  Deno.stderr.writeSync(new TextEncoder().encode(`redis: ${text}\n`));
}
