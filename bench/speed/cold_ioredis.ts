/**
 * Prints how long it takes from the start of this program to the first reply of plain
 * ioredis.
 *
 * @module
 */
import { Redis } from "ioredis";

const redis = new Redis(Deno.args[0]!);
await redis.get("mooring:bench:100");
console.log(JSON.stringify({ firstReplyMs: performance.now() }));
await redis.quit();
