/**
 * The clients that are measured side by side, each behind the same small interface, and bare
 * sockets that do as little as can be done: the floor.
 *
 * @module
 */
import { Buffer } from "node:buffer";
import { Redis } from "ioredis";
// node-redis is measured here and nowhere else: it must not become a dependency.
// deno-lint-ignore no-import-prefix
import { createClient, createClientPool, RESP_TYPES } from "npm:redis@^6.0.0";
import { type ManagerOptions, RedisConnectionManager } from "../../mod.ts";
import { connectClient } from "../../src/connection/handshake.ts";
import { openNodeChannel } from "../../src/transport/node_channel.ts";
import { ConnectionStream } from "../../src/transport/stream.ts";
import { openDenoSocket, openNodeSocket } from "../values/bare_socket.ts";

/** What a load needs of a client. */
export interface Speaker {
  /** GET, as a string. */
  get(key: string): Promise<unknown>;
  /** GET, as a Buffer; only of those that are measured with large values. */
  getBuffer?(key: string): Promise<unknown>;
  /** SET of a string or a Buffer. */
  set(key: string, value: string | Buffer): Promise<unknown>;
  /** Ends the client and its connections. */
  close(): unknown;
}

/** What ioredis, its forks, and clients of ours have in common. */
type Ioredis = Pick<Redis, "get" | "getBuffer" | "set">;

function speak(redis: Ioredis, close: () => unknown): Speaker {
  return {
    get: (key) => redis.get(key),
    getBuffer: (key) => redis.getBuffer(key),
    set: (key, value) => redis.set(key, value),
    close,
  };
}

/** The full manager, as a user gets it: public interface, defaults, everything on. */
async function openManager(url: string, options: ManagerOptions = {}): Promise<Speaker> {
  const manager = new RedisConnectionManager({
    url,
    ...options,
    databases: { main: {} },
  });
  return speak(await manager.getAsyncClient("main"), () => manager.closeAll());
}

/** A client of the manager's that a library owns. */
async function openOwned(url: string): Promise<Speaker> {
  const manager = new RedisConnectionManager({ url, databases: { main: {} } });
  const client = manager.createClient("main");
  await client.connect();
  return speak(client, () => manager.closeAll());
}

/** Plain ioredis with its defaults. */
async function openPlain(url: string): Promise<Speaker> {
  const redis = new Redis(url);
  // Without a listener the library prints each of its errors.
  redis.on("error", () => {});
  await redis.ping();
  return speak(redis, () => redis.quit());
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
  return speak(redis, () => redis.quit());
}

/** One client of node-redis. */
async function openNodeRedis(url: string): Promise<Speaker> {
  const client = createClient({ url });
  client.on("error", () => {});
  await client.connect();
  const buffers = client.withTypeMapping({ [RESP_TYPES.BLOB_STRING]: Buffer });
  return {
    get: (key) => client.get(key),
    getBuffer: (key) => buffers.get(key),
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

/**
 * Imports a package that is measured here and nowhere else: by a name that no module graph
 * has, so that no other program downloads it.
 */
async function importRival<T>(specifier: string): Promise<T> {
  return await import(specifier);
}

async function openIovalkey(url: string): Promise<Speaker> {
  const { Redis } = await importRival<{ Redis: new (url: string) => Redis }>(
    "npm:iovalkey@^0.4.0",
  );
  const redis = new Redis(url);
  return speak(redis, () => redis.quit());
}

interface Glide {
  get(key: string, options?: { decoder: number }): Promise<unknown>;
  set(key: string, value: string | Buffer): Promise<unknown>;
  close(): void;
}

async function openGlide(url: string): Promise<Speaker> {
  const { Decoder, GlideClient } = await importRival<{
    Decoder: { Bytes: number };
    GlideClient: { createClient(options: object): Promise<Glide> };
  }>("npm:@valkey/valkey-glide@^2.0.0");
  const { hostname: host, port } = new URL(url);
  const addresses = [{ host, port: Number(port || 6379) }];
  const client = await GlideClient.createClient({ addresses, requestTimeout: 5000 });
  return {
    get: (key) => client.get(key),
    getBuffer: (key) => client.get(key, { decoder: Decoder.Bytes }),
    set: (key, value) => client.set(key, value),
    close: () => client.close(),
  };
}

interface DbRedis {
  get(key: string): Promise<unknown>;
  set(key: string, value: string | Buffer): Promise<unknown>;
  sendCommand(command: string, args: string[], options: object): Promise<unknown>;
  close(): void;
}

async function openDbRedis(url: string): Promise<Speaker> {
  const { connect } = await importRival<{
    connect(options: object): Promise<DbRedis>;
  }>("jsr:@db/redis@^0.41.0");
  const { hostname, port } = new URL(url);
  const client = await connect({ hostname, port: Number(port || 6379) });
  const bytes = { returnUint8Arrays: true };
  return {
    get: (key) => client.get(key),
    getBuffer: (key) => client.sendCommand("GET", [key], bytes),
    set: (key, value) => client.set(key, value),
    close: () => client.close(),
  };
}

/** All of them, by the names that stand in the tables. */
export const RIVALS = {
  manager: openManager,
  "manager, deno": (url: string) => openManager(url, { transport: "deno" }),
  createClient: openOwned,
  ioredis: openPlain,
  transport: openTransport,
  iovalkey: openIovalkey,
  "node-redis": openNodeRedis,
  "pool of 8": openNodeRedisPool,
  GLIDE: openGlide,
  "@db/redis": openDbRedis,
  "socket, node:net": openNodeSocket,
  "socket, Deno": openDenoSocket,
};

/** Which clients there are. */
export type RivalName = keyof typeof RIVALS;
