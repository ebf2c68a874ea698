/**
 * Prints what an idle connection of a client, and a command in flight, hold of the heap:
 * `memory.ts <manager|ioredis> <url>`, with `--v8-flags=--expose-gc`.
 *
 * @module
 */
import { Redis } from "ioredis";
import { RedisConnectionManager } from "../../mod.ts";

/** Connections that are opened first: what is compiled meanwhile is there once. */
const FIRST_CONNECTIONS = 100;
/** Connections opened then, which the heap is divided by. */
const CONNECTIONS = 200;
/** Commands in flight that the heap is divided by. */
const COMMANDS = 20_000;
/** Deadline of connecting, in milliseconds: its timers outlive the connecting itself. */
const CONNECT_TIMEOUT_MS = 1000;

/** The heap in use after garbage has been collected, in bytes. */
function heapUsed(): number {
  const { gc } = globalThis as { gc?: () => void };
  if (gc === undefined) throw new Error("Start it with --v8-flags=--expose-gc");
  gc();
  gc();
  return Deno.memoryUsage().heapUsed;
}

/** A client, and what opens so many more connections. */
interface Opened {
  readonly client: { get(key: string): Promise<unknown> };
  readonly openMore: (count: number) => Promise<void>;
  readonly close: () => Promise<unknown>;
}

async function openIoredis(url: string): Promise<Opened> {
  const all: Redis[] = [];
  const openMore = async (count: number) => {
    for (let i = 0; i < count; i++) {
      const redis = new Redis(url);
      await redis.ping();
      all.push(redis);
    }
  };
  await openMore(1);
  const close = () => Promise.all(all.map((redis) => redis.quit()));
  return { client: all[0]!, openMore, close };
}

async function openManager(url: string): Promise<Opened> {
  const manager = new RedisConnectionManager({
    url,
    connectTimeoutMs: CONNECT_TIMEOUT_MS,
    databases: { main: { maxConnections: FIRST_CONNECTIONS + CONNECTIONS + 2 } },
  });
  (await manager.acquire("main")).release();
  let open = 1;
  const openMore = async (count: number) => {
    const leases = [];
    open += count;
    for (let i = 0; i < open; i++) leases.push(await manager.acquire("main"));
    for (const lease of leases.splice(0)) lease.release();
    await new Promise((resolve) => setTimeout(resolve, 1.5 * CONNECT_TIMEOUT_MS));
  };
  return { client: manager.getClient("main"), openMore, close: () => manager.closeAll() };
}

const [who, url] = Deno.args as [string, string];
const { client, close, openMore } = await (who === "manager" ? openManager : openIoredis)(
  url,
);
for (let i = 0; i < 200; i++) await client.get("mooring:bench:100");
const measure = async (count: number) => {
  const before = heapUsed();
  await openMore(count);
  return (heapUsed() - before) / count;
};
const perFirstConnection = await measure(FIRST_CONNECTIONS);
const perConnection = await measure(CONNECTIONS);
const idle = heapUsed();
const replies = [];
for (let i = 0; i < COMMANDS; i++) replies.push(client.get("mooring:bench:100"));
// Nothing is read before this tick is over: all of them are in flight.
const perCommand = (heapUsed() - idle) / COMMANDS;
await Promise.all(replies);
console.log(JSON.stringify({ perFirstConnection, perConnection, perCommand }));
await close();
