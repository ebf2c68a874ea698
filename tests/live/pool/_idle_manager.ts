/** Uses a manager, loses its connections and does not close it: nothing of it must keep
 * the process from ending by itself. */
import { RedisConnectionManager } from "../../../mod.ts";

const manager = new RedisConnectionManager({
  port: Number(Deno.args[0]),
  databases: { main: { db: 0, minConnections: 1 }, cache: { db: 1 } },
});
await manager.getClient("cache").ping();
await using lease = await manager.acquire("main");
// The server ends, and with it every connection.
await lease.client.call("SHUTDOWN", "NOSAVE").catch(() => {});
console.log("lost");
