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
import { assertNoConnectionsLeft } from "./clients.ts";
import { RedisServer, type RedisServerOptions } from "./redis_server.ts";

/** What {@linkcode withManager} hands to a test. */
export interface Managed {
  /** The server. */
  readonly server: RedisServer;
  /** The manager, with every database on that server. */
  readonly manager: RedisConnectionManager;
}

/** Settings under which a test fails fast where it fails. */
const QUICK: ManagerOptions = {
  commandTimeoutMs: 2000,
  connectTimeoutMs: 2000,
  connectRetry: { attempts: 2, minMs: 10, maxMs: 20 },
};

/**
 * Runs a test with a manager on a server of its own; fails if the manager leaves a
 * connection behind.
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
  {
    const { host, port } = server;
    await using manager = new RedisConnectionManager({
      ...QUICK,
      host,
      port,
      ...options,
    });
    await test({ server, manager });
  }
  if (server.running) await assertNoConnectionsLeft(server, "mooring:");
}
