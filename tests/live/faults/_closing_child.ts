/**
 * Uses a manager with the settings of its argument, closes it, and has nothing left that
 * keeps the process alive.
 */
import { RedisConnectionManager } from "../../../mod.ts";

const manager = new RedisConnectionManager({
  ...JSON.parse(Deno.args[0]!),
  databases: { main: { db: 0 } },
});
const client = manager.getClient("main");
await Promise.all(Array.from({ length: 100 }, () => client.incr("n")));
await manager.acquire("main").then((lease) => lease.release());
await manager.closeAll();
console.log("closed");
