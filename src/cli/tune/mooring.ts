import { type RedisConfig, RedisConnectionManager } from "../../../mod.ts";
import type { Contender, ContenderClient, OpenOptions } from "./contender.ts";

/** Longer than any wait that is measured: a sweep must see the waits, not cut them. */
const PATIENCE_MS = 60_000;

/**
 * A manager with one database, on the server of another database's configuration.
 *
 * @param config Where the server is, and how to get in.
 * @param name Name of the database, and so of its connections.
 * @param sizes Connections that it may have.
 * @returns The manager; nothing is opened yet.
 */
export function managerFor(
  config: RedisConfig,
  name: string,
  sizes: { readonly lanes: number; readonly leases: number },
): RedisConnectionManager {
  const { name: _name, aliasOf: _aliasOf, ...settings } = config;
  return new RedisConnectionManager({
    databases: {
      [name]: {
        ...settings,
        keyPrefix: "",
        // A server that is not there is told at once.
        connectRetry: { ...settings.connectRetry, attempts: 1 },
        maxLanes: sizes.lanes,
        minConnections: 0,
        // One place is kept for leases, even where none are taken.
        maxConnections: sizes.lanes + Math.max(1, sizes.leases),
        acquireTimeoutMs: PATIENCE_MS,
        commandTimeoutMs: PATIENCE_MS,
      },
    },
  });
}

async function open(options: OpenOptions) {
  const { config, name, lanes, leases } = options;
  const manager = managerFor(config, name, { lanes, leases });
  const client = await manager.getAsyncClient(name).catch(async (error) => {
    await manager.closeAll();
    throw error;
  });
  const opened: ContenderClient = {
    get: (key) => client.get(key),
    set: (key, value, seconds) => client.set(key, value, "EX", seconds),
    pipeline: (keys) => manager.pipeline(name, (p) => keys.forEach((key) => p.get(key))),
    push: (list, ...values) => client.rpush(list, ...values),
    pop: async (list) => (await client.blpop(list, 0))?.[1],
    transact: async (key, value, seconds, onWait) => {
      const askedAt = performance.now();
      await using lease = await manager.acquire(name);
      onWait(performance.now() - askedAt);
      await lease.client.watch(key);
      await lease.client.get(key);
      await lease.client.multi().set(key, value, "EX", seconds).exec();
    },
    close: () => manager.closeAll(),
  };
  return { client: opened, namePrefix: `mooring:${name}:` };
}

/**
 * The manager of this package, as users get it: everything on.
 *
 * @param version Version of the package.
 * @returns The contender.
 */
export function mooringContender(version: string): Contender {
  return {
    subject: "mooring",
    version,
    mixes: ["get-heavy", "write-heavy", "pipeline", "blocking", "lease"],
    open,
  };
}
