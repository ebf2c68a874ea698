import { Redis } from "ioredis";
import type {
  ManagerOptions,
  RedisClient,
  RedisConnectionManager,
} from "../../../mod.ts";
import type { RedisServer } from "../../../src/testing/redis_server.ts";
import { withManager } from "../../support/managed.ts";

/** What a test of the client gets. */
export interface Both {
  /** The server. */
  readonly server: RedisServer;
  /** The manager, with one database. */
  readonly manager: RedisConnectionManager;
  /** Its client. */
  readonly client: RedisClient;
  /** Plain ioredis on the same database. */
  readonly plain: Redis;
}

/** Runs a test with the manager's client and a plain one on the same server. */
export function withBoth(
  options: ManagerOptions,
  test: (both: Both) => Promise<void>,
): Promise<void> {
  const databases = { main: {} };
  return withManager({ databases, ...options }, async ({ manager, server }) => {
    const plain = new Redis({ host: server.host, port: server.port });
    try {
      await test({ server, manager, client: manager.getClient("main"), plain });
    } finally {
      await plain.quit();
    }
  });
}
