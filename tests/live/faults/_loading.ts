/** A server whose data takes its time to load. */
import { type ManagerOptions, RedisConnectionManager } from "../../../mod.ts";
import {
  RedisServer,
  type RedisServerOptions,
} from "../../../src/testing/redis_server.ts";

/** Keys of {@linkcode fillSlowly}. */
export const KEYS = 1000;

/** Settings of a server that loads {@linkcode KEYS} keys in about `ms` milliseconds. */
export function slowLoader(ms: number): RedisServerOptions {
  return {
    persistence: "rdb",
    config: {
      "enable-debug-command": "local",
      "key-load-delay": String(Math.round(ms * 1000 / KEYS)),
      "loading-process-events-interval-bytes": "1024",
    },
  };
}

/** Gives the server its keys, and a file to load them from. */
export async function fillSlowly(server: RedisServer): Promise<void> {
  const value = "x".repeat(100);
  await server.pipeline(
    Array.from({ length: KEYS }, (_, i) => ["SET", `key:${i}`, value]),
  );
  await server.cli("SAVE");
}

/**
 * Lets a server that loads slowly load the rest at once: a test may then ask for a long
 * load, which a busy machine does not miss, and need not wait for its end.
 */
export async function finishLoading(server: RedisServer): Promise<void> {
  await server.cli("CONFIG", "SET", "key-load-delay", "0");
}

/** When the server said first that it does not load any more. */
export async function loaded(server: RedisServer): Promise<number> {
  while ((await server.info("persistence")).loading !== "0") {
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  return performance.now();
}

/** A server that has just been restarted and loads for about `ms` milliseconds. */
export async function loadingServer(ms: number): Promise<RedisServer> {
  const server = await RedisServer.start(slowLoader(ms));
  await fillSlowly(server);
  await server.restart();
  return server;
}

/** A manager with one database, `main`, on the server. */
export function managerOf(
  server: RedisServer,
  options: Pick<ManagerOptions, "commandTimeoutMs" | "loadingTimeoutMs"> = {},
): RedisConnectionManager {
  return new RedisConnectionManager({
    host: server.host,
    port: server.port,
    ...options,
    databases: { main: { db: 0 } },
  });
}
