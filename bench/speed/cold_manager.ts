/**
 * Sends GETs one after another through the manager: `cold_manager.ts <url> <gets>`. Prints how
 * long it took from the start of this program to the first reply, and the CPU time of the
 * process to its end.
 *
 * @module
 */
import process from "node:process";
import { RedisConnectionManager } from "../../mod.ts";

const [url, gets] = Deno.args;
const manager = new RedisConnectionManager({ url, databases: { main: {} } });
const redis = manager.getClient("main");
await redis.get("mooring:bench:100");
const firstReplyMs = performance.now();
for (let i = 1; i < Number(gets); i++) await redis.get("mooring:bench:100");
await manager.closeAll();
const { user, system } = process.cpuUsage();
console.log(JSON.stringify({ firstReplyMs, cpuMs: (user + system) / 1000 }));
