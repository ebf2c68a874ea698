/**
 * Sends GETs one after another with plain ioredis: `cold_ioredis.ts <url> <gets>`. Prints how
 * long it took from the start of this program to the first reply, and the CPU time of the
 * process to its end.
 *
 * @module
 */
import { Redis } from "ioredis";
import process from "node:process";

const [url, gets] = Deno.args;
const redis = new Redis(url!);
await redis.get("mooring:bench:100");
const firstReplyMs = performance.now();
for (let i = 1; i < Number(gets); i++) await redis.get("mooring:bench:100");
redis.disconnect();
const { user, system } = process.cpuUsage();
console.log(JSON.stringify({ firstReplyMs, cpuMs: (user + system) / 1000 }));
