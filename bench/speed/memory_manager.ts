/**
 * Prints what an idle connection of the manager's pool, and a command in flight, hold
 * of the heap.
 *
 * @module
 */
import { RedisConnectionManager } from "../../mod.ts";
import { COMMANDS, CONNECTIONS, FIRST_CONNECTIONS, heapUsed } from "./heap.ts";

/** Deadline of connecting, in milliseconds: its timers outlive the connecting itself. */
const CONNECT_TIMEOUT_MS = 1000;

const url = Deno.args[0]!;
await using manager = new RedisConnectionManager({
  url,
  connectTimeoutMs: CONNECT_TIMEOUT_MS,
  databases: { main: { maxConnections: FIRST_CONNECTIONS + CONNECTIONS + 2 } },
});
const client = manager.getClient("main");
for (let i = 0; i < 200; i++) await client.get("mooring:bench:100");
(await manager.acquire("main")).release();

let open = 1;
const openMore = async (count: number) => {
  const before = heapUsed();
  const leases = [];
  open += count;
  for (let i = 0; i < open; i++) leases.push(await manager.acquire("main"));
  for (const lease of leases.splice(0)) lease.release();
  await new Promise((resolve) => setTimeout(resolve, 1.5 * CONNECT_TIMEOUT_MS));
  return (heapUsed() - before) / count;
};
const perFirstConnection = await openMore(FIRST_CONNECTIONS);
const perConnection = await openMore(CONNECTIONS);

const idle = heapUsed();
const replies = [];
for (let i = 0; i < COMMANDS; i++) replies.push(client.get("mooring:bench:100"));
// Nothing is read before this tick is over: all of them are in flight.
const perCommand = (heapUsed() - idle) / COMMANDS;
await Promise.all(replies);
console.log(JSON.stringify({ perFirstConnection, perConnection, perCommand }));
