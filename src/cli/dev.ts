import { delay } from "@std/async/delay";
import { requirePermissions } from "./permissions.ts";
import { CliExit, type CliIo, ExitCode, Interruption, makePaint } from "./terminal.ts";
import { type RedisServer, startRedis } from "../testing/main.ts";

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
/** Time between two looks whether the server lives, in milliseconds. Ctrl-C ends it too, so
 * that this process learns of both in any order. */
const LOOK_MS = 300;
/** A server that ends sooner than this has not run, in milliseconds. */
const LEAST_MS = 2000;
/** How often in a row that may happen. */
const MOST_FAILURES = 5;

/**
 * `dev`: a server that keeps nothing, until it is interrupted. If it dies it is started again.
 *
 * @param wanted Where it listens; another port if that is taken. Default 6379.
 * @throws {CliExit} If there is no program to start, or it dies again and again.
 */
export async function runDev(io: CliIo, wanted: number = PORT): Promise<void> {
  requirePermissions(
    "dev",
    ...(["env", "net", "read", "run", "sys", "write"] as const).map((name) => ({ name })),
  );
  using stop = new Interruption();
  const { signal } = stop;
  const { bold, yellow } = makePaint(io.useColor);
  let port = wanted;
  for (let failures = 0; failures < MOST_FAILURES;) {
    const startedAt = performance.now();
    await using server = await start(io, port, signal);
    port = server.port;
    if (!signal.aborted) {
      io.out(`Redis is at ${bold(server.url)} and keeps nothing. Ctrl-C ends it.\n`);
      if (port !== PORT) io.out(`For your service: export REDIS_URL=${server.url}\n`);
    }
    while (!signal.aborted && server.running) {
      await delay(LOOK_MS, { signal }).catch(() => {});
    }
    await delay(LOOK_MS, { signal }).catch(() => {});
    if (signal.aborted) return io.err("The server has ended; what it held is gone.\n");
    failures = performance.now() - startedAt < LEAST_MS ? failures + 1 : 0;
    io.err(`${yellow("The server died")}: its data is gone, and a new one starts.\n`);
  }
  const problem = `the server died ${MOST_FAILURES} times as soon as it was started`;
  throw new CliExit(ExitCode.FAILED, `Cannot go on: ${problem}`);
}

async function start(
  io: CliIo,
  port: number | undefined,
  signal: AbortSignal,
): Promise<RedisServer> {
  try {
    return await startRedis({ port });
  } catch (error) {
    // Ctrl-C ended it before it was there.
    if (signal.aborted) throw new CliExit(ExitCode.OK);
    const { message } = error as Error;
    if (port === undefined || !message.includes("Address already in use")) {
      throw new CliExit(ExitCode.FAILED, `${message}\n${GET_REDIS}`);
    }
    io.err(`Port ${port} is in use: another one is taken.\n`);
    return await start(io, undefined, signal);
  }
}
