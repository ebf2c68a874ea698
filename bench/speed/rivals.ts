/**
 * The clients that are measured side by side, each behind the same small interface.
 *
 * @module
 */
import { Redis } from "ioredis";
// node-redis is measured here and nowhere else: it must not become a dependency.
// deno-lint-ignore no-import-prefix
import { createClient, createClientPool } from "npm:redis@^6.0.0";
import { RedisConnectionManager } from "../../mod.ts";
import { connectClient } from "../../src/connection/handshake.ts";
import { openNodeChannel } from "../../src/transport/node_channel.ts";
import { ConnectionStream } from "../../src/transport/stream.ts";

/** What a load needs of a client. */
export interface Speaker {
  /** GET. */
  get(key: string): Promise<unknown>;
  /** SET. */
  set(key: string, value: string): Promise<unknown>;
  /** Ends the client and its connections. */
  close(): Promise<unknown>;
}

/** Which clients there are; the names stand in the table. */
export type RivalName =
  | "manager"
  | "createClient"
  | "ioredis"
  | "transport"
  | "node-redis"
  | "pool of 8";

/** Opens a client on the server of a URL. */
export type OpenRival = (url: string) => Promise<Speaker>;

/** The full manager, as a user gets it: public interface, defaults, everything on. */
async function openManager(url: string): Promise<Speaker> {
  const manager = new RedisConnectionManager({ url, databases: { main: {} } });
  const client = await manager.getAsyncClient("main");
  return {
    get: (key) => client.get(key),
    set: (key, value) => client.set(key, value),
    close: () => manager.closeAll(),
  };
}

/** A client of the manager's that a library owns. */
async function openOwned(url: string): Promise<Speaker> {
  const manager = new RedisConnectionManager({ url, databases: { main: {} } });
  const client = manager.createClient("main");
  await client.connect();
  return {
    get: (key) => client.get(key),
    set: (key, value) => client.set(key, value),
    close: () => manager.closeAll(),
  };
}

/** Plain ioredis with its defaults. */
async function openPlain(url: string): Promise<Speaker> {
  const redis = new Redis(url);
  await redis.ping();
  return {
    get: (key) => redis.get(key),
    set: (key, value) => redis.set(key, value),
    close: () => redis.quit(),
  };
}

/** Our stream and its coalescer under a client of ioredis: no manager above it. */
async function openTransport(url: string): Promise<Speaker> {
  const { hostname: host, port, username, password } = new URL(url);
  const signal = new AbortController().signal;
  const endpoint = { host, port: Number(port || 6379) } as const;
  const stream = new ConnectionStream(await openNodeChannel(endpoint, { signal }), {});
  const redis = await connectClient({
    stream,
    connectionName: "bench:transport",
    db: 0,
    keyPrefix: "",
    ...(username === "" ? {} : { username: decodeURIComponent(username) }),
    ...(password === "" ? {} : { password: decodeURIComponent(password) }),
  });
  return {
    get: (key) => redis.get(key),
    set: (key, value) => redis.set(key, value),
    close: () => redis.quit(),
  };
}

/** One client of node-redis. */
async function openNodeRedis(url: string): Promise<Speaker> {
  const client = await createClient({ url }).connect();
  return {
    get: (key) => client.get(key),
    set: (key, value) => client.set(key, value),
    close: () => client.close(),
  };
}

/** node-redis' pool of eight connections. */
async function openNodeRedisPool(url: string): Promise<Speaker> {
  const pool = createClientPool({ url }, { minimum: 8, maximum: 8 });
  await pool.connect();
  return {
    get: (key) => pool.get(key),
    set: (key, value) => pool.set(key, value),
    close: () => pool.close(),
  };
}

/** All of them. */
export const RIVALS: Readonly<Record<RivalName, OpenRival>> = {
  manager: openManager,
  createClient: openOwned,
  ioredis: openPlain,
  transport: openTransport,
  "node-redis": openNodeRedis,
  "pool of 8": openNodeRedisPool,
};
