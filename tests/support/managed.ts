/**
 * A manager on a server of its own, for tests: when it is over, no connection may be left.
 *
 * @module
 */
import {
  type ManagerExtras,
  type ManagerOptions,
  RedisConnectionManager,
} from "../../mod.ts";
import { RedisServer, type RedisServerOptions } from "../../src/testing/redis_server.ts";
import { waitFor } from "../../src/testing/wait.ts";
import { assertNoConnectionsLeft } from "./clients.ts";
import { assertNothingHeld } from "./left_over.ts";

/** What {@linkcode withManager} hands to a test. */
export interface Managed {
  /** The server. */
  readonly server: RedisServer;
  /** The manager, with every database on that server. */
  readonly manager: RedisConnectionManager;
}

/** Settings under which a test fails soon where it fails, and on a busy machine does not. */
const QUICK: ManagerOptions = {
  commandTimeoutMs: 10_000,
  connectTimeoutMs: 10_000,
  connectRetry: { attempts: 2, minMs: 10, maxMs: 20 },
};

/**
 * Runs a test with a manager on a server of its own; fails if the manager leaves a
 * connection behind, or its numbers say that it does.
 *
 * @param options The manager's settings; host and port are the server's.
 * @param test The test.
 * @param serverOptions The server's settings.
 */
export async function withManager(
  options: ManagerOptions & ManagerExtras,
  test: (managed: Managed) => Promise<void>,
  serverOptions: RedisServerOptions = {},
): Promise<void> {
  await using server = await RedisServer.start(serverOptions);
  const { host, port } = server;
  const manager = new RedisConnectionManager({ ...QUICK, host, port, ...options });
  try {
    await test({ server, manager });
  } finally {
    await manager.closeAll();
  }
  assertNothingHeld(manager);
  if (server.running) await assertNoConnectionsLeft(server, "mooring:");
}

/**
 * Waits until a manager has asked its server for `maxclients`, which it does by itself: over a
 * lane a second after that was opened.
 *
 * @param server The server, which nobody else asks for INFO.
 */
export async function capacityAsked(server: RedisServer): Promise<void> {
  let own = 0;
  await waitFor(async () => {
    const { cmdstat_info: line = "" } = await server.info("commandstats");
    return Number(/calls=(\d+)/.exec(line)?.[1] ?? 0) > own++;
  });
}
