/**
 * The clients that are measured with large values, each behind the same small interface,
 * and bare sockets that do as little as can be done: the floor.
 *
 * @module
 */
import { Buffer } from "node:buffer";
import { Redis } from "ioredis";
import { RedisConnectionManager } from "../../mod.ts";
import { openDenoSocket, openNodeSocket } from "./bare_socket.ts";

/** What a load needs of a client. */
export interface ValueSpeaker {
  /** GET, as a string. */
  get(key: string): Promise<unknown>;
  /** GET, as a Buffer. */
  getBuffer(key: string): Promise<unknown>;
  /** SET of a string or a Buffer. */
  set(key: string, value: string | Buffer): Promise<unknown>;
  /** Ends the client and its connections. */
  close(): unknown;
}

/** Opens a client on the server of a URL. */
type OpenSpeaker = (url: string) => Promise<ValueSpeaker>;

/** The full manager, as a user gets it: public interface, defaults, everything on. */
async function openManager(
  url: string,
  transport: "node" | "deno" = "node",
): Promise<ValueSpeaker> {
  const manager = new RedisConnectionManager({ url, transport, databases: { main: {} } });
  const client = await manager.getAsyncClient("main");
  return {
    get: (key) => client.get(key),
    getBuffer: (key) => client.getBuffer(key),
    set: (key, value) => client.set(key, value),
    close: () => manager.closeAll(),
  };
}

/** Plain ioredis with its defaults. */
function openPlain(url: string): Promise<ValueSpeaker> {
  return Promise.resolve(speakIoredis(new Redis(url)));
}

/** What ioredis and its forks have in common. */
type Ioredis = Pick<Redis, "get" | "getBuffer" | "set" | "quit">;

function speakIoredis(redis: Ioredis): ValueSpeaker {
  return {
    get: (key) => redis.get(key),
    getBuffer: (key) => redis.getBuffer(key),
    set: (key, value) => redis.set(key, value),
    close: () => redis.quit(),
  };
}

/**
 * Imports a package that is measured here and nowhere else: by a name that no module graph
 * has, so that no other program downloads it.
 */
async function importRival<T>(name: string): Promise<T> {
  return await import(`npm:${name}`);
}

async function openIovalkey(url: string): Promise<ValueSpeaker> {
  const { Redis } = await importRival<{ Redis: new (url: string) => Ioredis }>(
    "iovalkey@^0.4.0",
  );
  return speakIoredis(new Redis(url));
}

interface NodeRedis {
  connect(): Promise<NodeRedis>;
  withTypeMapping(types: Record<number, unknown>): NodeRedis;
  get(key: string): Promise<unknown>;
  set(key: string, value: string | Buffer): Promise<unknown>;
  close(): Promise<void>;
}

async function openNodeRedis(url: string): Promise<ValueSpeaker> {
  const { createClient, RESP_TYPES } = await importRival<{
    createClient(options: { url: string }): NodeRedis;
    RESP_TYPES: { BLOB_STRING: number };
  }>("redis@^6.0.0");
  const client = await createClient({ url }).connect();
  const buffers = client.withTypeMapping({ [RESP_TYPES.BLOB_STRING]: Buffer });
  return {
    get: (key) => client.get(key),
    getBuffer: (key) => buffers.get(key),
    set: (key, value) => client.set(key, value),
    close: () => client.close(),
  };
}

interface Glide {
  get(key: string, options?: { decoder: number }): Promise<unknown>;
  set(key: string, value: string | Buffer): Promise<unknown>;
  close(): void;
}

async function openGlide(url: string): Promise<ValueSpeaker> {
  const { Decoder, GlideClient } = await importRival<{
    Decoder: { Bytes: number };
    GlideClient: { createClient(options: object): Promise<Glide> };
  }>("@valkey/valkey-glide@^2.0.0");
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

/** All of them, by the names that stand in the table. */
export const RIVALS: Readonly<Record<string, OpenSpeaker>> = {
  manager: openManager,
  "manager, deno": (url) => openManager(url, "deno"),
  ioredis: openPlain,
  iovalkey: openIovalkey,
  "node-redis": openNodeRedis,
  GLIDE: openGlide,
  "socket, node:net": openNodeSocket,
  "socket, Deno": openDenoSocket,
};
