import { delay } from "@std/async/delay";
import { requirePermissions } from "./permissions.ts";
import { CliExit, type CliIo, ExitCode, Interruption, makePaint } from "./terminal.ts";
import { startThrowAway } from "./tune/target.ts";

/** How to get a server, for who has none. */
export const GET_REDIS = `Ways to get one:
  Debian, Ubuntu   sudo apt install redis-server
  macOS            brew install redis && brew services start redis
  Docker           docker run --rm -p 6379:6379 redis
  hosted           Upstash, Redis Cloud, Aiven and others give a URL:
                   export REDIS_URL=rediss://…
`;

/** The port where programs look for a server that have no configuration. */
const PORT = 6379;
/** A server that ends sooner than this has not run, in milliseconds. */
const LEAST_MS = 2000;
/** How often in a row that may happen. */
const MOST_FAILURES = 5;
/** Ctrl-C ends the server too, and this process learns both in any order, in milliseconds. */
const GRACE_MS = 300;

/**
 * `dev`: a server that keeps nothing, until it is interrupted. If it dies it is started again.
 *
 * @param port Where it listens; another port if that is taken. Default 6379.
 * @throws {CliExit} If there is no program to start, or it dies again and again.
 */
export async function runDev(io: CliIo, port: number = PORT): Promise<void> {
  requirePermissions(
    "dev",
    ...(["run", "net", "read", "write"] as const).map((name) => ({ name })),
  );
  const { promise: stopped, resolve } = Promise.withResolvers<undefined>();
  using stop = new Interruption(() => resolve(undefined));
  const { bold, yellow } = makePaint(io.useColor);
  let failures = 0;
  while (!stop.signal.aborted) {
    const startedAt = performance.now();
    await using server = await startThrowAway(port).catch((error: Error) => {
      const isMissing = error instanceof Deno.errors.NotFound;
      const more = isMissing ? `.\n${GET_REDIS.trimEnd()}` : "";
      throw new CliExit(ExitCode.FAILED, error.message + more);
    });
    if (server.port !== port) {
      io.err(`Port ${port} is in use: another one is taken.\n`);
      port = server.port;
    }
    io.out(`Redis is at ${bold(server.url)} and keeps nothing. Ctrl-C ends it.\n`);
    if (port !== PORT) io.out(`For your service: export REDIS_URL=${server.url}\n`);
    const status = await Promise.race([server.ended, stopped]);
    await delay(GRACE_MS, { signal: stop.signal }).catch(() => {});
    if (status === undefined || stop.signal.aborted) break;
    failures = performance.now() - startedAt < LEAST_MS ? failures + 1 : 0;
    const how = status.signal ?? `exit code ${status.code}`;
    if (failures === MOST_FAILURES) {
      const problem = `the server ended ${failures} times at once (${how})`;
      throw new CliExit(ExitCode.FAILED, `Cannot go on: ${problem}`);
    }
    io.err(
      `${yellow(`The server ended (${how})`)}: its data is gone, and a new one starts.\n`,
    );
  }
  io.err("The server has ended, and what it had is gone.\n");
}
