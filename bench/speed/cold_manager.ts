/**
 * Sends GETs one after another through the manager, and prints how long it took from the
 * start of this program to the first reply: `cold_manager.ts <url> <gets>`.
 *
 * @module
 */
import { RedisConnectionManager } from "../../mod.ts";

const [url, gets] = Deno.args;
const manager = new RedisConnectionManager({ url, databases: { main: {} } });
const redis = manager.getClient("main");
await redis.get("mooring:bench:100");
console.log(JSON.stringify({ firstReplyMs: performance.now() }));
for (let i = 1; i < Number(gets); i++) await redis.get("mooring:bench:100");
await manager.closeAll();
