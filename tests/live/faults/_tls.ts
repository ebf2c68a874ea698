/** A manager that speaks TLS, for the faults about certificates. */
import { type ManagerOptions, RedisConnectionManager } from "../../../mod.ts";
import type { RedisServer } from "../../../src/testing/redis_server.ts";
import { QUICK_RETRY } from "./_stage.ts";

/** Both ways to a socket: each verifies certificates in its own way. */
export const TRANSPORTS = ["node", "deno"] as const;

/** A manager with one database, `main`, on the server. */
export function tlsManager(
  server: RedisServer,
  transport: (typeof TRANSPORTS)[number],
  tls: { caFile?: string; verify?: boolean } = {},
  options: ManagerOptions = {},
): RedisConnectionManager {
  return new RedisConnectionManager({
    host: server.host,
    port: server.port,
    transport,
    connectTimeoutMs: 5000,
    connectRetry: QUICK_RETRY,
    tls: { enabled: true, ...tls },
    databases: { main: { db: 0 } },
    ...options,
  });
}
