/**
 * Prints what an idle connection of plain ioredis, and a command in flight, hold of the
 * heap.
 *
 * @module
 */
import { Redis } from "ioredis";
import { COMMANDS, CONNECTIONS, FIRST_CONNECTIONS, heapUsed } from "./heap.ts";

const url = Deno.args[0]!;
const open = async () => {
  const redis = new Redis(url);
  await redis.ping();
  return redis;
};
const client = await open();
for (let i = 0; i < 200; i++) await client.get("mooring:bench:100");

const connections: Redis[] = [];
const openMore = async (count: number) => {
  const before = heapUsed();
  for (let i = 0; i < count; i++) connections.push(await open());
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
await Promise.all([client, ...connections].map((redis) => redis.quit()));
