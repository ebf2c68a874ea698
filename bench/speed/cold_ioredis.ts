/**
 * Sends GETs one after another with plain ioredis, and prints how long it took from the
 * start of this program to the first reply: `cold_ioredis.ts <url> <gets>`.
 *
 * @module
 */
import { Redis } from "ioredis";

const [url, gets] = Deno.args;
const redis = new Redis(url!);
await redis.get("mooring:bench:100");
console.log(JSON.stringify({ firstReplyMs: performance.now() }));
for (let i = 1; i < Number(gets); i++) await redis.get("mooring:bench:100");
redis.disconnect();
